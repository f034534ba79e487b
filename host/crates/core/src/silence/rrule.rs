//! Recurrence rules of RFC 5545 section 3.3.10, as far as a maintenance window needs them.
//!
//! Supported are `FREQ` (`DAILY`, `WEEKLY`, `MONTHLY`), `INTERVAL`, `BYDAY` (with an ordinal where
//! months are counted), `BYMONTHDAY`, `COUNT`, `UNTIL` and `WKST`. With those a rule is a question
//! to a single day, because the time of day is always that of the first start. Any other part
//! is refused, so that none is passed over in silence.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc, Weekday};

use crate::ScriptError;

/// Longest rule, in bytes.
pub const MAX_RRULE_BYTES: usize = 256;
/// Largest `INTERVAL`, in days, weeks or months.
pub const MAX_RRULE_INTERVAL: u32 = 1_000;
/// Largest `COUNT`: a daily rule for 27 years.
pub const MAX_RRULE_COUNT: u32 = 10_000;

/// A rule. The first start is the caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RRule {
    frequency: Frequency,
    /// At least 1.
    interval: i32,
    /// With an ordinal: 1 is the first in the month, -1 the last.
    weekdays: Vec<(Option<i32>, Weekday)>,
    /// 1 to 31, and -1 (the last day of the month) to -31.
    month_days: Vec<i32>,
    /// The day that weeks begin with.
    week_start: Weekday,
    pub(super) end: RuleEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
}

/// What ends a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuleEnd {
    Never,
    /// After so many starts.
    Count(u32),
    /// The last day that may have a start.
    Day(NaiveDate),
    /// The last start at the latest, on the wall clock.
    Wall(NaiveDateTime),
    /// The last start at the latest.
    Instant(DateTime<Utc>),
}

impl RRule {
    /// Reads a rule, with or without `RRULE:` before it, in any case of letters.
    pub(super) fn parse(text: &str) -> Result<Self, ScriptError> {
        if text.len() > MAX_RRULE_BYTES {
            return Err(refuse(format!(
                "the rule has {} bytes, at most {MAX_RRULE_BYTES} are allowed",
                text.len()
            )));
        }
        let text = text.trim().to_ascii_uppercase();
        let text = text.strip_prefix("RRULE:").unwrap_or(&text);
        let mut parts = Parts::read(text)?;
        let frequency = match parts.take("FREQ") {
            Some("DAILY") => Frequency::Daily,
            Some("WEEKLY") => Frequency::Weekly,
            Some("MONTHLY") => Frequency::Monthly,
            Some("YEARLY") => {
                let reason = "`FREQ=YEARLY` is not supported: write `FREQ=MONTHLY;INTERVAL=12`";
                return Err(refuse(reason));
            }
            Some(_) => return Err(refuse("`FREQ` is `DAILY`, `WEEKLY` or `MONTHLY`")),
            None => {
                return Err(refuse(
                    "a rule needs `FREQ`, such as `FREQ=WEEKLY;BYDAY=SU`",
                ));
            }
        };
        let interval = match parts.take("INTERVAL") {
            None => 1,
            Some(value) => read_number(value, 1..=MAX_RRULE_INTERVAL)
                .and_then(|number| i32::try_from(number).ok())
                .ok_or_else(|| {
                    refuse(format!(
                        "`INTERVAL` is a number from 1 to {MAX_RRULE_INTERVAL}"
                    ))
                })?,
        };
        let rule = Self {
            frequency,
            interval,
            weekdays: read_list(parts.take("BYDAY"), |item| read_weekday(item, frequency))?,
            month_days: read_list(parts.take("BYMONTHDAY"), |item| {
                read_month_day(item, frequency)
            })?,
            week_start: match parts.take("WKST") {
                None => Weekday::Mon,
                Some(value) => weekday(value)
                    .ok_or_else(|| refuse("`WKST` is a weekday, such as `MO` or `SU`"))?,
            },
            end: read_end(parts.take("COUNT"), parts.take("UNTIL"))?,
        };
        parts.refuse_what_is_left()?;
        Ok(rule)
    }

    /// Whether a day that is not before `first` is one of the rule's. `first` is the day of the
    /// first start: it is what intervals are counted from, and the weekday or the day of the month
    /// where the rule names none.
    pub(super) fn matches(&self, day: NaiveDate, first: NaiveDate) -> bool {
        let periods = match self.frequency {
            Frequency::Daily => day.num_days_from_ce() - first.num_days_from_ce(),
            Frequency::Weekly => self.week_of(day) - self.week_of(first),
            Frequency::Monthly => month_of(day) - month_of(first),
        };
        periods % self.interval == 0
            && self.matches_weekday(day, first)
            && self.matches_month_day(day, first)
    }

    /// The number of the week that a day lies in.
    fn week_of(&self, day: NaiveDate) -> i32 {
        // Day 1 of the Common Era was a Monday (of the proleptic Gregorian calendar).
        let monday_based = day.num_days_from_ce() - 1;
        let week_start = self.week_start.num_days_from_monday().cast_signed();
        (monday_based - week_start).div_euclid(7)
    }

    fn matches_weekday(&self, day: NaiveDate, first: NaiveDate) -> bool {
        if self.weekdays.is_empty() {
            return self.frequency != Frequency::Weekly || day.weekday() == first.weekday();
        }
        let nth = (day.day0() / 7 + 1).cast_signed();
        let nth_from_end = -((days_in_month(day) - day.day().cast_signed()) / 7 + 1);
        self.weekdays.iter().any(|(ordinal, weekday)| {
            *weekday == day.weekday()
                && ordinal.is_none_or(|ordinal| ordinal == nth || ordinal == nth_from_end)
        })
    }

    fn matches_month_day(&self, day: NaiveDate, first: NaiveDate) -> bool {
        let number = day.day().cast_signed();
        if self.month_days.is_empty() {
            let by_first = self.frequency == Frequency::Monthly && self.weekdays.is_empty();
            return !by_first || day.day() == first.day();
        }
        let from_end = number - days_in_month(day) - 1;
        self.month_days.contains(&number) || self.month_days.contains(&from_end)
    }
}

fn month_of(day: NaiveDate) -> i32 {
    day.year() * 12 + day.month0().cast_signed()
}

fn days_in_month(day: NaiveDate) -> i32 {
    i32::from(day.num_days_in_month())
}

/// The parts of a rule that nobody has taken yet.
struct Parts<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Result<Self, ScriptError> {
        let mut parts: Vec<(&str, &str)> = Vec::new();
        for part in text.split(';') {
            let Some((name, value)) = part.split_once('=') else {
                return Err(refuse(format!(
                    "`{part}` is not a part of a rule, such as `FREQ=DAILY`"
                )));
            };
            if parts.iter().any(|(known, _)| *known == name) {
                return Err(refuse(format!("`{name}` is there twice")));
            }
            parts.push((name, value));
        }
        Ok(Self(parts))
    }

    fn take(&mut self, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn refuse_what_is_left(&self) -> Result<(), ScriptError> {
        match self.0.first() {
            None => Ok(()),
            Some((name @ ("BYHOUR" | "BYMINUTE" | "BYSECOND"), _)) => Err(refuse(format!(
                "`{name}` is not supported: the time of day is that of `dtstart`"
            ))),
            Some((name, _)) => Err(refuse(format!(
                "`{name}` is not supported; FREQ, INTERVAL, BYDAY, BYMONTHDAY, COUNT, UNTIL and \
                 WKST are"
            ))),
        }
    }
}

fn read_end(count: Option<&str>, until: Option<&str>) -> Result<RuleEnd, ScriptError> {
    match (count, until) {
        (None, None) => Ok(RuleEnd::Never),
        (Some(_), Some(_)) => Err(refuse("a rule has either `COUNT` or `UNTIL`")),
        (Some(count), None) => read_number(count, 1..=MAX_RRULE_COUNT)
            .map(RuleEnd::Count)
            .ok_or_else(|| {
                refuse(format!(
                    "`COUNT` is a number from 1 to {MAX_RRULE_COUNT}; `UNTIL` ends a longer one"
                ))
            }),
        (None, Some(until)) => read_until(until).ok_or_else(|| {
            refuse(
                "`UNTIL` is a day (`20271231`), a time on the wall clock (`20271231T235900`), or \
                 one in UTC (`20271231T225900Z`)",
            )
        }),
    }
}

fn read_until(text: &str) -> Option<RuleEnd> {
    // chrono takes signs and fewer digits; RFC 5545 does not.
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    match (text.len(), digits) {
        (8, 8) => NaiveDate::parse_from_str(text, "%Y%m%d")
            .ok()
            .map(RuleEnd::Day),
        (15, 14) => NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S")
            .ok()
            .map(RuleEnd::Wall),
        (16, 14) => NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ")
            .ok()
            .map(|utc| RuleEnd::Instant(utc.and_utc())),
        _ => None,
    }
}

fn read_list<T>(
    value: Option<&str>,
    read: impl Fn(&str) -> Result<T, ScriptError>,
) -> Result<Vec<T>, ScriptError> {
    value.map_or(Ok(Vec::new()), |value| value.split(',').map(read).collect())
}

fn read_weekday(item: &str, frequency: Frequency) -> Result<(Option<i32>, Weekday), ScriptError> {
    let wrong = || {
        refuse(format!(
            "`{item}` in `BYDAY` is not a weekday, such as `SU`, or with an ordinal from 1 to 5, \
             such as `2SU` and `-1SU`"
        ))
    };
    let split = item.len().saturating_sub(2);
    let (ordinal, day) = item.split_at_checked(split).ok_or_else(wrong)?;
    let day = weekday(day).ok_or_else(wrong)?;
    if ordinal.is_empty() {
        return Ok((None, day));
    }
    let ordinal = read_signed(ordinal, 5).ok_or_else(wrong)?;
    if frequency != Frequency::Monthly {
        return Err(refuse(format!(
            "`{item}` in `BYDAY` has an ordinal, which goes with `FREQ=MONTHLY` only"
        )));
    }
    Ok((Some(ordinal), day))
}

fn read_month_day(item: &str, frequency: Frequency) -> Result<i32, ScriptError> {
    if frequency == Frequency::Weekly {
        return Err(refuse("`BYMONTHDAY` does not go with `FREQ=WEEKLY`"));
    }
    read_signed(item, 31).ok_or_else(|| {
        refuse(format!(
            "`{item}` in `BYMONTHDAY` is not a day from 1 to 31, or from -1 (the last) to -31"
        ))
    })
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return None,
    })
}

/// A number with or without a sign, from 1 to `most` once the sign is off.
fn read_signed(text: &str, most: u32) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = i32::try_from(read_number(digits, 1..=most)?).ok()?;
    Some(sign * number)
}

fn read_number(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain)?;
    range.contains(&number).then_some(number)
}

fn refuse(reason: impl Into<String>) -> ScriptError {
    ScriptError::new("/rrule", reason)
}
