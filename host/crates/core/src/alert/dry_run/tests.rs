//! Tests of dry runs.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::{ScriptId, alert::observation::Seen};

fn secs(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

fn rule(json: &str) -> RuleDefinition {
    RuleDefinition::read(&serde_json::from_str(json).expect("JSON")).expect("a rule")
}

fn every(seconds: u32) -> Schedule {
    Schedule::interval(ScriptId::from_uuid(uuid::Uuid::nil()), seconds).expect("an interval")
}

/// `U` up, `D` down, `-` nothing, a minute apart, the first at 60 s.
fn minutes(location: &str, seen: &str) -> Vec<Observation> {
    let letters = (1..).zip(seen.chars());
    letters
        .map(|(minute, letter)| Observation {
            at: secs(minute * 60),
            location: location.to_owned(),
            seen: match letter {
                'U' => Seen::Up,
                'D' => Seen::Down,
                _ => Seen::Nothing,
            },
            latency_ms: None,
            certificate_expires_at: None,
            is_recheck: false,
            is_in_maintenance: false,
        })
        .collect()
}

/// When the rule fires and recovers, in seconds.
fn play(
    json: &str,
    quorum: Quorum,
    until: i64,
    observations: &[Observation],
) -> Vec<(i64, Option<i64>)> {
    let dry_run = DryRun {
        rule: &rule(json),
        quorum,
        schedule: &every(60),
        from: secs(0),
        until: secs(until),
    };
    let seconds = |time: DateTime<Utc>| (time - secs(0)).num_seconds();
    let firings = dry_run.play(observations).into_iter();
    firings
        .map(|firing| (seconds(firing.fired_at), firing.recovered_at.map(seconds)))
        .collect()
}

#[test]
fn it_says_when_the_rule_would_have_fired_and_recovered() {
    let json = r#"{"type":"status_change","consecutive_failures":2,"consecutive_successes":1}"#;
    let mut past = minutes("a", "UDD-DUUDD");
    assert_eq!(
        play(json, Quorum::Any, 3_600, &past),
        [(180, Some(360)), (540, None)]
    );
    // Order does not matter, and what is outside the time is left out.
    past.reverse();
    assert_eq!(play(json, Quorum::Any, 500, &past), [(180, Some(360))]);
}

#[test]
fn locations_agree_by_quorum() {
    let json = r#"{"type":"status_change","consecutive_failures":1,"consecutive_successes":1}"#;
    let past = [
        minutes("a", "UDDDUU"),
        minutes("b", "UUDDDU"),
        minutes("c", "------"),
    ]
    .concat();
    assert_eq!(play(json, Quorum::Any, 360, &past), [(120, Some(360))]);
    assert_eq!(play(json, Quorum::All, 360, &past), [(180, Some(300))]);
    assert_eq!(play(json, Quorum::Majority, 360, &past), [(180, Some(300))]);
}

#[test]
fn time_passes_between_executions() {
    let no_data = r#"{"type":"no_data","intervals":2}"#;
    // Silent from the second slot after the last verdict, and 90 s.
    let past = minutes("a", "UU------U");
    assert_eq!(
        play(no_data, Quorum::Any, 540, &past),
        [(120 + 210, Some(540))]
    );
    assert_eq!(play(no_data, Quorum::Any, 3_600, &[]), [(210, None)]);
    let recheck = r#"{"type":"status_change","consecutive_failures":1,"recheck":true}"#;
    assert_eq!(
        play(recheck, Quorum::Any, 3_600, &minutes("a", "UD")),
        [(300, None)]
    );
}

proptest! {
    /// Against gaps between verdicts: a slot every two hours, so that nothing flaps.
    #[test]
    fn no_data_fires_in_long_gaps(
        is_missing in prop::collection::vec(any::<bool>(), 1..60),
        intervals in 2..5_u32,
    ) {
        let hour = |slot: usize| secs(7_200 * i64::try_from(slot).expect("small"));
        let template = minutes("a", "U").remove(0);
        let past: Vec<_> = is_missing
            .iter()
            .enumerate()
            .map(|(slot, is_missing)| Observation {
                at: hour(slot + 1),
                seen: if *is_missing { Seen::Nothing } else { Seen::Up },
                ..template.clone()
            })
            .collect();
        let until = hour(is_missing.len() + 1);
        let verdicts = past.iter().filter(|seen| seen.seen == Seen::Up).map(|seen| seen.at);
        let ends: Vec<_> = [secs(0)].into_iter().chain(verdicts).collect();
        let longest = TimeDelta::seconds(i64::from(intervals) * 7_200 + 90);
        let mut expected: Vec<_> = ends
            .windows(2)
            .filter(|gap| gap[1] - gap[0] > longest)
            .map(|gap| Firing { fired_at: gap[0] + longest, recovered_at: Some(gap[1]) })
            .collect();
        let last = *ends.last().expect("the beginning");
        if until - last > longest {
            expected.push(Firing { fired_at: last + longest, recovered_at: None });
        }
        let rule = RuleDefinition::NoData { intervals };
        let schedule = every(7_200);
        let dry_run = DryRun { rule: &rule, quorum: Quorum::Any, schedule: &schedule, from: secs(0), until };
        prop_assert_eq!(dry_run.play(&past), expected);
    }
}
