//! How far a rule looks back: `30m`, `24h`, `7d`.

use std::{fmt, str::FromStr};

use chrono::TimeDelta;

/// A length of time as it was written: 5 to 99 minutes, 1 to 99 hours or 1 to 30 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    count: u8,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Minutes,
    Hours,
    Days,
}

/// A text that is not a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a window is {}", Window::GRAMMAR)]
pub struct WindowError;

impl Window {
    /// What is allowed, in words.
    pub(super) const GRAMMAR: &str =
        "a text such as 30m, 24h or 7d: 5 to 99 minutes, 1 to 99 hours or 1 to 30 days";
    /// The same as a regular expression (ECMA 262, as JSON Schema has it).
    pub(super) const PATTERN: &str = "^(([5-9]|[1-9][0-9])m|[1-9][0-9]?h|([1-9]|[12][0-9]|30)d)$";

    /// Its length.
    pub fn length(self) -> TimeDelta {
        let count = i64::from(self.count);
        match self.unit {
            Unit::Minutes => TimeDelta::minutes(count),
            Unit::Hours => TimeDelta::hours(count),
            Unit::Days => TimeDelta::days(count),
        }
    }
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let unit_at = text.len().checked_sub(1).ok_or(WindowError)?;
        let (digits, unit) = text.split_at_checked(unit_at).ok_or(WindowError)?;
        let (unit, allowed) = match unit {
            "m" => (Unit::Minutes, 5..=99),
            "h" => (Unit::Hours, 1..=99),
            "d" => (Unit::Days, 1..=30),
            _ => return Err(WindowError),
        };
        // One way to write a number: no sign, no zero in front.
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        let count = digits.parse().map_err(|_| WindowError)?;
        if is_plain && allowed.contains(&count) {
            Ok(Self { count, unit })
        } else {
            Err(WindowError)
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Minutes => 'm',
            Unit::Hours => 'h',
            Unit::Days => 'd',
        };
        write!(f, "{}{unit}", self.count)
    }
}
