//! One run: inputs in, outcome out.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Map, Value};
use vedette_core::{
    ErrorClass, Flag, LogLine, Outcome, RequestRecord, SealedSecret, Status, Step, Verdict,
};
use vedette_egress::Seals;
use wasmtime::{Store, Trap};

use crate::{
    Bytecode, Limits, Sandbox,
    bindings::{self, RunError},
    component::LoadedComponent,
    engine::Machine,
    limits,
    masking::Secrets,
    memory::Ceilings,
    network::{Network, NoNetwork},
    record::{Tape, TimeIsOver},
    state::RunState,
    verdict::{self, error_text},
    world::{GuestClock, World, new_seed},
};

/// What one run sees. Nothing else of the host is within its reach.
#[derive(Debug, Clone, Default)]
pub struct RunInputs {
    /// The script's parameters.
    pub params: Map<String, Value>,
    /// The script's variables.
    pub env: BTreeMap<String, String>,
    /// The names of the variables whose values must not be in the outcome.
    pub secrets: BTreeSet<String>,
    /// Variables that are given as handles, in the place of which requests to certain hosts carry the values.
    pub sealed: BTreeMap<String, SealedSecret>,
    /// What the run may use.
    pub limits: Limits,
}

/// How the guest's part ended, with the verdict as the guest gave it or as it was accepted.
pub(crate) enum Ended<V> {
    Verdict(V),
    /// A request failed because of the target, or an expectation was not met.
    TargetFailed(String),
    TimedOut,
    Error(ErrorClass, String),
}

/// What a run leaves, but for its requests: [`finish`] makes the outcome of it.
pub(crate) struct Executed {
    pub(crate) ended: Ended<bindings::Verdict>,
    pub(crate) fuel_used: u64,
    pub(crate) peak_memory_bytes: u64,
    pub(crate) steps: Vec<Step>,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) flags: Vec<Flag>,
    pub(crate) tape: Option<Tape>,
}

impl Sandbox {
    /// Runs bytecode in a fresh instance. Never fails: whatever goes wrong is an outcome.
    ///
    /// Dropping the future ends the run and every request that it has in flight.
    pub async fn run(&self, bytecode: &Bytecode, inputs: RunInputs) -> Outcome {
        let world = |limits: &Limits, seals| self.real_world(limits, seals, None);
        self.run_in(bytecode, inputs, world).await.0
    }

    /// The same, with a tape of at most so many bytes of what the guest was told. There is none of
    /// a run that did not begin.
    pub async fn run_recorded(
        &self,
        bytecode: &Bytecode,
        inputs: RunInputs,
        tape_bytes: usize,
    ) -> (Outcome, Option<Tape>) {
        let world = |limits: &Limits, seals| self.real_world(limits, seals, Some(tape_bytes));
        self.run_in(bytecode, inputs, world).await
    }

    /// Runs a component in a fresh instance, with a place among the runs of scripts. See
    /// [`Sandbox::run`].
    pub async fn run_component(&self, component: &LoadedComponent, inputs: RunInputs) -> Outcome {
        let _permit = self.machine.runs.acquire().await.expect("never closed");
        let clock = self.machine.clock.clone();
        component.run(&self.guard, clock, inputs).await
    }

    /// The network as it is, the time as it is, and chance.
    pub(crate) fn real_world(
        &self,
        limits: &Limits,
        seals: Seals,
        tape_bytes: Option<usize>,
    ) -> wasmtime::Result<World> {
        let seed = new_seed()?;
        let clock = GuestClock::start(self.machine.clock.now());
        let tape = tape_bytes.map(|max_bytes| {
            let engine = self.engine_digest().to_owned();
            Tape::new(seed, clock, engine, limits.clone(), max_bytes)
        });
        Ok(World {
            network: Arc::new(self.guard.session_with(limits.fetch.clone(), seals)),
            clock,
            seed,
            tape,
            replay: None,
        })
    }

    /// Runs in a world that is made when the run's turn has come.
    pub(crate) async fn run_in(
        &self,
        bytecode: &Bytecode,
        mut inputs: RunInputs,
        world: impl FnOnce(&Limits, Seals) -> wasmtime::Result<World>,
    ) -> (Outcome, Option<Tape>) {
        let _permit = self.machine.runs.acquire().await.expect("never closed");
        let started = Instant::now();
        let secrets = match Secrets::take(&mut inputs) {
            Ok(secrets) => secrets,
            Err(outcome) => return (*outcome, None),
        };
        let RunInputs {
            params,
            env,
            limits,
            ..
        } = inputs;
        let params = Value::Object(params).to_string();
        let seals = secrets.seals();
        let world = |limits: &Limits| world(limits, seals);
        let running = self
            .machine
            .execute(bytecode.bytes(), params, env, &limits, world);
        let (mut executed, network) = running.await;
        let tape = executed.tape.take();
        let outcome = finish(executed, network.as_ref(), &limits, started.elapsed());
        (secrets.mask(outcome, &limits).await, tape)
    }
}

impl Machine {
    /// The guest's part of a run, without a permit, and the network that it had.
    pub(crate) async fn execute(
        &self,
        bytecode: &[u8],
        params: String,
        env: BTreeMap<String, String>,
        limits: &Limits,
        world: impl FnOnce(&Limits) -> wasmtime::Result<World>,
    ) -> (Executed, Arc<dyn Network>) {
        let store = world(limits).and_then(|world| new_store(self, limits, world, params, env));
        let mut store = match store {
            Ok(store) => store,
            Err(error) => {
                tracing::error!(error = ?error, "a run could not start");
                return (Executed::nothing(), Arc::new(NoNetwork));
            }
        };
        let wall = match store.data().replay {
            None => limits.wall,
            Some(_) => REPLAY_WALL,
        };
        let running = async {
            let instance = self.js.instantiate_async(&mut store).await?;
            instance.call_run(&mut store, bytecode).await
        };
        let ended = match tokio::time::timeout(wall, running).await {
            Err(_) => Ended::TimedOut,
            Ok(Ok(Ok(raw))) => Ended::Verdict(raw),
            Ok(Ok(Err(error))) => explain(error, &store),
            Ok(Err(error)) => classify(&error, &store),
        };
        let fuel_left = store.get_fuel().unwrap_or(0);
        let fuel_used = limits.fuel.saturating_sub(fuel_left);
        Executed::leave(ended, fuel_used, store.into_data())
    }
}

impl Executed {
    /// What is left of a run, with the network that it had.
    pub(crate) fn leave(
        ended: Ended<bindings::Verdict>,
        fuel_used: u64,
        mut state: RunState,
    ) -> (Self, Arc<dyn Network>) {
        let tape = state.tape.take().map(|mut tape| {
            let (params, env) = (mem::take(&mut state.params), mem::take(&mut state.env));
            tape.end(params, env, state.network.platform_failed());
            tape
        });
        let (logs, mut flags) = state.log.finish();
        let (steps, steps_flag) = state.steps.finish();
        flags.extend(steps_flag);
        let executed = Self {
            ended,
            fuel_used,
            peak_memory_bytes: state.memory.peak_bytes(),
            steps,
            logs,
            flags,
            tape,
        };
        (executed, state.network)
    }

    /// Of a run that we failed to begin, or to end.
    pub(crate) fn nothing() -> Self {
        Self {
            ended: Ended::Error(ErrorClass::PlatformError, PLATFORM_MESSAGE.to_owned()),
            fuel_used: 0,
            peak_memory_bytes: 0,
            steps: Vec::new(),
            logs: Vec::new(),
            flags: Vec::new(),
            tape: None,
        }
    }
}

/// Wall clock of a replay, which waits for nothing: its fuel ends it long before.
const REPLAY_WALL: Duration = Duration::from_mins(10);

/// A store with every limit set.
pub(crate) fn new_store(
    machine: &Machine,
    limits: &Limits,
    world: World,
    params: String,
    env: BTreeMap<String, String>,
) -> wasmtime::Result<Store<RunState>> {
    let state = RunState::new(
        limits,
        Ceilings::SCRIPT,
        world,
        machine.clock.clone(),
        params,
        env,
    );
    let mut store = Store::try_new(&machine.engine, state)?;
    store.limiter(|state| &mut state.memory);
    store.set_fuel(limits.fuel)?;
    store.fuel_async_yield_interval(Some(limits::FUEL_YIELD_INTERVAL))?;
    store.set_hostcall_fuel(limits::HOST_CALL_BYTES);
    store.set_max_component_handles(limits::HANDLES);
    Ok(store)
}

fn explain(error: RunError, store: &Store<RunState>) -> Ended<bindings::Verdict> {
    let (class, message) = match error {
        // What a script throws after its memory was refused is seldom about memory.
        RunError::Thrown(_) | RunError::AssertionFailed(_) if store.data().memory.refused() => {
            return memory_limit();
        }
        RunError::TargetFailed(message) | RunError::AssertionFailed(message) => {
            return Ended::TargetFailed(error_text(&message));
        }
        RunError::Thrown(message) => (ErrorClass::ScriptError, message),
        RunError::FetchDenied(message) => (ErrorClass::FetchDenied, message),
        RunError::FetchLimit(message) => (ErrorClass::FetchLimit, message),
        RunError::MemoryLimit(message) => (ErrorClass::MemoryLimit, message),
        RunError::Deadlock(message) => (ErrorClass::Deadlock, message),
        RunError::ResultInvalid(message) => (ErrorClass::ResultInvalid, message),
        RunError::ResultTooLarge(message) => (ErrorClass::ResultTooLarge, message),
        RunError::MissingExport(message) => (ErrorClass::MissingExport, message),
    };
    Ended::Error(class, error_text(&message))
}

/// Tells a guest that broke a limit from a guest that trapped, and both from our own faults.
fn classify(error: &wasmtime::Error, store: &Store<RunState>) -> Ended<bindings::Verdict> {
    let trap = error.downcast_ref::<Trap>();
    let (class, message) = match trap {
        _ if store.data().memory.refused() => return memory_limit(),
        Some(Trap::OutOfFuel) => (
            ErrorClass::FuelExhausted,
            "the script used up its computing budget: is there a loop without an end?".to_owned(),
        ),
        // The engine's own stack lies at the bottom of its memory, so that overflowing it leaves
        // the memory; nothing else in the engine does.
        Some(Trap::StackOverflow | Trap::MemoryOutOfBounds) => (
            ErrorClass::StackOverflow,
            "the script recursed too deeply".to_owned(),
        ),
        Some(trap) => (
            ErrorClass::Trap,
            format!("the sandbox stopped the script: {trap}"),
        ),
        None if error.is::<TimeIsOver>() => return Ended::TimedOut,
        None if moved_too_much(error) => {
            let mib = limits::HOST_CALL_BYTES / (1024 * 1024);
            (
                ErrorClass::FetchLimit,
                format!("the script moved more than {mib} MiB out in one call"),
            )
        }
        None => {
            tracing::error!(error = ?error, "a run ended by a fault of the host");
            (ErrorClass::PlatformError, PLATFORM_MESSAGE.to_owned())
        }
    };
    Ended::Error(class, message)
}

pub(crate) fn memory_limit() -> Ended<bindings::Verdict> {
    Ended::Error(
        ErrorClass::MemoryLimit,
        "the script needs more memory than a run may have".to_owned(),
    )
}

/// Whether a call moved more than [`limits::HOST_CALL_BYTES`]. These are wasmtime's words; its error
/// has no public type.
pub(crate) fn moved_too_much(error: &wasmtime::Error) -> bool {
    format!("{error:?}").contains("fuel allocated for hostcalls has been exhausted")
}

pub(crate) const PLATFORM_MESSAGE: &str =
    "the platform failed to run the script; this says nothing about the target";

/// The outcome: what the guest says is checked here, and held against what its requests met.
pub(crate) fn finish(
    executed: Executed,
    network: &dyn Network,
    limits: &Limits,
    duration: Duration,
) -> Outcome {
    let ended = doubt(accept(executed.ended, limits), network);
    let requests = network.records();
    let (status, error_class, message, result) = match ended {
        Ended::Verdict(verdict) => {
            let status = if verdict.success {
                Status::Success
            } else {
                Status::Failure
            };
            (status, None, verdict.message.clone(), Some(verdict))
        }
        Ended::TargetFailed(message) => (Status::Failure, None, Some(message), None),
        Ended::TimedOut => {
            let message = format!("the run took longer than {} s", limits.wall.as_secs_f64());
            (Status::Timeout, None, Some(message), None)
        }
        Ended::Error(class, message) => (Status::Error, Some(class), Some(message), None),
    };
    let latency_ms = result
        .as_ref()
        .and_then(|verdict| verdict.latency)
        .or_else(|| last_answered(&requests).map(|request| request.total_ms));
    Outcome {
        status,
        error_class,
        message,
        result,
        latency_ms,
        duration_ms: duration.as_secs_f64() * 1_000.0,
        fuel_used: executed.fuel_used,
        peak_memory_bytes: executed.peak_memory_bytes,
        requests,
        steps: executed.steps,
        logs: executed.logs,
        flags: executed.flags,
        recording: None,
    }
}

/// Reads the verdict, if there is one.
fn accept(ended: Ended<bindings::Verdict>, limits: &Limits) -> Ended<Verdict> {
    match ended {
        Ended::Verdict(raw) => verdict::read(raw, limits).map_or_else(
            |(class, message)| Ended::Error(class, message),
            Ended::Verdict,
        ),
        Ended::TargetFailed(message) => Ended::TargetFailed(message),
        Ended::TimedOut => Ended::TimedOut,
        Ended::Error(class, message) => Ended::Error(class, message),
    }
}

/// What a run says against its target counts only if its requests did not fail because of us.
fn doubt(ended: Ended<Verdict>, network: &dyn Network) -> Ended<Verdict> {
    let is_against_target = match &ended {
        Ended::Verdict(verdict) => !verdict.success,
        Ended::TargetFailed(_) | Ended::Error(ErrorClass::FetchLimit, _) => true,
        Ended::TimedOut | Ended::Error(..) => false,
    };
    if is_against_target && network.platform_failed() {
        Ended::Error(ErrorClass::PlatformError, PLATFORM_MESSAGE.to_owned())
    } else {
        ended
    }
}

fn last_answered(requests: &[RequestRecord]) -> Option<&RequestRecord> {
    requests
        .iter()
        .rev()
        .find(|request| request.status.is_some())
}
