//! The JavaScript realm: QuickJS with its limits, and the globals of `js/`.

use std::{
    alloc::{Layout, alloc, dealloc},
    cell::OnceCell,
};

use javy::{
    Config, Runtime,
    quickjs::{Ctx, Function, Object, Persistent, context::EvalOptions, qjs},
};

use crate::natives;

/// QuickJS refuses to hold more than this, so that a script meets a catchable `InternalError`
/// before the host's limit of 64 MiB ends the run.
const JS_MEMORY_BYTES: usize = 48 * 1024 * 1024;

/// Allocation after which cycles are collected. The default of `javy` is never, which lets
/// garbage that refers to itself grow without end.
const GC_THRESHOLD_BYTES: usize = 2 * 1024 * 1024;

/// Free heap in the snapshot. More of it would cost more to reset after each run than it saves.
const HEADROOM_BYTES: usize = 128 * 1024;

/// The JavaScript half of the realm: one function body, in the order of use.
const PRELUDE: &str = concat!(
    "(function (host) { 'use strict';\n",
    include_str!("../js/errors.js"),
    include_str!("../js/url.js"),
    include_str!("../js/timers.js"),
    include_str!("../js/abort.js"),
    include_str!("../js/headers.js"),
    include_str!("../js/body.js"),
    include_str!("../js/response.js"),
    include_str!("../js/fetch.js"),
    include_str!("../js/console.js"),
    include_str!("../js/base64.js"),
    include_str!("../js/verdict.js"),
    include_str!("../js/globals.js"),
    "\n})",
);

/// What the prelude hands back to Rust.
pub struct Realm {
    pub runtime: Runtime,
    invoke: Persistent<Function<'static>>,
    settle: Persistent<Function<'static>>,
    fire_timer: Persistent<Function<'static>>,
    explain: Persistent<Function<'static>>,
}

impl Realm {
    /// Whether so much memory is held that an allocation may have failed.
    pub fn memory_is_full(&self, ctx: &Ctx<'_>) -> bool {
        // SAFETY: the runtime is alive, and the call only fills in the counters.
        let usage = unsafe {
            let mut usage = std::mem::zeroed();
            let runtime = qjs::JS_GetRuntime(ctx.as_raw().as_ptr());
            qjs::JS_ComputeMemoryUsage(runtime, &raw mut usage);
            usage
        };
        usage.malloc_size > (JS_MEMORY_BYTES / 2) as i64
    }

    /// `(main, paramsJson, envEntries) => Promise<[success, latency, message, data]>`
    pub fn invoke<'js>(&self, ctx: &Ctx<'js>) -> Function<'js> {
        restore(ctx, &self.invoke)
    }

    /// `(id, error | undefined, response | undefined) => void`
    pub fn settle<'js>(&self, ctx: &Ctx<'js>) -> Function<'js> {
        restore(ctx, &self.settle)
    }

    /// `(id) => void`
    pub fn fire_timer<'js>(&self, ctx: &Ctx<'js>) -> Function<'js> {
        restore(ctx, &self.fire_timer)
    }

    /// `(error) => [kind, message]`
    pub fn explain<'js>(&self, ctx: &Ctx<'js>) -> Function<'js> {
        restore(ctx, &self.explain)
    }
}

fn restore<'js>(ctx: &Ctx<'js>, kept: &Persistent<Function<'static>>) -> Function<'js> {
    kept.clone()
        .restore(ctx)
        .expect("kept in this very runtime")
}

thread_local! {
    static REALM: OnceCell<Realm> = const { OnceCell::new() };
}

/// Builds the realm. The only thing that happens before the snapshot.
pub fn build() {
    let mut config = Config::default();
    config
        .memory_limit(JS_MEMORY_BYTES)
        .gc_threshold(GC_THRESHOLD_BYTES)
        .text_encoding(true)
        .weak_ref(true);
    let runtime = Runtime::new(config).expect("QuickJS starts");
    let context = runtime.context().clone();
    let realm = context.with(|ctx| {
        let internals = load_prelude(&ctx);
        let keep = |name: &str| {
            let function: Function<'_> = internals.get(name).expect("the prelude returns it");
            Persistent::save(&ctx, function)
        };
        Realm {
            invoke: keep("invoke"),
            settle: keep("settle"),
            fire_timer: keep("fireTimer"),
            explain: keep("explain"),
            runtime,
        }
    });
    REALM.with(|cell| cell.set(realm).ok().expect("`init` is called once"));
    plug_holes();
}

/// Leaves the heap with one free stretch at its end, [`HEADROOM_BYTES`] long.
///
/// Building the realm leaves free gaps all over the heap. A run would fill these first, and so
/// write to nearly every page of the snapshot: each page written is a page copied, kept while the
/// run waits, and reset after it. The gaps are taken for good instead, largest first.
fn plug_holes() {
    let layout = |size: usize| Layout::from_size_align(size, 8).expect("a small power of two");
    // SAFETY: each block is either left alone for ever or freed once, with its own layout.
    unsafe {
        // The block that memory grows for lies behind every gap.
        let end = loop {
            let pages = core::arch::wasm32::memory_size(0);
            let block = alloc(layout(HEADROOM_BYTES));
            if core::arch::wasm32::memory_size(0) > pages {
                break block;
            }
        };
        dealloc(end, layout(HEADROOM_BYTES));
        for size in (1..=4096).rev().map(|steps| steps * 16) {
            loop {
                let block = alloc(layout(size));
                if block.is_null() || block >= end {
                    dealloc(block, layout(size));
                    break;
                }
            }
        }
    }
}

/// Gives the realm to `f`.
pub fn with<R>(f: impl FnOnce(&Realm) -> R) -> R {
    REALM.with(|cell| {
        f(cell
            .get()
            .expect("`init` ran before the snapshot was taken"))
    })
}

fn load_prelude<'js>(ctx: &Ctx<'js>) -> Object<'js> {
    let mut options = EvalOptions::default();
    options.filename = Some("vedette".to_owned());
    let loaded = ctx
        .eval_with_options::<Function<'js>, _>(PRELUDE, options)
        .and_then(|prelude| prelude.call::<_, Object<'js>>((natives::object(ctx)?,)));
    match loaded {
        Ok(internals) => internals,
        // Only ever seen while the engine is being built: `init` runs before the snapshot.
        Err(error) => panic!(
            "the prelude fails: {}",
            javy::from_js_error(ctx.clone(), error)
        ),
    }
}
