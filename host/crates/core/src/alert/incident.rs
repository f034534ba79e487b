//! Incidents: the rules of one script that fire, as one story with a beginning and an end.
//!
//! An incident begins when `Down` is to be sent and ends when `Up` is, and nothing else sends
//! them: so each has exactly one of both, in this order, whatever happens between.
//!
//! A rule that fires while nobody is to be told of it, because it is muted or because of the script's parent, is
//! *held*, until something shows, at a time when people may be told, that it still has reason to fire.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::AlertRuleId;

#[cfg(test)]
mod tests;

/// The version that is written.
const VERSION: u64 = 1;

/// Where the incident of a script stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// There is none.
    Quiet,
    /// Rules fire, and nobody was told: all of them are held.
    Held,
    /// `Down` was sent.
    Open,
    /// Somebody said that they see to it.
    Acknowledged,
}

/// What happens to the incident of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A rule fires, by an execution or a time `at`.
    RuleFired {
        /// Which one.
        rule: AlertRuleId,
        /// The time of its transition.
        at: DateTime<Utc>,
        /// Whether a maintenance window or a silence covers the rule at that time.
        is_muted: bool,
    },
    /// A rule that fires saw a breach once more. This is what releases a rule that is held.
    RuleStillFiring {
        /// Which one.
        rule: AlertRuleId,
        /// The slot of the execution, or the time, that shows it.
        at: DateTime<Utc>,
        /// Whether a maintenance window or a silence covers the rule at that time.
        is_muted: bool,
    },
    /// A rule recovered.
    RuleRecovered {
        /// Which one.
        rule: AlertRuleId,
    },
    /// A rule was deleted, disabled, or edited into another one.
    RuleRemoved {
        /// Which one.
        rule: AlertRuleId,
    },
    /// The script was paused or deleted: its rules look at nothing any more.
    ScriptPaused,
    /// The script that this one depends on has an incident.
    ParentDown,
    /// The script that this one depends on has none, or it depends on none any more.
    ParentUp {
        /// Since when. Executions that were due before prove nothing about this script.
        at: DateTime<Utc>,
    },
    /// Somebody sees to it.
    Acknowledge,
    /// Somebody says that it is over.
    Resolve,
    /// Somebody says something.
    Comment,
}

/// How the script is doing that another one depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// It has an incident, if perhaps one that nobody was told of.
    Down,
    /// It has none, or there is no such script.
    Up {
        /// When its last one was over; `None`: it never had one, or that is not known.
        since: Option<DateTime<Utc>>,
    },
}

/// Why an incident is over. Only [`Resolution::Recovered`] says that the target is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// The last rule that fired recovered.
    Recovered,
    /// The last rule that fired is gone.
    RuleRemoved,
    /// Nobody looks any more.
    ScriptPaused,
    /// Somebody said so.
    Person,
}

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notice {
    /// An incident began.
    Down,
    /// Something was added to an incident that goes on: a further rule, or a comment.
    Update,
    /// Somebody sees to it.
    Acknowledged,
    /// The incident is over.
    Up(Resolution),
}

/// The incident of a script, or that there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentState {
    v: u64,
    stage: Stage,
    /// The rules that fire. Empty exactly when `stage` is `Quiet`.
    causes: BTreeSet<AlertRuleId>,
    /// Those of `causes` that nobody was told of. All of them while `stage` is `Held`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    held: BTreeSet<AlertRuleId>,
    is_parent_down: bool,
    /// What was due before this, or just then, proves nothing. `None`: the parent was never down.
    parent_up_at: Option<DateTime<Utc>>,
}

/// A stored incident that cannot be taken up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IncidentError {
    /// It was written by another version.
    #[error("the stored incident has version {0}, this is version {VERSION}")]
    UnknownVersion(u64),
    /// It is not JSON, or not that of an incident.
    #[error("the stored incident is malformed")]
    Malformed(#[from] serde_json::Error),
    /// It is open without a rule that fires, has one without being open, or holds one that does not fire.
    #[error("the stored incident and the rules that fire contradict each other")]
    Inconsistent,
}

impl Default for IncidentState {
    fn default() -> Self {
        Self {
            v: VERSION,
            stage: Stage::Quiet,
            causes: BTreeSet::new(),
            held: BTreeSet::new(),
            is_parent_down: false,
            parent_up_at: None,
        }
    }
}

impl IncidentState {
    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// Any text that no state is written as.
    pub fn from_json(text: &str) -> Result<Self, IncidentError> {
        let mut state: Self = serde_json::from_str(text)?;
        if state.v != VERSION {
            return Err(IncidentError::UnknownVersion(state.v));
        }
        if state.stage == Stage::Held {
            // Those that were written before rules were held one by one do not name them.
            state.held.clone_from(&state.causes);
        }
        if state.causes.is_empty() != (state.stage == Stage::Quiet)
            || !state.held.is_subset(&state.causes)
        {
            return Err(IncidentError::Inconsistent);
        }
        Ok(state)
    }

    /// The state as JSON. It grows with the number of rules that fire.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("all keys are texts")
    }

    /// Where it stands.
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// The rules that fire.
    pub const fn causes(&self) -> &BTreeSet<AlertRuleId> {
        &self.causes
    }

    /// Those of [`Self::causes`] that nobody was told of.
    pub const fn held(&self) -> &BTreeSet<AlertRuleId> {
        &self.held
    }

    /// The rules that fire and that people were told of.
    pub fn told(&self) -> impl Iterator<Item = AlertRuleId> {
        self.causes.difference(&self.held).copied()
    }

    /// Whether this script counts as down for those that depend on it.
    pub fn is_down(&self) -> bool {
        self.stage != Stage::Quiet
    }

    /// The event by which it learns how the script's parent is doing; `None`: it knows.
    pub fn event_of_parent(&self, parent: Parent, now: DateTime<Utc>) -> Option<Event> {
        match parent {
            Parent::Down => (!self.is_parent_down).then_some(Event::ParentDown),
            Parent::Up { since } => {
                // It may have gone down and come up again since somebody looked.
                let is_news = self.is_parent_down || since > self.parent_up_at;
                let at = since.unwrap_or(now);
                is_news.then_some(Event::ParentUp { at })
            }
        }
    }

    /// Takes an event, and says what is to be sent.
    ///
    /// Events that do not fit are ignored: the recovery of a rule that did not fire, the
    /// acknowledgement of what is over.
    #[must_use]
    pub fn apply(mut self, event: Event) -> (Self, Option<Notice>) {
        let notice = match event {
            Event::RuleFired { rule, at, is_muted } => {
                // One that fires already is as it was: what it sees again is told by the other event.
                if self.causes.insert(rule) {
                    self.held.insert(rule);
                }
                self.release(rule, at, is_muted)
            }
            Event::RuleStillFiring { rule, at, is_muted } => self.release(rule, at, is_muted),
            Event::RuleRecovered { rule } => self.lose(rule, Resolution::Recovered),
            Event::RuleRemoved { rule } => self.lose(rule, Resolution::RuleRemoved),
            Event::ScriptPaused => self.end(Resolution::ScriptPaused),
            Event::Resolve => self.end(Resolution::Person),
            Event::ParentDown => {
                self.is_parent_down = true;
                None
            }
            Event::ParentUp { at } => {
                self.is_parent_down = false;
                self.parent_up_at = self.parent_up_at.max(Some(at));
                None
            }
            Event::Acknowledge if self.stage == Stage::Open => {
                self.stage = Stage::Acknowledged;
                Some(Notice::Acknowledged)
            }
            Event::Comment if self.is_told() => Some(Notice::Update),
            Event::Acknowledge | Event::Comment => None,
        };
        (self, notice)
    }

    /// Whether `Down` was sent, and `Up` was not.
    pub const fn is_told(&self) -> bool {
        matches!(self.stage, Stage::Open | Stage::Acknowledged)
    }

    /// Tells of a rule that is held, if people may be told.
    fn release(&mut self, rule: AlertRuleId, at: DateTime<Utc>, is_muted: bool) -> Option<Notice> {
        let is_proof = !self.is_parent_down && self.parent_up_at.is_none_or(|up_at| at > up_at);
        if is_proof && !is_muted && self.held.remove(&rule) {
            if self.is_told() {
                return Some(Notice::Update);
            }
            self.stage = Stage::Open;
            return Some(Notice::Down);
        }
        if self.stage == Stage::Quiet && !self.held.is_empty() {
            self.stage = Stage::Held;
        }
        None
    }

    fn lose(&mut self, rule: AlertRuleId, why: Resolution) -> Option<Notice> {
        self.held.remove(&rule);
        if self.causes.remove(&rule) && self.causes.is_empty() {
            self.end(why)
        } else {
            None
        }
    }

    fn end(&mut self, why: Resolution) -> Option<Notice> {
        let notice = self.is_told().then_some(Notice::Up(why));
        self.stage = Stage::Quiet;
        self.causes.clear();
        self.held.clear();
        notice
    }
}
