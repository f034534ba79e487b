//! When a script is due: cron text in a time zone, or an interval with a stable phase.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

use crate::ScriptId;

pub(crate) mod calendar;
#[cfg(test)]
mod tests;

/// Longest cron text, in bytes.
pub const MAX_CRON_BYTES: usize = 256;
/// Longest interval, in seconds: a week.
pub const MAX_INTERVAL_SECONDS: u32 = 7 * 24 * 3600;

/// A schedule that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The cron text does not parse.
    #[error("`{text}` is not a cron expression: {reason} (five fields, or six with seconds first)")]
    InvalidCron {
        /// The text as given.
        text: String,
        /// What the parser says.
        reason: String,
    },
    /// The cron text names no time that ever comes, such as 30 February.
    #[error("`{0}` never comes due")]
    NeverDue(String),
    /// The zone is not in the IANA database.
    #[error("`{0}` is not a time zone of the IANA database, such as `Europe/Paris` or `UTC`")]
    UnknownTimezone(String),
    /// Two fires are closer together than the installation allows.
    #[error("runs every {found} s, at least {least} s apart are allowed")]
    TooFrequent {
        /// The smallest gap, in seconds.
        found: i64,
        /// The least gap that is allowed, in seconds.
        least: u32,
    },
    /// The interval is out of range.
    #[error("an interval of {0} s is not between 1 s and {MAX_INTERVAL_SECONDS} s")]
    InvalidInterval(u32),
    /// Not exactly one of cron text and interval was given.
    #[error("give either `cron_expression` or `interval_seconds`")]
    NotExactlyOne,
}

impl ScheduleError {
    /// The field at fault, as a JSON pointer into a script (RFC 6901).
    pub const fn pointer(&self, is_cron: bool) -> &'static str {
        match self {
            Self::UnknownTimezone(_) => "/timezone",
            Self::InvalidInterval(_) => "/interval_seconds",
            Self::TooFrequent { .. } if !is_cron => "/interval_seconds",
            _ => "/cron_expression",
        }
    }
}

/// When a script is due.
#[derive(Debug, Clone)]
pub enum Schedule {
    /// Cron text, read in a time zone.
    ///
    /// Where seconds, minutes and hours each hold a single value (`30 2 * * *`), a time that is
    /// skipped when clocks go forward runs once, right after the gap, and one that is repeated
    /// when they go back runs once, the first time. Any other text (`*/10 * * * *`, but also
    /// `0 2,14 * * *`) goes by the wall clock: what is skipped does not run, what is repeated runs
    /// twice.
    Cron {
        /// The parsed pattern.
        pattern: Box<Cron>,
        /// The zone in which the pattern is read.
        timezone: Tz,
        /// False for 30 February: then nothing searches for a next time.
        comes_due: bool,
    },
    /// Every so many seconds, at a phase that belongs to the script, so that scripts with the
    /// same interval do not all run in the same instant.
    Interval {
        /// Distance between two slots.
        every: TimeDelta,
        /// Offset from the Unix epoch, below `every`.
        phase: TimeDelta,
    },
}

impl Schedule {
    /// Reads a schedule as it is stored: exactly one of cron text and interval, and a zone.
    ///
    /// # Errors
    /// Says which part is wrong; see [`ScheduleError::pointer`].
    pub fn parse(
        script_id: ScriptId,
        cron_expression: Option<&str>,
        interval_seconds: Option<u32>,
        timezone: &str,
    ) -> Result<Self, ScheduleError> {
        match (cron_expression, interval_seconds) {
            (Some(text), None) => Self::cron(text, timezone),
            (None, Some(seconds)) => Self::interval(script_id, seconds),
            _ => Err(ScheduleError::NotExactlyOne),
        }
    }

    /// Reads cron text of five fields, or of six with the seconds first.
    pub fn cron(text: &str, timezone: &str) -> Result<Self, ScheduleError> {
        let pattern = parse_cron(text)?;
        let timezone = parse_timezone(timezone)?;
        let comes_due = calendar::has_matching_day(&pattern.pattern);
        Ok(Self::Cron {
            pattern: Box::new(pattern),
            timezone,
            comes_due,
        })
    }

    /// Refuses a zone that is not in the IANA database, also where an interval makes no use of it.
    pub fn check_timezone(timezone: &str) -> Result<(), ScheduleError> {
        parse_timezone(timezone).map(drop)
    }

    /// Every `seconds` seconds, at the phase that belongs to `script_id`.
    pub fn interval(script_id: ScriptId, seconds: u32) -> Result<Self, ScheduleError> {
        if !(1..=MAX_INTERVAL_SECONDS).contains(&seconds) {
            return Err(ScheduleError::InvalidInterval(seconds));
        }
        let every = TimeDelta::seconds(seconds.into());
        let millis = u64::from(seconds) * 1_000;
        let phase = i64::try_from(phase_seed(script_id) % millis).unwrap_or(0);
        Ok(Self::Interval {
            every,
            phase: TimeDelta::milliseconds(phase),
        })
    }

    /// The first slot strictly after `after`; `None` when there is none.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Cron {
                comes_due: false, ..
            } => None,
            Self::Cron {
                pattern, timezone, ..
            } => pattern
                .find_next_occurrence(&after.with_timezone(timezone), false)
                .ok()
                .map(|next| next.with_timezone(&Utc)),
            Self::Interval { every, phase } => {
                let every_ms = every.num_milliseconds();
                let since_phase = after.timestamp_millis() - phase.num_milliseconds();
                let slots = since_phase.div_euclid(every_ms) + 1;
                DateTime::from_timestamp_millis(slots * every_ms + phase.num_milliseconds())
            }
        }
    }

    /// Refuses a schedule that never fires, or that fires twice within `least_seconds`.
    ///
    /// `text` is the cron text, for the message. The gap is the smallest on the wall clock, over
    /// the whole calendar, so that two fires that meet only at the end of a month are found.
    ///
    /// # Errors
    /// [`ScheduleError::NeverDue`] and [`ScheduleError::TooFrequent`].
    pub fn check_frequency(
        &self,
        text: &str,
        now: DateTime<Utc>,
        least_seconds: u32,
    ) -> Result<(), ScheduleError> {
        if self.next_after(now).is_none() {
            return Err(ScheduleError::NeverDue(text.to_owned()));
        }
        let smallest_gap = match self {
            Self::Interval { every, .. } => Some(*every),
            Self::Cron { pattern, .. } => calendar::smallest_gap(&pattern.pattern),
        };
        match smallest_gap.map(|gap| gap.num_seconds()) {
            Some(found) if found < i64::from(least_seconds) => Err(ScheduleError::TooFrequent {
                found,
                least: least_seconds,
            }),
            _ => Ok(()),
        }
    }
}

/// Reads cron text of five fields, or of six with the seconds first.
pub(crate) fn parse_cron(text: &str) -> Result<Cron, ScheduleError> {
    let invalid = |reason: String| {
        let text = text.chars().take(MAX_CRON_BYTES).collect();
        ScheduleError::InvalidCron { text, reason }
    };
    if text.len() > MAX_CRON_BYTES {
        return Err(invalid(format!("longer than {MAX_CRON_BYTES} bytes")));
    }
    CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build()
        .parse(text)
        .map_err(|error| invalid(error.to_string()))
}

/// Reads the name of a zone of the IANA database.
pub(crate) fn parse_timezone(name: &str) -> Result<Tz, ScheduleError> {
    name.parse()
        .map_err(|_| ScheduleError::UnknownTimezone(name.to_owned()))
}

/// The same for one script on every node and after every restart; the low half of a `UUIDv7` is
/// random, which spreads the phases evenly.
fn phase_seed(script_id: ScriptId) -> u64 {
    let (_, low) = script_id.as_uuid().as_u64_pair();
    low
}
