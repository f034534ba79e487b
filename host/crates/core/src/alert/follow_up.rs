//! Telling again of an incident that nobody sees to: reminders to those who were told, and steps to further people.
//! When, and of which rule; who that is, is looked up when it is told.

use std::{collections::BTreeMap, ops::RangeInclusive};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{AlertRuleId, ChannelId};

#[cfg(test)]
mod tests;

/// Minutes from one reminder to the next: five minutes, so that a channel is not drowned, to a week.
pub const REMINDER_MINUTES: RangeInclusive<u32> = 5..=10_080;
/// Minutes until a step of an escalation: to a week.
pub const ESCALATION_MINUTES: RangeInclusive<u32> = 1..=10_080;
/// Most steps of a rule.
pub const MAX_STEPS: usize = 5;
/// Most channels of a step.
pub const MAX_STEP_CHANNELS: usize = 10;

/// The version that is written.
const VERSION: u64 = 1;

/// What a rule says about an incident that nobody acknowledges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FollowUp {
    /// Its channels are told again, each so many minutes. `None`: they are not.
    pub remind_after_minutes: Option<u32>,
    /// Who is told besides, by growing time.
    pub escalation: Vec<EscalationStep>,
}

impl FollowUp {
    /// The same, with the channels of each step in the order in which they are kept.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        for step in &mut self.escalation {
            step.channel_ids.sort_unstable();
        }
        self
    }
}

/// Further people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EscalationStep {
    /// So many minutes after the rule has fired.
    pub after_minutes: u32,
    /// Where they are told.
    pub channel_ids: Vec<ChannelId>,
}

/// What a rule that fires asks for, without saying whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The rule.
    pub rule: AlertRuleId,
    /// Minutes from one reminder to the next.
    pub remind_after_minutes: Option<u32>,
    /// Minutes until each step.
    pub steps: Vec<u32>,
}

/// What was told again of an incident, and since when there was reason to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowUps {
    v: u64,
    /// The rules that were told of.
    rules: BTreeMap<AlertRuleId, Since>,
    /// When the last reminder was due.
    reminded_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    fired_at: DateTime<Utc>,
    /// The steps until this one were told.
    escalated_minutes: u32,
}

/// What is to be told now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// A reminder, however many were missed.
    pub is_reminder: bool,
    /// The steps of rules, as rule and minutes.
    pub steps: Vec<(AlertRuleId, u32)>,
}

/// A stored state that cannot be taken up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowUpError {
    /// It was written by another version.
    #[error("what is stored of reminders has version {0}, this is version {VERSION}")]
    UnknownVersion(u64),
    /// It is not JSON, or not that of reminders.
    #[error("what is stored of reminders is malformed")]
    Malformed(#[from] serde_json::Error),
}

impl Default for FollowUps {
    fn default() -> Self {
        Self {
            v: VERSION,
            rules: BTreeMap::new(),
            reminded_at: None,
        }
    }
}

impl FollowUps {
    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// Any text that no state is written as.
    pub fn from_json(text: &str) -> Result<Self, FollowUpError> {
        let state: Self = serde_json::from_str(text)?;
        if state.v != VERSION {
            return Err(FollowUpError::UnknownVersion(state.v));
        }
        Ok(state)
    }

    /// The state as JSON. It grows with the number of rules that fired.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("all keys are texts")
    }

    /// A rule fires, and it was told. One that did before in this incident begins anew, but its steps that were told
    /// are not told again.
    pub fn fire(&mut self, rule: AlertRuleId, at: DateTime<Utc>) {
        let since = self.rules.entry(rule).or_insert(Since {
            fired_at: at,
            escalated_minutes: 0,
        });
        since.fired_at = at;
    }

    /// Takes what is due until `now`, once. What was missed comes together.
    pub fn take_due(&mut self, asked: &[Asked], now: DateTime<Utc>) -> Due {
        let mut due = Due::default();
        let mut reminded_at = self.reminded_at;
        for asked in asked {
            if let Some((base, each)) = self.reminder(asked) {
                let times = (now - base).num_seconds() / each.num_seconds();
                if now >= base && times > 0 {
                    due.is_reminder = true;
                    let last = i32::try_from(times).map_or(now, |times| base + each * times);
                    reminded_at = reminded_at.max(Some(last));
                }
            }
            let Some(since) = self.rules.get_mut(&asked.rule) else {
                continue;
            };
            for minutes in &asked.steps {
                let is_due = since.fired_at + TimeDelta::minutes((*minutes).into()) <= now;
                if is_due && *minutes > since.escalated_minutes {
                    since.escalated_minutes = *minutes;
                    due.steps.push((asked.rule, *minutes));
                }
            }
        }
        self.reminded_at = reminded_at;
        due
    }

    /// When the next thing is due. `None`: never.
    pub fn next(&self, asked: &[Asked]) -> Option<DateTime<Utc>> {
        let times = asked.iter().flat_map(|asked| {
            let reminder = self.reminder(asked).map(|(base, each)| base + each);
            let since = self.rules.get(&asked.rule);
            let step = since.and_then(|since| {
                let mut steps = asked.steps.iter();
                let step = steps.find(|minutes| **minutes > since.escalated_minutes)?;
                Some(since.fired_at + TimeDelta::minutes((*step).into()))
            });
            [reminder, step].into_iter().flatten()
        });
        times.min()
    }

    /// From when the reminders of a rule are counted, and how far they are apart. A reminder counts for all rules:
    /// nobody is told the same twice in a moment.
    fn reminder(&self, asked: &Asked) -> Option<(DateTime<Utc>, TimeDelta)> {
        let each = TimeDelta::minutes(asked.remind_after_minutes?.into());
        let since = self.rules.get(&asked.rule)?;
        let base = self.reminded_at.max(Some(since.fired_at))?;
        Some((base, each))
    }
}
