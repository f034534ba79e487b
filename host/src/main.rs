//! The binary `vedette`: reads configuration, builds everything, and wires it together. No
//! business rules.

mod app;
mod cli;
mod commands;
mod config;
mod keys;
mod logging;
mod templates;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
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
