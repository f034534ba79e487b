//! Executions in full, by slot and by hand.

use chrono::{DateTime, TimeDelta, Utc};
use vedette_core::{
    ErrorClass, ExecutionId, Flag, LogLevel, LogLine, Outcome, RequestRecord, Status, Step,
    StepKind, Verdict,
};
use vedette_store::{ManualExecution, PageRequest, Store, Trigger, both_databases};

use crate::{PAGE, at, claim_at, clock, finished, owner, script, start};

both_databases!(
    an_execution_reads_as_it_was_recorded,
    a_big_batch_is_recorded_whole,
    a_manual_run_is_running_until_it_ends,
    an_interrupted_run_does_not_stay_running,
    the_end_of_time_ends_all_that_is_running,
    counts_beyond_the_database_stop_at_its_end,
    executions_come_newest_first_page_by_page,
    old_executions_go_with_their_logs,
);

fn full_outcome(now: DateTime<Utc>) -> Outcome {
    let request = RequestRecord {
        method: "GET".to_owned(),
        url: "https://example.com/ü".to_owned(),
        status: Some(200),
        error: None,
        started_at_ms: 0.5,
        total_ms: 12.25,
        dns_ms: Some(1.0),
        connect_ms: None,
        tls_ms: None,
        first_byte_ms: Some(3.5),
        download_ms: Some(0.125),
        remote_address: Some("192.0.2.1:443".to_owned()),
        body_bytes: 17,
        redirects: 1,
        certificate_expires_at: Some(now),
    };
    Outcome {
        status: Status::Failure,
        error_class: None,
        message: Some("it's \"down\" \u{fffd} \u{1f6a8} \\u0000".to_owned()),
        result: Some(Verdict {
            success: false,
            latency: Some(1.5),
            message: Some("m".to_owned()),
            data: Some(serde_json::json!({ "a": [1, 2.5, null, "x"], "b": 1e300 })),
        }),
        latency_ms: Some(1.5),
        duration_ms: 33.125,
        fuel_used: 123_456_789_012,
        peak_memory_bytes: 67_108_864,
        requests: vec![request],
        steps: vec![
            Step {
                name: "log \"in\" \u{1f6a8}".to_owned(),
                kind: StepKind::Step,
                passed: false,
                started_at_ms: 0.25,
                duration_ms: Some(12.5),
                message: Some("expected 404 to be 200".to_owned()),
            },
            Step {
                name: "has a title".to_owned(),
                kind: StepKind::Check,
                passed: true,
                started_at_ms: 13.0,
                duration_ms: None,
                message: None,
            },
        ],
        logs: (0..3)
            .map(|n| LogLine {
                log_level: LogLevel::ALL[n],
                message: format!("line {n}\n\u{1b}[31m"),
                timestamp: now,
            })
            .collect(),
        flags: vec![Flag::LogTruncated],
        recording: None,
    }
}

async fn an_execution_reads_as_it_was_recorded(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let due = at("2026-11-24T12:00:10Z");
    let slot = store.claim_due(&claim_at(due)).await.unwrap().remove(0);
    let outcome = full_outcome(due);
    let done = finished(&slot, outcome.clone());
    store
        .record_executions(std::slice::from_ref(&done), &clock())
        .await
        .unwrap();
    let read = store
        .get_execution(owner.org, done.execution_id)
        .await
        .unwrap()
        .expect("it is there");
    let summary = &read.summary;
    assert_eq!(
        (summary.script_id, summary.version_id),
        (made.id, made.version_id)
    );
    assert_eq!(
        (summary.trigger, summary.scheduled_at),
        (Trigger::Schedule, Some(due))
    );
    assert_eq!(
        (summary.status, summary.error_class),
        (outcome.status, outcome.error_class)
    );
    assert_eq!(summary.message, outcome.message);
    assert_eq!(summary.result, outcome.result);
    assert_eq!(summary.latency_ms, outcome.latency_ms);
    assert_eq!(summary.duration_ms.to_bits(), outcome.duration_ms.to_bits());
    assert_eq!(summary.fuel_used, outcome.fuel_used);
    assert_eq!(summary.peak_memory_bytes, outcome.peak_memory_bytes);
    assert_eq!(summary.flags, outcome.flags);
    assert_eq!(read.requests, outcome.requests);
    assert_eq!(read.steps, outcome.steps);
    assert_eq!(read.logs, outcome.logs);
    let listed = store
        .list_executions(owner.org, made.id, PAGE)
        .await
        .unwrap()
        .items;
    assert_eq!(listed, [read.summary]);
}

async fn a_big_batch_is_recorded_whole(store: Store) {
    let owner = owner(&store, "anna").await;
    for _ in 0..600 {
        script(&store, &owner).await;
    }
    let due = at("2026-11-24T12:00:10Z");
    let slots = store.claim_due(&claim_at(due)).await.unwrap();
    assert_eq!(slots.len(), 600);
    let batch: Vec<_> = slots
        .iter()
        .map(|slot| finished(slot, full_outcome(due)))
        .collect();
    store.record_executions(&batch, &clock()).await.unwrap();
    for done in &batch {
        let read = store
            .get_execution(owner.org, done.execution_id)
            .await
            .unwrap()
            .expect("recorded");
        assert_eq!(read.logs.len(), 3);
    }
}

async fn manual(store: &Store, name: &str) -> (vedette_core::OrgId, ManualExecution) {
    let owner = owner(store, name).await;
    let made = script(store, &owner).await;
    let new = ManualExecution {
        execution_id: ExecutionId::generate(&clock()),
        org_id: owner.org,
        script_id: made.id,
        version_id: made.version_id,
        started_by: owner.user,
        executed_at: start(),
        leased_until: start() + TimeDelta::seconds(60),
    };
    store.insert_manual_execution(&new).await.unwrap();
    (owner.org, new)
}

async fn a_manual_run_is_running_until_it_ends(store: Store) {
    let (org, new) = manual(&store, "anna").await;
    let read = || async {
        store
            .get_execution(org, new.execution_id)
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(
        (read().await.summary.status, read().await.summary.trigger),
        (Status::Running, Trigger::Manual)
    );
    let outcome = full_outcome(start());
    assert!(
        store
            .finish_manual_execution(org, new.execution_id, &outcome)
            .await
            .unwrap()
    );
    let ended = read().await;
    assert_eq!(
        (ended.summary.status, &ended.steps, &ended.logs),
        (Status::Failure, &outcome.steps, &outcome.logs)
    );
    let late = Outcome::error(ErrorClass::Trap, "late");
    assert!(
        !store
            .finish_manual_execution(org, new.execution_id, &late)
            .await
            .unwrap()
    );
    assert_eq!(read().await, ended);
    let other = owner(&store, "bert").await;
    assert!(
        store
            .get_execution(other.org, new.execution_id)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        !store
            .finish_manual_execution(other.org, new.execution_id, &late)
            .await
            .unwrap()
    );
}

async fn an_interrupted_run_does_not_stay_running(store: Store) {
    let (org, new) = manual(&store, "anna").await;
    assert_eq!(store.fail_interrupted_executions(start()).await.unwrap(), 0);
    assert_eq!(
        store
            .fail_interrupted_executions(new.leased_until)
            .await
            .unwrap(),
        1
    );
    let ended = store
        .get_execution(org, new.execution_id)
        .await
        .unwrap()
        .unwrap()
        .summary;
    assert_eq!(
        (ended.status, ended.error_class),
        (Status::Error, Some(ErrorClass::PlatformError))
    );
    let late = full_outcome(start());
    assert!(
        !store
            .finish_manual_execution(org, new.execution_id, &late)
            .await
            .unwrap()
    );
}

async fn old_executions_go_with_their_logs(store: Store) {
    let (org, running) = manual(&store, "anna").await;
    let owner = owner(&store, "bert").await;
    script(&store, &owner).await;
    let due = at("2026-11-24T12:00:10Z");
    let slots = store.claim_due(&claim_at(due)).await.unwrap();
    let batch: Vec<_> = slots
        .iter()
        .map(|slot| finished(slot, full_outcome(due)))
        .collect();
    store.record_executions(&batch, &clock()).await.unwrap();
    assert_eq!(store.delete_executions_before(due, 100).await.unwrap(), 0);
    let after = due + TimeDelta::seconds(1);
    assert_eq!(store.delete_executions_before(after, 1).await.unwrap(), 1);
    assert_eq!(store.delete_executions_before(after, 100).await.unwrap(), 1);
    for done in &batch {
        assert!(
            store
                .get_execution(done.org_id, done.execution_id)
                .await
                .unwrap()
                .is_none()
        );
    }
    let kept = store
        .get_execution(org, running.execution_id)
        .await
        .unwrap();
    assert!(kept.is_some(), "what is running is not deleted");
}

async fn the_end_of_time_ends_all_that_is_running(store: Store) {
    let (org, new) = manual(&store, "anna").await;
    assert_eq!(
        store
            .fail_interrupted_executions(DateTime::<Utc>::MAX_UTC)
            .await
            .unwrap(),
        1
    );
    let ended = store
        .get_execution(org, new.execution_id)
        .await
        .unwrap()
        .unwrap()
        .summary;
    assert_eq!(ended.status, Status::Error);
}

async fn counts_beyond_the_database_stop_at_its_end(store: Store) {
    let (org, new) = manual(&store, "anna").await;
    let mut outcome = full_outcome(start());
    outcome.fuel_used = u64::MAX;
    outcome.peak_memory_bytes = i64::MAX.unsigned_abs();
    assert!(
        store
            .finish_manual_execution(org, new.execution_id, &outcome)
            .await
            .unwrap()
    );
    let ended = store
        .get_execution(org, new.execution_id)
        .await
        .unwrap()
        .unwrap()
        .summary;
    assert_eq!(ended.fuel_used, i64::MAX.unsigned_abs());
    assert_eq!(ended.peak_memory_bytes, i64::MAX.unsigned_abs());
}

async fn executions_come_newest_first_page_by_page(store: Store) {
    let (org, first) = manual(&store, "anna").await;
    let clock = clock();
    let mut made = vec![first.execution_id];
    for _ in 0..6 {
        clock.advance(TimeDelta::milliseconds(1));
        let next = ManualExecution {
            execution_id: ExecutionId::generate(&clock),
            ..first.clone()
        };
        store.insert_manual_execution(&next).await.unwrap();
        made.push(next.execution_id);
    }
    made.reverse();
    for limit in [1, 3, 7, 8, 100] {
        let mut page = PageRequest {
            limit,
            cursor: None,
        };
        let mut seen = Vec::new();
        loop {
            let found = store
                .list_executions(org, first.script_id, page)
                .await
                .unwrap();
            assert!(found.items.len() <= limit as usize);
            seen.extend(found.items.iter().map(|row| row.id));
            page.cursor = found.next_cursor;
            if page.cursor.is_none() {
                break;
            }
            assert!(!found.items.is_empty(), "a cursor leads somewhere");
        }
        assert_eq!(seen, made, "{limit} a page");
    }
    let none = PageRequest {
        limit: 0,
        cursor: None,
    };
    let found = store
        .list_executions(org, first.script_id, none)
        .await
        .unwrap();
    assert_eq!(
        found.items.len(),
        1,
        "a limit out of range is taken as the nearest"
    );
}
