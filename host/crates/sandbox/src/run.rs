//! One run: inputs in, outcome out.

use std::{
    collections::BTreeMap,
    mem,
    time::{Duration, Instant},
};

use serde_json::{Map, Value};
use vedette_core::{ErrorClass, Outcome, RequestRecord, Status, Verdict};
use wasmtime::{Store, Trap};

use crate::{
    Bytecode, Limits, Sandbox,
    bindings::RunError,
    limits,
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
    /// What the run may use.
    pub limits: Limits,
}

/// How the guest's part ended.
enum Ended {
    Verdict(Verdict),
    /// A request failed because of the target, or an expectation was not met.
    TargetFailed(String),
    TimedOut,
    Error(ErrorClass, String),
}

impl Sandbox {
    /// Runs bytecode in a fresh instance. Never fails: whatever goes wrong is an outcome.
    ///
    /// Dropping the future ends the run and every request that it has in flight.
    pub async fn run(&self, bytecode: &Bytecode, inputs: RunInputs) -> Outcome {
        let world = |limits: &Limits| self.real_world(limits, None);
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
        let world = |limits: &Limits| self.real_world(limits, Some(tape_bytes));
        self.run_in(bytecode, inputs, world).await
    }

    /// The network as it is, the time as it is, and chance.
    pub(crate) fn real_world(
        &self,
        limits: &Limits,
        tape_bytes: Option<usize>,
    ) -> wasmtime::Result<World> {
        let seed = new_seed()?;
        let clock = GuestClock::start(self.inner.clock.now());
        let tape = tape_bytes.map(|max_bytes| {
            let engine = self.engine_digest().to_owned();
            Tape::new(seed, clock, engine, limits.clone(), max_bytes)
        });
        Ok(World {
            network: Box::new(self.inner.guard.session(limits.fetch.clone())),
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
        inputs: RunInputs,
        world: impl FnOnce(&Limits) -> wasmtime::Result<World>,
    ) -> (Outcome, Option<Tape>) {
        let _permit = self.inner.runs.acquire().await.expect("never closed");
        let started = Instant::now();
        let RunInputs {
            params,
            env,
            limits,
        } = inputs;
        let params = Value::Object(params).to_string();
        let store = world(&limits).and_then(|world| new_store(self, &limits, world, params, env));
        let mut store = match store {
            Ok(store) => store,
            Err(error) => return (platform_error(&error), None),
        };
        let wall = match store.data().replay {
            None => limits.wall,
            Some(_) => REPLAY_WALL,
        };
        let running = async {
            let instance = self.inner.js.instantiate_async(&mut store).await?;
            instance.call_run(&mut store, bytecode.bytes()).await
        };
        let ended = match tokio::time::timeout(wall, running).await {
            Err(_) => Ended::TimedOut,
            Ok(Ok(Ok(raw))) => verdict::read(raw, &limits).map_or_else(
                |(class, message)| Ended::Error(class, message),
                Ended::Verdict,
            ),
            Ok(Ok(Err(error))) => explain(error, &store),
            Ok(Err(error)) => classify(&error, &store),
        };
        let fuel_left = store.get_fuel().unwrap_or(0);
        let mut state = store.into_data();
        let tape = state.tape.take().map(|mut tape| {
            let (params, env) = (mem::take(&mut state.params), mem::take(&mut state.env));
            tape.end(params, env, state.network.platform_failed());
            tape
        });
        let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
        let fuel_used = limits.fuel.saturating_sub(fuel_left);
        (finish(ended, state, &limits, duration_ms, fuel_used), tape)
    }
}

/// Wall clock of a replay, which waits for nothing: its fuel ends it long before.
const REPLAY_WALL: Duration = Duration::from_mins(10);

/// A store with every limit set.
pub(crate) fn new_store(
    sandbox: &Sandbox,
    limits: &Limits,
    world: World,
    params: String,
    env: BTreeMap<String, String>,
) -> wasmtime::Result<Store<RunState>> {
    let inner = &sandbox.inner;
    let state = RunState::new(limits, world, inner.clock.clone(), params, env);
    let mut store = Store::try_new(&inner.engine, state)?;
    store.limiter(|state| &mut state.memory);
    store.set_fuel(limits.fuel)?;
    store.fuel_async_yield_interval(Some(limits::FUEL_YIELD_INTERVAL))?;
    store.set_hostcall_fuel(limits::HOST_CALL_BYTES);
    store.set_max_component_handles(limits::HANDLES);
    Ok(store)
}

fn explain(error: RunError, store: &Store<RunState>) -> Ended {
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
fn classify(error: &wasmtime::Error, store: &Store<RunState>) -> Ended {
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

fn memory_limit() -> Ended {
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

const PLATFORM_MESSAGE: &str =
    "the platform failed to run the script; this says nothing about the target";

fn platform_error(error: &wasmtime::Error) -> Outcome {
    tracing::error!(error = ?error, "a run could not start");
    Outcome::error(ErrorClass::PlatformError, PLATFORM_MESSAGE)
}

fn finish(
    ended: Ended,
    state: RunState,
    limits: &Limits,
    duration_ms: f64,
    fuel_used: u64,
) -> Outcome {
    let ended = doubt(ended, &state);
    let requests = state.network.records();
    let peak_memory_bytes = state.memory.peak_bytes();
    let (logs, mut flags) = state.log.finish();
    let (steps, steps_flag) = state.steps.finish();
    flags.extend(steps_flag);
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
        duration_ms,
        fuel_used,
        peak_memory_bytes,
        requests,
        steps,
        logs,
        flags,
        recording: None,
    }
}

/// What a run says against its target counts only if its requests did not fail because of us.
fn doubt(ended: Ended, state: &RunState) -> Ended {
    let is_against_target = match &ended {
        Ended::Verdict(verdict) => !verdict.success,
        Ended::TargetFailed(_) | Ended::Error(ErrorClass::FetchLimit, _) => true,
        Ended::TimedOut | Ended::Error(..) => false,
    };
    if is_against_target && state.network.platform_failed() {
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
