//! The binary `vedette`: reads configuration, builds everything, and wires it together. No
//! business rules.

mod app;
mod audit;
mod cli;
mod commands;
mod components;
mod config;
mod credentials;
mod deliveries;
mod keys;
mod logging;
mod remote;
mod self_health;
mod server;
mod templates;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: it has to find the process as it was started.
    #[cfg(target_os = "linux")]
    if let Some(command) = std::env::args_os().nth(1) {
        if command == wire::RUNNER_PROCESS {
            return commands::runner_process::runner_process();
        }
        if command == components::COMPILE_COMPONENT {
            return commands::compile_component::compile_component();
        }
    }
    // One provider for the whole process, before anything can choose another.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        cli::complain("another TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    // Each run in flight holds sockets; the usual soft limit of 1,024 is soon reached.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        cli::complain(&format!("the limit of open files stays as it is: {error}"));
    }
    cli::run()
}
