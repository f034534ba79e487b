//! Slots that cannot run in time are recorded as missed, once each, with the right reason.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use vedette_core::{Clock, MissedReason, Status, SystemClock};
use vedette_store::{ExecutionSummary, Store, both_databases};

use crate::{
    witness::Witness,
    world::{World, start, until},
};

both_databases!(
    slots_without_a_place_are_missed,
    slots_during_a_long_run_overlap,
    slots_of_a_downtime_are_missed_and_the_latest_runs,
    a_long_downtime_is_caught_up,
);

fn missed(rows: &[ExecutionSummary], reason: MissedReason) -> usize {
    let message = Some(reason.message());
    let is_missed = |row: &&ExecutionSummary| {
        row.missed_reason == Some(reason)
            && row.status == Status::Missed
            && row.message.as_deref() == message
    };
    rows.iter().filter(is_missed).count()
}

fn all_missed(rows: &[ExecutionSummary]) -> usize {
    rows.iter()
        .filter(|row| row.status == Status::Missed)
        .count()
}

async fn slots_without_a_place_are_missed(store: Store) {
    let world = World::new(store).await;
    // Takes the only place until the gate opens.
    let blocker = world.daily("gated", SystemClock.now()).await;
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 1);
    until("the only place is taken", async || {
        witness.now_running() == 1
    })
    .await;
    let script = world.every_second("ok").await;
    scheduler.wake();
    until("three missed slots", async || {
        world.count(script, Status::Missed).await >= 3
    })
    .await;
    assert_eq!(witness.runs_of(script).len(), 0);
    witness.open_gate();
    until("it runs again", async || {
        world.count(script, Status::Success).await >= 2
    })
    .await;
    scheduler.drain(Duration::from_secs(10)).await;

    let rows = world.check_slots(script).await;
    assert!(missed(&rows, MissedReason::Overloaded) >= 3, "{rows:#?}");
    assert_eq!(
        witness.runs_of(script).len() + all_missed(&rows),
        rows.len(),
        "{rows:#?}"
    );
    assert_eq!(world.count(blocker, Status::Success).await, 1);
}

async fn slots_during_a_long_run_overlap(store: Store) {
    let world = World::new(store).await;
    let script = world.every_second("gated").await;
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 4);
    until("a run", async || witness.now_running() == 1).await;
    let began = SystemClock.now();
    until("some slots pass", async || {
        SystemClock.now() > began + TimeDelta::milliseconds(3_500)
    })
    .await;
    assert_eq!(witness.most_at_once(), 1, "a script never overlaps itself");
    witness.let_one_pass();
    until("the next run", async || witness.runs_of(script).len() == 2).await;
    witness.open_gate();
    scheduler.drain(Duration::from_secs(10)).await;

    let rows = world.check_slots(script).await;
    assert!(missed(&rows, MissedReason::Overlap) >= 2, "{rows:#?}");
    assert_eq!(
        witness.runs_of(script).len() + all_missed(&rows),
        rows.len(),
        "{rows:#?}"
    );
    let first_run = rows.iter().position(|row| row.status == Status::Success);
    let after = &rows[first_run.expect("it ran") + 1];
    assert_eq!(after.status, Status::Missed, "{rows:#?}");
}

async fn slots_of_a_downtime_are_missed_and_the_latest_runs(store: Store) {
    let world = World::new(store).await;
    let since = SystemClock.now() - TimeDelta::milliseconds(20_500);
    let script = world.every_second_since("ok", since).await;
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 4);
    until("it runs", async || {
        world.count(script, Status::Success).await >= 2
    })
    .await;
    scheduler.drain(Duration::from_secs(10)).await;

    let rows = world.check_slots(script).await;
    assert!(missed(&rows, MissedReason::Downtime) >= 19, "{rows:#?}");
    assert_eq!(missed(&rows[..19], MissedReason::Downtime), 19, "{rows:#?}");
    assert_eq!(
        witness.runs_of(script).len(),
        world.count(script, Status::Success).await
    );
}

/// More missed slots than one transaction records.
async fn a_long_downtime_is_caught_up(store: Store) {
    let world = World::new(store).await;
    let since = SystemClock.now() - TimeDelta::seconds(3_500);
    let script = world.every_second_since("ok", since).await;
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 4);
    until("it runs", async || {
        world.count(script, Status::Success).await >= 2
    })
    .await;
    scheduler.drain(Duration::from_secs(10)).await;
    let rows = world.check_slots(script).await;
    assert!(
        missed(&rows, MissedReason::Downtime) >= 3_499,
        "{}",
        rows.len()
    );
}
