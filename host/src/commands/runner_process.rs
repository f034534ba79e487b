//! What `vedette serve` starts to run scripts in: not a command for people.

use std::{error::Error as _, process::ExitCode};

use tracing_subscriber::filter::LevelFilter;
use vedette_sandbox::process::run_runner_process;

/// Runs scripts for the server at the other end of standard input.
pub(crate) fn runner_process() -> ExitCode {
    // The server puts each line into its own log.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(LevelFilter::ERROR)
        .with_ansi(false)
        .without_time()
        .init();
    match run_runner_process() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error.source().map(ToString::to_string);
            tracing::error!(%error, cause, "the runner process ends");
            ExitCode::FAILURE
        }
    }
}
