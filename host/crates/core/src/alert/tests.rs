//! The parts together, as they are to be wired: rules at locations, their quorum, the incident of
//! their script, and whatever people and time may do meanwhile.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::{
    incident::{Event, IncidentState, Notice, Stage},
    machine::{Change, Edit, Signal, Step, edit, step, tick},
    observation::{Observation, Seen},
    quorum::{Quorum, Standing},
    rule::RuleDefinition,
    state::RuleState,
};
use crate::{AlertRuleId, Schedule, ScriptId};

const LOCATIONS: usize = 2;

/// A rule as it would be stored.
struct Rule {
    id: AlertRuleId,
    definition: RuleDefinition,
    states: Vec<RuleState>,
    /// The last standing that was not unknown.
    standing: Standing,
}

/// A script with its rules and its incident.
struct Script {
    schedule: Schedule,
    quorum: Quorum,
    rules: Vec<Rule>,
    incident: IncidentState,
    is_muted: bool,
    is_parent_down: bool,
    sent: Vec<Notice>,
}

impl Script {
    fn apply(&mut self, event: Event) {
        let (incident, notice) = std::mem::take(&mut self.incident).apply(event);
        self.incident = incident;
        match event {
            Event::ParentDown => self.is_parent_down = true,
            Event::ParentUp { .. } => self.is_parent_down = false,
            Event::RuleFired { .. } | Event::RuleStillFiring { .. } => {
                let may_tell = !self.is_muted && !self.is_parent_down;
                assert!(may_tell || notice.is_none(), "{event:?} told {notice:?}");
            }
            _ => assert_ne!(notice, Some(Notice::Down), "{event:?}"),
        }
        self.sent.extend(notice);
    }

    /// Moves each rule's state at a location, and tells the incident what came of it.
    fn advance(
        &mut self,
        location: usize,
        now: DateTime<Utc>,
        next: impl Fn(&RuleDefinition, RuleState) -> Step,
    ) {
        for index in 0..self.rules.len() {
            let rule = &mut self.rules[index];
            let id = rule.id;
            let step = next(&rule.definition, rule.states[location].clone());
            rule.states[location] = step.state;
            let standings = rule.states.iter();
            let standings =
                standings.map(|state| state.standing(&rule.definition, &self.schedule, now));
            let standing = self.quorum.judge(standings);
            let change = standing.change_from(rule.standing);
            if standing != Standing::Unknown {
                rule.standing = standing;
            }
            let is_muted = self.is_muted;
            match change {
                Some(Change::Fired) => self.apply(Event::RuleFired {
                    rule: id,
                    at: now,
                    is_muted,
                }),
                Some(Change::Recovered) => self.apply(Event::RuleRecovered { rule: id }),
                None if standing == Standing::Firing && step.signal == Some(Signal::Breach) => {
                    self.apply(Event::RuleStillFiring {
                        rule: id,
                        at: now,
                        is_muted,
                    });
                }
                None => {}
            }
        }
    }

    fn run(&mut self, location: usize, seen: Seen, now: DateTime<Utc>) {
        let observation = Observation {
            at: now,
            location: location.to_string(),
            seen,
            latency_ms: None,
            certificate_expires_at: None,
            is_recheck: false,
            is_in_maintenance: false,
        };
        self.advance(location, now, |rule, state| step(rule, state, &observation));
    }

    fn wait_until(&mut self, now: DateTime<Utc>) {
        let schedule = self.schedule.clone();
        for location in 0..LOCATIONS {
            self.advance(location, now, |rule, state| {
                tick(rule, state, &schedule, now)
            });
        }
    }

    fn edit(&mut self, index: usize, definition: RuleDefinition, now: DateTime<Utc>) {
        let rule = &mut self.rules[index];
        let mut is_kept = true;
        for state in &mut rule.states {
            *state = match edit(&rule.definition, &definition, state.clone()) {
                Edit::Kept(state) => state,
                Edit::Anew => {
                    is_kept = false;
                    RuleState::new(now)
                }
            };
        }
        rule.definition = definition;
        if !is_kept {
            rule.standing = Standing::Unknown;
            let rule = rule.id;
            self.apply(Event::RuleRemoved { rule });
        }
    }

    fn pause_and_resume(&mut self, now: DateTime<Utc>) {
        self.apply(Event::ScriptPaused);
        for rule in &mut self.rules {
            rule.standing = Standing::Unknown;
            rule.states = vec![RuleState::new(now); LOCATIONS];
        }
    }
}

#[derive(Debug, Clone)]
enum Action {
    Run(usize, Seen),
    Wait(i64),
    Edit(usize, usize),
    Pause,
    Mute(bool),
    ParentDown,
    ParentUp,
    Acknowledge,
    Resolve,
}

fn definitions() -> Vec<RuleDefinition> {
    let texts = [
        r#"{"type":"status_change","consecutive_failures":1,"consecutive_successes":1}"#,
        r#"{"type":"status_change","consecutive_failures":2}"#,
        r#"{"type":"error","consecutive":1}"#,
        r#"{"type":"no_data","intervals":2}"#,
        r#"{"type":"uptime","below_percent":50,"window":"10m"}"#,
    ];
    let read = |text| RuleDefinition::read(&serde_json::from_str(text).expect("JSON"));
    texts.map(|text| read(text).expect("a rule")).into()
}

fn any_action() -> impl Strategy<Value = Action> {
    let seen = prop::sample::select(vec![Seen::Up, Seen::Down, Seen::Broken, Seen::Nothing]);
    prop_oneof![
        30 => (0..LOCATIONS, seen).prop_map(|(location, seen)| Action::Run(location, seen)),
        3 => (1..30_i64).prop_map(Action::Wait),
        2 => (0..2_usize, 0..definitions().len()).prop_map(|(rule, to)| Action::Edit(rule, to)),
        1 => Just(Action::Pause),
        2 => any::<bool>().prop_map(Action::Mute),
        1 => Just(Action::ParentDown),
        1 => Just(Action::ParentUp),
        1 => Just(Action::Acknowledge),
        1 => Just(Action::Resolve),
    ]
}

proptest! {
    /// `Down` and `Up` take turns through all of it, and the incident has exactly the rules that
    /// fire, but for those that fired before a person ended it.
    #[test]
    fn who_is_told_that_it_is_down_is_told_the_end_whatever_happens(
        actions in prop::collection::vec(any_action(), 1..150),
        quorum in prop::sample::select(vec![Quorum::Any, Quorum::Majority, Quorum::AtLeast(2)]),
    ) {
        let start = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let definitions = definitions();
        let rule = |number: usize| Rule {
            id: AlertRuleId::from_uuid(uuid::Uuid::from_u64_pair(0, number as u64)),
            definition: definitions[number].clone(),
            states: vec![RuleState::new(start); LOCATIONS],
            standing: Standing::Unknown,
        };
        let mut script = Script {
            schedule: Schedule::interval(ScriptId::from_uuid(uuid::Uuid::nil()), 60).expect("an interval"),
            quorum,
            rules: vec![rule(0), rule(3)],
            incident: IncidentState::default(),
            is_muted: false,
            is_parent_down: false,
            sent: Vec::new(),
        };
        let mut dismissed = BTreeSet::new();
        let mut now = start;
        for action in actions {
            now += TimeDelta::minutes(1);
            match action {
                Action::Run(location, seen) => script.run(location, seen, now),
                Action::Wait(minutes) => {
                    now += TimeDelta::minutes(minutes);
                    script.wait_until(now);
                }
                Action::Edit(rule, to) => script.edit(rule, definitions[to].clone(), now),
                Action::Pause => script.pause_and_resume(now),
                Action::Mute(is_muted) => script.is_muted = is_muted,
                Action::ParentDown => script.apply(Event::ParentDown),
                Action::ParentUp => script.apply(Event::ParentUp { at: now }),
                Action::Acknowledge => script.apply(Event::Acknowledge),
                Action::Resolve => {
                    dismissed.extend(script.incident.causes().iter().copied());
                    script.apply(Event::Resolve);
                }
            }
            let fires = |rule: &&Rule| rule.standing == Standing::Firing;
            let firing: BTreeSet<_> = script.rules.iter().filter(fires).map(|rule| rule.id).collect();
            dismissed.retain(|rule| firing.contains(rule));
            let expected: BTreeSet<_> = firing.difference(&dismissed).copied().collect();
            prop_assert_eq!(script.incident.causes(), &expected);

            let ends = script.sent.iter().filter(|notice| matches!(notice, Notice::Down | Notice::Up(_)));
            let is_down: Vec<_> = ends.map(|notice| *notice == Notice::Down).collect();
            prop_assert!(is_down.iter().enumerate().all(|(index, is_down)| *is_down == (index % 2 == 0)));
            let is_open = matches!(script.incident.stage(), Stage::Open | Stage::Acknowledged);
            prop_assert_eq!(is_open, is_down.len() % 2 == 1);
        }
        // When people may be told again, they are, of all that still has reason to fire. Of uptime, this is not sure.
        script.is_muted = false;
        script.apply(Event::ParentUp { at: now });
        for seen in [Seen::Down, Seen::Broken] {
            now += TimeDelta::minutes(1);
            for location in 0..LOCATIONS {
                script.run(location, seen, now);
            }
        }
        script.wait_until(now + TimeDelta::minutes(30));
        for rule in &script.rules {
            let is_sure = rule.definition.kind() != "uptime";
            prop_assert!(!is_sure || !script.incident.held().contains(&rule.id));
        }
    }
}
