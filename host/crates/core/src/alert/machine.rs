//! The state machine of a rule at one location: `ok → pending → firing → recovering → ok`.
//!
//! An execution that says nothing ([`Seen::Nothing`]) changes nothing. One whose slot is not newer
//! than the last that said something is not taken up: what comes late or twice cannot count twice.
//!
//! A rule that fires for the [`FLAP_FIRES`]th time within [`FLAP_WINDOW`] is flapping. It then
//! recovers only when nothing was wrong for [`FLAP_QUIET`], and at least [`FLAP_CLEARS`] times in
//! a row where the rule counts executions.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    memory::Memory,
    observation::{Observation, Seen},
    rule::{Operator, RuleDefinition, Window},
    state::{Phase, RuleState, silent_from},
};
use crate::Schedule;

#[cfg(test)]
mod tests;

/// How long a slot may take until what it says is recorded: the longest run takes a minute.
pub const SLOT_GRACE: TimeDelta = TimeDelta::seconds(90);
/// A rule that fires this often within [`FLAP_WINDOW`] is flapping.
pub const FLAP_FIRES: usize = 3;
/// See [`FLAP_FIRES`].
pub const FLAP_WINDOW: TimeDelta = TimeDelta::hours(6);
/// How long a flapping rule has to be quiet before it recovers.
pub const FLAP_QUIET: TimeDelta = TimeDelta::minutes(30);
/// How many executions in a row have to be well, at least, before a flapping rule recovers.
pub const FLAP_CLEARS: u32 = 3;
/// A failure whose recheck does not come in this time counts without it: twice the time that a
/// slot may take.
pub const RECHECK_WAIT: TimeDelta = TimeDelta::seconds(2 * SLOT_GRACE.num_seconds());

/// What an execution, or time, says to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It is as the rule says that it must not be.
    Breach,
    /// It is not.
    Clear,
}

/// What somebody may have to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The rule fires.
    Fired,
    /// The rule fires no more.
    Recovered,
}

/// A change, and when it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Which one.
    pub change: Change,
    /// The slot of the execution that brought it, or the time that did.
    pub at: DateTime<Utc>,
}

/// One step of the machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The state after it.
    pub state: RuleState,
    /// What changed with it, if anything did.
    pub transition: Option<Transition>,
    /// What was said to the rule; `None`: nothing.
    pub signal: Option<Signal>,
    /// Whether the script is to run again at this location within a few seconds: its failure counts
    /// if that run, marked [`Observation::is_recheck`], does not say that the target is well.
    pub wants_recheck: bool,
}

impl Step {
    const fn nothing(state: RuleState) -> Self {
        Self {
            state,
            transition: None,
            signal: None,
            wants_recheck: false,
        }
    }
}

/// Takes up an execution.
pub fn step(rule: &RuleDefinition, mut state: RuleState, observation: &Observation) -> Step {
    let at = observation.at;
    let is_late = state.last_at.is_some_and(|last| at <= last);
    let is_of_use = if observation.is_recheck {
        // Rechecks come where things go wrong: they answer a failure, and count for nothing else.
        state.unconfirmed_at.is_some()
    } else {
        observation.seen != Seen::Nothing
    };
    if is_late || !is_of_use {
        return Step::nothing(state);
    }
    state.last_at = Some(at);
    let signal = signal_of(rule, &mut state, observation);
    let mut step = Step {
        signal,
        ..Step::nothing(state)
    };
    let state = &mut step.state;

    if state.unconfirmed_at.take().is_some() {
        if signal != Some(Signal::Clear) {
            step.transition = advance(rule, state, Signal::Breach, at);
        }
        if observation.is_recheck {
            return step;
        }
    } else if wants_recheck(rule, state, signal) {
        state.unconfirmed_at = Some(at);
        step.wants_recheck = true;
        return step;
    }
    if let Some(signal) = signal {
        step.transition = step.transition.or(advance(rule, state, signal, at));
    }
    step
}

/// Does what happens at `now` without an execution: a `no_data` rule fires, a certificate comes
/// near its end, old verdicts fall out of a window, a recheck did not come.
///
/// To call it twice, or late, does no harm; [`next_tick`] says when there is something to do.
/// Not for a script that is paused.
pub fn tick(
    rule: &RuleDefinition,
    mut state: RuleState,
    schedule: &Schedule,
    now: DateTime<Utc>,
) -> Step {
    if state
        .unconfirmed_at
        .is_some_and(|at| now - at >= RECHECK_WAIT)
    {
        state.unconfirmed_at = None;
        let transition = advance(rule, &mut state, Signal::Breach, now);
        return Step {
            transition,
            ..Step::nothing(state)
        };
    }
    let signal = signal_of_time(rule, &state, schedule, now);
    let mut step = Step {
        signal,
        ..Step::nothing(state)
    };
    match signal {
        // Time goes on being wrong: nothing new.
        Some(Signal::Breach) if step.state.phase == Phase::Firing => {}
        Some(signal) => step.transition = advance(rule, &mut step.state, signal, now),
        None => {}
    }
    step
}

/// The first time after `after`, and not after `until`, at which [`tick`] may change something, if
/// no execution comes before. What lies at `after` or before it is for a tick at `after`.
pub fn next_tick(
    rule: &RuleDefinition,
    state: &RuleState,
    schedule: &Schedule,
    after: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let is_firing = state.is_firing();
    let of_rule = match (rule, &state.memory) {
        (RuleDefinition::NoData { intervals }, _) if !is_firing => {
            silent_from(schedule, awaited_since(state), *intervals, until)
        }
        (RuleDefinition::CertificateExpiry { days }, Memory::Certificate { expires_at })
            if !is_firing =>
        {
            expires_at.checked_sub_signed(TimeDelta::days((*days).into()))
        }
        (RuleDefinition::Uptime { .. }, Memory::Uptime(verdicts)) if is_firing => {
            verdicts.next_loss(after)
        }
        (RuleDefinition::Flapping { window, .. }, Memory::Flapping(changes)) if is_firing => {
            changes.next_loss(window.length(), after)
        }
        _ => None,
    };
    let quiet = state
        .last_breach_at
        .filter(|_| state.is_flapping && !counts_executions(rule));
    [
        of_rule,
        state
            .unconfirmed_at
            .and_then(|at| at.checked_add_signed(RECHECK_WAIT)),
        quiet.and_then(|at| at.checked_add_signed(FLAP_QUIET)),
    ]
    .into_iter()
    .flatten()
    .filter(|time| *time > after && *time <= until)
    .min()
}

/// What stays of a rule's state when the rule is edited.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// The state under the new definition. What is firing still does, and recovers by it.
    Kept(RuleState),
    /// Nothing: it is another rule now, with a new state at each location. If the old one was
    /// firing, somebody may have been told, and the incident is to learn that it is gone
    /// ([`super::incident::Event::RuleRemoved`]).
    Anew,
}

/// Says what stays of `state` when `old` becomes `new`.
///
/// Of the same kind, a series goes on under new numbers; the next execution shows whether it is
/// long enough. A series of latencies under another threshold or operator is no series any more,
/// and in another window of uptime verdicts are counted from now on.
pub fn edit(old: &RuleDefinition, new: &RuleDefinition, mut state: RuleState) -> Edit {
    if old.kind() != new.kind() {
        return Edit::Anew;
    }
    if window_of_verdicts(old) != window_of_verdicts(new) {
        state.memory = Memory::Nothing;
    }
    if measured(old) != measured(new) {
        state.phase = match state.phase {
            Phase::Ok | Phase::Pending { .. } => Phase::Ok,
            Phase::Firing | Phase::Recovering { .. } => Phase::Firing,
        };
    }
    Edit::Kept(state)
}

/// What each member of a series is compared with.
fn measured(rule: &RuleDefinition) -> Option<(f64, Operator)> {
    match rule {
        RuleDefinition::Latency {
            threshold_ms,
            operator,
            ..
        } => Some((*threshold_ms, *operator)),
        _ => None,
    }
}

/// The window that verdicts are counted in.
fn window_of_verdicts(rule: &RuleDefinition) -> Option<Window> {
    match rule {
        RuleDefinition::Uptime { window, .. } => Some(*window),
        _ => None,
    }
}

/// Whether a failure is to be confirmed before it counts: the first of what may become a series.
fn wants_recheck(rule: &RuleDefinition, state: &RuleState, signal: Option<Signal>) -> bool {
    let is_asked_for = matches!(rule, RuleDefinition::StatusChange { recheck: true, .. });
    is_asked_for && state.phase == Phase::Ok && signal == Some(Signal::Breach)
}

/// What an execution says to a rule, which takes up what it has to remember.
fn signal_of(
    rule: &RuleDefinition,
    state: &mut RuleState,
    observation: &Observation,
) -> Option<Signal> {
    let at = observation.at;
    let seen = observation.seen;
    let is_up = seen == Seen::Up;
    // How long it was well, and how often it changed, is not asked of time that was announced.
    let is_of_uptime = seen.is_verdict() && !observation.is_in_maintenance;
    let said = |is_breach| {
        if is_breach {
            Signal::Breach
        } else {
            Signal::Clear
        }
    };
    let signal = match rule {
        RuleDefinition::StatusChange { .. } => seen.is_verdict().then(|| said(!is_up)),
        RuleDefinition::Latency {
            threshold_ms,
            operator,
            ..
        } => {
            let latency = observation.latency_ms.filter(|_| seen.is_verdict());
            let is_breach = latency.map(|latency| operator.holds(latency, *threshold_ms));
            // That an error page came fast is no recovery.
            is_breach.filter(|is_breach| *is_breach || is_up).map(said)
        }
        RuleDefinition::Error { .. } => (seen != Seen::Nothing).then(|| said(seen == Seen::Broken)),
        RuleDefinition::NoData { .. } => seen.is_verdict().then_some(Signal::Clear),
        RuleDefinition::CertificateExpiry { days } => {
            observation.certificate_expires_at.map(|expires_at| {
                state.memory = Memory::Certificate { expires_at };
                said(ends_within(expires_at, *days, at))
            })
        }
        RuleDefinition::Uptime { window, .. } if is_of_uptime => {
            state.memory.verdicts(*window, at).count(at, is_up);
            state.last_data_at = Some(at);
            level(rule, &state.memory, at)
        }
        RuleDefinition::Flapping { .. } if is_of_uptime => {
            state.memory.changes().take(at, is_up);
            state.last_data_at = Some(at);
            level(rule, &state.memory, at)
        }
        RuleDefinition::Uptime { .. } | RuleDefinition::Flapping { .. } => None,
    };
    if signal.is_some() {
        state.last_data_at = Some(at);
    }
    signal
}

/// What the time says to a rule. From silence alone no rule recovers, and no window fires.
fn signal_of_time(
    rule: &RuleDefinition,
    state: &RuleState,
    schedule: &Schedule,
    now: DateTime<Utc>,
) -> Option<Signal> {
    match (rule, &state.memory) {
        (RuleDefinition::NoData { intervals }, _) => {
            let silent_from = silent_from(schedule, awaited_since(state), *intervals, now);
            silent_from.map(|_| Signal::Breach)
        }
        (RuleDefinition::CertificateExpiry { days }, Memory::Certificate { expires_at }) => {
            ends_within(*expires_at, *days, now).then_some(Signal::Breach)
        }
        (RuleDefinition::Uptime { .. }, memory) => {
            level(rule, memory, now).filter(|signal| *signal == Signal::Clear)
        }
        (RuleDefinition::Flapping { window, .. }, memory) => {
            let last = state.last_data_at?;
            let is_watched = now - last < window.length();
            let signal = level(rule, memory, now).filter(|_| is_watched);
            signal.filter(|signal| *signal == Signal::Clear)
        }
        _ => None,
    }
}

/// How a window stands. Between the bounds of `flapping` it says nothing.
fn level(rule: &RuleDefinition, memory: &Memory, now: DateTime<Utc>) -> Option<Signal> {
    match (rule, memory) {
        (RuleDefinition::Uptime { below_percent, .. }, Memory::Uptime(verdicts)) => {
            let percent = verdicts.percent_up(now)?;
            let is_below = percent < *below_percent;
            Some(if is_below {
                Signal::Breach
            } else {
                Signal::Clear
            })
        }
        (RuleDefinition::Flapping { changes, window }, Memory::Flapping(known)) => {
            let within = known.within(window.length(), now);
            if within >= *changes as usize {
                Some(Signal::Breach)
            } else if within <= (*changes / 2) as usize {
                Some(Signal::Clear)
            } else {
                None
            }
        }
        _ => None,
    }
}

fn ends_within(expires_at: DateTime<Utc>, days: u32, now: DateTime<Utc>) -> bool {
    expires_at - now <= TimeDelta::days(days.into())
}

/// Since when a verdict is awaited.
fn awaited_since(state: &RuleState) -> DateTime<Utc> {
    state
        .last_data_at
        .map_or(state.started_at, |last| last.max(state.started_at))
}

/// Whether the rule is about executions in a row; otherwise about a level that is reached.
const fn counts_executions(rule: &RuleDefinition) -> bool {
    matches!(
        rule,
        RuleDefinition::StatusChange { .. }
            | RuleDefinition::Latency { .. }
            | RuleDefinition::Error { .. }
    )
}

/// How many breaches in a row it takes to fire, and of their absence to recover.
const fn thresholds(rule: &RuleDefinition) -> (u32, u32) {
    match rule {
        RuleDefinition::StatusChange {
            consecutive_failures,
            consecutive_successes,
            ..
        } => (*consecutive_failures, *consecutive_successes),
        RuleDefinition::Latency { consecutive, .. } | RuleDefinition::Error { consecutive } => {
            (*consecutive, *consecutive)
        }
        _ => (1, 1),
    }
}

fn advance(
    rule: &RuleDefinition,
    state: &mut RuleState,
    signal: Signal,
    at: DateTime<Utc>,
) -> Option<Transition> {
    if signal == Signal::Breach {
        state.last_breach_at = Some(at);
    }
    match (signal, state.phase) {
        (Signal::Breach, Phase::Ok) => take_breach(rule, state, 1, at),
        (Signal::Breach, Phase::Pending { count }) => take_breach(rule, state, count + 1, at),
        (Signal::Breach, Phase::Firing | Phase::Recovering { .. }) => {
            state.phase = Phase::Firing;
            None
        }
        (Signal::Clear, Phase::Ok | Phase::Pending { .. }) => {
            state.phase = Phase::Ok;
            None
        }
        (Signal::Clear, Phase::Firing) => take_clear(rule, state, 1, at),
        (Signal::Clear, Phase::Recovering { count }) => take_clear(rule, state, count + 1, at),
    }
}

fn take_breach(
    rule: &RuleDefinition,
    state: &mut RuleState,
    count: u32,
    at: DateTime<Utc>,
) -> Option<Transition> {
    if count < thresholds(rule).0 {
        state.phase = Phase::Pending { count };
        return None;
    }
    state.phase = Phase::Firing;
    if state.fired_at.len() >= FLAP_FIRES {
        state.fired_at.remove(0);
    }
    state.fired_at.push(at);
    state.is_flapping = state.fired_at.len() == FLAP_FIRES && at - state.fired_at[0] <= FLAP_WINDOW;
    Some(Transition {
        change: Change::Fired,
        at,
    })
}

fn take_clear(
    rule: &RuleDefinition,
    state: &mut RuleState,
    count: u32,
    at: DateTime<Utc>,
) -> Option<Transition> {
    let mut needed = thresholds(rule).1;
    let mut is_quiet = true;
    if state.is_flapping {
        if counts_executions(rule) {
            needed = needed.max(FLAP_CLEARS);
        }
        is_quiet = state
            .last_breach_at
            .is_none_or(|last| at - last >= FLAP_QUIET);
    }
    if count < needed || !is_quiet {
        state.phase = Phase::Recovering {
            count: count.min(needed),
        };
        return None;
    }
    state.phase = Phase::Ok;
    state.is_flapping = false;
    // The clock may have said later that it fires than the slot was that shows it well.
    let at = state
        .fired_at
        .last()
        .map_or(at, |fired_at| at.max(*fired_at));
    Some(Transition {
        change: Change::Recovered,
        at,
    })
}
