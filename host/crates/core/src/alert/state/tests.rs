//! Tests of stored states: what is not one is an error that says why. That each state is read as
//! it was written, and is small, is among the tests of the machine.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    ScriptId,
    alert::{
        machine::{next_tick, step, tick},
        observation::{Observation, Seen},
    },
};

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

/// Numbers of which few belong in a state.
fn numbers() -> impl Strategy<Value = i64> {
    prop_oneof![3 => 0..200_i64, 1 => any::<i64>(), 1 => Just(i64::MAX), 1 => Just(i64::MIN)]
}

fn times() -> impl Strategy<Value = DateTime<Utc>> {
    let seconds = prop_oneof![
        any::<i32>().prop_map(i64::from),
        -8_000_000_000_000..8_000_000_000_000_i64
    ];
    seconds.prop_map(|seconds| DateTime::from_timestamp(seconds, 0).expect("within chrono's range"))
}

proptest! {
    /// What was changed by another hand is refused, or does no harm.
    #[test]
    fn no_stored_state_makes_the_machine_panic(
        phase in prop::sample::select(vec!["pending", "recovering", "firing", "ok"]),
        count in numbers(),
        width in numbers(),
        mut buckets in prop::collection::vec((numbers(), any::<u32>(), any::<u32>()), 0..70),
        mut changes in prop::collection::vec(times(), 0..25),
        marks in prop::collection::vec(prop::option::of(times()), 4),
        fired_at in prop::collection::vec(times(), 0..4),
        is_flapping in any::<bool>(),
        started_at in times(),
        now in times(),
    ) {
        buckets.sort_unstable();
        buckets.dedup_by_key(|bucket| bucket.0);
        changes.sort_unstable();
        let phase = match phase {
            "ok" | "firing" => json!(phase),
            _ => json!({ phase: { "count": count } }),
        };
        for (memory, rule) in [
            (
                json!({ "uptime": { "since": started_at, "width_seconds": width, "buckets": buckets } }),
                json!({ "type": "uptime", "below_percent": 99, "window": "1h" }),
            ),
            (
                json!({ "flapping": { "is_up": true, "times": changes } }),
                json!({ "type": "flapping" }),
            ),
            (json!({ "certificate": { "expires_at": started_at } }), json!({ "type": "certificate_expiry" })),
            // A memory that belongs to another kind.
            (json!({ "certificate": { "expires_at": started_at } }), json!({ "type": "flapping" })),
            (json!("nothing"), json!({ "type": "status_change" })),
            (json!("nothing"), json!({ "type": "no_data" })),
        ] {
            let stored = json!({
                "v": 1, "started_at": started_at, "phase": phase, "last_at": marks[0],
                "last_data_at": marks[1], "last_breach_at": marks[2], "unconfirmed_at": marks[3],
                "fired_at": fired_at, "is_flapping": is_flapping, "memory": memory,
            });
            let Ok(state) = RuleState::from_json(&stored.to_string()) else {
                continue;
            };
            let rule = RuleDefinition::read(&rule).expect("a rule");
            let schedule = Schedule::interval(ScriptId::from_uuid(uuid::Uuid::nil()), 60).expect("an interval");
            let state = tick(&rule, state, &schedule, now).state;
            let observation = Observation {
                at: now,
                location: String::new(),
                seen: Seen::Down,
                latency_ms: None,
                certificate_expires_at: Some(started_at),
                is_recheck: false,
                is_in_maintenance: false,
            };
            let state = step(&rule, state, &observation).state;
            next_tick(&rule, &state, &schedule, now, DateTime::<Utc>::MAX_UTC);
            state.standing(&rule, &schedule, now);
        }
    }
}
