//! Tests of windows and silences: the table of muted minutes over both changes of clocks, every
//! field that can be wrong, and properties against an oracle that walks the clock minute by minute.

use chrono::{DateTime, TimeDelta, Utc};

use super::*;

mod matcher;
mod properties;
mod rrule;
mod table;
mod window;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time in RFC 3339")
}

fn by_cron(cron: &str, minutes: u32, timezone: &str) -> WindowText {
    WindowText {
        cron_expression: Some(cron.to_owned()),
        duration_minutes: Some(minutes),
        timezone: Some(timezone.to_owned()),
        ..WindowText::default()
    }
}

fn by_rule(rule: &str, dtstart: &str, minutes: u32, timezone: &str) -> WindowText {
    WindowText {
        rrule: Some(rule.to_owned()),
        dtstart: Some(dtstart.to_owned()),
        duration_minutes: Some(minutes),
        timezone: Some(timezone.to_owned()),
        ..WindowText::default()
    }
}

fn window(text: &WindowText) -> Window {
    Window::parse(text).expect("a window that is accepted")
}

/// The active time in the range, as `from/until` in UTC.
fn active(window: &Window, from: &str, until: &str) -> Vec<String> {
    let show = |one: &Interval| {
        let (from, until) = (one.from.format("%d %H:%M"), one.until.format("%d %H:%M"));
        format!("{from}/{until}")
    };
    window
        .active_within(at(from), at(until))
        .iter()
        .map(show)
        .collect()
}

fn minutes(window: &Window, from: &str, until: &str) -> i64 {
    let windows = std::slice::from_ref(window);
    muted_time(windows, at(from), at(until)).num_minutes()
}
