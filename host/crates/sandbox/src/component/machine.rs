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
use vedette_egress::{Guard, Seals};
use wasmtime::{
    Engine, Store, StoreContextMut, Trap,
    component::{Component, ComponentExportIndex, HasSelf, InstancePre, Linker, TypedFunc},
};
use wasmtime_wasi_http::WasiHttpCtx;

use super::{
    admission::{refused, told},
    compile::Artifact,
    ended::{classify, without_verdict},
    wasi::{self, Requests, Stdio},
};
use crate::{
    Limits,
    bindings::{self, vedette::monitor},
    engine::{component_engine, load},
    host::wasi::CALL_FUEL,
    limits::{self, component as caps},
    masking::Secrets,
    memory::Ceilings,
    network::{Network, NoNetwork},
    run::{Ended, Executed, RunInputs, finish},
    state::RunState,
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
    /// It is a script with our own engine.
    is_standalone: bool,
    native_bytes: u32,
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
        let component = take_up(artifact)?;
        // In a process that has given up its rights it could not be made any more.
        component
            .initialize_copy_on_write_image()
            .map_err(|error| does_not_load(&error))?;
        let native_bytes = u32::try_from(artifact.bytes().len()).unwrap_or(u32::MAX);
        Ok(Self {
            native_bytes,
            ..Self::link(&component)?
        })
    }

    /// [`LoadedComponent::load`] without a result, for a process that may do less.
    pub(crate) fn check(artifact: &Artifact) -> Result<(), ComponentRefusal> {
        Self::link(&take_up(artifact)?).map(|_| ())
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
            is_standalone: component.get_export_index(None, "engine").is_some(),
            native_bytes: 0,
        })
    }

    /// Size of its native code, for caches.
    pub fn native_bytes(&self) -> u32 {
        self.native_bytes
    }

    /// Runs it in a fresh instance; waiting for a place is the caller's. Never fails: whatever goes
    /// wrong is an outcome.
    ///
    /// Dropping the future ends the run and every request that it has in flight.
    pub async fn run(&self, guard: &Guard, clock: Arc<dyn Clock>, inputs: RunInputs) -> Outcome {
        let network = |limits: &Limits, seals| {
            Arc::new(guard.session_with(limits.fetch.clone(), seals)) as Arc<dyn Network>
        };
        self.run_on(network, clock, inputs).await
    }

    /// [`LoadedComponent::run`] for measurements: every request is answered 200 at once, without a
    /// socket.
    #[cfg(feature = "bench")]
    pub async fn run_on_stub(&self, clock: Arc<dyn Clock>, inputs: RunInputs) -> Outcome {
        let stub = |_: &Limits, _| Arc::new(crate::network::Stub) as Arc<dyn Network>;
        self.run_on(stub, clock, inputs).await
    }

    async fn run_on(
        &self,
        network: impl FnOnce(&Limits, Seals) -> Arc<dyn Network>,
        clock: Arc<dyn Clock>,
        mut inputs: RunInputs,
    ) -> Outcome {
        let started = Instant::now();
        let secrets = match Secrets::take(&mut inputs) {
            Ok(secrets) => secrets,
            Err(outcome) => return *outcome,
        };
        let RunInputs {
            params,
            env,
            limits,
            ..
        } = inputs;
        let params = Value::Object(params).to_string();
        let now = clock.now();
        let world = |limits: &Limits| {
            Ok(World {
                network: network(limits, secrets.seals()),
                clock: GuestClock::start(now),
                seed: new_seed()?,
                tape: None,
                replay: None,
            })
        };
        let (executed, network) = self.execute(params, env, &limits, clock, world).await;
        let outcome = finish(executed, network.as_ref(), &limits, started.elapsed());
        secrets.mask(outcome, &limits).await
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
            Ok(Ok(Err(reason))) => without_verdict(&reason, &store.data().run),
            Ok(Err(error)) => classify(&error, &store.data().run, self.is_standalone),
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

fn take_up(artifact: &Artifact) -> Result<Component, ComponentRefusal> {
    component_engine()
        .and_then(|engine| load(&engine, artifact.bytes()))
        .map_err(|error| does_not_load(&error))
}

fn does_not_load(error: &wasmtime::Error) -> ComponentRefusal {
    tracing::error!(error = ?error, "a compiled component does not load");
    refused(
        ErrorClass::PlatformError,
        "the platform failed to load the component".to_owned(),
    )
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
