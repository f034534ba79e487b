//! Recordings: with their execution, for their organization, and the newest few only.

use chrono::TimeDelta;
use vedette_core::{ErrorClass, ExecutionId, Outcome, RecordingText, Status};
use vedette_store::{FinishedSlot, ManualExecution, Store, both_databases};

use crate::{Owner, claim_at, clock, count, finished, on_each, owner, script, start, success};

both_databases!(
    a_recording_is_its_organizations,
    only_the_newest_ten_of_a_script_are_kept,
    a_claim_knows_how_the_execution_before_ended,
    a_refused_outcome_leaves_no_recording,
);

fn recorded(text: &str) -> Outcome {
    let mut outcome = Outcome::error(ErrorClass::ScriptError, "no");
    outcome.recording = Some(RecordingText::new(text.to_owned()));
    outcome
}

/// Claims the next slot after `seconds` and records an outcome of it.
async fn run(store: &Store, seconds: i64, outcome: Outcome) -> FinishedSlot {
    let now = start() + TimeDelta::seconds(seconds);
    let slots = store.claim_due(&claim_at(now)).await.unwrap();
    let time = clock();
    time.advance(TimeDelta::seconds(seconds));
    let done = FinishedSlot {
        execution_id: ExecutionId::generate(&time),
        ..finished(&slots[0], outcome)
    };
    store
        .record_executions(std::slice::from_ref(&done), &time)
        .await
        .unwrap();
    done
}

async fn a_recording_is_its_organizations(store: Store) {
    let anna = owner(&store, "anna").await;
    let boris = owner(&store, "boris").await;
    let made = script(&store, &anna).await;
    // With what no database can store as text in JSON: here it is only text.
    let text = r#"{"body":"a\u0000b","more":"ü"}"#;
    let done = run(&store, 10, recorded(text)).await;
    let get = async |owner: &Owner, id| store.get_recording(owner.org, id).await.unwrap();
    assert_eq!(get(&anna, done.execution_id).await.as_deref(), Some(text));
    assert_eq!(get(&boris, done.execution_id).await, None);
    let none = run(&store, 20, success()).await;
    assert_eq!(get(&anna, none.execution_id).await, None);
    assert_eq!(get(&anna, ExecutionId::generate(&clock())).await, None);

    let manual = ManualExecution {
        execution_id: ExecutionId::generate(&clock()),
        org_id: anna.org,
        script_id: made.id,
        version_id: made.version_id,
        started_by: anna.user,
        executed_at: start(),
        leased_until: start() + TimeDelta::seconds(60),
    };
    store.insert_manual_execution(&manual).await.unwrap();
    let finish = async |outcome: Outcome| {
        store
            .finish_manual_execution(anna.org, manual.execution_id, &outcome)
            .await
            .unwrap()
    };
    assert!(finish(recorded("by hand")).await);
    assert!(!finish(recorded("too late")).await);
    let kept = get(&anna, manual.execution_id).await;
    assert_eq!(kept.as_deref(), Some("by hand"));

    assert!(store.delete_script(anna.org, made.id).await.unwrap());
    assert_eq!(get(&anna, done.execution_id).await, None);
}

async fn only_the_newest_ten_of_a_script_are_kept(store: Store) {
    let anna = owner(&store, "anna").await;
    script(&store, &anna).await;
    let mut all = Vec::new();
    for n in 1..=13 {
        all.push(
            run(&store, n * 10, recorded(&n.to_string()))
                .await
                .execution_id,
        );
    }
    for (n, id) in (1..).zip(all) {
        let kept = store.get_recording(anna.org, id).await.unwrap();
        assert_eq!(kept, (n > 3).then(|| n.to_string()), "{n}");
    }
}

async fn a_claim_knows_how_the_execution_before_ended(store: Store) {
    let anna = owner(&store, "anna").await;
    let made = script(&store, &anna).await;
    let mut failure = success();
    failure.status = Status::Failure;
    let mut expected = false;
    let mut seconds = 0;
    for (outcome, is_failure) in [
        (success(), false),
        (failure, true),
        (recorded("x"), true),
        (success(), false),
        (success(), false),
        (recorded("y"), true),
    ] {
        seconds += 10;
        let now = start() + TimeDelta::seconds(seconds);
        let slots = store.claim_due(&claim_at(now)).await.unwrap();
        assert_eq!(slots[0].after_failure, expected, "{seconds}");
        store.release_all_leases().await.unwrap();
        let id = ExecutionId::generate(&{
            let time = clock();
            time.advance(TimeDelta::seconds(seconds));
            time
        });
        let before = store.is_after_failure(anna.org, made.id, id).await.unwrap();
        assert_eq!(before, expected, "{seconds}");
        run(&store, seconds, outcome).await;
        expected = is_failure;
    }
    let other = owner(&store, "boris").await;
    let id = ExecutionId::generate(&clock());
    assert!(
        !store
            .is_after_failure(other.org, made.id, id)
            .await
            .unwrap()
    );
}

async fn a_refused_outcome_leaves_no_recording(store: Store) {
    let anna = owner(&store, "anna").await;
    script(&store, &anna).await;
    let now = start() + TimeDelta::seconds(10);
    let slots = store.claim_due(&claim_at(now)).await.unwrap();
    let mut late = finished(&slots[0], recorded("late"));
    late.lease_token -= 1;
    let results = store
        .record_executions(std::slice::from_ref(&late), &clock())
        .await
        .unwrap();
    assert_eq!(results, [vedette_store::RecordResult::Refused]);
    let kept = store.get_recording(anna.org, late.execution_id).await;
    assert_eq!(kept.unwrap(), None);
}

#[tokio::test]
async fn recordings_go_with_their_executions() {
    on_each(async |database| {
        let store = &database.store;
        let anna = owner(store, "anna").await;
        let made = script(store, &anna).await;
        run(store, 10, recorded("one")).await;
        run(store, 20, recorded("two")).await;
        assert_eq!(count(database, "script_recordings").await, 2);
        let before = start() + TimeDelta::seconds(15);
        store.delete_executions_before(before, 100).await.unwrap();
        assert_eq!(count(database, "script_recordings").await, 1);
        store.delete_script(anna.org, made.id).await.unwrap();
        assert_eq!(count(database, "script_recordings").await, 0);
    })
    .await;
}
