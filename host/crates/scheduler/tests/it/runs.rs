//! Runs under supervision, and runs started by hand.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use vedette_core::{ErrorClass, Status};
use vedette_scheduler::SchedulerConfig;
use vedette_store::{
    ExecutionSummary, ScriptChange, Store, VariableLevel, both_databases, testing,
};

use crate::{
    witness::Witness,
    world::{World, start, start_with, until},
};

both_databases!(
    a_panic_ends_its_own_run_only,
    a_run_without_end_is_ended,
    variables_that_do_not_open_end_in_rows_too,
    runs_by_hand_take_turns_with_slots,
    watchers_hear_of_every_execution,
);

async fn a_panic_ends_its_own_run_only(store: Store) {
    let world = World::new(store).await;
    let (sound, broken) = (
        world.every_second("ok").await,
        world.every_second("panics").await,
    );
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 2);
    until("three runs of each", async || {
        [sound, broken]
            .iter()
            .all(|script| witness.runs_of(*script).len() >= 3)
    })
    .await;
    let by_hand = scheduler.run_now(world.request("panics")).await;
    assert_eq!(by_hand.error_class, Some(ErrorClass::PlatformError));
    assert_eq!(
        scheduler.run_now(world.request("ok")).await.status,
        Status::Success
    );
    scheduler.drain(Duration::from_secs(10)).await;

    // On a machine that is too busy, slots are missed; those that ran are what counts here.
    let ran = |rows: Vec<ExecutionSummary>| {
        rows.into_iter()
            .filter(|row| row.status != Status::Missed)
            .collect::<Vec<_>>()
    };
    let of_broken = ran(world.check_slots(broken).await);
    assert_eq!(of_broken.len(), witness.runs_of(broken).len());
    for row in of_broken {
        assert_eq!(row.error_class, Some(ErrorClass::PlatformError));
        // What the panic said is for our log, not for the tenant.
        assert!(
            !row.message
                .unwrap_or_default()
                .contains("as the test asked")
        );
    }
    let of_sound = ran(world.check_slots(sound).await);
    assert!(
        of_sound.iter().all(|row| row.status == Status::Success),
        "{of_sound:#?}"
    );
}

async fn a_run_without_end_is_ended(store: Store) {
    let world = World::new(store).await;
    let change = world.change("never");
    let script = world
        .create(ScriptChange {
            timeout_seconds: 1,
            ..change
        })
        .await;
    let witness = Arc::new(Witness::new());
    let run_grace = Duration::from_millis(200);
    let config = SchedulerConfig {
        run_grace,
        ..SchedulerConfig::default()
    };
    let scheduler = start_with(&world.store, &witness, config);
    until("an outcome", async || {
        world.count(script, Status::Error).await >= 1
    })
    .await;
    scheduler.drain(Duration::from_secs(10)).await;

    assert_eq!(witness.now_running(), 0, "the runner's future was dropped");
    let rows = world.check_slots(script).await;
    let ended = rows
        .iter()
        .find(|row| row.status == Status::Error)
        .expect("counted above");
    assert_eq!(ended.error_class, Some(ErrorClass::PlatformError));
    assert!(ended.duration_ms >= 1_200.0, "{}", ended.duration_ms);
}

/// The server was started without the master key that the secrets are under.
async fn variables_that_do_not_open_end_in_rows_too(store: Store) {
    let store = store.with_vault(testing::vault(&["lost"]));
    let world = World::new(store).await;
    let (broken, sound) = (
        world.every_second("broken").await,
        world.every_second("sound").await,
    );
    world.keep_secret(VariableLevel::Script(broken)).await;
    let without_key = world.store.clone().with_vault(testing::vault(&["other"]));
    let witness = Arc::new(Witness::new());
    let scheduler = start(&without_key, &witness, 2);
    until("two outcomes of each", async || {
        world.count(broken, Status::Error).await >= 2
            && world.count(sound, Status::Success).await >= 2
    })
    .await;
    scheduler.drain(Duration::from_secs(10)).await;

    assert!(witness.runs_of(broken).is_empty(), "nothing was started");
    let rows = world.check_slots(broken).await.into_iter();
    for row in rows.filter(|row| row.status != Status::Missed) {
        assert_eq!(row.error_class, Some(ErrorClass::PlatformError));
        let message = row.message.unwrap_or_default();
        assert!(message.contains("cannot be decrypted"), "{message}");
    }
    world.check_slots(sound).await;
}

async fn runs_by_hand_take_turns_with_slots(store: Store) {
    let world = World::new(store).await;
    let scripts = [
        world.every_second("ok").await,
        world.every_second("ok").await,
    ];
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 1);
    // One run by hand holds the only place, another waits for it, and so do the slots.
    let first = tokio::spawn({
        let (scheduler, request) = (scheduler.clone(), world.request("gated"));
        async move { scheduler.run_now(request).await }
    });
    until("the place is taken", async || witness.now_running() == 1).await;
    let mut second = Box::pin(scheduler.run_now(world.request("gated")));
    let waited = timeout(Duration::from_millis(1_500), &mut second).await;
    assert!(
        waited.is_err() && witness.count() == 1,
        "there is only one place"
    );
    witness.open_gate();
    assert_eq!(first.await.unwrap().status, Status::Success);
    assert_eq!(second.await.status, Status::Success);
    until("slots run too", async || {
        scripts
            .iter()
            .all(|script| !witness.runs_of(*script).is_empty())
    })
    .await;
    assert_eq!(witness.most_at_once(), 1);

    let late = scheduler.clone();
    scheduler.drain(Duration::from_secs(10)).await;
    let refused = late.run_now(world.request("ok")).await;
    assert_eq!(refused.error_class, Some(ErrorClass::PlatformError));
    for script in scripts {
        world.check_slots(script).await;
    }
}

async fn watchers_hear_of_every_execution(store: Store) {
    let world = World::new(store).await;
    let script = world.every_second("ok").await;
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 2);
    let mut news = scheduler.subscribe();
    let request = world.request("ok");
    let by_hand = request.execution_id;
    scheduler.run_now(request).await;
    until("two runs", async || witness.runs_of(script).len() >= 2).await;
    scheduler.drain(Duration::from_secs(10)).await;

    let mut heard = Vec::new();
    while let Ok(run) = news.try_recv() {
        assert_eq!((run.org_id, run.script_name.as_str()), (world.org, "ok"));
        heard.push(run);
    }
    assert!(
        heard
            .iter()
            .any(|run| run.execution_id == by_hand && run.scheduled_at.is_none())
    );
    for execution in witness.runs_of(script) {
        let of_slot = heard
            .iter()
            .find(|run| run.execution_id == execution)
            .expect("it is news");
        assert_eq!(
            (of_slot.script_id, of_slot.outcome.status),
            (script, Status::Success)
        );
        assert!(of_slot.scheduled_at.is_some());
    }
    // Slots that a later one caught up are not told, so there may be more rows.
    assert!(heard.len() <= world.check_slots(script).await.len() + 1);
}
