//! What is remembered of a rule at one location between two executions: small JSON with a version.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    machine::{FLAP_FIRES, SLOT_GRACE},
    memory::Memory,
    quorum::Standing,
    rule::{MAX_CONSECUTIVE, RuleDefinition},
};
use crate::Schedule;

#[cfg(test)]
mod tests;

/// The version that is written.
const VERSION: u64 = 1;
/// No state is longer than this, in bytes of JSON.
pub const MAX_STATE_BYTES: usize = 4 * 1024;
/// A location that was silent for this many slots says nothing about the target any more.
const SILENT_SLOTS: u32 = 3;

/// Where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Phase {
    /// Nothing is wrong, or nothing is known.
    Ok,
    /// Something is wrong, and not yet often enough in a row.
    Pending {
        /// How often in a row.
        count: u32,
    },
    /// Somebody was to be told.
    Firing,
    /// It is well again, and not yet often enough in a row, or not for long enough.
    Recovering {
        /// How often in a row, as far as it matters.
        count: u32,
    },
}

/// A rule's state at one location.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleState {
    v: u64,
    /// Since when executions are awaited.
    pub(super) started_at: DateTime<Utc>,
    pub(super) phase: Phase,
    /// The slot of the last execution that said anything: what is not newer is not taken up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_at: Option<DateTime<Utc>>,
    /// The slot of the last execution that had something for this rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_data_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_breach_at: Option<DateTime<Utc>>,
    /// The slot of a failure that waits for its recheck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unconfirmed_at: Option<DateTime<Utc>>,
    /// When it fired, the last [`FLAP_FIRES`] times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) fired_at: Vec<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_flapping: bool,
    #[serde(default, skip_serializing_if = "Memory::is_nothing")]
    pub(super) memory: Memory,
}

/// A stored state that cannot be taken up. A rule whose state is lost starts anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Longer than any state is.
    #[error("the stored state has {0} bytes, more than {MAX_STATE_BYTES}")]
    TooLong(usize),
    /// It was written by another version, which is named if it says so.
    #[error("the stored state has version {0:?}, this is version {VERSION}")]
    UnknownVersion(Option<u64>),
    /// It is not JSON, or not that of a state.
    #[error("the stored state is malformed")]
    Malformed(#[from] serde_json::Error),
    /// Its parts contradict each other.
    #[error("the stored state is inconsistent: {0}")]
    Inconsistent(&'static str),
}

impl RuleState {
    /// The state of a rule that is new, or whose script runs again after a pause.
    pub const fn new(now: DateTime<Utc>) -> Self {
        Self {
            v: VERSION,
            started_at: now,
            phase: Phase::Ok,
            last_at: None,
            last_data_at: None,
            last_breach_at: None,
            unconfirmed_at: None,
            fired_at: Vec::new(),
            is_flapping: false,
            memory: Memory::Nothing,
        }
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// Any text that no state is written as.
    pub fn from_json(text: &str) -> Result<Self, StateError> {
        if text.len() > MAX_STATE_BYTES {
            return Err(StateError::TooLong(text.len()));
        }
        let json: Value = serde_json::from_str(text)?;
        let version = json.get("v").and_then(Value::as_u64);
        if version != Some(VERSION) {
            return Err(StateError::UnknownVersion(version));
        }
        let state: Self = serde_json::from_value(json)?;
        state.check()?;
        Ok(state)
    }

    /// The state as JSON, at most [`MAX_STATE_BYTES`] long.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("all keys are texts, and all numbers finite")
    }

    fn check(&self) -> Result<(), StateError> {
        let counts = 1..=MAX_CONSECUTIVE;
        let is_counted = match self.phase {
            Phase::Pending { count } | Phase::Recovering { count } => counts.contains(&count),
            Phase::Ok | Phase::Firing => true,
        };
        if !is_counted {
            return Err(StateError::Inconsistent("a count is out of range"));
        }
        if self.unconfirmed_at.is_some() && self.phase != Phase::Ok {
            return Err(StateError::Inconsistent("a recheck of what has counted"));
        }
        if self.fired_at.len() > FLAP_FIRES {
            return Err(StateError::Inconsistent("it fired too often"));
        }
        if self.is_flapping && !self.is_firing() {
            return Err(StateError::Inconsistent("flapping, and not firing"));
        }
        self.memory.check().map_err(StateError::Inconsistent)
    }

    /// The script has another schedule from `now` on: what was not due before is not missing.
    pub fn await_from(&mut self, now: DateTime<Utc>) {
        self.started_at = self.started_at.max(now);
    }

    /// Where it stands.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether it fired and did not recover.
    pub const fn is_firing(&self) -> bool {
        matches!(self.phase, Phase::Firing | Phase::Recovering { .. })
    }

    /// Whether it fires so often that it is held: see [`super::machine`].
    pub const fn is_flapping(&self) -> bool {
        self.is_flapping
    }

    /// The slot of the last execution that had something for this rule.
    pub const fn last_data_at(&self) -> Option<DateTime<Utc>> {
        self.last_data_at
    }

    /// What this location says about the target at `now`.
    ///
    /// Who is firing says so until there is a recovery, however long it is silent; who is not,
    /// and has been silent for three slots, has nothing to say. A `no_data` rule is about silence
    /// itself.
    pub fn standing(
        &self,
        rule: &RuleDefinition,
        schedule: &Schedule,
        now: DateTime<Utc>,
    ) -> Standing {
        if self.is_firing() {
            return Standing::Firing;
        }
        let is_about_silence = matches!(rule, RuleDefinition::NoData { .. });
        match self.last_data_at {
            Some(last)
                if is_about_silence || silent_from(schedule, last, SILENT_SLOTS, now).is_none() =>
            {
                Standing::Ok
            }
            _ => Standing::Unknown,
        }
    }
}

/// When the `slots` slots after `since` have passed, with time to record what they say. `None`:
/// not until `until`, beyond which it does not search.
pub(super) fn silent_from(
    schedule: &Schedule,
    since: DateTime<Utc>,
    slots: u32,
    until: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let has_passed = |slot: &DateTime<Utc>| until - *slot >= SLOT_GRACE;
    let next = |slot| schedule.next_after(slot).filter(has_passed);
    let last_slot = (0..slots).try_fold(since, |slot, _| next(slot))?;
    last_slot.checked_add_signed(SLOT_GRACE)
}
