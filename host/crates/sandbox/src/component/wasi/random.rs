//! `wasi:random`: all numbers come from the seed of the run.

use chacha20::rand_core::Rng as _;
use wasmtime::component::LinkerInstance;

use super::super::machine::{ComponentRun, Cx};
use crate::limits::RANDOM_BYTES;

/// A guest took more of something than a run may have.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(in super::super) struct QuotaExceeded(pub(super) String);

pub(super) fn link(instance: &mut LinkerInstance<'_, ComponentRun>) -> wasmtime::Result<()> {
    instance.func_wrap("get-random-bytes", bytes)?;
    instance.func_wrap("get-random-u64", number)
}

pub(super) fn link_insecure(
    instance: &mut LinkerInstance<'_, ComponentRun>,
) -> wasmtime::Result<()> {
    instance.func_wrap("get-insecure-random-bytes", bytes)?;
    instance.func_wrap("get-insecure-random-u64", number)
}

pub(super) fn link_seed(instance: &mut LinkerInstance<'_, ComponentRun>) -> wasmtime::Result<()> {
    instance.func_wrap("insecure-seed", |mut cx: Cx<'_>, (): ()| {
        cx.data().count_call();
        let random = &mut cx.data_mut().run.random;
        Ok(((random.next_u64(), random.next_u64()),))
    })
}

fn bytes(mut cx: Cx<'_>, (len,): (u64,)) -> wasmtime::Result<(Vec<u8>,)> {
    cx.data().count_call();
    if len > RANDOM_BYTES {
        return Err(QuotaExceeded(format!(
            "the component asked for {len} random bytes in one call, at most {RANDOM_BYTES} are given"
        ))
        .into());
    }
    let mut bytes = vec![0; usize::try_from(len)?];
    cx.data_mut().run.random.fill_bytes(&mut bytes);
    Ok((bytes,))
}

#[expect(clippy::unnecessary_wraps, reason = "the form that the linker takes")]
fn number(mut cx: Cx<'_>, (): ()) -> wasmtime::Result<(u64,)> {
    cx.data().count_call();
    Ok((cx.data_mut().run.random.next_u64(),))
}
