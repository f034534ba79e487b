//! How a run of a component ended that gave no verdict.

use vedette_core::ErrorClass;
use wasmtime::{OutOfMemory, Trap, component::ResourceTableError};
use wasmtime_wasi_http::FieldMapError;

use super::{
    admission::told,
    wasi::{Exit, QuotaExceeded},
};
use crate::{
    bindings,
    limits::{self, component as caps},
    run::{Ended, PLATFORM_MESSAGE, memory_limit, moved_too_much},
    state::RunState,
    verdict::error_text,
};

/// Classes that a monitor may claim for itself: `err("[deadlock] why")`.
const CLAIMABLE: &[ErrorClass] = &[
    ErrorClass::ScriptError,
    ErrorClass::FetchDenied,
    ErrorClass::FetchLimit,
    ErrorClass::MemoryLimit,
    ErrorClass::Deadlock,
    ErrorClass::ResultInvalid,
    ErrorClass::ResultTooLarge,
    ErrorClass::MissingExport,
];

/// `run` answered `err`: the check came to no verdict, and says why. `err("[failure] why")` is a
/// request that failed because of the target, or an expectation that was not met.
pub(super) fn without_verdict(reason: &str, run: &RunState) -> Ended<bindings::Verdict> {
    let bracketed = reason
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "));
    // What is said after memory was refused is seldom about memory.
    if run.memory.refused() {
        return memory_limit();
    }
    if let Some(("failure", message)) = bracketed {
        return Ended::TargetFailed(error_text(message));
    }
    let claimed = bracketed.and_then(|(word, message)| {
        let class = CLAIMABLE.iter().find(|class| class.as_str() == word)?;
        Some((*class, message))
    });
    let (class, message) = claimed.unwrap_or((ErrorClass::ScriptError, reason));
    Ended::Error(class, error_text(message))
}

/// Whether a table of the host was full: its own, or that of wasmtime for a store.
fn has_too_many(error: &wasmtime::Error) -> bool {
    matches!(
        error.downcast_ref::<ResourceTableError>(),
        Some(ResourceTableError::Full)
    ) || format!("{error:?}").contains("store handle limit exceeded")
}

/// Whether the operating system refused us something.
fn is_ours(error: &wasmtime::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.is::<std::io::Error>() || cause.is::<OutOfMemory>())
}

/// Tells a guest that broke a limit from a guest that trapped, and both from our own faults.
pub(super) fn classify(
    error: &wasmtime::Error,
    run: &RunState,
    is_standalone: bool,
) -> Ended<bindings::Verdict> {
    let trap = error.downcast_ref::<Trap>();
    let who = if is_standalone { "script" } else { "component" };
    let (class, message) = match trap {
        _ if run.memory.refused() => return memory_limit(),
        Some(Trap::OutOfFuel) => (
            ErrorClass::FuelExhausted,
            format!("the {who} used up its computing budget: is there a loop without an end?"),
        ),
        // The engine of scripts has its own stack at the bottom of its memory: see `run.rs`.
        Some(Trap::MemoryOutOfBounds) if is_standalone => (
            ErrorClass::StackOverflow,
            format!("the {who} recursed too deeply"),
        ),
        Some(Trap::StackOverflow) => (
            ErrorClass::StackOverflow,
            format!("the {who} recursed too deeply"),
        ),
        Some(trap) => (
            ErrorClass::Trap,
            format!("the sandbox stopped the {who}: {trap}"),
        ),
        None if error.is::<Exit>() => (
            ErrorClass::ScriptError,
            format!("{Exit}, without a verdict"),
        ),
        None if error.is::<QuotaExceeded>() => (ErrorClass::QuotaExceeded, error.to_string()),
        None if error.is::<FieldMapError>() => {
            let kib = caps::HEADER_BYTES / 1024;
            (
                ErrorClass::FetchLimit,
                format!("the {who} put more than {kib} KiB into the headers of one message"),
            )
        }
        None if has_too_many(error) => {
            let most = limits::HANDLES;
            (
                ErrorClass::QuotaExceeded,
                format!("the {who} holds more than {most} handles at once"),
            )
        }
        None if moved_too_much(error) => {
            let mib = limits::HOST_CALL_BYTES / (1024 * 1024);
            (
                ErrorClass::ResultTooLarge,
                format!("the {who} moved more than {mib} MiB out in one call"),
            )
        }
        None if is_ours(error) => {
            tracing::error!(error = ?error, "a run ended by a fault of the host");
            (ErrorClass::PlatformError, PLATFORM_MESSAGE.to_owned())
        }
        // What is left are answers and arguments that are not what their types say.
        None => (
            ErrorClass::Trap,
            format!(
                "the sandbox stopped the {who}: {}",
                told(&format!("{error:#}"))
            ),
        ),
    };
    Ended::Error(class, message)
}
