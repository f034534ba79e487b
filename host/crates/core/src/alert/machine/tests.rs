//! Tests of the machine: each kind of rule by hand, and all of them against references that look
//! at a whole series at once.

use proptest::prelude::*;

use super::*;
use crate::{
    AlertRuleId, ScriptId,
    alert::{
        incident::{Event, IncidentState, Notice, Resolution},
        quorum::Standing,
        state::MAX_STATE_BYTES,
    },
};

mod reference;
mod series;

fn rule(json: &str) -> RuleDefinition {
    RuleDefinition::read(&serde_json::from_str(json).expect("JSON")).expect("a rule")
}

fn secs(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

fn days(days: i64) -> DateTime<Utc> {
    secs(days * 86_400)
}

fn observation(at: DateTime<Utc>, seen: Seen) -> Observation {
    Observation {
        at,
        location: String::new(),
        seen,
        latency_ms: None,
        certificate_expires_at: None,
        is_recheck: false,
        is_in_maintenance: false,
    }
}

fn every(seconds: u32) -> Schedule {
    // All ones below the interval would be a phase; with zeroes slots are multiples of it.
    Schedule::interval(ScriptId::from_uuid(uuid::Uuid::nil()), seconds).expect("an interval")
}

/// A rule and its state, for tests that tell a story.
struct Story {
    rule: RuleDefinition,
    state: RuleState,
}

impl Story {
    fn new(json: &str) -> Self {
        Self {
            rule: rule(json),
            state: RuleState::new(secs(0)),
        }
    }

    fn step(&mut self, observation: &Observation) -> Step {
        let step = step(&self.rule, self.state.clone(), observation);
        self.state = step.state.clone();
        step
    }

    /// `U` up, `D` down, `B` broken, `-` nothing, a minute apart. What fires is `F`, what
    /// recovers `R`.
    fn tell(&mut self, seen: &str) -> String {
        let start = self.state.last_at.unwrap_or(secs(0));
        let letters = (1..).zip(seen.chars()).map(|(minute, letter)| {
            let seen = match letter {
                'U' => Seen::Up,
                'D' => Seen::Down,
                'B' => Seen::Broken,
                _ => Seen::Nothing,
            };
            let step = self.step(&observation(start + TimeDelta::minutes(minute), seen));
            match step.transition.map(|transition| transition.change) {
                Some(Change::Fired) => 'F',
                Some(Change::Recovered) => 'R',
                None => '.',
            }
        });
        letters.collect()
    }

    fn tick(&mut self, schedule: &Schedule, now: DateTime<Utc>) -> Option<Change> {
        let step = tick(&self.rule, self.state.clone(), schedule, now);
        self.state = step.state;
        step.transition.map(|transition| {
            assert_eq!(transition.at, now);
            transition.change
        })
    }

    fn next_tick(&self, schedule: &Schedule, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        next_tick(&self.rule, &self.state, schedule, after, days(999))
    }
}

#[test]
fn failures_in_a_row_fire_and_successes_in_a_row_recover() {
    let mut story = Story::new(r#"{"type":"status_change"}"#);
    assert_eq!(story.tell("UDDUDDDDU"), "......F..");
    assert_eq!(story.state.phase(), Phase::Recovering { count: 1 });
    assert_eq!(story.tell("DUUU"), "..R.");
    assert_eq!(story.state.phase(), Phase::Ok);
    assert_eq!(story.tell("DD"), "..");
    assert_eq!(story.state.phase(), Phase::Pending { count: 2 });
}

#[test]
fn what_says_nothing_of_the_target_neither_breaks_nor_extends_a_series() {
    let mut story = Story::new(r#"{"type":"status_change"}"#);
    assert_eq!(story.tell("D-BD--BD"), ".......F");
    assert_eq!(story.tell("-BU--U"), ".....R");
    let before = story.state.clone();
    story.tell("----");
    assert_eq!(story.state, before);
}

#[test]
fn a_broken_check_is_not_a_target_that_is_down() {
    let mut story = Story::new(r#"{"type":"error","consecutive":2}"#);
    assert_eq!(story.tell("DDBDB-BUDD"), "......F.R.");
}

#[test]
fn latency_counts_where_it_was_measured_and_a_fast_failure_is_no_recovery() {
    let mut story = Story::new(r#"{"type":"latency","threshold_ms":1000,"consecutive":2}"#);
    let mut minute = 0;
    let mut take = |seen, latency_ms| {
        minute += 60;
        let mut observation = observation(secs(minute), seen);
        observation.latency_ms = latency_ms;
        story
            .step(&observation)
            .transition
            .map(|transition| transition.change)
    };
    assert_eq!(take(Seen::Up, Some(1000.5)), None);
    assert_eq!(
        take(Seen::Up, Some(1000.0)),
        None,
        "not longer, so the series is over"
    );
    assert_eq!(take(Seen::Up, Some(2000.0)), None);
    assert_eq!(take(Seen::Up, None), None);
    assert_eq!(take(Seen::Broken, Some(5.0)), None);
    assert_eq!(take(Seen::Down, Some(2000.0)), Some(Change::Fired));
    assert_eq!(take(Seen::Down, Some(5.0)), None);
    assert_eq!(take(Seen::Up, Some(5.0)), None);
    assert_eq!(take(Seen::Down, Some(5.0)), None);
    assert_eq!(take(Seen::Up, Some(5.0)), Some(Change::Recovered));
}

#[test]
fn a_rule_that_fires_too_often_is_held_until_it_is_quiet() {
    let mut story = Story::new(
        r#"{"type":"status_change","consecutive_failures":1,"consecutive_successes":1}"#,
    );
    assert_eq!(story.tell("DUDUD"), "FRFRF");
    assert!(story.state.is_flapping());
    assert_eq!(story.tell("UDUDUUUUUD"), "..........");
    // Half an hour after the last failure, and three in a row.
    assert_eq!(story.tell(&"U".repeat(30)), format!("{}R", ".".repeat(29)));
    assert!(!story.state.is_flapping());
    // It is at once when it begins again.
    assert_eq!(story.tell("DU"), "F.");
    assert!(story.state.is_flapping());
}

#[test]
fn a_first_failure_is_checked_again_before_it_counts() {
    let json = r#"{"type":"status_change","consecutive_failures":1,"consecutive_successes":1,"recheck":true}"#;
    let recheck = |at, seen| Observation {
        is_recheck: true,
        ..observation(at, seen)
    };

    let mut story = Story::new(json);
    let step = story.step(&observation(secs(60), Seen::Down));
    assert!(step.wants_recheck);
    assert_eq!((step.transition, story.state.phase()), (None, Phase::Ok));
    let step = story.step(&recheck(secs(65), Seen::Up));
    assert_eq!((step.transition, step.wants_recheck), (None, false));
    assert_eq!(story.tell("UU"), "..", "it was dismissed");

    // Confirmed by the recheck, by one that could not say, by the next execution.
    for seen in [Seen::Down, Seen::Broken, Seen::Nothing] {
        let mut story = Story::new(json);
        assert!(story.step(&observation(secs(60), Seen::Down)).wants_recheck);
        let fired = story.step(&recheck(secs(65), seen)).transition;
        assert_eq!(
            fired,
            Some(Transition {
                change: Change::Fired,
                at: secs(65)
            })
        );
        assert_eq!(story.step(&recheck(secs(66), Seen::Up)).transition, None);
        assert_eq!(story.tell("U"), "R");
    }
    let mut story = Story::new(json);
    assert_eq!(story.tell("D-D"), "..F");

    // A recheck that never comes.
    let mut story = Story::new(json);
    assert_eq!(story.tell("D"), ".");
    let hourly = every(3_600);
    let counts_at = secs(60) + RECHECK_WAIT;
    assert_eq!(story.next_tick(&hourly, secs(60)), Some(counts_at));
    assert_eq!(story.tick(&hourly, counts_at - TimeDelta::seconds(1)), None);
    assert_eq!(story.tick(&hourly, counts_at), Some(Change::Fired));
    assert_eq!(story.next_tick(&hourly, counts_at), None);

    // With the failure and its confirmation being one.
    let mut story =
        Story::new(r#"{"type":"status_change","consecutive_failures":3,"recheck":true}"#);
    assert!(story.step(&observation(secs(60), Seen::Down)).wants_recheck);
    story.step(&recheck(secs(65), Seen::Down));
    assert_eq!(story.state.phase(), Phase::Pending { count: 1 });
    assert_eq!(story.tell("DD"), ".F");
}

#[test]
fn rechecks_count_for_nobody_who_did_not_ask() {
    for json in [
        r#"{"type":"status_change","consecutive_failures":1}"#,
        r#"{"type":"uptime","below_percent":99,"window":"1h"}"#,
        r#"{"type":"flapping"}"#,
    ] {
        let mut story = Story::new(json);
        let before = story.state.clone();
        let recheck = Observation {
            is_recheck: true,
            ..observation(secs(65), Seen::Down)
        };
        assert_eq!(story.step(&recheck), Step::nothing(before), "{json}");
    }
}

#[test]
fn no_data_fires_by_time_and_recovers_by_a_verdict_only() {
    let schedule = every(3_600);
    let mut story = Story::new(r#"{"type":"no_data","intervals":2}"#);
    // Two slots, and the time that the second may take.
    let silent_at = secs(2 * 3_600 + 90);
    assert_eq!(story.next_tick(&schedule, secs(0)), Some(silent_at));
    assert_eq!(
        story.tick(&schedule, silent_at - TimeDelta::seconds(1)),
        None
    );
    assert_eq!(story.tick(&schedule, silent_at), Some(Change::Fired));
    let fired = story.state.clone();
    assert_eq!(story.tick(&schedule, silent_at + TimeDelta::hours(9)), None);
    assert_eq!(story.state, fired, "nothing to write");
    assert_eq!(story.tell("B-"), "..", "neither is a verdict");
    let step = story.step(&observation(secs(7_200), Seen::Down));
    // Its slot was before; that it came shows after.
    let recovered = Transition {
        change: Change::Recovered,
        at: silent_at,
    };
    assert_eq!(step.transition, Some(recovered));
    assert_eq!(
        story.next_tick(&schedule, silent_at),
        Some(secs(4 * 3_600 + 90))
    );

    let never = Schedule::cron("0 0 30 2 *", "UTC").expect("a cron text");
    assert_eq!(story.tick(&never, days(900)), None);
}

#[test]
fn a_certificate_fires_by_an_execution_or_by_time() {
    let schedule = every(86_400);
    let mut story = Story::new(r#"{"type":"certificate_expiry","days":14}"#);
    let take = |story: &mut Story, at, expires_at| {
        let mut observation = observation(at, Seen::Down);
        observation.certificate_expires_at = expires_at;
        story
            .step(&observation)
            .transition
            .map(|transition| transition.change)
    };
    assert_eq!(take(&mut story, days(0), Some(days(20))), None);
    assert_eq!(take(&mut story, days(1), None), None);
    assert_eq!(story.next_tick(&schedule, days(1)), Some(days(6)));
    assert_eq!(story.tick(&schedule, days(6) - TimeDelta::seconds(1)), None);
    assert_eq!(story.tick(&schedule, days(6)), Some(Change::Fired));
    assert_eq!(story.next_tick(&schedule, days(6)), None);
    assert_eq!(take(&mut story, days(7), Some(days(20))), None);
    assert_eq!(
        take(&mut story, days(8), None),
        None,
        "no certificate is no new certificate"
    );
    assert_eq!(
        take(&mut story, days(9), Some(days(99))),
        Some(Change::Recovered)
    );
    assert_eq!(
        take(&mut story, days(10), Some(days(9))),
        Some(Change::Fired),
        "it is over"
    );
}

#[test]
fn uptime_waits_for_verdicts_enough_and_recovers_when_the_bad_ones_fall_out() {
    let schedule = every(60);
    let json = r#"{"type":"uptime","below_percent":90,"window":"1h"}"#;
    let mut story = Story::new(json);
    assert_eq!(story.tell("DUUUUUUUU"), ".........");
    assert_eq!(story.tell("UD"), ".F", "90 % is not below 90 %, 9 of 11 is");
    assert_eq!(story.tell("UUUUUUUU"), "........");
    assert_eq!(story.tell("U"), "R", "18 of 20");
    // Without an execution: the last failures leave the window, and successes are left.
    assert_eq!(story.tell("DUU"), "F..");
    let mut now = story.state.last_at.expect("it was told");
    let mut change = None;
    while change.is_none() {
        now = story
            .next_tick(&schedule, now)
            .expect("something will leave the window");
        change = story.tick(&schedule, now);
    }
    assert_eq!(change, Some(Change::Recovered));
    // All of it falls out: that says nothing.
    assert_eq!(story.tick(&schedule, days(1)), None);

    // Few verdicts are enough when there was a whole window.
    let mut story = Story::new(json);
    story.step(&observation(secs(0), Seen::Down));
    let late = observation(secs(3_600), Seen::Down);
    assert_eq!(story.step(&late).signal, Some(Signal::Breach));

    // Nothing but failures: no time heals.
    assert_eq!(story.tick(&schedule, days(9)), None);
    assert!(story.state.is_firing());
}

#[test]
fn flapping_fires_by_changes_and_recovers_when_they_fall_out() {
    let schedule = every(60);
    let mut story = Story::new(r#"{"type":"flapping","changes":4,"window":"10m"}"#);
    assert_eq!(story.tell("UUDDU-BDUU"), "........F.");
    // Changes at 3, 5, 8 and 9 minutes; two are few enough, which is at 15.
    let now = story.state.last_at.expect("it was told");
    let first_loss = story
        .next_tick(&schedule, now)
        .expect("a change will fall out");
    assert_eq!(first_loss, secs(13 * 60));
    assert_eq!(story.tick(&schedule, first_loss), None);
    let second_loss = story.next_tick(&schedule, first_loss).expect("another");
    assert_eq!(second_loss, secs(15 * 60));
    assert_eq!(story.tick(&schedule, second_loss), Some(Change::Recovered));

    // In silence it does not recover.
    let mut story = Story::new(r#"{"type":"flapping","changes":4,"window":"10m"}"#);
    assert_eq!(story.tell("UDUDU"), "....F");
    assert_eq!(story.tick(&schedule, secs(3_600)), None);
    assert!(story.state.is_firing());
}

#[test]
fn maintenance_counts_neither_for_uptime_nor_for_flapping() {
    let announced = |minute: i64, seen| Observation {
        is_in_maintenance: true,
        ..observation(secs(minute * 60), seen)
    };
    let mut story = Story::new(r#"{"type":"uptime","below_percent":90,"window":"1h"}"#);
    assert_eq!(story.tell("UUUUUUUUUU"), "..........");
    for minute in 11..=15 {
        let step = story.step(&announced(minute, Seen::Down));
        assert_eq!((step.transition, step.signal), (None, None));
    }
    // 10 of 11 are 90.9 %, 10 of 12 are not: those of the maintenance are in neither number.
    assert_eq!(story.tell("DD"), ".F");

    let mut story = Story::new(r#"{"type":"flapping","changes":2,"window":"1h"}"#);
    assert_eq!(story.tell("U"), ".");
    for (minute, seen) in [(2, Seen::Down), (3, Seen::Up), (4, Seen::Down)] {
        assert_eq!(story.step(&announced(minute, seen)).signal, None);
    }
    assert_eq!(story.tell("UD"), "..", "what was announced is no change");
    assert_eq!(story.tell("U"), "F");

    // Everybody else sees it: that nobody is told is not the machine's business.
    let mut story = Story::new(r#"{"type":"status_change","consecutive_failures":1}"#);
    let fired = story.step(&announced(1, Seen::Down)).transition;
    assert_eq!(
        fired.map(|transition| transition.change),
        Some(Change::Fired)
    );
}

#[test]
fn an_edit_keeps_what_still_means_the_same() {
    let mut story = Story::new(r#"{"type":"status_change","consecutive_failures":5}"#);
    story.tell("DDD");
    let eased = rule(r#"{"type":"status_change","consecutive_failures":3}"#);
    assert_eq!(
        edit(&story.rule, &story.rule, story.state.clone()),
        Edit::Kept(story.state.clone())
    );
    assert_eq!(
        edit(&story.rule, &eased, story.state.clone()),
        Edit::Kept(story.state.clone())
    );
    story.rule = eased;
    assert_eq!(story.tell("D"), "F", "with the next execution");
    let harder = rule(r#"{"type":"status_change","consecutive_failures":9}"#);
    assert_eq!(
        edit(&story.rule, &harder, story.state.clone()),
        Edit::Kept(story.state.clone())
    );
    story.rule = harder;
    assert_eq!(story.tell("UU"), ".R", "what was told is taken back");

    let other = rule(r#"{"type":"error"}"#);
    assert_eq!(edit(&story.rule, &other, story.state), Edit::Anew);
}

#[test]
fn a_series_of_latencies_ends_with_another_threshold() {
    let old = rule(r#"{"type":"latency","threshold_ms":100}"#);
    let new = rule(r#"{"type":"latency","threshold_ms":200}"#);
    let longer = rule(r#"{"type":"latency","threshold_ms":100,"consecutive":9}"#);
    for (before, after) in [
        (Phase::Ok, Phase::Ok),
        (Phase::Pending { count: 2 }, Phase::Ok),
        (Phase::Firing, Phase::Firing),
        (Phase::Recovering { count: 2 }, Phase::Firing),
    ] {
        let mut state = RuleState::new(secs(0));
        state.phase = before;
        assert_eq!(
            edit(&old, &longer, state.clone()),
            Edit::Kept(state.clone())
        );
        let mut expected = state.clone();
        expected.phase = after;
        assert_eq!(edit(&old, &new, state), Edit::Kept(expected));
    }
}

#[test]
fn another_window_begins_with_no_verdict_and_keeps_firing() {
    let mut story = Story::new(r#"{"type":"uptime","below_percent":90,"window":"1h"}"#);
    assert_eq!(story.tell("DDDDDDDDDDUU"), ".........F..");
    let wider = rule(r#"{"type":"uptime","below_percent":90,"window":"2h"}"#);
    let Edit::Kept(state) = edit(&story.rule, &wider, story.state.clone()) else {
        panic!("it is of the same kind");
    };
    assert_ne!(state, story.state);
    (story.rule, story.state) = (wider, state);
    // By the verdicts of the old window, nothing but successes would be left of this one.
    let later = secs(60 * 60 + 11 * 60);
    assert_eq!(story.tick(&every(60), later), None);
    assert_eq!(story.tell("UUUUUUUUU"), ".........");
    assert_eq!(story.tell("U"), "R");
}

#[test]
fn what_is_held_is_looked_at_when_it_was_quiet_for_long_enough() {
    let schedule = every(60);
    let mut story = Story::new(r#"{"type":"flapping","changes":2,"window":"5m"}"#);
    let calm = "U".repeat(9);
    let trouble = format!("DUU{calm}");
    assert_eq!(
        story
            .tell(&format!("U{trouble}{trouble}"))
            .matches('F')
            .count(),
        2
    );
    story.tell("DU");
    assert!(story.state.is_flapping());
    // Both changes stay in the window for three executions more.
    let breach_at = story.state.last_at.expect("it was told") + TimeDelta::minutes(3);
    story.tell(&calm);
    assert!(
        story.state.is_firing(),
        "no change is left in the window, and yet"
    );
    let now = story.state.last_at.expect("it was told");
    // With a verdict still within the window.
    story.tell(&"U".repeat(20));
    let quiet_at = breach_at + FLAP_QUIET;
    assert_eq!(story.next_tick(&schedule, now), Some(quiet_at));
    assert_eq!(
        story.tick(&schedule, quiet_at - TimeDelta::seconds(1)),
        None
    );
    assert_eq!(story.tick(&schedule, quiet_at), Some(Change::Recovered));
}

#[test]
fn a_state_stays_small_and_readable_however_long_it_goes_on() {
    for (json, letters) in [
        (
            r#"{"type":"status_change","consecutive_failures":1,"consecutive_successes":1}"#,
            ["D", "U", "U"],
        ),
        (
            r#"{"type":"flapping","changes":20,"window":"30d"}"#,
            ["D", "U", "D"],
        ),
    ] {
        let mut story = Story::new(json);
        story.tell(&letters.concat().repeat(4));
        for second in 1..1_000 {
            // The first rule is held while nothing is wrong for hundreds of executions.
            let is_up = letters[2] == "U" || second % 2 == 0;
            let seen = if is_up { Seen::Up } else { Seen::Down };
            let at = secs(12 * 60) + TimeDelta::seconds(second);
            story.step(&observation(at, seen));
        }
        let read = RuleState::from_json(&story.state.to_json());
        assert_eq!(read.expect("it was written just now"), story.state);
    }
}

#[test]
fn a_location_says_what_it_last_knew_unless_it_was_silent_for_long() {
    let schedule = every(60);
    let mut story = Story::new(r#"{"type":"status_change","consecutive_failures":1}"#);
    let standing = |story: &Story, now| story.state.standing(&story.rule, &schedule, now);
    assert_eq!(standing(&story, secs(0)), Standing::Unknown);
    story.tell("-B");
    assert_eq!(standing(&story, secs(120)), Standing::Unknown);
    story.tell("U");
    let last = story.state.last_data_at().expect("a verdict");
    let silent_at = last + TimeDelta::seconds(3 * 60 + 90);
    assert_eq!(
        standing(&story, silent_at - TimeDelta::seconds(1)),
        Standing::Ok
    );
    assert_eq!(standing(&story, silent_at), Standing::Unknown);
    story.tell("D");
    assert_eq!(standing(&story, days(100)), Standing::Firing);

    // For a rule about silence it says something, until the rule fires.
    let mut story = Story::new(r#"{"type":"no_data","intervals":99}"#);
    story.tell("U");
    assert_eq!(standing(&story, secs(3_600)), Standing::Ok);
}
