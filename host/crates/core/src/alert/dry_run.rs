//! What a rule would have done, played over the past.

use std::{collections::BTreeMap, mem};

use chrono::{DateTime, Utc};

use super::{
    machine::{Change, next_tick, step, tick},
    observation::Observation,
    quorum::{Quorum, Standing},
    rule::RuleDefinition,
    state::RuleState,
};
use crate::{Schedule, slot::DEFAULT_LOCATION};

#[cfg(test)]
mod tests;

/// A time during which the rule would have fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Firing {
    /// When it would have fired.
    pub fired_at: DateTime<Utc>,
    /// When it would have recovered; `None`: not until the end.
    pub recovered_at: Option<DateTime<Utc>>,
}

/// A rule and what it goes by.
#[derive(Debug, Clone, Copy)]
pub struct DryRun<'a> {
    /// The rule.
    pub rule: &'a RuleDefinition,
    /// How many locations have to agree.
    pub quorum: Quorum,
    /// The schedule of the script.
    pub schedule: &'a Schedule,
    /// From when on.
    pub from: DateTime<Utc>,
    /// Until when, which is later.
    pub until: DateTime<Utc>,
}

impl DryRun<'_> {
    /// Plays the executions of one script, in whatever order they come; those outside the time are
    /// left out. Each is taken up at the time of its slot. Rechecks are not to be among them, which
    /// answered other rules: a failure that would have asked for one counts after
    /// [`super::machine::RECHECK_WAIT`] or with the next execution.
    pub fn play(&self, observations: &[Observation]) -> Vec<Firing> {
        let mut in_time: Vec<_> = observations
            .iter()
            .filter(|observation| (self.from..=self.until).contains(&observation.at))
            .collect();
        in_time.sort_by_key(|observation| observation.at);

        let mut play = Play {
            run: self,
            states: BTreeMap::new(),
            firings: Vec::new(),
        };
        let locations = in_time
            .iter()
            .map(|observation| observation.location.as_str());
        for location in locations {
            play.states
                .entry(location)
                .or_insert_with(|| RuleState::new(self.from));
        }
        if play.states.is_empty() {
            play.states
                .insert(DEFAULT_LOCATION, RuleState::new(self.from));
        }
        let mut now = self.from;
        for observation in in_time {
            play.let_time_pass(now, observation.at);
            now = observation.at;
            play.take(observation);
        }
        play.let_time_pass(now, self.until);
        play.firings
    }
}

struct Play<'a> {
    run: &'a DryRun<'a>,
    states: BTreeMap<&'a str, RuleState>,
    firings: Vec<Firing>,
}

impl<'a> Play<'a> {
    /// Ticks whenever there is something to do after `from`, until `to`.
    fn let_time_pass(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) {
        let DryRun { rule, schedule, .. } = *self.run;
        let mut now = from;
        while let Some(next) = self.next_tick(now, to) {
            now = next;
            self.states = mem::take(&mut self.states)
                .into_iter()
                .map(|(location, state)| (location, tick(rule, state, schedule, now).state))
                .collect();
            self.judge(now);
        }
    }

    fn next_tick(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let DryRun { rule, schedule, .. } = *self.run;
        let ticks = self.states.values();
        ticks
            .filter_map(|state| next_tick(rule, state, schedule, after, until))
            .min()
    }

    fn take(&mut self, observation: &'a Observation) {
        let location = observation.location.as_str();
        if let Some(state) = self.states.remove(location) {
            let state = step(self.run.rule, state, observation).state;
            self.states.insert(location, state);
        }
        self.judge(observation.at);
    }

    fn judge(&mut self, now: DateTime<Utc>) {
        let DryRun {
            rule,
            quorum,
            schedule,
            ..
        } = *self.run;
        let standings = self
            .states
            .values()
            .map(|state| state.standing(rule, schedule, now));
        let open = self
            .firings
            .last_mut()
            .filter(|firing| firing.recovered_at.is_none());
        let before = if open.is_some() {
            Standing::Firing
        } else {
            Standing::Ok
        };
        match (quorum.judge(standings).change_from(before), open) {
            (Some(Change::Recovered), Some(firing)) => firing.recovered_at = Some(now),
            (Some(Change::Fired), None) => self.firings.push(Firing {
                fired_at: now,
                recovered_at: None,
            }),
            _ => {}
        }
    }
}
