//! WASI 0.2 for uploaded components: what compilers bring, and no more than a monitor may have.
//!
//! Standard output and error are lines of the execution's log, the environment is the run's
//! variables, clocks stand still while the guest computes, and `wasi:http` goes through the egress
//! guard. There is no file, no socket, and no process.

mod cli;
mod clocks;
mod denied;
mod http;
mod io;
mod random;

use wasmtime::component::{Component, Linker};

pub(super) use self::{
    cli::{Exit, Stdio, lines},
    http::Requests,
    random::QuotaExceeded,
};
use super::machine::ComponentRun;

/// Links what `component` imports of WASI. The names were admitted before; types that differ are
/// found when it is instantiated.
pub(super) fn link(
    linker: &mut Linker<ComponentRun>,
    component: &Component,
) -> wasmtime::Result<()> {
    io::link_streams(linker)?;
    http::link(linker)?;
    let engine = linker.engine().clone();
    for (name, import) in component.component_type().imports(&engine) {
        let interface = name.split('@').next().unwrap_or(name);
        match interface {
            "wasi:cli/environment" => cli::link_environment(&mut linker.instance(name)?)?,
            "wasi:cli/exit" => cli::link_exit(&mut linker.instance(name)?)?,
            "wasi:cli/stdin" => cli::link_stdin(&mut linker.instance(name)?)?,
            "wasi:cli/stdout" => cli::link_stdout(&mut linker.instance(name)?)?,
            "wasi:cli/stderr" => cli::link_stderr(&mut linker.instance(name)?)?,
            "wasi:clocks/monotonic-clock" => clocks::link_monotonic(&mut linker.instance(name)?)?,
            "wasi:clocks/wall-clock" => clocks::link_wall(&mut linker.instance(name)?)?,
            "wasi:io/poll" => io::link_poll(&mut linker.instance(name)?)?,
            "wasi:random/random" => random::link(&mut linker.instance(name)?)?,
            "wasi:random/insecure" => random::link_insecure(&mut linker.instance(name)?)?,
            "wasi:random/insecure-seed" => random::link_seed(&mut linker.instance(name)?)?,
            _ if denied::is_denied(interface) => {
                denied::link(&mut linker.instance(name)?, interface, &import.ty, &engine)?;
            }
            _ => {}
        }
    }
    Ok(())
}
