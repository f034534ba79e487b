//! When nobody is to be woken: maintenance windows and silences.
//!
//! A [`Window`] is time on the calendar, once or again and again, for what its [`Scope`] covers; it
//! is left out of uptime. A [`Silence`] is one stretch of time for the alerts that its [`Matchers`]
//! pick out, and leaves uptime alone.
//!
//! There is one rule for clocks that change. Read the wall clock as one that never runs backwards:
//! an hour that spring skips is over at once, and while autumn repeats an hour, the clock stands
//! still at the end of the first one. A window is active while that clock stands between its
//! start and its end. Hence a start that is skipped comes right after the gap, a time that is
//! repeated comes once, and "02:00 to 04:00 each night" ends when the clock on the wall
//! shows 04:00, whether that is after one hour, two, or three.

mod interval;
mod matcher;
mod recurrence;
mod rrule;
#[cfg(test)]
mod tests;
mod window;

pub use interval::{Interval, merge, total};
pub use matcher::{
    AlertLabels, Label, MAX_LABEL_CHARS, MAX_MATCHERS, MatcherText, Matchers, Operator, Scope,
    ScriptLabels, Silence, check_tag,
};
pub use recurrence::{MAX_DURATION_MINUTES, MIN_START_GAP_MINUTES};
pub use rrule::{MAX_RRULE_BYTES, MAX_RRULE_COUNT, MAX_RRULE_INTERVAL};
pub use window::{
    HORIZON_DAYS, MAX_ONCE_DAYS, UNION_HORIZON_DAYS, Window, WindowText, any_active, muted_time,
    next_change_of_any, union_within,
};
