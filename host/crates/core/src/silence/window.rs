//! Maintenance windows: what is accepted, and when one is active.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{
    interval::{Interval, merge, total},
    recurrence::{FIRST_DAY, LAST_DAY, MAX_DURATION_MINUTES, Recurrence},
    rrule::RRule,
};
use crate::{ScriptError, schedule::parse_timezone};

/// Longest window that is given once, and longest silence, in days. What is switched off for longer
/// is better disabled, where everybody sees it.
pub const MAX_ONCE_DAYS: i64 = 366;
/// How far a window is looked into, in days: 28 years, after which the calendar repeats.
pub const HORIZON_DAYS: i64 = 28 * 365 + 7;
/// How far several windows together are looked into for their next change, in days.
pub const UNION_HORIZON_DAYS: i64 = 366;
/// How far one is looked into at first, in days: most change soon.
const FIRST_LOOK_DAYS: i64 = 7;

/// A window as people write it and as it is stored.
///
/// Without a recurrence it is one stretch, from `from` until `until`, and both are needed. With
/// `cron_expression`, or with `rrule` and `dtstart`, it recurs; `duration_minutes` is needed
/// then, and `from` and `until` are bounds outside of which it is never active.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowText {
    /// The first instant, or the bound before which the window is never active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// The first instant after it, or the bound from which on it is never active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Starts as cron text of five fields, read in `timezone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron_expression: Option<String>,
    /// Starts as a recurrence rule (RFC 5545 section 3.3.10), such as `FREQ=WEEKLY;BYDAY=SU`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rrule: Option<String>,
    /// What `rrule` counts from, and its time of day: `2027-01-03T02:00` on the wall of `timezone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtstart: Option<String>,
    /// How far the wall clock goes from a start to its end, in minutes: 1 to
    /// [`MAX_DURATION_MINUTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_minutes: Option<u32>,
    /// A zone of the IANA database; `None` is UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// A window that was accepted.
#[derive(Debug, Clone)]
pub struct Window {
    /// Outside of these it is never active.
    bounds: Interval,
    /// `None` for one that is active all the time between its bounds.
    recurrence: Option<Recurrence>,
}

impl Window {
    /// Reads a window.
    ///
    /// # Errors
    /// Everything that is wrong, each with the pointer of its field.
    pub fn parse(text: &WindowText) -> Result<Self, Vec<ScriptError>> {
        let mut errors = Vec::new();
        let recurs = text.cron_expression.is_some() || text.rrule.is_some();
        let bounds = if recurs {
            check_order(text.from, text.until)
        } else {
            check_once(text.from, text.until)
        };
        let bounds = bounds.map_err(|error| errors.push(error)).ok();
        let recurrence = read_recurrence(text, &mut errors);
        match bounds {
            Some(bounds) if errors.is_empty() => Ok(Self { bounds, recurrence }),
            _ => Err(errors),
        }
    }

    /// One stretch of time.
    ///
    /// # Errors
    /// Where `until` is not after `from`, or more than [`MAX_ONCE_DAYS`] later.
    pub fn once(from: DateTime<Utc>, until: DateTime<Utc>) -> Result<Self, ScriptError> {
        check_once(Some(from), Some(until)).map(|bounds| Self {
            bounds,
            recurrence: None,
        })
    }

    /// Whether it is active at this instant. A window's start is in it, its end is not.
    pub fn is_active(&self, instant: DateTime<Utc>) -> bool {
        let Some(until) = instant.checked_add_signed(TimeDelta::nanoseconds(1)) else {
            return false;
        };
        !self.active_within(instant, until).is_empty()
    }

    /// The first change strictly after `after`, and whether the window becomes active by it; `None`
    /// when there is none within [`HORIZON_DAYS`].
    ///
    /// Windows that follow each other without a pause are one: there is no change between them.
    pub fn next_change(&self, after: DateTime<Utc>) -> Option<(DateTime<Utc>, bool)> {
        next_change(after, HORIZON_DAYS, |from, until| {
            self.active_within(from, until)
        })
    }

    /// The next intervals that end after `after`, at most `most`, in order; of one that has begun,
    /// what is left of it. One whose end is too far away to be seen is not among them.
    ///
    /// Looks [`HORIZON_DAYS`] ahead for the first, and a year for the others.
    pub fn coming(&self, after: DateTime<Utc>, most: usize) -> Vec<Interval> {
        let mut days = FIRST_LOOK_DAYS;
        loop {
            let end = days_after(after, days);
            let mut active = self.active_within(after, end);
            let is_found = days >= UNION_HORIZON_DAYS && !active.is_empty();
            active.pop_if(|last| last.until == end);
            if is_found || active.len() >= most || days == HORIZON_DAYS {
                active.truncate(most);
                return active;
            }
            days = HORIZON_DAYS.min(days * 8);
        }
    }

    /// From then on it is never active: no earlier than its last end, and a few days later at most
    /// where that takes long to find.
    pub fn ends_at(&self) -> DateTime<Utc> {
        let end = self.recurrence.as_ref().map(Recurrence::ends_by);
        end.map_or(self.bounds.until, |end| self.bounds.until.min(end))
    }

    /// The active time within the range, in order; no two intervals overlap or touch.
    ///
    /// Looks no further than [`HORIZON_DAYS`] after `from`, and takes work in proportion to the
    /// days of the range: at most 24 starts a day.
    pub fn active_within(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Interval> {
        let horizon = from.checked_add_signed(TimeDelta::days(HORIZON_DAYS));
        let until = horizon.map_or(until, |horizon| until.min(horizon));
        let Some(range) = self.bounds.intersection(&Interval { from, until }) else {
            return Vec::new();
        };
        match &self.recurrence {
            None => vec![range],
            Some(recurrence) => recurrence.active_within(&range),
        }
    }
}

/// Whether any of the windows is active at this instant.
pub fn any_active(windows: &[Window], instant: DateTime<Utc>) -> bool {
    windows.iter().any(|window| window.is_active(instant))
}

/// The time within the range at which any of the windows is active, in order; no two intervals
/// overlap or touch. The same bounds hold as for [`Window::active_within`].
pub fn union_within(
    windows: &[Window],
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Vec<Interval> {
    // Merged one by one, so that no more is held than the result and one window.
    windows.iter().fold(Vec::new(), |mut union, window| {
        union.extend(window.active_within(from, until));
        merge(union)
    })
}

/// The first change of "any of the windows is active" strictly after `after`, and whether it
/// becomes true by it; `None` when there is none within [`UNION_HORIZON_DAYS`].
pub fn next_change_of_any(
    windows: &[Window],
    after: DateTime<Utc>,
) -> Option<(DateTime<Utc>, bool)> {
    next_change(after, UNION_HORIZON_DAYS, |from, until| {
        union_within(windows, from, until)
    })
}

/// How long any of the windows is active within the range: what is left out of uptime. Time that
/// lies in several windows counts once.
pub fn muted_time(windows: &[Window], from: DateTime<Utc>, until: DateTime<Utc>) -> TimeDelta {
    total(union_within(windows, from, until))
}

/// Looks a week ahead first, then eight times as far each time: most windows change soon.
fn next_change(
    after: DateTime<Utc>,
    horizon_days: i64,
    active_within: impl Fn(DateTime<Utc>, DateTime<Utc>) -> Vec<Interval>,
) -> Option<(DateTime<Utc>, bool)> {
    let mut days = FIRST_LOOK_DAYS;
    loop {
        days = horizon_days.min(days);
        let end = days_after(after, days);
        let active = active_within(after, end);
        let change = match active.first() {
            Some(first) if first.from > after => Some((first.from, true)),
            Some(first) if first.until < end => Some((first.until, false)),
            _ => None,
        };
        if change.is_some() || days == horizon_days {
            return change;
        }
        days *= 8;
    }
}

fn days_after(after: DateTime<Utc>, days: i64) -> DateTime<Utc> {
    after
        .checked_add_signed(TimeDelta::days(days))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn read_recurrence(text: &WindowText, errors: &mut Vec<ScriptError>) -> Option<Recurrence> {
    let timezone = read_timezone(text.timezone.as_deref(), errors);
    let dtstart = read_dtstart(text, errors);
    if text.cron_expression.is_none() && text.rrule.is_none() {
        if text.duration_minutes.is_some() {
            let reason = "a window that does not recur ends at `until`";
            errors.push(ScriptError::new("/duration_minutes", reason));
        }
        return None;
    }
    let duration = read_duration(text.duration_minutes, errors);
    // What a wrong field leaves open is filled in, so that the others are judged too.
    let timezone = timezone.unwrap_or(Tz::UTC);
    let duration = duration.unwrap_or(TimeDelta::minutes(1));
    let recurrence = match (&text.cron_expression, &text.rrule) {
        (Some(_), Some(_)) => Err(ScriptError::new(
            "/rrule",
            "give either `cron_expression` or `rrule`",
        )),
        (Some(cron), None) => Recurrence::cron(cron, timezone, duration),
        (None, Some(rule)) => match (RRule::parse(rule), dtstart) {
            (Ok(rule), Some(first)) => Recurrence::rule(rule, first, timezone, duration),
            (Ok(_), None) => return None,
            (Err(error), _) => Err(error),
        },
        (None, None) => return None,
    };
    recurrence.map_err(|error| errors.push(error)).ok()
}

fn read_timezone(name: Option<&str>, errors: &mut Vec<ScriptError>) -> Option<Tz> {
    parse_timezone(name.unwrap_or("UTC"))
        .map_err(|error| errors.push(ScriptError::new("/timezone", error.to_string())))
        .ok()
}

/// The first start of a rule. Nothing else takes one.
fn read_dtstart(text: &WindowText, errors: &mut Vec<ScriptError>) -> Option<NaiveDateTime> {
    let mut refuse = |reason: &str| {
        errors.push(ScriptError::new("/dtstart", reason));
        None
    };
    match (&text.rrule, &text.dtstart) {
        (None, None) => None,
        (None, Some(_)) => refuse("only `rrule` takes it"),
        (Some(_), None) => {
            refuse("`rrule` needs a first start on the wall clock, such as `2027-01-03T02:00`")
        }
        (Some(_), Some(dtstart)) => {
            let formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:00"];
            let mut read = formats
                .iter()
                .filter_map(|format| NaiveDateTime::parse_from_str(dtstart, format).ok());
            let is_known = |at: &NaiveDateTime| (FIRST_DAY..=LAST_DAY).contains(&at.date());
            match read.find(is_known) {
                Some(first) => Some(first),
                None => refuse(
                    "not a time on the wall clock between 1970 and 2199, on a full minute and \
                     without an offset, such as `2027-01-03T02:00`",
                ),
            }
        }
    }
}

fn read_duration(minutes: Option<u32>, errors: &mut Vec<ScriptError>) -> Option<TimeDelta> {
    let reason = match minutes {
        None => "a window that recurs needs a duration".to_owned(),
        Some(minutes) if (1..=MAX_DURATION_MINUTES).contains(&minutes) => {
            return Some(TimeDelta::minutes(minutes.into()));
        }
        Some(minutes) => {
            format!("{minutes} min is not between 1 min and {MAX_DURATION_MINUTES} min (7 days)")
        }
    };
    errors.push(ScriptError::new("/duration_minutes", reason));
    None
}

/// Both bounds, and not too far apart.
pub(super) fn check_once(
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
) -> Result<Interval, ScriptError> {
    if from.is_none() {
        return Err(ScriptError::new("/from", "the start is missing"));
    }
    if until.is_none() {
        return Err(ScriptError::new("/until", "the end is missing"));
    }
    let bounds = check_order(from, until)?;
    if bounds.until - bounds.from > TimeDelta::days(MAX_ONCE_DAYS) {
        let reason = format!("more than {MAX_ONCE_DAYS} days after `from`");
        return Err(ScriptError::new("/until", reason));
    }
    Ok(bounds)
}

/// The bounds, with those of all recurrences where there are none.
fn check_order(
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
) -> Result<Interval, ScriptError> {
    if let (Some(from), Some(until)) = (from, until)
        && until <= from
    {
        return Err(ScriptError::new("/until", "the end is not after the start"));
    }
    let first = FIRST_DAY.and_time(chrono::NaiveTime::MIN).and_utc();
    let last = LAST_DAY.and_time(chrono::NaiveTime::MIN).and_utc();
    let known = first..=last;
    for (pointer, bound) in [("/from", from), ("/until", until)] {
        if bound.is_some_and(|bound| !known.contains(&bound)) {
            let reason = "not between the years 1970 and 2199";
            return Err(ScriptError::new(pointer, reason));
        }
    }
    Ok(Interval {
        from: from.unwrap_or(first),
        until: until.unwrap_or(last),
    })
}
