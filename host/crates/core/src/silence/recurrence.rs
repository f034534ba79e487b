//! Stretches of the wall clock that come again and again, and the instants that they are.

use std::fmt;

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};
use croner::Cron;

use super::{
    interval::{Interval, merge},
    rrule::{RRule, RuleEnd},
};
use crate::{
    ScriptError,
    schedule::{calendar, parse_cron},
};

/// Longest duration of a window that recurs, in minutes: a week. A longer one is given once.
pub const MAX_DURATION_MINUTES: u32 = 7 * 24 * 60;
/// The least distance between two starts of one window, in minutes.
pub const MIN_START_GAP_MINUTES: i64 = 60;

/// Nothing recurs before this day.
pub(super) const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");
/// Nothing recurs after this day, so that each search has an end.
pub(super) const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2199, 12, 31).expect("a date");

/// No time zone is further away from UTC, and no change of clocks is larger: dates that lie this
/// many days further out cannot matter.
const MARGIN_DAYS: i64 = 2;

/// The day of `UNTIL` in UTC may be two after the last day with a start in time, never more.
const LATE_DAYS: usize = 4;

/// Starts at some minutes of some days, each with the same duration on the wall clock.
#[derive(Debug, Clone)]
pub(super) struct Recurrence {
    days: Days,
    /// From midnight, in order, each below a day.
    times: Vec<TimeDelta>,
    first_day: NaiveDate,
    last_day: NaiveDate,
    timezone: Tz,
    duration: TimeDelta,
}

#[derive(Clone)]
enum Days {
    Cron(Box<Cron>),
    Rule(RRule),
}

impl fmt::Debug for Days {
    /// croner's own is some 5,000 numbers long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron(cron) => cron.as_str().fmt(f),
            Self::Rule(rule) => rule.fmt(f),
        }
    }
}

impl Recurrence {
    /// The days and the minutes of cron text.
    pub(super) fn cron(text: &str, timezone: Tz, duration: TimeDelta) -> Result<Self, ScriptError> {
        let refuse = |reason: String| ScriptError::new("/cron_expression", reason);
        let cron = parse_cron(text).map_err(|error| refuse(error.to_string()))?;
        let pattern = &cron.pattern;
        if !calendar::is_of_full_minutes(pattern) {
            let reason = "a window starts on a full minute: give five fields";
            return Err(refuse(reason.to_owned()));
        }
        if !calendar::has_matching_day(pattern) {
            return Err(refuse(format!("`{text}` never comes")));
        }
        match calendar::smallest_gap(pattern).map(|gap| gap.num_minutes()) {
            Some(found) if found < MIN_START_GAP_MINUTES => Err(refuse(format!(
                "starts every {found} min, at least {MIN_START_GAP_MINUTES} min apart are allowed"
            ))),
            _ => Ok(Self {
                times: calendar::minutes_of_day(pattern)
                    .into_iter()
                    .map(TimeDelta::minutes)
                    .collect(),
                days: Days::Cron(Box::new(cron)),
                first_day: FIRST_DAY,
                last_day: LAST_DAY,
                timezone,
                duration,
            }),
        }
    }

    /// The days of a rule, at the time of day of `first`, which is between [`FIRST_DAY`] and
    /// [`LAST_DAY`] and counts as a start only if the rule says so.
    pub(super) fn rule(
        rule: RRule,
        first: NaiveDateTime,
        timezone: Tz,
        duration: TimeDelta,
    ) -> Result<Self, ScriptError> {
        let end = rule.end;
        let mut recurrence = Self {
            days: Days::Rule(rule),
            times: vec![first.time() - chrono::NaiveTime::MIN],
            first_day: first.date(),
            last_day: LAST_DAY,
            timezone,
            duration,
        };
        let last_day = match end {
            RuleEnd::Never => Some(LAST_DAY),
            RuleEnd::Count(count) => {
                // One that runs out of calendar before it runs out of count goes on to the end.
                let nth = recurrence.matching_days().take(count as usize);
                nth.last()
            }
            RuleEnd::Day(day) => Some(day),
            RuleEnd::Wall(last) => last_day_until(first, |start| start <= last, last.date()),
            RuleEnd::Instant(last) => {
                // The date in UTC is at most a day away from the one on the wall.
                let day = last.date_naive().succ_opt();
                let is_in_time =
                    |start| instant_of(timezone, start).is_some_and(|start| start <= last);
                day.and_then(|day| last_day_until(first, is_in_time, day))
            }
        };
        recurrence.last_day = last_day.unwrap_or(FIRST_DAY).min(LAST_DAY);
        if recurrence.matching_days().next().is_none() {
            return Err(ScriptError::new(
                "/rrule",
                "the rule never comes: no day matches it between `dtstart` and its end",
            ));
        }
        Ok(recurrence)
    }

    /// After this, nothing of it comes.
    pub(super) fn ends_by(&self) -> DateTime<Utc> {
        let after = midnight(self.last_day) + TimeDelta::days(1 + MARGIN_DAYS) + self.duration;
        after.and_utc()
    }

    /// The time in the range that is covered; merged. The work goes with the days of the range.
    pub(super) fn active_within(&self, range: &Interval) -> Vec<Interval> {
        let first = range.from.date_naive() - TimeDelta::days(MARGIN_DAYS) - self.duration;
        let last = range.until.date_naive() + TimeDelta::days(MARGIN_DAYS);
        let days = self.days_between(first.max(self.first_day), last.min(self.last_day));
        let starts = days.flat_map(|day| self.times.iter().map(move |time| midnight(day) + *time));
        // What lies in a gap as a whole is no time, and left out by the intersection.
        let active = starts.filter_map(|start| {
            let from = instant_of(self.timezone, start)?;
            let until = instant_of(self.timezone, start + self.duration)?;
            Interval { from, until }.intersection(range)
        });
        merge(active.collect())
    }

    fn matching_days(&self) -> impl Iterator<Item = NaiveDate> {
        self.days_between(self.first_day, self.last_day)
    }

    fn days_between(&self, first: NaiveDate, last: NaiveDate) -> impl Iterator<Item = NaiveDate> {
        let days = first.iter_days().take_while(move |day| *day <= last);
        days.filter(|day| match &self.days {
            Days::Cron(cron) => calendar::matches_day(&cron.pattern, *day),
            Days::Rule(rule) => rule.matches(*day, self.first_day),
        })
    }
}

/// The last day whose start is still in time, of `day` and those right before it.
fn last_day_until(
    first: NaiveDateTime,
    is_in_time: impl Fn(NaiveDateTime) -> bool,
    day: NaiveDate,
) -> Option<NaiveDate> {
    let candidates = std::iter::successors(Some(day), NaiveDate::pred_opt);
    candidates
        .take(LATE_DAYS)
        .find(|day| is_in_time(day.and_time(first.time())))
}

fn midnight(day: NaiveDate) -> NaiveDateTime {
    day.and_time(chrono::NaiveTime::MIN)
}

/// The first instant at which the wall clock shows this time, or a later one: for a time that is
/// skipped the end of the gap, for one that is repeated the first of the two. A later time is never
/// an earlier instant.
pub(super) fn instant_of(timezone: Tz, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
    let instant = match timezone.from_local_datetime(&wall) {
        LocalResult::Single(instant) => instant,
        LocalResult::Ambiguous(first, _) => first,
        LocalResult::None => GapInfo::new(&wall, &timezone)?.end?,
    };
    Some(instant.with_timezone(&Utc))
}
