//! Tests of what an execution says: only a success is up, and what is our fault says nothing.

use super::*;

#[test]
fn only_a_success_is_up_and_only_the_targets_faults_are_down() {
    assert_eq!(Seen::of(Status::Success, None), Seen::Up);
    assert_eq!(Seen::of(Status::Failure, None), Seen::Down);
    assert_eq!(Seen::of(Status::Timeout, None), Seen::Down);
    for status in [Status::Running, Status::Missed, Status::Error] {
        assert_eq!(Seen::of(status, None), Seen::Nothing, "{status}");
    }
    for class in ErrorClass::ALL {
        let is_ours = matches!(class, ErrorClass::PlatformError | ErrorClass::QuotaExceeded);
        let expected = if is_ours { Seen::Nothing } else { Seen::Broken };
        let seen = Seen::of(Status::Error, Some(*class));
        assert_eq!(seen, expected, "{class}");
        assert!(!seen.is_verdict(), "{class}");
    }
}

#[test]
fn an_outcome_becomes_an_observation() {
    let at = "2026-11-24T12:00:00Z".parse().expect("a time");
    let mut outcome = Outcome::error(ErrorClass::PlatformError, "interrupted");
    let observation = Observation::of_outcome(at, "default", &outcome);
    assert_eq!(observation.seen, Seen::Nothing);
    assert_eq!(observation.latency_ms, None);
    outcome.status = Status::Success;
    outcome.error_class = None;
    outcome.latency_ms = Some(12.5);
    let observation = Observation::of_outcome(at, "default", &outcome);
    assert_eq!((observation.at, observation.seen), (at, Seen::Up));
    assert_eq!(observation.latency_ms, Some(12.5));
    outcome.latency_ms = Some(f64::NAN);
    let observation = Observation::of_outcome(at, "default", &outcome);
    assert_eq!(observation.latency_ms, None);
}
