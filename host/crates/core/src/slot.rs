//! Slots: the due times of a script, and what becomes of those that could not run.

use std::{fmt, str::FromStr};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Schedule,
    outcome::{UnknownWord, text_enum},
};

#[cfg(test)]
mod tests;

/// Where checks run when nothing else is said. The only location so far.
pub const DEFAULT_LOCATION: &str = "default";
/// How long after a failure is recorded its script runs again, where a rule asks for a recheck: a lost packet or a
/// restarted process is over by then, and slots are claimed less far ahead.
pub const RECHECK_DELAY: TimeDelta = TimeDelta::seconds(5);

text_enum! {
    /// Why a slot never ran.
    MissedReason {
        /// The script's run before this one had not ended.
        Overlap = "overlap",
        /// No server was running.
        Downtime = "downtime",
        /// No place for a run came free in time.
        Overloaded = "overloaded",
        /// The script got another schedule, or was disabled, before it ran.
        Changed = "changed",
    }
}

impl MissedReason {
    /// The sentence that people read.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Overlap => "the previous run of this script had not ended",
            Self::Downtime => "no server was running at this time",
            Self::Changed => "the schedule was changed, or the script disabled, before it ran",
            Self::Overloaded => "no place for a run came free before the next one was due",
        }
    }
}

/// What is due after a slot ended, seen at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatchUp {
    /// Slots that are over and will never run, oldest first.
    pub missed: Vec<DateTime<Utc>>,
    /// The next slot to take up. It lies in the past only if it is the latest one due (then it
    /// runs late, once), or if more than `limit` were missed (then the rest follows).
    pub next: Option<DateTime<Utc>>,
}

/// Walks the slots after `last` until the next one to take up.
///
/// A monitor that comes late runs once, for the latest slot that is due, and records the older
/// ones as missed. At most `limit` missed slots are returned, so that the work of one
/// transaction is bounded even after a month of downtime.
pub fn catch_up(
    schedule: &Schedule,
    last: DateTime<Utc>,
    now: DateTime<Utc>,
    limit: usize,
) -> CatchUp {
    let mut missed = Vec::new();
    let mut next = schedule.next_after(last);
    while let Some(candidate) = next {
        if candidate > now || missed.len() >= limit {
            break;
        }
        match schedule.next_after(candidate) {
            Some(successor) if successor <= now => {
                missed.push(candidate);
                next = Some(successor);
            }
            _ => break,
        }
    }
    CatchUp { missed, next }
}

/// When a script is rechecked whose slot `last` is recorded at `now`, and whose next slot is `next`. `None`: that one
/// comes as soon, and then nothing else has to.
pub fn recheck_at(
    last: DateTime<Utc>,
    next: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    // A clock that was set back must not bring a slot again that was there already.
    let soon = last.max(now).checked_add_signed(RECHECK_DELAY)?;
    next.is_some_and(|next| next > soon).then_some(soon)
}
