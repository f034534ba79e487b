//! What the state machine is told of one execution.

use chrono::{DateTime, Utc};

use crate::{ErrorClass, Outcome, Status};

#[cfg(test)]
mod tests;

/// What an execution says about its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// The target is well.
    Up,
    /// The target is not well, or did not let the check come to an end in its time.
    Down,
    /// The check is broken, or broke a limit or a rule. Says nothing about the target.
    Broken,
    /// It did not run, or could not through no fault of the check. Says nothing about anything:
    /// it neither breaks nor extends a series.
    Nothing,
}

impl Seen {
    /// What a recorded execution says. An `error` without a class is a record that is not whole.
    pub const fn of(status: Status, error_class: Option<ErrorClass>) -> Self {
        match (status, error_class) {
            (Status::Success, _) => Self::Up,
            (Status::Failure | Status::Timeout, _) => Self::Down,
            (Status::Error, Some(class)) => Self::of_error(class),
            (Status::Running | Status::Missed | Status::Error, _) => Self::Nothing,
        }
    }

    const fn of_error(class: ErrorClass) -> Self {
        match class {
            ErrorClass::PlatformError | ErrorClass::QuotaExceeded => Self::Nothing,
            ErrorClass::ScriptError
            | ErrorClass::CompileError
            | ErrorClass::FuelExhausted
            | ErrorClass::MemoryLimit
            | ErrorClass::StackOverflow
            | ErrorClass::Trap
            | ErrorClass::Deadlock
            | ErrorClass::ResultInvalid
            | ErrorClass::ResultTooLarge
            | ErrorClass::FetchDenied
            | ErrorClass::FetchLimit
            | ErrorClass::InvalidComponent
            | ErrorClass::ForbiddenImport
            | ErrorClass::MissingExport
            | ErrorClass::AbiMismatch => Self::Broken,
        }
    }

    /// Whether it says how the target is.
    pub const fn is_verdict(self) -> bool {
        matches!(self, Self::Up | Self::Down)
    }
}

/// One execution, as rules see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The due time of its slot; of a recheck, when it was due. Executions of one script at one
    /// location have different ones.
    pub at: DateTime<Utc>,
    /// Where it ran.
    pub location: String,
    /// What it says about the target.
    pub seen: Seen,
    /// Milliseconds; `None` when nothing was measured.
    pub latency_ms: Option<f64>,
    /// The end of the certificate that ends first, of all that were met; `None` when none was.
    pub certificate_expires_at: Option<DateTime<Utc>>,
    /// Whether it ran because a failure asked for it, and not by the schedule.
    pub is_recheck: bool,
    /// Whether its slot lies in a maintenance window: such time is left out of uptime.
    pub is_in_maintenance: bool,
}

impl Observation {
    /// What a run by the schedule says.
    pub fn of_outcome(at: DateTime<Utc>, location: impl Into<String>, outcome: &Outcome) -> Self {
        Self {
            at,
            location: location.into(),
            seen: Seen::of(outcome.status, outcome.error_class),
            latency_ms: outcome.latency_ms.filter(|latency| latency.is_finite()),
            certificate_expires_at: outcome
                .requests
                .iter()
                .filter_map(|request| request.certificate_expires_at)
                .min(),
            is_recheck: false,
            is_in_maintenance: false,
        }
    }
}
