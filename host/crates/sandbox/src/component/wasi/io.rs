//! `wasi:io`: wasmtime's own implementation, with a clock that goes on where a guest waits.

use wasmtime::component::{HasData, Linker, LinkerInstance, Resource, ResourceTable, ResourceType};
use wasmtime_wasi_io::{
    bindings::wasi::io::{
        error,
        poll::{Host as _, HostPollable as _},
        streams,
    },
    poll::DynPollable,
};

use super::super::machine::{ComponentRun, Cx};

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

pub(super) fn link_streams(linker: &mut Linker<ComponentRun>) -> wasmtime::Result<()> {
    fn table(state: &mut ComponentRun) -> &mut ResourceTable {
        state.count_call();
        &mut state.run.table
    }
    error::add_to_linker::<_, Table>(linker, table)?;
    streams::add_to_linker::<_, Table>(linker, table)
}

/// Whatever a guest of WASI waits for, it waits for here.
pub(super) fn link_poll(instance: &mut LinkerInstance<'_, ComponentRun>) -> wasmtime::Result<()> {
    instance.resource_async(
        "pollable",
        ResourceType::host::<DynPollable>(),
        |mut cx, rep| {
            Box::new(async move {
                let table = &mut cx.data_mut().run.table;
                table.drop(Resource::<DynPollable>::new_own(rep))
            })
        },
    )?;
    instance.func_wrap_async(
        "poll",
        |mut cx: Cx<'_>, (pollables,): (Vec<Resource<DynPollable>>,)| {
            Box::new(async move {
                cx.data().count_call();
                let run = &mut cx.data_mut().run;
                let ready = run.table.poll(pollables).await?;
                run.guest_clock.catch_up(0);
                Ok((ready,))
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]pollable.block",
        |mut cx: Cx<'_>, (pollable,): (Resource<DynPollable>,)| {
            Box::new(async move {
                cx.data().count_call();
                let run = &mut cx.data_mut().run;
                run.table.block(pollable).await?;
                run.guest_clock.catch_up(0);
                Ok(())
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]pollable.ready",
        |mut cx: Cx<'_>, (pollable,): (Resource<DynPollable>,)| {
            Box::new(async move {
                // A guest that asks again and again must let others go on, and see time pass.
                tokio::task::yield_now().await;
                cx.data().count_call();
                let run = &mut cx.data_mut().run;
                let is_ready = run.table.ready(pollable).await?;
                run.guest_clock.catch_up(0);
                Ok((is_ready,))
            })
        },
    )
}
