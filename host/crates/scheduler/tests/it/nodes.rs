//! Several nodes on one PostgreSQL.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use vedette_core::Status;
use vedette_scheduler::SchedulerConfig;
use vedette_store::{Store, testing::TestDatabase};

use crate::{
    witness::Witness,
    world::{World, start_with, until},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_share_the_slots() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let world = World::new(database.store.clone()).await;
    let mut scripts = Vec::new();
    for _ in 0..60 {
        scripts.push(world.every_second("ok").await);
    }
    let witnesses = [Arc::new(Witness::new()), Arc::new(Witness::new())];
    let mut nodes = Vec::new();
    for (witness, owner) in witnesses.iter().zip(["one", "other"]) {
        let store = Store::connect(&database.url).await.unwrap();
        let config = SchedulerConfig {
            // Little room, so that neither can take everything.
            concurrency: 8,
            owner: owner.to_owned(),
            ..SchedulerConfig::default()
        };
        nodes.push(start_with(&store, witness, config));
    }
    until("both have run a lot", async || {
        witnesses.iter().all(|w| w.count() >= 60)
    })
    .await;
    until("each script ran thrice", async || {
        scripts.iter().all(|script| {
            witnesses
                .iter()
                .map(|w| w.runs_of(*script).len())
                .sum::<usize>()
                >= 3
        })
    })
    .await;
    for node in nodes {
        node.drain(Duration::from_secs(10)).await;
    }
    for script in scripts {
        let rows = world.check_slots(script).await;
        let mut run: Vec<_> = rows
            .iter()
            .filter(|row| row.status == Status::Success)
            .map(|row| row.id)
            .collect();
        let mut begun: Vec<_> = witnesses.iter().flat_map(|w| w.runs_of(script)).collect();
        run.sort_unstable();
        begun.sort_unstable();
        assert_eq!(run, begun, "no slot ran twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_node_takes_over_when_a_lease_is_over() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let world = World::new(database.store.clone()).await;
    let script = world.every_second("ok").await;
    // A node that claims and is never heard of again, for the length of its lease.
    let mut claimed = Vec::new();
    until("a claim", async || {
        claimed.extend(world.claim_for(TimeDelta::seconds(3)).await);
        !claimed.is_empty()
    })
    .await;
    let witness = Arc::new(Witness::new());
    let scheduler = start_with(&world.store, &witness, SchedulerConfig::default());
    until("the other node runs it", async || {
        witness.runs_of(script).len() >= 2
    })
    .await;
    scheduler.drain(Duration::from_secs(10)).await;
    let rows = world.check_slots(script).await;
    assert_eq!(
        rows[0].scheduled_at,
        Some(claimed[0].scheduled_at),
        "{rows:#?}"
    );
    assert_eq!(rows[0].status, Status::Missed);
    assert_eq!(
        world.count(script, Status::Success).await,
        witness.runs_of(script).len()
    );
}
