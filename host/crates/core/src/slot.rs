//! Slots: the due times of a script, and what becomes of those that could not run.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Schedule,
    outcome::{UnknownWord, text_enum},
};

#[cfg(test)]
mod tests;

/// Where checks run when nothing else is said. The only location so far.
pub const DEFAULT_LOCATION: &str = "default";

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
