//! Ending: nothing begun is lost, nothing claimed is kept.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use vedette_core::{Clock, Status, SystemClock};
use vedette_scheduler::SchedulerConfig;
use vedette_store::{Store, both_databases};

use crate::{
    witness::Witness,
    world::{World, start, start_with, until, until_time},
};

both_databases!(
    drain_hands_back_what_has_not_begun,
    drain_hands_back_what_is_not_due_yet,
    drain_gives_up_runs_after_its_grace,
    a_second_drain_waits_for_the_first,
);

async fn drain_hands_back_what_has_not_begun(store: Store) {
    let world = World::new(store).await;
    let due_at = SystemClock.now();
    let mut scripts = Vec::new();
    for _ in 0..30 {
        scripts.push(world.daily("gated", due_at).await);
    }
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 3);
    until("the places are taken", async || witness.now_running() == 3).await;
    let drained = tokio::spawn(scheduler.drain(Duration::from_secs(30)));
    // Handed back while the runs go on.
    let mut claimed = Vec::new();
    until("the others are free", async || {
        claimed.extend(world.claim().await.into_iter().map(|slot| slot.script_id));
        claimed.len() == 27
    })
    .await;
    witness.open_gate();
    drained.await.unwrap();

    assert_eq!(witness.count(), 3);
    for script in scripts {
        let expected = usize::from(!claimed.contains(&script));
        assert_eq!(witness.runs_of(script).len(), expected);
        assert_eq!(world.count(script, Status::Success).await, expected);
    }
}

async fn drain_hands_back_what_is_not_due_yet(store: Store) {
    let world = World::new(store).await;
    // Claimed together, a second before the later one is due.
    let due_at = SystemClock.now() + TimeDelta::milliseconds(1_200);
    let early = world.daily("ok", SystemClock.now()).await;
    let later = world
        .daily("ok", due_at + TimeDelta::milliseconds(1_000))
        .await;
    let witness = Arc::new(Witness::new());
    let config = SchedulerConfig {
        concurrency: 3,
        look_ahead: Duration::from_secs(5),
        ..SchedulerConfig::default()
    };
    let scheduler = start_with(&world.store, &witness, config);
    until("the first run", async || !witness.runs_of(early).is_empty()).await;
    scheduler.drain(Duration::from_secs(10)).await;
    until_time(due_at + TimeDelta::milliseconds(1_100)).await;
    if witness.runs_of(later).is_empty() {
        assert_eq!(
            world.claim().await.len(),
            1,
            "it is free for the next server"
        );
    } else {
        // The machine was so slow that its time had come.
        assert_eq!(world.count(later, Status::Success).await, 1);
    }
}

async fn drain_gives_up_runs_after_its_grace(store: Store) {
    let world = World::new(store).await;
    let script = world.daily("never", SystemClock.now()).await;
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 3);
    until("the run", async || witness.now_running() == 1).await;
    let by_hand = tokio::spawn({
        let (scheduler, request) = (scheduler.clone(), world.request("never"));
        async move { scheduler.run_now(request).await }
    });
    until("the run by hand", async || witness.now_running() == 2).await;
    scheduler.drain(Duration::from_millis(100)).await;
    assert_eq!(witness.now_running(), 0);
    assert_eq!(by_hand.await.unwrap().status, Status::Error);
    // No verdict, no row: the slot is free, and the next server runs it.
    assert!(world.rows(script).await.is_empty());
    let claimed = world.claim().await;
    assert_eq!(
        claimed
            .iter()
            .map(|slot| slot.script_id)
            .collect::<Vec<_>>(),
        [script]
    );
}

async fn a_second_drain_waits_for_the_first(store: Store) {
    let world = World::new(store).await;
    let script = world.daily("gated", SystemClock.now()).await;
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 3);
    until("the run", async || witness.now_running() == 1).await;
    let drains = [scheduler.clone(), scheduler]
        .map(|scheduler| tokio::spawn(scheduler.drain(Duration::from_secs(30))));
    let began = SystemClock.now();
    until_time(began + TimeDelta::milliseconds(300)).await;
    assert!(drains.iter().all(|drain| !drain.is_finished()));
    witness.open_gate();
    for drain in drains {
        drain.await.unwrap();
        assert_eq!(world.count(script, Status::Success).await, 1);
    }
}
