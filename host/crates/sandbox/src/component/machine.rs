//! Native code of a component, ready to run: one run is one instance, and nothing of it stays.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Instant,
};

use serde_json::Value;
use vedette_core::{Clock, ComponentRefusal, ErrorClass, Outcome};
use vedette_egress::Guard;
use wasmtime::{
    Engine, OutOfMemory, Store, StoreContextMut, Trap,
    component::{
        Component, ComponentExportIndex, HasSelf, InstancePre, Linker, ResourceTableError,
        TypedFunc,
    },
};
use wasmtime_wasi_http::{FieldMapError, WasiHttpCtx};

use super::{
    admission::{refused, told},
    compile::Artifact,
    wasi::{self, Exit, QuotaExceeded, Requests, Stdio},
};
use crate::{
    Limits,
    bindings::{self, vedette::monitor},
    engine::{component_engine, load},
    host::wasi::CALL_FUEL,
    limits::{self, component as caps},
    memory::Ceilings,
    network::{Network, NoNetwork},
    run::{Ended, Executed, PLATFORM_MESSAGE, RunInputs, finish, memory_limit, moved_too_much},
    state::RunState,
    verdict::error_text,
    world::{GuestClock, World, new_seed},
};

/// The type of `run`: see `wit/v0.1.0/monitor.wit`.
type Run = TypedFunc<(), (Result<bindings::Verdict, String>,)>;

pub(super) type Cx<'a> = StoreContextMut<'a, ComponentRun>;

/// What the host keeps for one run of a component.
pub(super) struct ComponentRun {
    pub(super) run: RunState,
    pub(super) stdio: Arc<Mutex<Stdio>>,
    pub(super) http: WasiHttpCtx,
    pub(super) requests: Requests,
    calls: Calls,
}

/// How often the guest called the host. Without a price, the cheapest call would buy much of the
/// host's time for little fuel.
///
/// The price is not taken from the store's fuel: setting that begins a new interval until the run
/// yields, and a guest that only calls would never let others go on.
#[derive(Debug, Clone, Default)]
struct Calls(Arc<AtomicU64>);

impl Calls {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn fuel(&self) -> u64 {
        self.0.load(Ordering::Relaxed).saturating_mul(CALL_FUEL)
    }
}

impl ComponentRun {
    /// For whatever reaches the host's side of an interface, at each call.
    pub(super) fn count_call(&self) {
        self.calls.count();
    }
}

/// A component that can run. Cheap to clone.
#[derive(Clone)]
pub struct LoadedComponent {
    engine: Engine,
    instance: InstancePre<ComponentRun>,
    run: ComponentExportIndex,
}

impl LoadedComponent {
    /// Takes up what [`compile`](super::compile) made, and holds its types against the contract. It
    /// copies some tens of megabytes, and blocks.
    ///
    /// The artefact must be of this installation's own making: it is native code.
    ///
    /// # Errors
    /// `abi_mismatch` when an interface that it imports, or its export, has another type;
    /// `platform_error` when the artefact is of another version of this program.
    pub fn load(artifact: &Artifact) -> Result<Self, ComponentRefusal> {
        let platform = |error: &wasmtime::Error| {
            tracing::error!(error = ?error, "a compiled component does not load");
            refused(
                ErrorClass::PlatformError,
                "the platform failed to load the component".to_owned(),
            )
        };
        let engine = component_engine().map_err(|error| platform(&error))?;
        let component = load(&engine, artifact.bytes()).map_err(|error| platform(&error))?;
        Self::link(&component)
    }

    fn link(component: &Component) -> Result<Self, ComponentRefusal> {
        let mismatch = |error: &wasmtime::Error| {
            let reason = format!("{error:#}");
            refused(
                ErrorClass::AbiMismatch,
                format!("its types are not those of the contract: {}", told(&reason)),
            )
        };
        let mut linker = Linker::new(component.engine());
        link_monitor(&mut linker)
            .and_then(|()| wasi::link(&mut linker, component))
            .map_err(|error| mismatch(&error))?;
        let instance = linker
            .instantiate_pre(component)
            .map_err(|error| mismatch(&error))?;
        let run = component.get_export_index(None, "run").ok_or_else(|| {
            refused(
                ErrorClass::MissingExport,
                "it does not export `run`, which is what is called".to_owned(),
            )
        })?;
        Ok(Self {
            engine: component.engine().clone(),
            instance,
            run,
        })
    }

    /// Runs it in a fresh instance; waiting for a place is the caller's. Never fails: whatever goes
    /// wrong is an outcome.
    ///
    /// Dropping the future ends the run and every request that it has in flight.
    pub async fn run(&self, guard: &Guard, clock: Arc<dyn Clock>, inputs: RunInputs) -> Outcome {
        let started = Instant::now();
        let RunInputs {
            params,
            env,
            limits,
        } = inputs;
        let params = Value::Object(params).to_string();
        let now = clock.now();
        let world = |limits: &Limits| {
            Ok(World {
                network: Arc::new(guard.session(limits.fetch.clone())),
                clock: GuestClock::start(now),
                seed: new_seed()?,
                tape: None,
                replay: None,
            })
        };
        let (executed, network) = self.execute(params, env, &limits, clock, world).await;
        finish(executed, network.as_ref(), &limits, started.elapsed())
    }

    /// The component's part of a run, and the network that it had.
    pub(crate) async fn execute(
        &self,
        params: String,
        env: BTreeMap<String, String>,
        limits: &Limits,
        clock: Arc<dyn Clock>,
        world: impl FnOnce(&Limits) -> wasmtime::Result<World>,
    ) -> (Executed, Arc<dyn Network>) {
        let store = world(limits).and_then(|world| {
            let run = RunState::new(limits, Ceilings::COMPONENT, world, clock, params, env);
            self.new_store(limits, run)
        });
        let mut store = match store {
            Ok(store) => store,
            Err(error) => {
                tracing::error!(error = ?error, "a run could not start");
                return (Executed::nothing(), Arc::new(NoNetwork));
            }
        };
        let calls = store.data().calls.clone();
        let running = async {
            let instance = self.instance.instantiate_async(&mut store).await?;
            let run = instance
                .get_func(&mut store, self.run)
                .ok_or_else(|| wasmtime::format_err!("no `run`"))?;
            let run: Run = run.typed(&store)?;
            let (verdict,) = run.call_async(&mut store, ()).await?;
            Ok::<_, wasmtime::Error>(verdict)
        };
        let ended = {
            let mut running = pin!(running);
            // It yields after some fuel of its own, which is when its calls are added up.
            let paying = poll_fn(|cx| match running.as_mut().poll(cx) {
                Poll::Pending | Poll::Ready(Ok(_)) if calls.fuel() > limits.fuel => {
                    Poll::Ready(Err(Trap::OutOfFuel.into()))
                }
                other => other,
            });
            tokio::time::timeout(limits.wall, paying).await
        };
        let ended = match ended {
            Err(_) => Ended::TimedOut,
            Ok(Ok(Ok(verdict))) => Ended::Verdict(verdict),
            Ok(Ok(Err(reason))) => without_verdict(&reason),
            Ok(Err(error)) => classify(&error, &store.data().run),
        };
        let fuel_left = store.get_fuel().unwrap_or(0);
        let computed = limits.fuel.saturating_sub(fuel_left);
        let fuel_used = computed.saturating_add(calls.fuel()).min(limits.fuel);
        let ComponentRun { mut run, stdio, .. } = store.into_data();
        let (lines, truncated) = wasi::lines(&stdio);
        run.log.merge(lines, truncated);
        Executed::leave(ended, fuel_used, run)
    }

    fn new_store(&self, limits: &Limits, run: RunState) -> wasmtime::Result<Store<ComponentRun>> {
        let stdio = Stdio::new(limits, run.clock.clone());
        let requests = Requests::new(run.network.clone(), limits.fetch.max_request_body_bytes);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(caps::HEADER_BYTES);
        let state = ComponentRun {
            run,
            stdio: Arc::new(Mutex::new(stdio)),
            http,
            requests,
            calls: Calls::default(),
        };
        let mut store = Store::try_new(&self.engine, state)?;
        store.limiter(|state| &mut state.run.memory);
        store.set_fuel(limits.fuel)?;
        store.fuel_async_yield_interval(Some(limits::FUEL_YIELD_INTERVAL))?;
        store.set_hostcall_fuel(limits::HOST_CALL_BYTES);
        store.set_max_component_handles(limits::HANDLES);
        Ok(store)
    }
}

/// The interfaces of our own contract.
fn link_monitor(linker: &mut Linker<ComponentRun>) -> wasmtime::Result<()> {
    fn run(state: &mut ComponentRun) -> &mut RunState {
        state.count_call();
        &mut state.run
    }
    monitor::fetch::add_to_linker::<_, HasSelf<RunState>>(linker, run)?;
    monitor::env::add_to_linker::<_, HasSelf<RunState>>(linker, run)?;
    monitor::params::add_to_linker::<_, HasSelf<RunState>>(linker, run)?;
    monitor::console::add_to_linker::<_, HasSelf<RunState>>(linker, run)
}

/// Classes that a monitor may claim for itself: `err("[deadlock] why")`.
const CLAIMABLE: &[ErrorClass] = &[
    ErrorClass::ScriptError,
    ErrorClass::FetchDenied,
    ErrorClass::FetchLimit,
    ErrorClass::MemoryLimit,
    ErrorClass::Deadlock,
    ErrorClass::ResultInvalid,
    ErrorClass::ResultTooLarge,
    ErrorClass::MissingExport,
];

/// `run` answered `err`: the check came to no verdict, and says why.
fn without_verdict(reason: &str) -> Ended<bindings::Verdict> {
    let claimed = reason
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
        .and_then(|(word, message)| {
            let class = CLAIMABLE.iter().find(|class| class.as_str() == word)?;
            Some((*class, message))
        });
    let (class, message) = claimed.unwrap_or((ErrorClass::ScriptError, reason));
    Ended::Error(class, error_text(message))
}

/// Tells a guest that broke a limit from a guest that trapped, and both from our own faults.
fn classify(error: &wasmtime::Error, run: &RunState) -> Ended<bindings::Verdict> {
    let trap = error.downcast_ref::<Trap>();
    let (class, message) = match trap {
        _ if run.memory.refused() => return memory_limit(),
        Some(Trap::OutOfFuel) => (
            ErrorClass::FuelExhausted,
            "the component used up its computing budget: is there a loop without an end?"
                .to_owned(),
        ),
        Some(Trap::StackOverflow) => (
            ErrorClass::StackOverflow,
            "the component recursed too deeply".to_owned(),
        ),
        Some(trap) => (
            ErrorClass::Trap,
            format!("the sandbox stopped the component: {trap}"),
        ),
        None if error.is::<Exit>() => (
            ErrorClass::ScriptError,
            format!("{Exit}, without a verdict"),
        ),
        None if error.is::<QuotaExceeded>() => (ErrorClass::QuotaExceeded, error.to_string()),
        None if error.is::<FieldMapError>() => {
            let kib = caps::HEADER_BYTES / 1024;
            (
                ErrorClass::FetchLimit,
                format!("the component put more than {kib} KiB into the headers of one message"),
            )
        }
        None if has_too_many(error) => {
            let most = limits::HANDLES;
            (
                ErrorClass::QuotaExceeded,
                format!("the component holds more than {most} handles at once"),
            )
        }
        None if moved_too_much(error) => {
            let mib = limits::HOST_CALL_BYTES / (1024 * 1024);
            (
                ErrorClass::ResultTooLarge,
                format!("the component moved more than {mib} MiB out in one call"),
            )
        }
        None if is_ours(error) => {
            tracing::error!(error = ?error, "a run ended by a fault of the host");
            (ErrorClass::PlatformError, PLATFORM_MESSAGE.to_owned())
        }
        // What is left are answers and arguments that are not what their types say.
        None => (
            ErrorClass::Trap,
            format!(
                "the sandbox stopped the component: {}",
                told(&format!("{error:#}"))
            ),
        ),
    };
    Ended::Error(class, message)
}

/// Whether a table of the host was full: its own, or that of wasmtime for a store.
fn has_too_many(error: &wasmtime::Error) -> bool {
    matches!(
        error.downcast_ref::<ResourceTableError>(),
        Some(ResourceTableError::Full)
    ) || format!("{error:?}").contains("store handle limit exceeded")
}

/// Whether the operating system refused us something.
fn is_ours(error: &wasmtime::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.is::<std::io::Error>() || cause.is::<OutOfMemory>())
}
