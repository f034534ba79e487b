//! Tests of incidents: by hand, and that over any events each has one `Down` and one `Up`.

use proptest::prelude::*;

use super::*;

fn rule(number: u64) -> AlertRuleId {
    AlertRuleId::from_uuid(uuid::Uuid::from_u64_pair(0, number))
}

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + minutes * 60, 0).expect("a time")
}

fn fired(number: u64, minutes: i64) -> Event {
    Event::RuleFired {
        rule: rule(number),
        at: at(minutes),
        is_muted: false,
    }
}

fn still(number: u64, minutes: i64) -> Event {
    Event::RuleStillFiring {
        rule: rule(number),
        at: at(minutes),
        is_muted: false,
    }
}

/// The same in a maintenance window.
fn muted(event: Event) -> Event {
    match event {
        Event::RuleFired { rule, at, .. } => Event::RuleFired {
            rule,
            at,
            is_muted: true,
        },
        Event::RuleStillFiring { rule, at, .. } => Event::RuleStillFiring {
            rule,
            at,
            is_muted: true,
        },
        other => other,
    }
}

fn recovered(number: u64) -> Event {
    Event::RuleRecovered { rule: rule(number) }
}

fn removed(number: u64) -> Event {
    Event::RuleRemoved { rule: rule(number) }
}

fn parent_up(minutes: i64) -> Event {
    Event::ParentUp { at: at(minutes) }
}

/// Applies events one after the other and compares what is sent.
fn tell(events: &[(Event, Option<Notice>)]) -> IncidentState {
    let mut state = IncidentState::default();
    for (number, (event, expected)) in events.iter().enumerate() {
        let (next, notice) = state.apply(*event);
        assert_eq!(notice, *expected, "event {number}: {event:?}");
        state = next;
    }
    state
}

const DOWN: Option<Notice> = Some(Notice::Down);
const UPDATE: Option<Notice> = Some(Notice::Update);
const ACKNOWLEDGED: Option<Notice> = Some(Notice::Acknowledged);

const UP: Option<Notice> = Some(Notice::Up(Resolution::Recovered));
const REMOVED: Option<Notice> = Some(Notice::Up(Resolution::RuleRemoved));
const PAUSED: Option<Notice> = Some(Notice::Up(Resolution::ScriptPaused));
const RESOLVED: Option<Notice> = Some(Notice::Up(Resolution::Person));

#[test]
fn the_rules_of_a_script_are_one_incident() {
    let state = tell(&[
        (recovered(1), None),
        (Event::Acknowledge, None),
        (Event::Comment, None),
        (fired(1, 0), DOWN),
        (fired(1, 1), None),
        (still(1, 1), None),
        (fired(2, 2), UPDATE),
        (Event::Comment, UPDATE),
        (Event::Acknowledge, ACKNOWLEDGED),
        (Event::Acknowledge, None),
        (fired(3, 3), UPDATE),
        (recovered(1), None),
        (recovered(1), None),
        (recovered(3), None),
        (recovered(2), UP),
        (Event::Comment, None),
        (Event::Resolve, None),
        (Event::ScriptPaused, None),
        (fired(2, 9), DOWN),
    ]);
    assert_eq!(state.stage(), Stage::Open);
    assert_eq!(state.causes(), &BTreeSet::from([rule(2)]));
}

#[test]
fn who_was_told_that_it_is_down_is_told_the_end() {
    tell(&[(fired(1, 0), DOWN), (Event::ScriptPaused, PAUSED)]);
    tell(&[
        (fired(1, 0), DOWN),
        (removed(1), REMOVED),
        (recovered(1), None),
    ]);
    tell(&[
        (fired(1, 0), DOWN),
        (fired(2, 0), UPDATE),
        (removed(1), None),
        (recovered(2), UP),
    ]);
    tell(&[
        (fired(1, 0), DOWN),
        (Event::Acknowledge, ACKNOWLEDGED),
        (Event::Resolve, RESOLVED),
        // It goes on firing, and later recovers: that is no second end, and no beginning.
        (still(1, 1), None),
        (recovered(1), None),
        (fired(1, 2), DOWN),
    ]);
}

#[test]
fn what_depends_on_what_is_down_is_held() {
    // Dropped, when it recovers with its parent.
    tell(&[
        (Event::ParentDown, None),
        (fired(1, 0), None),
        (fired(2, 0), None),
        (Event::Acknowledge, None),
        (Event::Comment, None),
        (still(1, 1), None),
        (recovered(2), None),
        (parent_up(2), None),
        (recovered(1), None),
        (fired(1, 3), DOWN),
    ]);
    // Released, when an execution after the parent was up shows that it is still down.
    let state = tell(&[
        (Event::ParentDown, None),
        (fired(1, 0), None),
        (fired(2, 0), None),
        (parent_up(5), None),
        (still(1, 5), None),
        (still(3, 6), None),
        (still(1, 6), DOWN),
        (still(1, 7), None),
        (still(2, 7), UPDATE),
    ]);
    assert_eq!(state.causes().len(), 2);
    assert_eq!(state.held().len(), 0);
    // The same when a further rule fires; and when the parent goes down once more.
    tell(&[
        (Event::ParentDown, None),
        (fired(1, 0), None),
        (parent_up(5), None),
        (Event::ParentDown, None),
        (still(1, 6), None),
        (parent_up(7), None),
        (fired(2, 8), DOWN),
        (still(1, 9), UPDATE),
    ]);
    // Whether anybody saw that it was down or not.
    tell(&[
        (parent_up(5), None),
        (parent_up(3), None),
        (fired(1, 5), None),
        (still(1, 6), DOWN),
    ]);
    // Nobody was told, so nobody is told the end.
    for end in [
        Event::Resolve,
        Event::ScriptPaused,
        removed(1),
        recovered(1),
    ] {
        let state = tell(&[(Event::ParentDown, None), (fired(1, 0), None), (end, None)]);
        assert_eq!(state.stage(), Stage::Quiet);
    }
}

#[test]
fn an_incident_that_was_told_goes_on_when_the_parent_goes_down() {
    let state = tell(&[
        (fired(1, 0), DOWN),
        (Event::ParentDown, None),
        (fired(2, 1), None),
        (recovered(1), None),
        (recovered(2), UP),
        (fired(1, 2), None),
    ]);
    assert_eq!(state.stage(), Stage::Held);
    assert!(state.is_down());
    // What joined it is told when it still fires afterwards.
    tell(&[
        (fired(1, 0), DOWN),
        (Event::ParentDown, None),
        (fired(2, 1), None),
        (parent_up(2), None),
        (still(2, 2), None),
        (still(1, 3), None),
        (still(2, 3), UPDATE),
        (still(2, 4), None),
        (recovered(2), None),
        (recovered(1), UP),
    ]);
}

#[test]
fn an_incident_learns_what_it_does_not_know_of_the_parent() {
    let up = |minutes: Option<i64>| Parent::Up {
        since: minutes.map(at),
    };
    let mut state = IncidentState::default();
    for (parent, expected) in [
        (up(None), None),
        (Parent::Down, Some(Event::ParentDown)),
        (Parent::Down, None),
        (up(Some(3)), Some(parent_up(3))),
        (up(Some(3)), None),
        (up(None), None),
        // It was down and is up again.
        (up(Some(5)), Some(parent_up(5))),
        // Another one, which was down long ago.
        (up(Some(1)), None),
        (Parent::Down, Some(Event::ParentDown)),
        // It is gone.
        (up(None), Some(parent_up(9))),
        (up(None), None),
    ] {
        let event = state.event_of_parent(parent, at(9));
        assert_eq!(event, expected, "{parent:?}");
        if let Some(event) = event {
            state = state.apply(event).0;
        }
        assert_eq!(state.event_of_parent(parent, at(9)), None);
    }
}

#[test]
fn what_is_muted_is_held_rule_by_rule() {
    // Nobody hears of what is over before the window is.
    tell(&[
        (muted(fired(1, 0)), None),
        (muted(still(1, 1)), None),
        (Event::Acknowledge, None),
        (Event::Comment, None),
        (recovered(1), None),
        (fired(1, 2), DOWN),
    ]);
    let state = tell(&[
        (muted(fired(1, 0)), None),
        (muted(fired(2, 0)), None),
        (still(1, 9), DOWN),
        (Event::Acknowledge, ACKNOWLEDGED),
        (muted(still(2, 9)), None),
        (muted(fired(3, 9)), None),
        (still(2, 10), UPDATE),
        (recovered(1), None),
        (recovered(2), None),
    ]);
    // Only the one that is held is left, and the end is told when it recovers.
    assert_eq!(state.stage(), Stage::Acknowledged);
    assert_eq!(state.held(), state.causes());
    assert_eq!(state.apply(recovered(3)).1, UP);
    // Muted and a parent that is down: both have to be over.
    tell(&[
        (Event::ParentDown, None),
        (muted(fired(1, 0)), None),
        (still(1, 1), None),
        (parent_up(2), None),
        (muted(still(1, 3)), None),
        (still(1, 4), DOWN),
        // What was told before goes on and ends while it is muted.
        (muted(still(1, 5)), None),
        (recovered(1), UP),
    ]);
}

#[test]
fn a_state_that_holds_all_or_nothing_reads() {
    let held = r#"{"v":1,"stage":"held","causes":["00000000-0000-0000-0000-000000000001"],"is_parent_down":true,"parent_up_at":null}"#;
    let state = IncidentState::from_json(held).expect("it was written once");
    assert_eq!(state.held(), &BTreeSet::from([rule(1)]));
    let (state, _) = state.apply(parent_up(1));
    assert_eq!(state.apply(still(1, 2)).1, DOWN);
    let open = held.replace("held", "open");
    let state = IncidentState::from_json(&open).expect("it was written once");
    assert_eq!(state.held().len(), 0);
    let none = open.replace(
        "\"causes\"",
        "\"held\":[\"00000000-0000-0000-0000-000000000002\"],\"causes\"",
    );
    assert!(matches!(
        IncidentState::from_json(&none),
        Err(IncidentError::Inconsistent)
    ));
}

#[test]
fn what_is_no_incident_is_an_error() {
    let state = tell(&[(fired(1, 0), DOWN)]);
    let json = state.to_json();
    assert_eq!(
        IncidentState::from_json(&json).expect("it was written"),
        state
    );
    let version = json.replace(r#""v":1"#, r#""v":2"#);
    assert!(matches!(
        IncidentState::from_json(&version),
        Err(IncidentError::UnknownVersion(2))
    ));
    let quiet = json.replace("open", "quiet");
    assert!(matches!(
        IncidentState::from_json(&quiet),
        Err(IncidentError::Inconsistent)
    ));
    for malformed in [
        "",
        "{}",
        &json.replace("open", "odd"),
        &json.replace("stage", "state"),
    ] {
        let read = IncidentState::from_json(malformed);
        assert!(
            matches!(read, Err(IncidentError::Malformed(_))),
            "{malformed}"
        );
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..3_u64, 0..100_i64).prop_map(|(rule, minutes)| fired(rule, minutes)),
        3 => (0..3_u64, 0..100_i64).prop_map(|(rule, minutes)| still(rule, minutes)),
        2 => (0..3_u64, 0..100_i64).prop_map(|(rule, minutes)| muted(fired(rule, minutes))),
        1 => (0..3_u64, 0..100_i64).prop_map(|(rule, minutes)| muted(still(rule, minutes))),
        4 => (0..3_u64).prop_map(recovered),
        1 => (0..3_u64).prop_map(removed),
        1 => Just(Event::ScriptPaused),
        1 => Just(Event::ParentDown),
        2 => (0..100_i64).prop_map(parent_up),
        1 => Just(Event::Acknowledge),
        1 => Just(Event::Resolve),
        1 => Just(Event::Comment),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// `Down` and `Up` take turns, and everything else that is sent lies between the two.
    #[test]
    fn each_incident_has_one_beginning_and_one_end(events in prop::collection::vec(any_event(), 0..80)) {
        let mut state = IncidentState::default();
        let mut is_told = false;
        let mut is_acknowledged = false;
        for event in events.into_iter().chain([Event::ScriptPaused]) {
            let (next, notice) = state.apply(event);
            state = IncidentState::from_json(&next.to_json()).expect("it was written just now");
            prop_assert_eq!(&state, &next);
            match notice {
                Some(Notice::Down) => {
                    prop_assert!(!is_told);
                    (is_told, is_acknowledged) = (true, false);
                }
                Some(Notice::Up(why)) => {
                    prop_assert!(is_told);
                    prop_assert_eq!(why == Resolution::Recovered, matches!(event, Event::RuleRecovered { .. }));
                    is_told = false;
                }
                Some(Notice::Acknowledged) => {
                    prop_assert!(is_told && !is_acknowledged);
                    is_acknowledged = true;
                }
                Some(Notice::Update) => prop_assert!(is_told),
                None => {}
            }
            let expected = match state.stage() {
                Stage::Quiet | Stage::Held => (false, is_acknowledged),
                Stage::Open => (true, false),
                Stage::Acknowledged => (true, true),
            };
            prop_assert_eq!((is_told, is_acknowledged), expected);
            prop_assert_eq!(state.causes().is_empty(), state.stage() == Stage::Quiet);
            prop_assert!(state.stage() != Stage::Held || state.held() == state.causes());
        }
        prop_assert!(!is_told);
    }

    /// Nobody is told of a rule while it is muted, while the parent is down, or of what was before the parent was
    /// up; and of each rule that fires once, as soon as it shows at another time that it still does.
    #[test]
    fn a_rule_is_held_as_long_as_it_must_be(events in prop::collection::vec(any_event(), 0..60)) {
        let mut state = IncidentState::default();
        let mut firing = BTreeSet::new();
        let mut told = BTreeSet::new();
        let (mut is_parent_down, mut up_at) = (false, at(-1));
        for event in events {
            let mut expected = None;
            match event {
                Event::RuleFired { rule, at, is_muted } | Event::RuleStillFiring { rule, at, is_muted } => {
                    if matches!(event, Event::RuleFired { .. }) {
                        firing.insert(rule);
                    }
                    let may_tell = !is_muted && !is_parent_down && at > up_at;
                    if may_tell && firing.contains(&rule) && told.insert(rule) {
                        expected = if state.is_told() { UPDATE } else { DOWN };
                    }
                }
                Event::RuleRecovered { rule } | Event::RuleRemoved { rule } => {
                    firing.remove(&rule);
                    told.remove(&rule);
                }
                Event::ScriptPaused | Event::Resolve => {
                    firing.clear();
                    told.clear();
                }
                Event::ParentDown => is_parent_down = true,
                Event::ParentUp { at } => (is_parent_down, up_at) = (false, up_at.max(at)),
                _ => {}
            }
            let (next, notice) = state.apply(event);
            state = next;
            let is_about_rule = matches!(event, Event::RuleFired { .. } | Event::RuleStillFiring { .. });
            if is_about_rule {
                prop_assert_eq!(notice, expected);
            }
            prop_assert!(is_about_rule || notice != DOWN);
            prop_assert_eq!(state.causes(), &firing);
            prop_assert_eq!(state.told().collect::<BTreeSet<_>>(), told.clone());
        }
        // Whatever is held comes out with the first execution after the parent is up.
        (state, _) = state.apply(parent_up(100));
        for rule in &firing {
            let event = Event::RuleStillFiring { rule: *rule, at: at(101), is_muted: false };
            let (next, notice) = state.apply(event);
            prop_assert_eq!(notice.is_some(), !told.contains(rule));
            state = next;
        }
        prop_assert!(state.held().is_empty());
        prop_assert!(firing.is_empty() || state.is_told());
    }
}
