//! A flood of one organization leaves the others on time.

use std::{sync::Arc, time::Duration};

use vedette_core::{Clock as _, Quota, Quotas, ScriptId, Status, SystemClock};
use vedette_scheduler::SchedulerConfig;
use vedette_store::{ScriptChange, Store, both_databases};

use crate::{
    timing::print_lateness,
    witness::Witness,
    world::{World, start_with, until},
};

both_databases!(
    a_flood_of_loops_leaves_others_on_time,
    what_waits_of_one_organization_keeps_nobody_out,
    no_organization_has_more_than_its_runs,
);

/// Far more than there are places, each of which takes one for all of its time limit, again and again.
async fn flood(world: &World, count: usize) -> Vec<ScriptId> {
    let mut scripts = Vec::new();
    for _ in 0..count {
        let change = ScriptChange {
            timeout_seconds: 5,
            ..world.change("loops")
        };
        scripts.push(world.create(change).await);
    }
    scripts
}

/// Each slot of the honest script is run: it is never so late that the next one, a second after it, is due.
async fn a_flood_of_loops_leaves_others_on_time(store: Store) {
    let honest = World::new(store).await;
    let hostile = honest.another("eve").await;
    let loops = flood(&hostile, 1_000).await;
    let witness = Arc::new(Witness::new());
    let config = SchedulerConfig {
        concurrency: 16,
        ..SchedulerConfig::default()
    };
    let scheduler = start_with(&honest.store, &witness, config);
    until("all places that one organization may have", async || {
        witness.now_running() == 12
    })
    .await;
    // It comes when the flood waits already.
    let script = honest.every_second("ok").await;
    scheduler.wake();
    until("runs of the honest one", async || {
        witness.runs_of(script).len() >= 12
    })
    .await;
    // Each of the first has its time limit and the grace before another one gets its place.
    until("the flood goes on too", async || {
        loops
            .iter()
            .map(|id| witness.runs_of(*id).len())
            .sum::<usize>()
            >= 24
    })
    .await;
    scheduler.drain(Duration::from_secs(10)).await;

    let rows = honest.check_slots(script).await;
    let missed = rows.iter().filter(|row| row.status == Status::Missed);
    assert_eq!(missed.count(), 0, "{rows:#?}");
    print_lateness("beside a thousand loops", &rows);
    assert!(witness.most_at_once() <= 13, "and leaves places free");
}

/// Nothing ends, so that the flood's slots wait and fill what may be held; the others' are claimed all the same.
async fn what_waits_of_one_organization_keeps_nobody_out(store: Store) {
    let honest = World::new(store).await;
    let hostile = honest.another("eve").await;
    let due = SystemClock.now();
    for _ in 0..300 {
        hostile.daily("never", due).await;
    }
    let witness = Arc::new(Witness::new());
    let config = SchedulerConfig {
        concurrency: 8,
        ..SchedulerConfig::default()
    };
    let scheduler = start_with(&honest.store, &witness, config);
    until("the flood has its places", async || {
        witness.now_running() == 6
    })
    .await;
    let mut scripts = Vec::new();
    for _ in 0..40 {
        scripts.push(honest.daily("ok", due).await);
    }
    scheduler.wake();
    until("all of the honest ones", async || {
        scripts.iter().all(|id| witness.runs_of(*id).len() == 1)
    })
    .await;
    // A run counts as begun a moment before it is over.
    until("the end of the last of them", async || {
        witness.now_running() == 6
    })
    .await;
    scheduler.drain(Duration::from_millis(100)).await;
}

async fn no_organization_has_more_than_its_runs(store: Store) {
    let mut quotas = Quotas::default();
    quotas.set(Quota::ConcurrentRuns, 3);
    let world = World::new(store.with_quotas(quotas)).await;
    let other = world.another("eve").await;
    let due = SystemClock.now();
    for _ in 0..20 {
        world.daily("gated", due).await;
        other.daily("gated", due).await;
    }
    let witness = Arc::new(Witness::new());
    let config = SchedulerConfig {
        concurrency: 16,
        ..SchedulerConfig::default()
    };
    let scheduler = start_with(&world.store, &witness, config);
    until("three of each", async || witness.now_running() == 6).await;
    // A run by hand is one of them: it waits.
    let by_hand = tokio::spawn({
        let (scheduler, request) = (scheduler.clone(), world.request("ok"));
        async move { scheduler.run_now(request).await }
    });
    witness.let_one_pass();
    until("the next one", async || witness.count() >= 7).await;
    assert_eq!(witness.most_at_once(), 6);
    witness.open_gate();
    assert_eq!(by_hand.await.unwrap().status, Status::Success);
    until("all", async || witness.count() == 41).await;
    assert!(witness.most_at_once() <= 6, "{}", witness.most_at_once());
    scheduler.drain(Duration::from_secs(10)).await;
}
