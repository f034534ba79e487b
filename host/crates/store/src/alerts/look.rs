//! When to look at rules without an execution. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use vedette_core::{
    Schedule,
    alert::{machine, rule::RuleDefinition, state::RuleState},
};

/// How far ahead it is said when time may change a rule: further than certificates are looked at.
const LOOK_AHEAD: TimeDelta = TimeDelta::days(400);

/// How soon it is looked again at a rule that people are not told of yet and that time makes fire: no execution
/// comes that could show that it still has reason to.
const HELD_LOOK: TimeDelta = TimeDelta::seconds(60);

/// When time alone may change a rule, or when to look for that again.
pub(crate) fn next_look(
    rule: &RuleDefinition,
    state: &RuleState,
    schedule: &Schedule,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let until = now.checked_add_signed(LOOK_AHEAD)?;
    let is_about_silence = matches!(rule, RuleDefinition::NoData { .. });
    let tick = machine::next_tick(rule, state, schedule, now, until);
    tick.or_else(|| is_about_silence.then_some(until))
}

/// The same of a rule that fires and may be held.
pub(crate) fn next_look_if_held(
    rule: &RuleDefinition,
    state: &RuleState,
    schedule: &Schedule,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let soon = match rule {
        RuleDefinition::NoData { .. } | RuleDefinition::CertificateExpiry { .. } => {
            now.checked_add_signed(HELD_LOOK)
        }
        // Only executions show of the others that they still have reason to fire.
        _ => None,
    };
    let look = next_look(rule, state, schedule, now);
    [look, soon].into_iter().flatten().min()
}
