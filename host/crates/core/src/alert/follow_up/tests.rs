//! Tests of reminders and escalations.

use proptest::prelude::*;

use super::*;

fn rule(number: u64) -> AlertRuleId {
    AlertRuleId::from_uuid(uuid::Uuid::from_u64_pair(0, number))
}

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + minutes * 60, 0).expect("a time")
}

fn asked(number: u64, remind_after_minutes: Option<u32>, steps: &[u32]) -> Asked {
    Asked {
        rule: rule(number),
        remind_after_minutes,
        steps: steps.to_vec(),
    }
}

fn fired(number: u64, minutes: i64) -> FollowUps {
    let mut state = FollowUps::default();
    state.fire(rule(number), at(minutes));
    state
}

#[test]
fn reminders_come_each_so_many_minutes() {
    let mut state = fired(1, 0);
    let asked = [asked(1, Some(30), &[])];
    assert_eq!(state.next(&asked), Some(at(30)));
    for (minutes, expected, next) in [
        (29, false, 30),
        (30, true, 60),
        (31, false, 60),
        (60, true, 90),
    ] {
        let due = state.take_due(&asked, at(minutes));
        assert_eq!(
            (due.is_reminder, due.steps),
            (expected, vec![]),
            "{minutes}"
        );
        assert_eq!(state.next(&asked), Some(at(next)));
    }
    // Those that were missed are one, and the next ones keep to their times.
    assert!(state.take_due(&asked, at(305)).is_reminder);
    assert_eq!(state.next(&asked), Some(at(330)));
}

#[test]
fn a_tick_that_comes_late_delays_no_other() {
    let mut state = fired(1, 0);
    let asked = [asked(1, Some(5), &[])];
    assert!(
        state
            .take_due(&asked, at(5) + TimeDelta::seconds(4))
            .is_reminder
    );
    assert_eq!(state.next(&asked), Some(at(10)));
}

#[test]
fn a_reminder_counts_for_all_rules() {
    let mut state = fired(1, 0);
    state.fire(rule(2), at(2));
    let both = [asked(1, Some(30), &[]), asked(2, Some(30), &[])];
    assert!(state.take_due(&both, at(30)).is_reminder);
    assert!(!state.take_due(&both, at(32)).is_reminder);
    assert_eq!(state.next(&both), Some(at(60)));
    // One that comes late is no reason for a reminder before its time.
    let late = [asked(2, Some(5), &[])];
    let mut state = fired(1, 0);
    state.fire(rule(2), at(600));
    assert!(!state.take_due(&late, at(604)).is_reminder);
    assert!(state.take_due(&late, at(605)).is_reminder);
}

#[test]
fn each_step_is_told_once() {
    let mut state = fired(1, 0);
    let asked = [asked(1, None, &[5, 15, 60])];
    assert_eq!(state.next(&asked), Some(at(5)));
    let steps = |state: &mut FollowUps, minutes| state.take_due(&asked, at(minutes)).steps;
    assert_eq!(steps(&mut state, 4), []);
    assert_eq!(steps(&mut state, 5), [(rule(1), 5)]);
    assert_eq!(steps(&mut state, 6), []);
    assert_eq!(state.next(&asked), Some(at(15)));
    assert_eq!(steps(&mut state, 90), [(rule(1), 15), (rule(1), 60)]);
    assert_eq!(state.next(&asked), None);
    // Also when the rule recovers meanwhile and fires again.
    state.fire(rule(1), at(100));
    assert_eq!(steps(&mut state, 500), []);
}

#[test]
fn a_step_waits_for_its_own_rule() {
    let mut state = fired(1, 0);
    state.fire(rule(2), at(60));
    let asked = [asked(1, None, &[]), asked(2, None, &[10])];
    assert_eq!(state.take_due(&asked, at(69)), Due::default());
    assert_eq!(state.take_due(&asked, at(70)).steps, [(rule(2), 10)]);
}

#[test]
fn what_was_not_told_is_not_told_again() {
    let mut state = fired(1, 0);
    let other = [asked(2, Some(5), &[5])];
    assert_eq!(state.next(&other), None);
    assert_eq!(state.take_due(&other, at(60)), Due::default());
}

#[test]
fn the_settings_of_the_moment_count() {
    let mut state = fired(1, 0);
    assert_eq!(
        state.take_due(&[asked(1, None, &[10])], at(10)).steps,
        [(rule(1), 10)]
    );
    // A new step before the one that was told comes too late.
    let edited = [asked(1, Some(60), &[5, 20])];
    assert_eq!(state.next(&edited), Some(at(20)));
    assert_eq!(state.take_due(&edited, at(20)).steps, [(rule(1), 20)]);
    assert!(state.take_due(&edited, at(60)).is_reminder);
    assert_eq!(state.take_due(&[], at(120)), Due::default());
}

#[test]
fn it_is_stored_and_read() {
    let mut state = fired(1, 0);
    let asked = [asked(1, Some(5), &[5])];
    state.take_due(&asked, at(7));
    assert_eq!(FollowUps::from_json(&state.to_json()).unwrap(), state);
    let newer = state.to_json().replace("\"v\":1", "\"v\":2");
    assert!(matches!(
        FollowUps::from_json(&newer),
        Err(FollowUpError::UnknownVersion(2))
    ));
    assert!(FollowUps::from_json("{}").is_err());
}

proptest! {
    /// However late the looks come: nothing is due before `next`, something is at it, and nothing after it was taken.
    #[test]
    fn next_says_when_something_is_due(
        remind in proptest::option::of(5_u32..100),
        steps in proptest::collection::btree_set(1_u32..200, 0..5),
        looks in proptest::collection::vec(1_i64..120, 1..20),
    ) {
        let mut state = fired(1, 0);
        let asked = [asked(1, remind, &steps.into_iter().collect::<Vec<_>>())];
        let mut now = 0;
        for look in looks {
            now += look;
            let is_due = state.next(&asked).is_some_and(|next| next <= at(now));
            prop_assert_eq!(state.take_due(&asked, at(now)) != Due::default(), is_due);
            prop_assert_eq!(state.take_due(&asked, at(now)), Due::default());
            prop_assert!(state.next(&asked).is_none_or(|next| next > at(now)));
        }
    }
}
