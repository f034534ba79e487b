//! What happens when two do something at once. Where it takes two nodes, on `PostgreSQL` only:
//! SQLite lets one transaction in after the other.

use std::{future::Future, time::Duration};

use chrono::TimeDelta;
use sqlx::{Connection as _, PgConnection};
use vedette_core::{Projects, ScriptVersionId};
use vedette_store::{
    RecordResult, Script, Store, StoreError, Updated, both_databases, testing::TestDatabase,
};

use crate::{
    Owner, PAGE, at, change, claim_at, clock, finished, new_user, owner, script, session, start,
    success,
};

both_databases!(
    one_name_goes_to_one_of_many,
    one_of_many_changes_against_a_revision_is_made,
    changes_without_a_revision_are_all_made,
    a_refresh_token_is_taken_once,
    one_slot_gets_one_row_however_often_it_is_recorded,
    records_edits_and_deletions_do_not_lock_each_other_out,
);

/// Spawns all at once and waits for all.
async fn all<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

async fn one_name_goes_to_one_of_many(store: Store) {
    owner(&store, "first").await;
    let results = all((0..8).map(|n| {
        let store = store.clone();
        let mut new = new_user(if n % 2 == 0 { "Anna" } else { "anna" });
        new.email = format!("{n}@example.com");
        async move { store.register_user(new).await }
    }))
    .await;
    let (made, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for error in refused {
        assert!(
            matches!(error, Err(StoreError::Conflict { field: "username" })),
            "{error:?}"
        );
    }
}

async fn update_all(
    store: &Store,
    owner: &Owner,
    made: &Script,
    revision: Option<i64>,
) -> Vec<Updated> {
    all((0..8).map(|n| {
        let (store, org, id) = (store.clone(), owner.org, made.id);
        let mut new = change(owner, start());
        new.program = crate::javascript(&format!("source {n}"));
        new.version_id = ScriptVersionId::generate(&clock());
        async move { store.update_script(org, id, new, revision).await.unwrap() }
    }))
    .await
}

async fn one_of_many_changes_against_a_revision_is_made(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let results = update_all(&store, &owner, &made, Some(1)).await;
    assert_eq!(
        results
            .iter()
            .filter(|result| matches!(result, Updated::Done(_)))
            .count(),
        1
    );
    assert_eq!(
        results
            .iter()
            .filter(|result| matches!(result, Updated::Stale))
            .count(),
        7
    );
}

async fn changes_without_a_revision_are_all_made(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let results = update_all(&store, &owner, &made, None).await;
    let mut versions: Vec<_> = results
        .into_iter()
        .map(|result| match result {
            Updated::Done(script) => (script.version_number, script.revision),
            other => panic!("{other:?}"),
        })
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=9).map(|n| (n, n)).collect::<Vec<_>>());
}

async fn a_refresh_token_is_taken_once(store: Store) {
    let owner = owner(&store, "anna").await;
    let id = session(&store, &owner).await;
    let end = start() + TimeDelta::days(1);
    let results = all((2..6).map(|n| {
        let store = store.clone();
        async move {
            store
                .rotate_session(id, [1; 32], [n; 32], end, start())
                .await
                .unwrap()
        }
    }))
    .await;
    assert_eq!(results.iter().filter(|taken| **taken).count(), 1);
    assert!(
        store.find_caller(id, start()).await.unwrap().is_none(),
        "someone has a copy"
    );
}

async fn one_slot_gets_one_row_however_often_it_is_recorded(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let slot = store
        .claim_due(&claim_at(at("2026-11-24T12:00:10Z")))
        .await
        .unwrap()
        .remove(0);
    let results = all((0..6).map(|_| {
        let store = store.clone();
        // Each with an execution id of its own.
        let done = finished(&slot, success());
        async move { store.record_executions(&[done], &clock()).await.unwrap() }
    }))
    .await;
    let count = |result| results.iter().filter(|one| **one == [result]).count();
    assert_eq!(count(RecordResult::Recorded), 1);
    assert_eq!(count(RecordResult::Duplicate), 5);
    assert_eq!(
        store
            .list_executions(owner.org, made.id, PAGE)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

async fn records_edits_and_deletions_do_not_lock_each_other_out(store: Store) {
    let owner = owner(&store, "anna").await;
    let mut scripts = Vec::new();
    for _ in 0..12 {
        scripts.push(script(&store, &owner).await.id);
    }
    let slots = store
        .claim_due(&claim_at(at("2026-11-24T12:00:10Z")))
        .await
        .unwrap();
    let batch: Vec<_> = slots.iter().map(|slot| finished(slot, success())).collect();
    let records = (0..4).map(|_| {
        let (store, batch) = (store.clone(), batch.clone());
        tokio::spawn(async move { store.record_executions(&batch, &clock()).await.map(drop) })
    });
    let edits = scripts.iter().map(|id| {
        let (store, org, id) = (store.clone(), owner.org, *id);
        let mut new = change(&owner, start());
        new.cron_expression = Some("0 0 * * * *".to_owned());
        tokio::spawn(async move { store.update_script(org, id, new, None).await.map(drop) })
    });
    let deletions = scripts[6..].iter().map(|id| {
        let (store, org, id) = (store.clone(), owner.org, *id);
        tokio::spawn(async move { store.delete_script(org, id).await.map(drop) })
    });
    for task in records.chain(edits).chain(deletions).collect::<Vec<_>>() {
        task.await.unwrap().expect("no deadlock");
    }
    let left = store
        .list_scripts(owner.org, &Projects::All, None, PAGE)
        .await
        .unwrap()
        .items;
    assert_eq!(left.len(), 6);
    for script in left {
        let next = script.next_run_at.expect("it is enabled");
        assert_eq!(
            next,
            at("2026-11-24T13:00:00Z"),
            "the new schedule counts, whoever came first"
        );
    }
}

/// Two transactions of our own making, in the order that a busy server would meet by chance.
async fn leased_script() -> Option<(TestDatabase, Owner, Script, vedette_store::ClaimedSlot)> {
    let database = TestDatabase::postgres().await?;
    let owner = owner(&database.store, "anna").await;
    let made = script(&database.store, &owner).await;
    let due = claim_at(at("2026-11-24T12:00:10Z"));
    let slot = database.store.claim_due(&due).await.unwrap().remove(0);
    Some((database, owner, made, slot))
}

/// Waits until a statement waits for a lock, or gives up, which the test then shows.
async fn until_someone_waits(database: &TestDatabase) {
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let query = "SELECT COUNT(*) FROM pg_stat_activity, pg_sleep(0.02) \
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let wait = async {
        loop {
            let waiting: i64 = sqlx::query_scalar(query)
                .fetch_one(&mut connection)
                .await
                .unwrap();
            if waiting > 0 {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(5), wait).await;
    assert!(waited.is_ok(), "nobody waits for the lock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_ends_during_an_edit_takes_the_new_schedule() {
    let Some((database, owner, made, slot)) = leased_script().await else {
        return;
    };
    let mut edit = PgConnection::connect(&database.url).await.unwrap();
    let mut edit = edit.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM slots FOR UPDATE")
        .execute(&mut *edit)
        .await
        .unwrap();
    let store = database.store.clone();
    let record = tokio::spawn(async move {
        store
            .record_executions(&[finished(&slot, success())], &clock())
            .await
    });
    until_someone_waits(&database).await;
    sqlx::query("UPDATE scripts SET cron_expression = '0 0 * * * *'")
        .execute(&mut *edit)
        .await
        .unwrap();
    edit.commit().await.unwrap();
    assert_eq!(record.await.unwrap().unwrap(), [RecordResult::Recorded]);
    let after = database
        .store
        .get_script(owner.org, made.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(after.next_run_at, Some(at("2026-11-24T13:00:00Z")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_waits_for_a_run_that_is_being_recorded() {
    let Some((database, owner, made, _)) = leased_script().await else {
        return;
    };
    let mut record = PgConnection::connect(&database.url).await.unwrap();
    let mut record = record.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM slots FOR UPDATE")
        .execute(&mut *record)
        .await
        .unwrap();
    let store = database.store.clone();
    let (org, id) = (owner.org, made.id);
    let mut new = change(&owner, start());
    new.cron_expression = Some("0 0 * * * *".to_owned());
    let edit = tokio::spawn(async move { store.update_script(org, id, new, None).await });
    until_someone_waits(&database).await;
    // By the schedule that the record has read before.
    sqlx::query(
        "UPDATE slots SET scheduled_at = '2026-11-24T12:00:20Z', lease_owner = NULL, \
         leased_until = NULL",
    )
    .execute(&mut *record)
    .await
    .unwrap();
    record.commit().await.unwrap();
    let Updated::Done(after) = edit.await.unwrap().unwrap() else {
        panic!("it is there")
    };
    assert_eq!(after.next_run_at, Some(at("2026-11-24T13:00:00Z")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_passes_over_slots_that_another_node_is_taking() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let store = &database.store;
    let owner = owner(store, "anna").await;
    for _ in 0..4 {
        script(store, &owner).await;
    }
    let mut other = PgConnection::connect(&database.url).await.unwrap();
    let mut other = other.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM slots LIMIT 3 FOR UPDATE")
        .execute(&mut *other)
        .await
        .unwrap();
    let claim = claim_at(at("2026-11-24T12:00:10Z"));
    let claimed = tokio::time::timeout(Duration::from_secs(5), store.claim_due(&claim)).await;
    assert_eq!(claimed.expect("it does not wait").unwrap().len(), 1);
    other.rollback().await.unwrap();
    assert_eq!(store.claim_due(&claim).await.unwrap().len(), 3);
}
