//! The JavaScript realm: QuickJS with its limits, and the globals of `js/`.

use std::cell::OnceCell;

use javy::{
    Config, Runtime,
    quickjs::{
        Context, Ctx, Error, Function, Module as Source, Object, Persistent, Promise, Result,
        Runtime as QuickJs, WriteOptions,
    },
};

use crate::{
    bindings, event_loop,
    modules::{self, Module},
    natives, rejections,
};

/// QuickJS refuses to hold more than this, so that a script meets a catchable `InternalError`
/// before the host's limit of 64 MiB ends the run.
const JS_MEMORY_BYTES: usize = 48 * 1024 * 1024;

const WASM_PAGE_BYTES: usize = 64 * 1024;

/// Allocation after which cycles are collected. The default of `javy` is never, which lets
/// garbage that refers to itself grow without end.
const GC_THRESHOLD_BYTES: usize = 2 * 1024 * 1024;

/// The part that the snapshot holds.
const PRELUDE: &str = "prelude";

/// Whether so much memory was held at one time that an allocation may have failed: linear memory
/// never shrinks, while QuickJS may have freed all of it since.
pub fn memory_was_full() -> bool {
    core::arch::wasm32::memory_size::<0>() * WASM_PAGE_BYTES > JS_MEMORY_BYTES / 4 * 3
}

/// What the prelude hands back to Rust.
pub struct Realm {
    pub runtime: Runtime,
    invoke: Persistent<Function<'static>>,
    settle: Persistent<Function<'static>>,
    fire_timer: Persistent<Function<'static>>,
    explain: Persistent<Function<'static>>,
    /// What the parts share with the prelude.
    shared: Persistent<Object<'static>>,
}

impl Realm {
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

/// Builds the realm.
pub fn build() {
    let mut config = Config::default();
    config
        .memory_limit(JS_MEMORY_BYTES)
        .gc_threshold(GC_THRESHOLD_BYTES)
        .text_encoding(false)
        .weak_ref(true);
    let runtime = Runtime::new(config).expect("QuickJS starts");
    let context = runtime.context().clone();
    let realm = context.with(|ctx| {
        let internals = load_prelude(&ctx).unwrap_or_else(|error| fail(&ctx, error));
        warm_up(&ctx, &internals).unwrap_or_else(|error| fail(&ctx, error));
        let keep = |name: &str| {
            let function: Function<'_> = internals.get(name).expect("the prelude returns it");
            Persistent::save(&ctx, function)
        };
        let shared: Object<'_> = internals.get("shared").expect("the prelude returns it");
        Realm {
            invoke: keep("invoke"),
            settle: keep("settle"),
            fire_timer: keep("fireTimer"),
            explain: keep("explain"),
            shared: Persistent::save(&ctx, shared),
            runtime,
        }
    });
    REALM.with(|cell| cell.set(realm).ok().expect("`init` is called once"));
}

/// What a part finds as `import.meta.realm`.
pub fn shared<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    with(|realm| realm.shared.clone().restore(ctx))
}

/// Gives the realm to `f`.
pub fn with<R>(f: impl FnOnce(&Realm) -> R) -> R {
    REALM.with(|cell| {
        f(cell
            .get()
            .expect("`init` ran before the snapshot was taken"))
    })
}

/// A part of the JavaScript half of the realm as bytecode, made by an instance of its own: the
/// snapshot has neither the parser's leavings nor the text.
pub fn compile_part(name: &str, source: String) -> Vec<u8> {
    let runtime = QuickJs::new().expect("QuickJS starts");
    let context = Context::full(&runtime).expect("QuickJS makes a context");
    context.with(|ctx| {
        // A module finds its `import.meta` by its name, which counts as debug information.
        let options = WriteOptions {
            strip_source: true,
            strip_debug: name == PRELUDE,
            ..WriteOptions::default()
        };
        Source::declare(ctx.clone(), format!("vedette:{name}"), source)
            .and_then(|module| module.write(options))
            .unwrap_or_else(|error| fail(&ctx, error))
    })
}

fn load_prelude<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    // Functions go on reading their code where it lies.
    let bytecode = bindings::part(PRELUDE).leak();
    // SAFETY: `compile_part` made it, with this very engine.
    let module = unsafe { Module::load(ctx, bytecode) }?;
    let (exports, loaded) = module.evaluate()?;
    loaded.finish::<()>()?;
    let prelude: Function<'js> = exports.get("default")?;
    prelude.call((natives::object(ctx)?,))
}

/// Makes what a run needs first (`js/warm_up.js`).
fn warm_up<'js>(ctx: &Ctx<'js>, internals: &Object<'js>) -> Result<()> {
    let warm_up: Function<'js> = internals.get("warmUp")?;
    let done: Promise<'js> = warm_up.call(())?;
    done.finish::<()>()?;
    event_loop::forget_all();
    rejections::watch(ctx);
    modules::answer_imports(ctx);
    ctx.run_gc();
    Ok(())
}

/// Only ever seen while the engine is being built: `init` runs before the snapshot.
fn fail(ctx: &Ctx<'_>, error: Error) -> ! {
    panic!(
        "the prelude fails: {}",
        javy::from_js_error(ctx.clone(), error)
    )
}
