//! Faults: a kill, a database that is away for a moment, an outcome that it refuses.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use vedette_core::{Clock, ErrorClass, ScriptId, Status, SystemClock};
use vedette_store::{Store, both_databases, testing::TestDatabase};

use crate::{
    witness::Witness,
    world::{World, start, until, until_time},
};

both_databases!(an_outcome_that_cannot_be_stored_is_replaced);

#[test]
fn a_kill_loses_no_slot_on_sqlite() {
    killed(async || Some(TestDatabase::sqlite().await));
}

#[test]
fn a_kill_loses_no_slot_on_postgres() {
    killed(TestDatabase::postgres);
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A process that is killed is a runtime that stops between two polls: nothing is handed back,
/// nothing flushed.
fn killed(database: impl AsyncFn() -> Option<TestDatabase>) {
    let survivor = runtime();
    let Some(database) = survivor.block_on(database()) else {
        return;
    };
    let world = survivor.block_on(World::new(database.store.clone()));
    let scripts: Vec<ScriptId> = survivor.block_on(async {
        let mut scripts = Vec::new();
        for name in ["ok", "ok", "ok", "gated", "gated", "ok"] {
            scripts.push(world.every_second(name).await);
        }
        scripts
    });
    for kill in 0..3 {
        let victim = runtime();
        let witness = Arc::new(Witness::new());
        let scheduler = victim.block_on(async {
            let store = Store::connect(&database.url).await.expect("a connection");
            start(&store, &witness, 4)
        });
        survivor.block_on(until("runs, two of them without end", async || {
            witness.now_running() >= 2 && witness.count() >= 5 + 3 * kill
        }));
        victim.shutdown_background();
        drop(scheduler);
        // What a server does at its start when it knows that it is alone.
        survivor
            .block_on(database.store.release_all_leases())
            .expect("the leases end");
    }
    survivor.block_on(async {
        let witness = Arc::new(Witness::new());
        witness.open_gate();
        let scheduler = start(&world.store, &witness, 4);
        until("all run again", async || {
            scripts
                .iter()
                .all(|script| witness.runs_of(*script).len() >= 2)
        })
        .await;
        scheduler.drain(Duration::from_secs(10)).await;
        for script in &scripts {
            world.check_slots(*script).await;
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_sqlite_file_loses_no_outcome() {
    let database = TestDatabase::sqlite().await;
    let world = World::new(database.store.clone()).await;
    let mut other = SqliteConnection::connect(&database.url).await.unwrap();
    outage(&world, async || {
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut other)
            .await
            .unwrap();
        // Longer than the store waits for a lock.
        until_time(SystemClock.now() + TimeDelta::milliseconds(6_500)).await;
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    })
    .await;
}

/// Ends statements that wait for a lock, in the middle of their transactions.
const END_WAITING: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
    WHERE datname = current_database() AND wait_event_type = 'Lock'";
/// Ends connections that lie in a pool.
const END_IDLE: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
    WHERE datname = current_database() AND state = 'idle' AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_postgres_connections_lose_no_outcome() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let world = World::new(database.store.clone()).await;
    let mut other = PgConnection::connect(&database.url).await.unwrap();
    let mut end = async |statement: &'static str| {
        let count = sqlx::query_scalar::<_, i64>(statement)
            .fetch_one(&mut other)
            .await;
        count.unwrap()
    };
    outage(&world, async || {
        let mut locker = PgConnection::connect(&database.url).await.unwrap();
        for statement in ["BEGIN", "LOCK TABLE slots IN ACCESS EXCLUSIVE MODE"] {
            sqlx::query(statement).execute(&mut locker).await.unwrap();
        }
        let mut ended = 0;
        until("six ended transactions", async || {
            ended += end(END_WAITING).await;
            ended >= 6
        })
        .await;
        sqlx::query("ROLLBACK").execute(&mut locker).await.unwrap();
        for _ in 0..20 {
            end(END_IDLE).await;
            until_time(SystemClock.now() + TimeDelta::milliseconds(50)).await;
        }
    })
    .await;
}

/// Runs scripts before, during and after an outage. Each run that was begun must end in a row: a
/// lost outcome would show as a run without one.
async fn outage(world: &World, outage: impl AsyncFnOnce()) {
    let mut scripts = Vec::new();
    for _ in 0..10 {
        scripts.push(world.every_second("ok").await);
    }
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 4);
    until("some runs", async || witness.count() >= 20).await;
    outage().await;
    let before = witness.count();
    until("the work goes on", async || witness.count() >= before + 20).await;
    scheduler.drain(Duration::from_secs(20)).await;

    for script in scripts {
        let rows = world.check_slots(script).await;
        let mut run: Vec<_> = rows
            .iter()
            .filter(|row| row.status == Status::Success)
            .map(|row| row.id)
            .collect();
        run.sort_unstable();
        let mut begun = witness.runs_of(script);
        begun.sort_unstable();
        assert_eq!(run, begun, "every run has its row");
    }
}

/// PostgreSQL stores no NUL. The runner should not say such things, and if it does, the slot must
/// still end in a row, and the others of its batch in theirs.
async fn an_outcome_that_cannot_be_stored_is_replaced(store: Store) {
    let world = World::new(store).await;
    let due_at = SystemClock.now();
    let mut sound = Vec::new();
    for _ in 0..5 {
        sound.push(world.daily("ok", due_at).await);
    }
    let hostile = world.daily("nul", due_at).await;
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 10);
    until("all rows", async || !world.rows(hostile).await.is_empty()).await;
    scheduler.drain(Duration::from_secs(10)).await;
    for script in sound {
        assert_eq!(world.count(script, Status::Success).await, 1);
    }
    let rows = world.rows(hostile).await;
    let expected = if world.store.is_embedded() {
        (Status::Success, None)
    } else {
        (Status::Error, Some(ErrorClass::PlatformError))
    };
    assert_eq!((rows[0].status, rows[0].error_class), expected, "{rows:#?}");
    assert_eq!((rows.len(), witness.runs_of(hostile).len()), (1, 1));
}
