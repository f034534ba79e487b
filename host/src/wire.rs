//! Adapters between crates that do not know each other: the sandbox runs what the scheduler and
//! the API ask for.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use axum::body::Bytes;
use moka::future::Cache;
use vedette_api::{ComponentEngine, RunNow, ScriptEngine, SourceError};
use vedette_core::{
    ComponentFacts, ComponentRefusal, Digest, ErrorClass, OrgId, Outcome, RecordingText,
    ScriptVersionId, SourceLanguage, Status,
};
#[cfg(target_os = "linux")]
use vedette_sandbox::process::ProcessSandbox;
use vedette_sandbox::{
    Bytecode, CompileError, Limits, RunInputs, Sandbox, Tape, component, limits::RECORDING_BYTES,
};
use vedette_scheduler::{RunRequest, Runner, SchedulerHandle};
use vedette_store::{Store, VersionProgram};

use crate::{components::Components, config::Record};

/// Bytecode and sources kept in memory, in bytes. A version that is not there is compiled again,
/// which takes a third of a millisecond for each KiB of source.
const LOADED_BYTES: u64 = 64 * 1024 * 1024;

const NOT_RUN: &str = "the platform could not load the script; this says nothing about the target";

/// What a version runs.
#[derive(Clone)]
enum Loaded {
    Script(LoadedScript),
    Component(Digest),
}

/// A script that can run, with its source for recordings.
#[derive(Clone)]
struct LoadedScript {
    bytecode: Bytecode,
    source: Arc<str>,
    language: SourceLanguage,
}

/// The argument that makes the binary a runner process.
#[cfg(target_os = "linux")]
pub(crate) const RUNNER_PROCESS: &str = "runner-process";

/// Where scripts are compiled and run.
pub(crate) enum Place {
    InProcess(Sandbox),
    #[cfg(target_os = "linux")]
    Process(ProcessSandbox),
}

impl Place {
    async fn compile(
        &self,
        source: &str,
        language: SourceLanguage,
    ) -> Result<Bytecode, CompileError> {
        match self {
            Self::InProcess(sandbox) => sandbox.compile(source, language).await,
            #[cfg(target_os = "linux")]
            Self::Process(sandbox) => sandbox.compile(source, language).await,
        }
    }

    /// Runs a component that was compiled.
    pub(crate) async fn run_component(
        &self,
        components: &Arc<Components>,
        digest: Digest,
        inputs: RunInputs,
    ) -> Outcome {
        match self {
            Self::InProcess(sandbox) => match components.loaded(digest).await {
                Ok(component) => sandbox.run_component(&component, inputs).await,
                Err(refusal) => Outcome::error(refusal.class, refusal.message),
            },
            #[cfg(target_os = "linux")]
            Self::Process(sandbox) => {
                let components = components.clone();
                let load = move || {
                    let artifact = components.artifact(&digest);
                    artifact.ok_or_else(|| io::Error::other("it is not in the cache"))
                };
                sandbox.run_component(digest, load, inputs).await
            }
        }
    }

    /// Whether a component can run at once.
    pub(crate) fn has_component(&self, components: &Components, digest: &Digest) -> bool {
        match self {
            Self::InProcess(_) => components.is_loaded(digest),
            #[cfg(target_os = "linux")]
            Self::Process(sandbox) => sandbox.has_component(digest),
        }
    }

    /// Ends what a component has of its own.
    pub(crate) fn end_component(&self, digest: &Digest) {
        match self {
            // Runs there end with their futures.
            Self::InProcess(_) => {}
            #[cfg(target_os = "linux")]
            Self::Process(sandbox) => sandbox.end_component(digest),
        }
    }

    async fn run(&self, bytecode: &Bytecode, inputs: RunInputs) -> Outcome {
        match self {
            Self::InProcess(sandbox) => sandbox.run(bytecode, inputs).await,
            #[cfg(target_os = "linux")]
            Self::Process(sandbox) => sandbox.run(bytecode, inputs).await,
        }
    }

    async fn run_recorded(
        &self,
        bytecode: &Bytecode,
        inputs: RunInputs,
    ) -> (Outcome, Option<Tape>) {
        match self {
            Self::InProcess(sandbox) => {
                sandbox
                    .run_recorded(bytecode, inputs, RECORDING_BYTES)
                    .await
            }
            #[cfg(target_os = "linux")]
            Self::Process(sandbox) => {
                sandbox
                    .run_recorded(bytecode, inputs, RECORDING_BYTES)
                    .await
            }
        }
    }
}

/// Runs the scripts of the store.
pub(crate) struct Scripts {
    place: Arc<Place>,
    components: Arc<Components>,
    store: Store,
    record: Record,
    /// Versions never change, nor does their language, so that an entry is good for ever.
    loaded: Cache<ScriptVersionId, Loaded>,
    /// Set once both are there: the scheduler runs through this, and this through its places.
    scheduler: OnceLock<SchedulerHandle>,
}

impl Scripts {
    pub(crate) fn new(
        place: Arc<Place>,
        components: Arc<Components>,
        store: Store,
        record: Record,
    ) -> Self {
        let weigh = |_: &ScriptVersionId, loaded: &Loaded| match loaded {
            Loaded::Script(script) => {
                u32::try_from(script.bytecode.len() + script.source.len()).unwrap_or(u32::MAX)
            }
            Loaded::Component(_) => 100,
        };
        let loaded = Cache::builder()
            .max_capacity(LOADED_BYTES)
            .weigher(weigh)
            .build();
        Self {
            place,
            components,
            store,
            record,
            loaded,
            scheduler: OnceLock::new(),
        }
    }

    pub(crate) fn set_scheduler(&self, scheduler: SchedulerHandle) {
        // A second one would be a mistake of the wiring; the first stays.
        let _ = self.scheduler.set(scheduler);
    }

    /// For a run by hand; a slot's claim tells it. A recording less is no reason to fail.
    async fn is_after_failure(&self, run: &RunNow) -> bool {
        let before = self
            .store
            .is_after_failure(run.org_id, run.script_id, run.execution_id)
            .await;
        before.unwrap_or_else(|error| {
            tracing::warn!(%error, script.id = %run.script_id, "the execution before is not known");
            false
        })
    }

    /// A version that can run, or the outcome of a run that cannot begin.
    async fn load(&self, org: OrgId, version: ScriptVersionId) -> Result<Loaded, Outcome> {
        if let Some(loaded) = self.loaded.get(&version).await {
            return Ok(loaded);
        }
        let found = self.store.get_version_program(org, version).await.map_err(|error| {
            tracing::error!(error = %error, script_version.id = %version, "a script cannot be loaded");
            Outcome::error(ErrorClass::PlatformError, NOT_RUN)
        })?;
        let found = found.ok_or_else(|| Outcome::error(ErrorClass::PlatformError, NOT_RUN))?;
        let (source, language) = match found {
            VersionProgram::Source { text, language } => (text, language),
            // Whether it is forbidden is asked at each run.
            VersionProgram::Component { digest, .. } => {
                let loaded = Loaded::Component(digest);
                self.loaded.insert(version, loaded.clone()).await;
                return Ok(loaded);
            }
        };
        let bytecode = self
            .place
            .compile(&source, language)
            .await
            .map_err(compile_outcome)?;
        let loaded = Loaded::Script(LoadedScript {
            bytecode,
            source: source.into(),
            language,
        });
        self.loaded.insert(version, loaded.clone()).await;
        Ok(loaded)
    }
}

/// Makes the recording of a run that is worth one, beside the runs: with very many variables it
/// takes some time.
async fn recording(tape: Tape, outcome: &Outcome, script: LoadedScript) -> Option<RecordingText> {
    let outcome = outcome.clone();
    let making = tokio::task::spawn_blocking(move || {
        let recording = tape.into_recording(&outcome, &script.source, script.language);
        RecordingText::new(recording.to_json(false))
    });
    match making.await {
        Ok(recording) => Some(recording),
        Err(error) => {
            tracing::error!(%error, "a run could not be recorded");
            None
        }
    }
}

/// What a run comes to when its source does not compile.
pub(crate) fn compile_outcome(error: CompileError) -> Outcome {
    match error {
        CompileError::Source {
            message,
            line,
            column,
        } => {
            let line = line.map_or_else(String::new, |line| format!(", line {line}"));
            let column = column.map_or_else(String::new, |column| format!(", column {column}"));
            Outcome::error(ErrorClass::CompileError, format!("{message}{line}{column}"))
        }
        CompileError::Limit(_) => Outcome::error(ErrorClass::CompileError, error.to_string()),
        error => {
            tracing::error!(error = ?error, "the compiler failed");
            Outcome::error(ErrorClass::PlatformError, NOT_RUN)
        }
    }
}

#[async_trait]
impl Runner for Scripts {
    async fn run(&self, request: RunRequest) -> Outcome {
        let loaded = match self.load(request.org_id, request.version_id).await {
            Ok(loaded) => loaded,
            Err(outcome) => return outcome,
        };
        let inputs = RunInputs {
            params: request.parameters,
            env: request.env_vars.values,
            secrets: request.env_vars.secrets,
            sealed: request.env_vars.sealed,
            limits: Limits {
                wall: request.timeout,
                ..Limits::default()
            },
        };
        let script = match loaded {
            Loaded::Script(script) => script,
            Loaded::Component(digest) => {
                let (components, org) = (&self.components, request.org_id);
                return components.run(&self.place, org, digest, inputs).await;
            }
        };
        if self.record == Record::None {
            return self.place.run(&script.bytecode, inputs).await;
        }
        // Nobody knows before how a run ends, so that each has a tape.
        let (mut outcome, tape) = self.place.run_recorded(&script.bytecode, inputs).await;
        if let Some(tape) = tape
            && (outcome.status != Status::Success || request.after_failure)
        {
            outcome.recording = recording(tape, &outcome, script).await;
        }
        outcome
    }
}

#[async_trait]
impl ComponentEngine for Scripts {
    async fn inspect(&self, bytes: Bytes) -> Result<ComponentFacts, ComponentRefusal> {
        let inspecting = tokio::task::spawn_blocking(move || component::inspect(&bytes));
        inspecting.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a component could not be inspected");
            Err(ComponentRefusal {
                class: ErrorClass::PlatformError,
                message: "the platform failed to inspect the component".to_owned(),
            })
        })
    }

    fn component_waiting(&self) {
        self.components.wake();
    }

    fn components_changed(&self) {
        let (components, place) = (self.components.clone(), self.place.clone());
        tokio::spawn(async move { components.read_blocked(&place).await });
    }
}

#[async_trait]
impl ScriptEngine for Scripts {
    async fn check_source(
        &self,
        source: &str,
        language: SourceLanguage,
    ) -> Result<(), SourceError> {
        let invalid = |message, line, column| {
            Err(SourceError::Invalid {
                message,
                line,
                column,
            })
        };
        match self.place.compile(source, language).await {
            Ok(_) => Ok(()),
            Err(CompileError::Source {
                message,
                line,
                column,
            }) => invalid(message, line, column),
            Err(error @ CompileError::Limit(_)) => invalid(error.to_string(), None, None),
            Err(error) => {
                tracing::error!(error = ?error, "the compiler failed");
                Err(SourceError::Unavailable)
            }
        }
    }

    async fn run_now(&self, run: RunNow) -> Outcome {
        let Some(scheduler) = self.scheduler.get() else {
            return Outcome::error(ErrorClass::PlatformError, "the server is still starting");
        };
        let after_failure = self.record != Record::None && self.is_after_failure(&run).await;
        let request = RunRequest {
            execution_id: run.execution_id,
            org_id: run.org_id,
            script_id: run.script_id,
            version_id: run.version_id,
            script_name: run.script_name,
            parameters: run.parameters,
            env_vars: run.env_vars,
            timeout: run.timeout,
            after_failure,
        };
        scheduler.run_now(request).await
    }

    fn is_able(&self) -> bool {
        match self.place.as_ref() {
            Place::InProcess(_) => true,
            #[cfg(target_os = "linux")]
            Place::Process(sandbox) => sandbox.is_able(),
        }
    }

    fn schedule_changed(&self) {
        if let Some(scheduler) = self.scheduler.get() {
            scheduler.wake();
        }
    }
}
