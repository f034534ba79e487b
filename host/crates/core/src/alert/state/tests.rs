//! Tests of stored states: what is not one is an error that says why. That each state is read as
//! it was written, and is small, is among the tests of the machine.

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time in RFC 3339")
}

#[test]
fn a_state_is_plain_json() {
    let mut state = RuleState::new(at("2026-11-24T12:00:00Z"));
    assert_eq!(
        state.to_json(),
        r#"{"v":1,"started_at":"2026-11-24T12:00:00Z","phase":"ok"}"#
    );
    state.phase = Phase::Pending { count: 2 };
    state.last_at = Some(at("2026-11-24T12:01:00Z"));
    let json = state.to_json();
    assert!(json.contains(r#""phase":{"pending":{"count":2}},"last_at":"2026-11-24T12:01:00Z""#));
    assert_eq!(RuleState::from_json(&json).expect("it was written"), state);
}

#[test]
fn what_is_no_state_is_an_error_that_says_why() {
    let of = |members: &str| format!(r#"{{"v":1,"started_at":"2026-11-24T12:00:00Z",{members}}}"#);
    assert!(RuleState::from_json(&of(r#""phase":"ok""#)).is_ok());
    let count =
        |phase: &str, count: u32| of(&format!(r#""phase":{{"{phase}":{{"count":{count}}}}}"#));
    let many = |count: usize| vec![r#""2026-11-24T12:00:00Z""#; count].join(",");
    for (json, says) in [
        (String::new(), "malformed"),
        ("[]".to_owned(), "version None"),
        (r#"{"v":2}"#.to_owned(), "version Some(2)"),
        (r#"{"v":1}"#.to_owned(), "malformed"),
        (of(r#""phase":"burning""#), "malformed"),
        (of(r#""phase":"ok","colour":1"#), "malformed"),
        (of(r#""phase":"ok","last_at":"soon""#), "malformed"),
        (count("pending", 0), "a count"),
        (count("recovering", 101), "a count"),
        (
            of(r#""phase":"firing","unconfirmed_at":"2026-11-24T12:00:00Z""#),
            "a recheck",
        ),
        (
            of(&format!(r#""phase":"firing","fired_at":[{}]"#, many(4))),
            "too often",
        ),
        (of(r#""phase":"ok","is_flapping":true"#), "flapping"),
        (
            of(
                r#""phase":"ok","memory":{"uptime":{"since":"2026-11-24T12:00:00Z","width_seconds":0,"buckets":[]}}"#,
            ),
            "out of order",
        ),
        (
            of(
                r#""phase":"ok","memory":{"uptime":{"since":"2026-11-24T12:00:00Z","width_seconds":5,"buckets":[[2,1,1],[1,1,1]]}}"#,
            ),
            "out of order",
        ),
        (
            of(&format!(
                r#""phase":"ok","memory":{{"flapping":{{"is_up":true,"times":[{}]}}}}"#,
                many(2)
            )),
            "out of order",
        ),
        (
            format!("{}{}", " ".repeat(MAX_STATE_BYTES), of(r#""phase":"ok""#)),
            "bytes",
        ),
    ] {
        let error = RuleState::from_json(&json).expect_err(&json);
        assert!(error.to_string().contains(says), "{json}: {error}");
    }
}
