//! The few functions of WASI 0.2 that the engine's C and Rust libraries call.
//!
//! Everything else that the engine imports is linked as a trap: no files, no sockets, no process,
//! no environment of the host. Clocks are cut to whole milliseconds, which is fine enough for a
//! check and too coarse for a timing attack.

use wasmtime::{
    StoreContextMut,
    component::{Component, ComponentType, Linker, Lower},
    format_err,
};

use crate::{limits::RANDOM_BYTES, state::RunState};

const NANOS_PER_MILLI: u64 = 1_000_000;

/// Added to the monotonic clock, so that it never shows zero.
const MONOTONIC_START_NANOS: u64 = 1_000 * NANOS_PER_MILLI;

/// `wasi:clocks/wall-clock.datetime`
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Cx<'a> = StoreContextMut<'a, RunState>;

/// Links what `component` imports from WASI.
pub(crate) fn link(linker: &mut Linker<RunState>, component: &Component) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    let ty = component.component_type();
    for (name, _) in ty.imports(&engine) {
        // The patch level differs by the libraries inside the engine, the functions do not.
        let interface = name.split('@').next().unwrap_or(name);
        match interface {
            "wasi:clocks/wall-clock" => {
                linker.instance(name)?.func_wrap("now", wall_clock_now)?;
            }
            "wasi:clocks/monotonic-clock" => {
                linker
                    .instance(name)?
                    .func_wrap("now", monotonic_clock_now)?;
            }
            "wasi:random/random" => {
                let mut instance = linker.instance(name)?;
                instance.func_wrap("get-random-bytes", get_random_bytes)?;
                instance.func_wrap("get-random-u64", get_random_u64)?;
            }
            "wasi:random/insecure-seed" => {
                linker
                    .instance(name)?
                    .func_wrap("insecure-seed", |_: Cx<'_>, (): ()| {
                        Ok(((random_u64()?, random_u64()?),))
                    })?;
            }
            "wasi:cli/environment" => {
                linker
                    .instance(name)?
                    .func_wrap("get-environment", |_: Cx<'_>, (): ()| {
                        Ok((Vec::<(String, String)>::new(),))
                    })?;
            }
            _ => {}
        }
    }
    linker.define_unknown_imports_as_traps(component)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the form that the linker takes"
)]
fn wall_clock_now(cx: Cx<'_>, (): ()) -> wasmtime::Result<(Datetime,)> {
    let millis = u64::try_from(cx.data().clock.now().timestamp_millis()).unwrap_or(0);
    let nanoseconds = u32::try_from(millis % 1_000 * NANOS_PER_MILLI)?;
    Ok((Datetime {
        seconds: millis / 1_000,
        nanoseconds,
    },))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the form that the linker takes"
)]
fn monotonic_clock_now(cx: Cx<'_>, (): ()) -> wasmtime::Result<(u64,)> {
    let millis = u64::try_from(cx.data().started.elapsed().as_millis())?;
    Ok((MONOTONIC_START_NANOS + millis * NANOS_PER_MILLI,))
}

fn get_random_bytes(_: Cx<'_>, (len,): (u64,)) -> wasmtime::Result<(Vec<u8>,)> {
    if len > RANDOM_BYTES {
        return Err(format_err!(
            "{len} random bytes asked for, at most {RANDOM_BYTES} a call"
        ));
    }
    let mut bytes = vec![0; usize::try_from(len)?];
    getrandom::fill(&mut bytes)?;
    Ok((bytes,))
}

fn get_random_u64(_: Cx<'_>, (): ()) -> wasmtime::Result<(u64,)> {
    Ok((random_u64()?,))
}

fn random_u64() -> wasmtime::Result<u64> {
    Ok(getrandom::u64()?)
}
