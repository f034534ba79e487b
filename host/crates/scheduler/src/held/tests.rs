//! Tests of a held slot's fate.

use chrono::TimeDelta;
use serde_json::Map;
use uuid::Uuid;
use vedette_core::{Environment, ErrorClass, Schedule, ScriptId};

use super::*;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000 + second, 0).expect("in range")
}

/// A slot of second 0, every ten seconds, with a limit of 3 s, leased until second 15.
fn held() -> HeldSlot {
    let claimed = ClaimedSlot {
        script_id: ScriptId::from_uuid(Uuid::from_u128(1)),
        org_id: OrgId::from_uuid(Uuid::from_u128(2)),
        script_name: "a script".to_owned(),
        version_id: ScriptVersionId::from_uuid(Uuid::from_u128(3)),
        scheduled_at: at(0),
        is_recheck: false,
        lease_token: 7,
        parameters: Map::new(),
        env_vars: Some(Environment::default()),
        timeout_seconds: 3,
        schedule: Schedule::cron("*/10 * * * * *", "UTC").expect("a cron text that parses"),
        after_failure: false,
        was_held: false,
        missed_before: 0,
    };
    HeldSlot::new(
        claimed,
        at(15),
        Duration::from_secs(2),
        MissedReason::Overloaded,
    )
}

fn id() -> ExecutionId {
    ExecutionId::from_uuid(Uuid::from_u128(9))
}

#[test]
fn it_runs_while_no_later_slot_is_due() {
    assert_eq!(held().fate(at(0)), Fate::Run);
    assert_eq!(held().fate(at(10) - TimeDelta::microseconds(1)), Fate::Run);
    assert_eq!(held().fate(at(10)), Fate::Missed(MissedReason::Overloaded));
    assert_eq!(
        held().fate(at(1_000)),
        Fate::Missed(MissedReason::Overloaded)
    );
}

#[test]
fn a_run_that_might_outlive_its_lease_does_not_begin() {
    let mut slot = held();
    // A script that is due once a day does not become hopeless soon.
    slot.due_again = Some(at(86_400));
    assert_eq!(slot.fate(at(10)), Fate::Run);
    assert_eq!(slot.fate(at(11)), Fate::HandBack);
}

#[test]
fn a_clock_that_was_set_back_changes_nothing() {
    assert_eq!(held().fate(at(-3_600)), Fate::Run);
}

#[test]
fn slots_that_pass_during_the_run_are_an_overlap() {
    let reason = |ended_at| {
        let (request, running) = held().into_run(id());
        assert_eq!(request.timeout, Duration::from_secs(3));
        let outcome = Outcome::error(ErrorClass::Trap, "");
        let finished = running.into_finished(at(0), ended_at, outcome);
        assert_eq!(
            (finished.slot.lease_token, finished.slot.scheduled_at),
            (7, at(0))
        );
        finished.slot.skipped_reason
    };
    assert_eq!(reason(at(9)), MissedReason::Overloaded);
    assert_eq!(reason(at(10)), MissedReason::Overlap);
}

#[test]
fn a_missed_slot_gives_its_reason_for_itself_and_for_those_after_it() {
    let finished = held().into_missed(id(), at(25), MissedReason::Downtime);
    assert_eq!(finished.slot.missed_reason, Some(MissedReason::Downtime));
    assert_eq!(finished.slot.skipped_reason, MissedReason::Downtime);
    assert_eq!(finished.slot.executed_at, at(25));
    assert_eq!(finished.due_again, Some(at(10)));
}
