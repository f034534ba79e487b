//! The only file that configures wasmtime, and the sandbox that holds the engine.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, LazyLock},
};

use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, Semaphore};
use vedette_core::Clock;
use vedette_egress::Guard;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    Strategy, WasmFeatures,
    component::{Component, HasSelf, Linker},
};

#[cfg(target_os = "linux")]
use crate::typescript;
use crate::{
    ArtifactCache, bindings,
    host::{part::PARTS, wasi},
    limits::{CORE_INSTANCES, MEMORIES, MEMORY_BYTES, TABLE_ELEMENTS, TABLES, WASM_STACK_BYTES},
    state::RunState,
};

/// The engine component, built from `guest-sdk/js-engine` by `cargo xtask engine`.
pub(crate) static JS_ENGINE: &[u8] =
    include_bytes!("../../../../guest-sdk/js-engine/prebuilt/js-engine.wasm");

/// Memory of an instance that stays mapped between runs, in bytes. It has to cover what a run
/// touches: resetting these pages by copying is eight times faster than giving them back.
const KEEP_RESIDENT_BYTES: usize = 4 * 1024 * 1024;

/// The same for tables, and for the stacks of fibers.
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 * 1024;
const STACK_KEEP_RESIDENT_BYTES: usize = 32 * 1024;

/// Compilations that run beside the runs.
pub(crate) const CONCURRENT_COMPILES: usize = 2;

/// The sandbox did not come up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// wasmtime refused the configuration, or the engine component.
    #[error("the sandbox engine does not start")]
    Engine(#[source] wasmtime::Error),
    /// No runner process came up.
    #[error("no runner process can be started")]
    Processes(#[source] std::io::Error),
    /// More runs at once than fit into the address space.
    #[error("{asked} runs at once asked for, at most {most} are possible")]
    TooManyRuns {
        /// The setting.
        asked: usize,
        /// The bound.
        most: usize,
    },
}

/// What a sandbox is made from.
pub struct SandboxOptions {
    /// Runs at once; each has a slot of address space and, while it lives, of memory.
    pub max_concurrent_runs: usize,
    /// Where compiled components are kept; `None` compiles at each start (about a second).
    pub cache: Option<ArtifactCache>,
    /// The guard of every request that a run makes.
    pub guard: Guard,
    /// Time for logs and for the guests' `Date`.
    pub clock: Arc<dyn Clock>,
}

/// Runs scripts in this process. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) machine: Arc<Machine>,
    pub(crate) guard: Guard,
}

/// The engine, ready to run. It has no network: each run brings its own.
pub(crate) struct Machine {
    pub(crate) engine: Engine,
    pub(crate) js: bindings::EnginePre<RunState>,
    pub(crate) runs: Semaphore,
    pub(crate) compiles: Semaphore,
    pub(crate) stripper: OnceCell<bindings::StripperPre<RunState>>,
    pub(crate) cache: Option<ArtifactCache>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Sandbox {
    /// Most runs at once: a slot reserves 4 GiB of a 47-bit address space.
    pub const MOST_CONCURRENT_RUNS: usize = 20_000;

    /// Brings the engine up: milliseconds from a warm cache, about a second otherwise. Blocks.
    ///
    /// # Errors
    /// When the options cannot be met, or wasmtime does not accept them on this machine.
    pub fn new(options: SandboxOptions) -> Result<Self, SandboxError> {
        let runs = options.max_concurrent_runs;
        let engine = Engine::new(&config(slots(runs)?)).map_err(SandboxError::Engine)?;
        let component =
            load_engine(&engine, options.cache.as_ref()).map_err(SandboxError::Engine)?;
        let machine = Machine::new(&component, runs, options.cache, options.clock)?;
        Ok(Self {
            machine: Arc::new(machine),
            guard: options.guard,
        })
    }

    /// SHA-256 of the engine component and its parts, in hex. Bytecode of one engine means nothing
    /// to another.
    pub fn engine_digest(&self) -> &str {
        engine_digest()
    }
}

impl Machine {
    /// The machine from what [`compiled_engine`] gave.
    #[cfg(target_os = "linux")]
    pub(crate) fn from_compiled(
        compiled: &[u8],
        runs: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SandboxError> {
        let engine = Engine::new(&config(slots(runs)?)).map_err(SandboxError::Engine)?;
        let component = load(&engine, compiled).map_err(SandboxError::Engine)?;
        Self::new(&component, runs, None, clock)
    }

    fn new(
        component: &Component,
        runs: usize,
        cache: Option<ArtifactCache>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SandboxError> {
        let engine = component.engine().clone();
        let js = prepare(&engine, component).map_err(SandboxError::Engine)?;
        Ok(Self {
            engine,
            js,
            runs: Semaphore::new(runs),
            compiles: Semaphore::new(CONCURRENT_COMPILES),
            stripper: OnceCell::new(),
            cache,
            clock,
        })
    }
}

/// The slots for so many runs, with those of compilations beside them.
fn slots(runs: usize) -> Result<usize, SandboxError> {
    if (1..=Sandbox::MOST_CONCURRENT_RUNS).contains(&runs) {
        Ok(runs + CONCURRENT_COMPILES)
    } else {
        Err(SandboxError::TooManyRuns {
            asked: runs,
            most: Sandbox::MOST_CONCURRENT_RUNS,
        })
    }
}

/// The compiled engine for another process of this binary: native code, to be loaded by
/// [`Machine::from_compiled`]. Blocks.
#[cfg(target_os = "linux")]
pub(crate) fn compiled_engine(cache: Option<&ArtifactCache>) -> wasmtime::Result<Vec<u8>> {
    load_engine(&Engine::new(&config(1))?, cache)?.serialize()
}

/// The same for the stripper of types.
#[cfg(target_os = "linux")]
pub(crate) fn compiled_stripper(cache: Option<&ArtifactCache>) -> wasmtime::Result<Vec<u8>> {
    typescript::load_stripper(&Engine::new(&config(1))?, cache)?.serialize()
}

/// Native code of ours.
pub(crate) fn load(engine: &Engine, compiled: &[u8]) -> wasmtime::Result<Component> {
    #[expect(
        unsafe_code,
        reason = "the only way to load what we compiled ourselves"
    )]
    // SAFETY: it comes from a cache whose MAC over name and bytes shows that this installation
    // wrote exactly this artefact for this engine, or from the server that started this process.
    unsafe {
        Component::deserialize(engine, compiled)
    }
}

/// Of the engine and its parts, in hex; computed once.
pub(crate) fn engine_digest() -> &'static str {
    static DIGEST: LazyLock<String> = LazyLock::new(|| {
        let mut digest = Sha256::new_with_prefix(JS_ENGINE);
        for (name, bytecode) in PARTS {
            digest.update(name);
            digest.update(bytecode);
        }
        hex::encode(digest.finalize())
    });
    &DIGEST
}

fn prepare(
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<bindings::EnginePre<RunState>> {
    let mut linker = Linker::new(engine);
    bindings::Engine::add_to_linker::<_, HasSelf<RunState>>(&mut linker, |state| state)?;
    wasi::link(&mut linker, component)?;
    bindings::EnginePre::new(linker.instantiate_pre(component)?)
}

fn load_engine(engine: &Engine, cache: Option<&ArtifactCache>) -> wasmtime::Result<Component> {
    load_or_compile(engine, "js-engine", JS_ENGINE, engine_digest(), cache)
}

/// Native code of `wasm`, which has this SHA-256 in hex. Blocks.
pub(crate) fn load_or_compile(
    engine: &Engine,
    name: &str,
    wasm: &[u8],
    digest: &str,
    cache: Option<&ArtifactCache>,
) -> wasmtime::Result<Component> {
    let Some(cache) = cache else {
        return Component::new(engine, wasm);
    };
    // The hash stands for wasmtime's version, the processor and every setting that matters.
    let mut compatibility = DefaultHasher::new();
    engine
        .precompile_compatibility_hash()
        .hash(&mut compatibility);
    let name = format!("{name}-{}-{:016x}", &digest[..32], compatibility.finish());
    if let Some(artifact) = cache.load(&name) {
        let loaded = load(engine, &artifact);
        match loaded {
            Ok(component) => return Ok(component),
            Err(error) => {
                tracing::warn!(%error, name, "a cached component does not load; compiling anew");
            }
        }
    }
    let component = Component::new(engine, wasm)?;
    if let Err(error) = cache.store(&name, &component.serialize()?) {
        tracing::warn!(%error, name, "a compiled component could not be cached; the next start compiles again");
    }
    Ok(component)
}

/// What the engine's toolchain emits. Every other proposal is off, the ones that a new version of
/// wasmtime may bring included.
const NEEDED: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Every setting that shapes the sandbox.
fn config(slots: usize) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .consume_fuel(true)
        .epoch_interruption(false)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(2 * WASM_STACK_BYTES)
        .async_stack_zeroing(true)
        .memory_init_cow(true)
        .memory_may_move(false)
        .signals_based_traps(true)
        .wasm_backtrace_max_frames(None)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(slots)));
    config
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(NEEDED, true);
    config
        .relaxed_simd_deterministic(true)
        .concurrency_support(false);
    config
}

/// What the modules of uploaded components may use: the same.
pub(crate) const COMPONENT_FEATURES: WasmFeatures = NEEDED;

/// The engine of uploaded components. They are many, each with a memory image of its own, and run
/// seldom: memory is mapped for a run and given back after it, where a pool would hold it.
pub(crate) fn component_engine() -> wasmtime::Result<Engine> {
    let mut config = config(1);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    // For the adapters that wasmtime makes where two components call each other; their own modules
    // are refused before.
    config.wasm_multi_memory(true);
    Engine::new(&config)
}

fn pool(slots: usize) -> PoolingAllocationConfig {
    let count = |each: usize| u32::try_from(slots * each).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count(1))
        .total_core_instances(count(CORE_INSTANCES))
        .total_memories(count(1))
        .total_tables(count(TABLES))
        .total_stacks(count(1))
        .max_core_instances_per_component(small(CORE_INSTANCES))
        .max_memories_per_component(small(MEMORIES))
        .max_tables_per_component(small(TABLES))
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(MEMORY_BYTES)
        .max_unused_warm_slots(count(1))
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(STACK_KEEP_RESIDENT_BYTES)
        // In 48.x a dirty page that was swapped out is not reset: another tenant would see it.
        .pagemap_scan(Enabled::No);
    pool
}

fn small(count: usize) -> u32 {
    u32::try_from(count).expect("a small constant")
}
