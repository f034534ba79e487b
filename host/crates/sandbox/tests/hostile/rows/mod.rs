//! The table: what each script does, how it may end, and what must hold besides.

mod beyond;
mod javascript;
pub(crate) mod poison;
mod runtime;

use std::time::Duration;

use vedette_core::{ErrorClass, Outcome, Status};
use vedette_sandbox::{CompileError, Limits};

use crate::check;

/// Fuel of a row that names no other: a loop ends after a twentieth of a second, and everything
/// else has plenty.
const FUEL_OF_A_ROW: u64 = 1_000_000_000;

/// Wall of a row that names no other: a machine that is very busy is no reason to time out.
const WALL_OF_A_ROW: Duration = Duration::from_mins(2);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Success,
    Failure,
    Timeout,
    Error(ErrorClass),
    /// The source is refused when it is saved.
    Refused,
}

/// Short names for the table.
pub(crate) mod ends {
    use vedette_core::ErrorClass;

    use super::Ending;

    pub(crate) const SUCCESS: Ending = Ending::Success;
    pub(crate) const FAILURE: Ending = Ending::Failure;
    pub(crate) const TIMEOUT: Ending = Ending::Timeout;
    pub(crate) const REFUSED: Ending = Ending::Refused;
    pub(crate) const SCRIPT: Ending = Ending::Error(ErrorClass::ScriptError);
    pub(crate) const FUEL: Ending = Ending::Error(ErrorClass::FuelExhausted);
    pub(crate) const MEMORY: Ending = Ending::Error(ErrorClass::MemoryLimit);
    pub(crate) const STACK: Ending = Ending::Error(ErrorClass::StackOverflow);
    pub(crate) const DEADLOCK: Ending = Ending::Error(ErrorClass::Deadlock);
    pub(crate) const INVALID: Ending = Ending::Error(ErrorClass::ResultInvalid);
    pub(crate) const TOO_LARGE: Ending = Ending::Error(ErrorClass::ResultTooLarge);
    pub(crate) const DENIED: Ending = Ending::Error(ErrorClass::FetchDenied);
    pub(crate) const FETCH_LIMIT: Ending = Ending::Error(ErrorClass::FetchLimit);
    pub(crate) const NO_EXPORT: Ending = Ending::Error(ErrorClass::MissingExport);
}

impl Ending {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match (outcome.status, outcome.error_class) {
            (Status::Success, None) => Self::Success,
            (Status::Failure, None) => Self::Failure,
            (Status::Timeout, None) => Self::Timeout,
            (Status::Error, Some(class)) => Self::Error(class),
            _ => panic!("no run ends like this: {outcome:#?}"),
        }
    }

    pub(crate) fn of_compilation(error: &CompileError) -> Self {
        match error {
            CompileError::Source { .. } | CompileError::Limit(_) => Self::Refused,
            _ => Self::Error(ErrorClass::PlatformError),
        }
    }
}

/// A row of the corpus, or of its kind.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    /// Each is a module that does what the row says in its own way.
    pub(crate) sources: Vec<String>,
    pub(crate) ends: &'static [Ending],
    pub(crate) limits: Limits,
    /// What the corpus expects, and why another class is right here.
    pub(crate) instead_of: Option<&'static str>,
    /// What must hold besides the ending, of an outcome that there is.
    pub(crate) proof: fn(&Outcome) -> bool,
}

/// A row that may end in one of these ways.
fn row(id: &'static str, ends: &'static [Ending]) -> Row {
    Row {
        id,
        sources: Vec::new(),
        ends,
        limits: Limits {
            fuel: FUEL_OF_A_ROW,
            wall: WALL_OF_A_ROW,
            ..Limits::default()
        },
        instead_of: None,
        proof: |_| true,
    }
}

impl Row {
    fn body(mut self, body: &str) -> Self {
        self.sources.push(check(body));
        self
    }

    fn bodies(mut self, bodies: &[&str]) -> Self {
        self.sources.extend(bodies.iter().map(|body| check(body)));
        self
    }

    fn module(mut self, source: impl Into<String>) -> Self {
        self.sources.push(source.into());
        self
    }

    fn fuel(mut self, fuel: u64) -> Self {
        self.limits.fuel = fuel;
        self
    }

    fn wall_ms(mut self, ms: u64) -> Self {
        self.limits.wall = Duration::from_millis(ms);
        self
    }

    fn instead_of(mut self, expected: &'static str) -> Self {
        self.instead_of = Some(expected);
        self
    }

    fn proof(mut self, proof: fn(&Outcome) -> bool) -> Self {
        self.proof = proof;
        self
    }
}

/// Every row that is a script.
pub(crate) fn all() -> Vec<Row> {
    let mut rows = javascript::rows();
    rows.extend(runtime::rows());
    rows.extend(beyond::rows());
    rows.extend(poison::rows());
    rows
}
