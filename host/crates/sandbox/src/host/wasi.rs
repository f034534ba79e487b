//! The few functions of WASI 0.2 that the engine's C and Rust libraries call.
//!
//! Everything else that the engine imports is linked as a trap: no files, no sockets, no process,
//! no environment of the host. Clocks stand still while the guest computes, and all random numbers
//! come from the seed of the run: see `world`.

use chacha20::rand_core::Rng as _;
use wasmtime::{
    StoreContextMut,
    component::{Component, ComponentType, Linker, Lower},
    format_err,
};

use crate::{limits::RANDOM_BYTES, state::RunState};

pub(crate) const NANOS_PER_MILLI: u64 = 1_000_000;

/// Added to the monotonic clock, so that it never shows zero.
pub(crate) const MONOTONIC_START_NANOS: u64 = 1_000 * NANOS_PER_MILLI;

/// `wasi:clocks/wall-clock.datetime`
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Cx<'a> = StoreContextMut<'a, RunState>;

/// Fuel that a reading of a clock costs: as long as the host takes for it, the engine computes so
/// many operators.
pub(crate) const CALL_FUEL: u64 = 2_000;

/// Readings that are paid for together. Setting the fuel begins a new interval until the run yields
/// (`limits::FUEL_YIELD_INTERVAL`), so that it must happen less often than the interval ends: so
/// many readings take a script at least that much fuel by themselves.
pub(crate) const CALLS_PAID_TOGETHER: u64 = 32_768;

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
                    .func_wrap("insecure-seed", |mut cx: Cx<'_>, (): ()| {
                        let random = &mut cx.data_mut().random;
                        Ok(((random.next_u64(), random.next_u64()),))
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

/// Without a price, the cheapest call would buy much of the host's time for little fuel.
fn pay_for_call(cx: &mut Cx<'_>) -> wasmtime::Result<()> {
    let calls = &mut cx.data_mut().clock_calls;
    *calls += 1;
    if (*calls).is_multiple_of(CALLS_PAID_TOGETHER) {
        let left = cx.get_fuel()?;
        cx.set_fuel(left.saturating_sub(CALLS_PAID_TOGETHER * CALL_FUEL))?;
    }
    Ok(())
}

fn wall_clock_now(mut cx: Cx<'_>, (): ()) -> wasmtime::Result<(Datetime,)> {
    pay_for_call(&mut cx)?;
    let millis = cx.data().guest_clock.wall_ms();
    let nanoseconds = u32::try_from(millis % 1_000 * NANOS_PER_MILLI)?;
    Ok((Datetime {
        seconds: millis / 1_000,
        nanoseconds,
    },))
}

fn monotonic_clock_now(mut cx: Cx<'_>, (): ()) -> wasmtime::Result<(u64,)> {
    pay_for_call(&mut cx)?;
    let millis = cx.data().guest_clock.elapsed_ms();
    let nanos = millis.saturating_mul(NANOS_PER_MILLI);
    Ok((MONOTONIC_START_NANOS.saturating_add(nanos),))
}

fn get_random_bytes(mut cx: Cx<'_>, (len,): (u64,)) -> wasmtime::Result<(Vec<u8>,)> {
    if len > RANDOM_BYTES {
        return Err(format_err!(
            "{len} random bytes asked for, at most {RANDOM_BYTES} a call"
        ));
    }
    let mut bytes = vec![0; usize::try_from(len)?];
    cx.data_mut().random.fill_bytes(&mut bytes);
    Ok((bytes,))
}

#[expect(clippy::unnecessary_wraps, reason = "the form that the linker takes")]
fn get_random_u64(mut cx: Cx<'_>, (): ()) -> wasmtime::Result<(u64,)> {
    Ok((cx.data_mut().random.next_u64(),))
}
