//! What `vedette` starts to compile a component: not a command for people.

use std::process::ExitCode;

use tracing_subscriber::filter::LevelFilter;
use vedette_sandbox::process::run_compiler_process;

/// Compiles the component on standard input.
pub(crate) fn compile_component() -> ExitCode {
    // The server puts it into its own log.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(LevelFilter::WARN)
        .with_ansi(false)
        .without_time()
        .init();
    match run_compiler_process(std::env::args_os().skip(2)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the compiler ends");
            ExitCode::FAILURE
        }
    }
}
