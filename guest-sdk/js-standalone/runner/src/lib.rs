//! Runs the one script of a monitor that `vedette build` made, and says what came of it in the words
//! of `vedette:monitor`: the class of an error stands in brackets, as `docs/components.md` tells.

/// Generated from `wit/`.
mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit/v0.1.0", "../../js-engine/wit", "../wit"],
        world: "vedette:js-standalone/runner",
        generate_all,
    });
}

use bindings::{RunError, Verdict};

struct Runner;

impl bindings::Guest for Runner {
    fn run() -> Result<Verdict, String> {
        bindings::run_bytecode(&bindings::bytecode()).map_err(|error| {
            let (class, message) = match error {
                RunError::TargetFailed(message) | RunError::AssertionFailed(message) => {
                    ("failure", message)
                }
                RunError::Thrown(message) => ("script_error", message),
                RunError::FetchDenied(message) => ("fetch_denied", message),
                RunError::FetchLimit(message) => ("fetch_limit", message),
                RunError::MemoryLimit(message) => ("memory_limit", message),
                RunError::Deadlock(message) => ("deadlock", message),
                RunError::ResultInvalid(message) => ("result_invalid", message),
                RunError::ResultTooLarge(message) => ("result_too_large", message),
                RunError::MissingExport(message) => ("missing_export", message),
            };
            format!("[{class}] {message}")
        })
    }

    fn engine() -> String {
        include_str!("../../../js-engine/prebuilt/js-engine.wasm.sha256")
            .trim_end()
            .to_owned()
    }
}

bindings::export!(Runner with_types_in bindings);
