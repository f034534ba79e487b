//! `wasi:clocks`: both clocks show the guest's time (`world`), in whole milliseconds, which goes
//! on in a wait only.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource};
use wasmtime_wasi_io::{
    async_trait,
    poll::{DynPollable, Pollable, subscribe},
};

use super::super::machine::{ComponentRun, Cx};
use crate::host::wasi::{MONOTONIC_START_NANOS, NANOS_PER_MILLI};

/// `wasi:clocks/wall-clock.datetime`
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// A point of time that a guest waits for. `None`: beyond what can be told, so that the run's own
/// limit comes first.
struct Deadline(Option<Instant>);

#[async_trait]
impl Pollable for Deadline {
    async fn ready(&mut self) {
        match self.0 {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

pub(super) fn link_monotonic(
    instance: &mut LinkerInstance<'_, ComponentRun>,
) -> wasmtime::Result<()> {
    instance.func_wrap("now", |cx: Cx<'_>, (): ()| {
        cx.data().count_call();
        Ok((monotonic(cx.data()),))
    })?;
    instance.func_wrap("resolution", |cx: Cx<'_>, (): ()| {
        cx.data().count_call();
        Ok((NANOS_PER_MILLI,))
    })?;
    instance.func_wrap("subscribe-instant", |mut cx: Cx<'_>, (when,): (u64,)| {
        let wait = when.saturating_sub(monotonic(cx.data()));
        wait_for(&mut cx, wait)
    })?;
    instance.func_wrap("subscribe-duration", |mut cx: Cx<'_>, (wait,): (u64,)| {
        wait_for(&mut cx, wait)
    })
}

pub(super) fn link_wall(instance: &mut LinkerInstance<'_, ComponentRun>) -> wasmtime::Result<()> {
    instance.func_wrap("now", |cx: Cx<'_>, (): ()| {
        cx.data().count_call();
        let millis = cx.data().run.guest_clock.wall_ms();
        Ok((Datetime {
            seconds: millis / 1_000,
            nanoseconds: u32::try_from(millis % 1_000 * NANOS_PER_MILLI)?,
        },))
    })?;
    instance.func_wrap("resolution", |cx: Cx<'_>, (): ()| {
        cx.data().count_call();
        Ok((Datetime {
            seconds: 0,
            nanoseconds: u32::try_from(NANOS_PER_MILLI)?,
        },))
    })
}

fn monotonic(state: &ComponentRun) -> u64 {
    let millis = state.run.guest_clock.elapsed_ms();
    MONOTONIC_START_NANOS.saturating_add(millis.saturating_mul(NANOS_PER_MILLI))
}

fn wait_for(cx: &mut Cx<'_>, nanos: u64) -> wasmtime::Result<(Resource<DynPollable>,)> {
    cx.data().count_call();
    let run = &mut cx.data_mut().run;
    // The guest's clock shows whole milliseconds: it must have gone on that far when this is over.
    let wait = Duration::from_millis(nanos.div_ceil(NANOS_PER_MILLI));
    let ends = run.guest_clock.instant().checked_add(wait);
    let deadline = run.table.push(Deadline(ends.map(Instant::from_std)))?;
    Ok((subscribe(&mut run.table, deadline)?,))
}
