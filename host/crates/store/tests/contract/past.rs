//! What rules are told of past executions.

use chrono::{DateTime, TimeDelta, Utc};
use vedette_core::{
    ErrorClass, ExecutionId, MissedReason, Outcome, RequestRecord, Status,
    alert::observation::{Observation, Seen},
};
use vedette_store::{ManualExecution, Past, Store, both_databases};

use crate::{claim_at, clock, finished, owner, script, start, success};

both_databases!(
    what_was_recorded_is_seen_again,
    a_time_has_its_edges,
    too_many_are_cut_and_said_to_be,
    another_organizations_past_is_not_seen,
);

fn request(certificate_expires_at: Option<DateTime<Utc>>) -> RequestRecord {
    RequestRecord {
        method: "GET".to_owned(),
        url: "https://example.com/".to_owned(),
        status: Some(200),
        error: None,
        started_at_ms: 0.0,
        total_ms: 1.0,
        dns_ms: None,
        connect_ms: None,
        tls_ms: None,
        first_byte_ms: None,
        download_ms: None,
        remote_address: None,
        body_bytes: 0,
        redirects: 0,
        certificate_expires_at,
    }
}

/// Runs the next slots of the only script there is, one with each outcome. Answers when they were due.
async fn run(store: &Store, outcomes: &[Outcome]) -> Vec<DateTime<Utc>> {
    let mut slots = Vec::new();
    for outcome in outcomes {
        let now = slots.last().copied().unwrap_or_else(start) + TimeDelta::seconds(10);
        let slot = store.claim_due(&claim_at(now)).await.unwrap().remove(0);
        let mut done = finished(&slot, outcome.clone());
        done.missed_reason = (outcome.status == Status::Missed).then_some(MissedReason::Overlap);
        let clock = vedette_core::ManualClock::at(slot.scheduled_at);
        store.record_executions(&[done], &clock).await.unwrap();
        slots.push(slot.scheduled_at);
    }
    slots
}

async fn past(store: &Store, script: &vedette_store::Script, most: u32) -> Past {
    let time = start()..start() + TimeDelta::days(1);
    store
        .past_observations(script.org_id, script.id, time, most)
        .await
        .unwrap()
}

async fn what_was_recorded_is_seen_again(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let manual = ManualExecution {
        execution_id: ExecutionId::generate(&clock()),
        org_id: owner.org,
        script_id: made.id,
        version_id: made.version_id,
        started_by: owner.user,
        executed_at: start() + TimeDelta::seconds(5),
        leased_until: start() + TimeDelta::seconds(60),
    };
    store.insert_manual_execution(&manual).await.unwrap();
    let (soon, later) = (start() + TimeDelta::days(3), start() + TimeDelta::days(30));
    let well = Outcome {
        latency_ms: Some(12.5),
        requests: vec![request(Some(later)), request(None), request(Some(soon))],
        ..success()
    };
    let down = Outcome {
        status: Status::Failure,
        ..success()
    };
    let timeout = Outcome {
        status: Status::Timeout,
        ..success()
    };
    let outcomes = [
        well,
        down,
        timeout,
        Outcome::error(ErrorClass::ScriptError, "broken"),
        Outcome::error(ErrorClass::PlatformError, "ours"),
        Outcome::missed("late"),
    ];
    let slots = run(&store, &outcomes).await;
    let mut expected: Vec<_> = slots
        .into_iter()
        .zip(&outcomes)
        .map(|(at, outcome)| Observation::of_outcome(at, "default", outcome))
        .collect();
    expected.reverse();
    let seen = past(&store, &made, 100).await;
    assert_eq!(seen.observations, expected);
    assert!(!seen.is_cut);
    let first = seen.observations.last().unwrap();
    assert_eq!(
        (first.seen, first.latency_ms, first.certificate_expires_at),
        (Seen::Up, Some(12.5), Some(soon))
    );
}

async fn a_time_has_its_edges(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let slots = run(&store, &[success(), success(), success()]).await;
    let seen = store
        .past_observations(made.org_id, made.id, slots[1]..slots[2], 100)
        .await
        .unwrap();
    let seen: Vec<_> = seen.observations.iter().map(|one| one.at).collect();
    assert_eq!(
        seen,
        [slots[1]],
        "from the beginning on, and before the end"
    );
}

async fn too_many_are_cut_and_said_to_be(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let slots = run(&store, &[success(), success(), success()]).await;
    for (most, is_cut) in [(0, true), (2, true), (3, false), (4, false)] {
        let seen = past(&store, &made, most).await;
        let newest = slots.iter().rev().take(most as usize);
        let newest: Vec<_> = newest.copied().collect();
        let times: Vec<_> = seen.observations.iter().map(|one| one.at).collect();
        assert_eq!((times, seen.is_cut), (newest, is_cut), "{most}");
    }
    // More than are read at a time: slots that will never run are executions, too.
    let claim = claim_at(slots[2] + TimeDelta::seconds(10));
    let slot = store.claim_due(&claim).await.unwrap().remove(0);
    let late = vedette_core::ManualClock::at(slot.scheduled_at + TimeDelta::seconds(15_000));
    let done = finished(&slot, success());
    store.record_executions(&[done], &late).await.unwrap();
    let seen = past(&store, &made, 1_003).await;
    assert_eq!((seen.observations.len(), seen.is_cut), (1_003, true));
    let seen = past(&store, &made, 2_000).await;
    assert_eq!((seen.observations.len(), seen.is_cut), (1_004, false));
    let mut times: Vec<_> = seen.observations.iter().map(|one| one.at).collect();
    assert!(times.is_sorted_by(|newer, older| newer > older));
    times.dedup();
    assert_eq!(times.len(), 1_004);
}

async fn another_organizations_past_is_not_seen(store: Store) {
    let anna = owner(&store, "anna").await;
    let made = script(&store, &anna).await;
    run(&store, &[success()]).await;
    let boris = owner(&store, "boris").await;
    let time = start()..start() + TimeDelta::days(1);
    let seen = store
        .past_observations(boris.org, made.id, time, 100)
        .await
        .unwrap();
    assert_eq!(seen.observations, []);
}
