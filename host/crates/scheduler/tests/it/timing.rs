//! On time, each slot once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use vedette_core::{Clock, ManualClock, ScriptId, Status, SystemClock};
use vedette_scheduler::{Scheduler, SchedulerConfig};
use vedette_store::{ExecutionSummary, Store, Updated, both_databases};

use crate::{
    witness::Witness,
    world::{World, start, start_with, until},
};

both_databases!(
    every_due_slot_has_exactly_one_row,
    a_thousand_slots_of_one_second_start_together,
    a_thousand_slots_of_one_second_share_few_places,
    disabled_and_deleted_scripts_stop,
    an_edited_schedule_counts_after_the_run,
    waking_does_not_wait_for_the_tick,
    steps_of_the_clock_run_nothing_twice,
);

async fn every_due_slot_has_exactly_one_row(store: Store) {
    let world = World::new(store).await;
    let mut scripts = Vec::new();
    for _ in 0..20 {
        scripts.push(world.every_second("ok").await);
    }
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 8);
    until("five runs of each", async || {
        scripts
            .iter()
            .all(|script| witness.runs_of(*script).len() >= 5)
    })
    .await;
    scheduler.drain(Duration::from_secs(10)).await;

    let mut rows = Vec::new();
    for script in &scripts {
        let of_script = world.check_slots(*script).await;
        let run: Vec<_> = of_script
            .iter()
            .filter(|row| row.status == Status::Success)
            .collect();
        assert_eq!(run.len(), witness.runs_of(*script).len());
        assert!(
            run.iter()
                .all(|row| row.fuel_used == 42 && row.latency_ms == Some(1.5))
        );
        rows.extend(of_script);
    }
    assert_eq!(witness.now_running(), 0);
    print_lateness("every second", &rows);
}

async fn a_thousand_slots_of_one_second_start_together(store: Store) {
    let (world, scripts) = herd(store).await;
    let witness = Arc::new(Witness::new());
    // One organization leaves a quarter of the places to others.
    let scheduler = start(&world.store, &witness, 1_334);
    // None of them ends before all have begun.
    until("all runs at once", async || witness.now_running() == 1_000).await;
    witness.open_gate();
    scheduler.drain(Duration::from_secs(30)).await;
    let rows = check_herd(&world, &scripts).await;
    print_lateness("a thousand at once", &rows);
}

async fn a_thousand_slots_of_one_second_share_few_places(store: Store) {
    let (world, scripts) = herd(store).await;
    let witness = Arc::new(Witness::new());
    witness.open_gate();
    let scheduler = start(&world.store, &witness, 16);
    until("all runs", async || witness.count() >= 1_000).await;
    scheduler.drain(Duration::from_secs(30)).await;
    let rows = check_herd(&world, &scripts).await;
    assert!(
        witness.most_at_once() <= 16,
        "{} at once",
        witness.most_at_once()
    );
    print_lateness("a thousand through 16 places", &rows);
}

/// A thousand scripts that are due once, in the same second.
async fn herd(store: Store) -> (World, Vec<ScriptId>) {
    let world = World::new(store).await;
    let mut scripts = Vec::new();
    // On a machine so slow that the time comes before all are made, they run late.
    let due_at = SystemClock.now().trunc_subsecs(0) + TimeDelta::seconds(6);
    for _ in 0..1_000 {
        scripts.push(world.daily("gated", due_at).await);
    }
    (world, scripts)
}

async fn check_herd(world: &World, scripts: &[ScriptId]) -> Vec<ExecutionSummary> {
    let mut all = Vec::new();
    for script in scripts {
        let rows = world.rows(*script).await;
        assert_eq!(
            rows.iter().map(|row| row.status).collect::<Vec<_>>(),
            [Status::Success]
        );
        all.extend(rows);
    }
    all
}

async fn disabled_and_deleted_scripts_stop(store: Store) {
    let world = World::new(store).await;
    let (disabled, deleted) = (
        world.every_second("ok").await,
        world.every_second("ok").await,
    );
    let control = world.every_second("ok").await;
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 4);
    let runs = |script| witness.runs_of(script).len();
    until("runs of all", async || {
        [disabled, deleted, control]
            .map(runs)
            .iter()
            .all(|n| *n > 0)
    })
    .await;

    let mut change = world.change("ok");
    change.is_enabled = false;
    let updated = world
        .store
        .update_script(world.org, disabled, change, None)
        .await
        .unwrap();
    assert!(matches!(updated, Updated::Done(_)), "{updated:?}");
    assert!(world.store.delete_script(world.org, deleted).await.unwrap());
    // A slot that was claimed already may still run.
    let before = runs(control);
    until("what was claimed", async || runs(control) >= before + 3).await;
    let stopped = [disabled, deleted].map(runs);
    until("some seconds more", async || runs(control) >= before + 6).await;
    assert_eq!([disabled, deleted].map(runs), stopped);
    scheduler.drain(Duration::from_secs(10)).await;

    let script = world
        .store
        .get_script(world.org, disabled)
        .await
        .unwrap()
        .expect("it is there");
    assert_eq!(script.next_run_at, None);
    world.check_slots(disabled).await;
    assert_eq!(world.count(disabled, Status::Success).await, stopped[0]);
    assert!(world.rows(deleted).await.is_empty());
}

async fn an_edited_schedule_counts_after_the_run(store: Store) {
    let world = World::new(store).await;
    let script = world.every_second("gated").await;
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 2);
    until("a run", async || witness.now_running() == 1).await;
    let mut change = world.change("gated");
    change.interval_seconds = Some(3_600);
    world
        .store
        .update_script(world.org, script, change, None)
        .await
        .unwrap();
    witness.open_gate();
    scheduler.drain(Duration::from_secs(10)).await;

    // On a slow machine, slots of the old schedule have passed before the edit.
    assert_eq!(world.count(script, Status::Success).await, 1);
    let edited = world.store.get_script(world.org, script).await;
    let edited = edited.unwrap().expect("it is there");
    let schedule = vedette_core::Schedule::interval(script, 3_600).unwrap();
    assert_eq!(edited.next_run_at, schedule.next_after(edited.updated_at));
}

async fn waking_does_not_wait_for_the_tick(store: Store) {
    let world = World::new(store).await;
    let witness = Arc::new(Witness::new());
    let tick = Duration::from_hours(1);
    let config = SchedulerConfig {
        tick,
        ..SchedulerConfig::default()
    };
    let scheduler = start_with(&world.store, &witness, config);
    // Seen at the first tick, so that the next one is an hour away when the other is made.
    let first = world.every_second("ok").await;
    scheduler.wake();
    until("the first script runs", async || {
        !witness.runs_of(first).is_empty()
    })
    .await;
    assert!(world.store.delete_script(world.org, first).await.unwrap());
    let second = world.every_second("ok").await;
    scheduler.wake();
    until("the second script runs", async || {
        !witness.runs_of(second).is_empty()
    })
    .await;
    scheduler.drain(Duration::from_secs(10)).await;
}

async fn steps_of_the_clock_run_nothing_twice(store: Store) {
    let world = World::new(store).await;
    let noon = DateTime::from_timestamp(1_795_521_600, 0).expect("in range");
    let clock = Arc::new(CountedClock {
        shown: ManualClock::at(noon - TimeDelta::hours(1)),
        reads: AtomicUsize::new(0),
    });
    let before = world.daily("ok", noon - TimeDelta::seconds(1)).await;
    let script = world.daily("ok", noon).await;
    let witness = Arc::new(Witness::new());
    let tick = Duration::from_millis(20);
    let config = SchedulerConfig {
        tick,
        ..SchedulerConfig::default()
    };
    let scheduler = Scheduler::start(world.store.clone(), witness.clone(), clock.clone(), config);

    // One claim takes both slots; when the first has run, the second waits for its time.
    clock
        .step(TimeDelta::hours(1) - TimeDelta::seconds(1))
        .await;
    until("the slot before", async || {
        world.rows(before).await.len() == 1
    })
    .await;
    assert_eq!(witness.runs_of(script).len(), 0);
    clock.step(TimeDelta::hours(-1)).await;
    clock
        .step(TimeDelta::hours(1) + TimeDelta::seconds(1))
        .await;
    until("the slot at noon", async || {
        world.rows(script).await.len() == 1
    })
    .await;

    clock.step(TimeDelta::hours(-2)).await;
    clock.step(TimeDelta::hours(2)).await;
    clock.step(TimeDelta::hours(24)).await;
    until("the slot of the next day", async || {
        world.rows(script).await.len() == 2
    })
    .await;
    scheduler.drain(Duration::from_secs(10)).await;
    let slots: Vec<_> = world
        .rows(script)
        .await
        .iter()
        .map(|row| row.scheduled_at)
        .collect();
    assert_eq!(slots, [Some(noon), Some(noon + TimeDelta::days(1))]);
    assert_eq!(witness.runs_of(script).len(), 2);
}

/// A clock that is stepped only as fast as it is looked at.
struct CountedClock {
    shown: ManualClock,
    reads: AtomicUsize,
}

impl CountedClock {
    /// Moves the clock, and waits until the scheduler has met the new time in several of its turns.
    async fn step(&self, delta: TimeDelta) {
        self.shown.advance(delta);
        let before = self.reads.load(Ordering::Relaxed);
        until("the clock is read", async || {
            self.reads.load(Ordering::Relaxed) >= before + 5
        })
        .await;
    }
}

impl Clock for CountedClock {
    fn now(&self) -> DateTime<Utc> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.shown.now()
    }
}

/// How late runs began, for people who read the output.
pub(crate) fn print_lateness(what: &str, rows: &[ExecutionSummary]) {
    let mut late: Vec<_> = rows
        .iter()
        .filter(|row| row.status == Status::Success)
        .filter_map(|row| (row.executed_at - row.scheduled_at?).num_microseconds())
        .collect();
    late.sort_unstable();
    let Some(last) = late.len().checked_sub(1) else {
        return;
    };
    let [p50, p99, max] = [50, 99, 100].map(|percent| late[last * percent / 100]);
    println!(
        "lateness, {what}: {} runs, p50 {p50} µs, p99 {p99} µs, max {max} µs",
        late.len()
    );
}
