//! The second wall: runs in processes that hold no keys.
//!
//! The server starts a few processes of its own binary and gives each a socket. Scripts are
//! compiled and run there, many at once; their requests come back over the socket and are made
//! here, by the guard, under the limits of the run. A guest that breaks out of WebAssembly is in a
//! process without files, without network, without an environment, that can ask the server for
//! what any script can ask for, and nothing else.
//!
//! `protocol` is what the two say to each other, `child` and `rights` are the process,
//! `connection` is what the server believes of it, `runner` and `pool` keep it alive.

mod child;
mod compiler;
mod components;
mod connection;
mod pool;
mod protocol;
mod rights;
mod runner;

use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore};
use vedette_core::{Digest, ErrorClass, Outcome, SourceLanguage, Status};
use vedette_egress::Guard;

pub use self::{
    child::{RunnerError, run_runner_process},
    compiler::{CompilerLimits, compile_component, run_compiler_process},
    rights::Rights,
};
use self::{
    components::Components,
    connection::Run,
    pool::{NoProcess, Pool},
    runner::{Guest, LoadArtifact},
};
use crate::{
    ArtifactCache, Bytecode, CompileError, RunInputs, Sandbox, SandboxError, SandboxOptions, Tape,
    component::Artifact,
    engine::{CONCURRENT_COMPILES, compiled_engine, compiled_stripper},
    limits::COMPILE_WALL,
    masking::Secrets,
    run::{PLATFORM_MESSAGE, finish},
};

/// What a call may take beyond its own limit before its process counts as stuck and is killed.
/// Less than the scheduler's grace, so that a run ends with an outcome of ours.
const GRACE: Duration = Duration::from_secs(3);

/// How often a call is tried: a process that ends takes all its calls with it, and the fault is
/// of one of them at most.
const ATTEMPTS: usize = 2;

/// How runner processes are started and how long they serve.
#[derive(Debug, Clone)]
pub struct ProcessOptions {
    /// The program, which calls [`run_runner_process`] at once.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// How many there are. Each has one thread.
    pub processes: usize,
    /// Calls after which a process is replaced.
    pub recycle_runs: u64,
    /// Time after which it is replaced, so that one that was taken over unnoticed does not stay.
    pub recycle_age: Duration,
    /// Resident memory, in bytes, over which it is replaced, besides what its places for runs
    /// may keep.
    pub recycle_bytes: u64,
}

impl ProcessOptions {
    /// Most processes by default: more than four cores are seldom the server's alone.
    const MOST_PROCESSES: usize = 4;

    /// This very binary, also when its file was replaced meanwhile, with this argument.
    pub fn this_binary(argument: impl Into<OsString>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            program: "/proc/self/exe".into(),
            arguments: vec![argument.into()],
            processes: cores.min(Self::MOST_PROCESSES),
            recycle_runs: 100_000,
            recycle_age: Duration::from_hours(1),
            recycle_bytes: 512 * 1024 * 1024,
        }
    }
}

/// A runner process that takes runs.
#[derive(Debug, Clone)]
pub struct RunnerProcess {
    /// Its process id.
    pub id: u32,
    /// What it gave up.
    pub rights: Rights,
}

/// Runs scripts in other processes, with the outcomes that [`Sandbox`] gives. Cheap to clone; the
/// processes end with the last clone.
#[derive(Clone)]
pub struct ProcessSandbox(Arc<Inner>);

struct Inner {
    pool: Pool,
    guard: Guard,
    components: Components,
    runs: Semaphore,
    compiles: Semaphore,
    cache: Option<ArtifactCache>,
    stripper: OnceCell<()>,
}

impl ProcessSandbox {
    /// Starts the processes and waits for the first of them.
    ///
    /// # Errors
    /// When the options cannot be met, or no process comes up.
    pub async fn start(
        options: SandboxOptions,
        processes: ProcessOptions,
    ) -> Result<Self, SandboxError> {
        let runs = options.max_concurrent_runs;
        if !(1..=Sandbox::MOST_CONCURRENT_RUNS).contains(&runs) {
            return Err(SandboxError::TooManyRuns {
                asked: runs,
                most: Sandbox::MOST_CONCURRENT_RUNS,
            });
        }
        let cache = options.cache.clone();
        let engine = tokio::task::spawn_blocking(move || compiled_engine(cache.as_ref()));
        let engine = engine
            .await
            .map_err(|error| SandboxError::Processes(io::Error::other(error)))?
            .map_err(SandboxError::Engine)?;
        let components = Components::new(processes.clone(), runs, options.clock.clone());
        // Any of them may have to take all runs, when the others end.
        let pool = Pool::start(processes, runs, Guest::Scripts(engine), options.clock)
            .map_err(SandboxError::Processes)?;
        pool.pick()
            .await
            .map_err(|NoProcess| SandboxError::Processes(io::Error::other("the log says why")))?;
        Ok(Self(Arc::new(Inner {
            pool,
            components,
            guard: options.guard,
            runs: Semaphore::new(runs),
            compiles: Semaphore::new(CONCURRENT_COMPILES),
            cache: options.cache,
            stripper: OnceCell::new(),
        })))
    }

    /// See [`Sandbox::run`]. A run whose process ends is run once more in another one, with what
    /// is left of its time; its requests may then be made twice.
    pub async fn run(&self, bytecode: &Bytecode, inputs: RunInputs) -> Outcome {
        self.run_taped(bytecode, inputs, None).await.0
    }

    /// See [`Sandbox::run_recorded`].
    pub async fn run_recorded(
        &self,
        bytecode: &Bytecode,
        inputs: RunInputs,
        tape_bytes: usize,
    ) -> (Outcome, Option<Tape>) {
        self.run_taped(bytecode, inputs, Some(tape_bytes)).await
    }

    async fn run_taped(
        &self,
        bytecode: &Bytecode,
        inputs: RunInputs,
        tape_bytes: Option<usize>,
    ) -> (Outcome, Option<Tape>) {
        let _permit = self.0.runs.acquire().await.expect("never closed");
        self.run_in(&self.0.pool, bytecode.bytes(), inputs, tape_bytes)
            .await
    }

    /// Runs the component with this digest, in a process that runs nothing else. `load` gives its
    /// native code when a process has to be started, which is kept for some time after the run.
    pub async fn run_component(
        &self,
        digest: Digest,
        load: impl Fn() -> io::Result<Artifact> + Send + Sync + 'static,
        inputs: RunInputs,
    ) -> Outcome {
        let _permit = self.0.runs.acquire().await.expect("never closed");
        let load: LoadArtifact = Arc::new(load);
        match self.0.components.take(digest, load).await {
            Ok(place) => self.run_in(place.pool(), &[], inputs, None).await.0,
            Err(error) => {
                tracing::error!(%error, "a component has no runner process");
                Outcome::error(ErrorClass::PlatformError, PLATFORM_MESSAGE)
            }
        }
    }

    /// Whether a component has a process.
    pub fn has_component(&self, digest: &Digest) -> bool {
        self.0.components.has(digest)
    }

    /// Ends the processes of a component, and what runs in them.
    pub fn end_component(&self, digest: &Digest) {
        self.0.components.end(digest);
    }

    async fn run_in(
        &self,
        pool: &Pool,
        bytecode: &[u8],
        mut inputs: RunInputs,
        tape_bytes: Option<usize>,
    ) -> (Outcome, Option<Tape>) {
        let started = Instant::now();
        let secrets = match Secrets::take(&mut inputs) {
            Ok(secrets) => secrets,
            Err(outcome) => return (*outcome, None),
        };
        let RunInputs {
            params,
            env,
            mut limits,
            ..
        } = inputs;
        let params = Value::Object(params).to_string();
        let wall = limits.wall;
        let mut begun = None;
        for attempt in 1..=ATTEMPTS {
            let Ok(live) = pool.pick().await else {
                tracing::error!("a run has no runner process");
                break;
            };
            // The wait for a process is no time of the run's.
            let begun = *begun.get_or_insert_with(Instant::now);
            limits.wall = wall.saturating_sub(begun.elapsed());
            if limits.wall.is_zero() {
                break;
            }
            let session = self
                .0
                .guard
                .session_with(limits.fetch.clone(), secrets.seals());
            let run = Run {
                bytecode,
                params: &params,
                env: &env,
                limits: &limits,
                session: &session,
                tape_bytes,
            };
            let Ok(mut executed) = live.connection.run(run, limits.wall + GRACE).await else {
                continue;
            };
            limits.wall = wall;
            let tape = executed.tape.take();
            let outcome = finish(executed, &session, &limits, started.elapsed());
            // A second attempt had less time than the run is entitled to.
            if attempt > 1 && outcome.status == Status::Timeout {
                break;
            }
            return (secrets.mask(outcome, &limits).await, tape);
        }
        let mut outcome = Outcome::error(ErrorClass::PlatformError, PLATFORM_MESSAGE);
        outcome.duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
        (outcome, None)
    }

    /// See [`Sandbox::compile`].
    ///
    /// # Errors
    /// [`CompileError::Source`] and [`CompileError::Limit`] are the source's fault.
    pub async fn compile(
        &self,
        source: &str,
        language: SourceLanguage,
    ) -> Result<Bytecode, CompileError> {
        if language == SourceLanguage::TypeScript {
            self.prepare_stripper().await?;
        }
        let _permit = self.0.compiles.acquire().await.expect("never closed");
        for _ in 0..ATTEMPTS {
            let picked = match language {
                SourceLanguage::JavaScript => self.0.pool.pick().await,
                SourceLanguage::TypeScript => self.0.pool.pick_with_stripper().await,
            };
            let Ok(live) = picked else {
                break;
            };
            // Taking the types out may take as long once more.
            let patience = 2 * COMPILE_WALL + GRACE;
            let compiled = live.connection.compile(source, language, patience).await;
            if let Ok(result) = compiled {
                return Ok(Bytecode::from_engine(result?));
            }
        }
        Err(CompileError::Platform(wasmtime::format_err!(
            "no runner process could compile it"
        )))
    }

    /// The processes cannot compile it themselves: by then they may not make code any more.
    async fn prepare_stripper(&self) -> Result<(), CompileError> {
        let load = || async {
            let cache = self.0.cache.clone();
            let compiled =
                tokio::task::spawn_blocking(move || compiled_stripper(cache.as_ref())).await;
            let compiled = compiled.map_err(|error| {
                CompileError::Platform(wasmtime::format_err!("preparing the stripper: {error}"))
            })?;
            self.0
                .pool
                .set_stripper(compiled.map_err(CompileError::Platform)?);
            Ok(())
        };
        self.0.stripper.get_or_try_init(load).await.copied()
    }

    /// Whether there is a process that takes runs, or one may come.
    pub fn is_able(&self) -> bool {
        self.0.pool.is_able()
    }

    /// The processes that take runs of scripts now.
    pub fn processes(&self) -> Vec<RunnerProcess> {
        self.0.pool.processes()
    }

    /// The processes of a component.
    pub fn component_processes(&self, digest: &Digest) -> Vec<RunnerProcess> {
        self.0.components.processes(digest)
    }
}
