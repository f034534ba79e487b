//! Adapters between crates that do not know each other: the sandbox runs what the scheduler and
//! the API ask for.

use std::sync::OnceLock;

use async_trait::async_trait;
use moka::future::Cache;
use vedette_api::{RunNow, ScriptEngine, SourceError};
use vedette_core::{ErrorClass, OrgId, Outcome, ScriptVersionId, SourceLanguage};
use vedette_sandbox::{Bytecode, CompileError, Limits, RunInputs, Sandbox};
use vedette_scheduler::{RunRequest, Runner, SchedulerHandle};
use vedette_store::{Store, VersionSource};

/// Bytecode kept in memory, in bytes. A version that is not there is compiled again, which takes
/// a third of a millisecond for each KiB of source.
const BYTECODE_BYTES: u64 = 64 * 1024 * 1024;

const NOT_RUN: &str = "the platform could not load the script; this says nothing about the target";

/// Runs scripts in this process.
pub(crate) struct InProcess {
    sandbox: Sandbox,
    store: Store,
    /// Versions never change, nor does their language, so that an entry is good for ever.
    bytecode: Cache<ScriptVersionId, Bytecode>,
    /// Set once both are there: the scheduler runs through this, and this through its places.
    scheduler: OnceLock<SchedulerHandle>,
}

impl InProcess {
    pub(crate) fn new(sandbox: Sandbox, store: Store) -> Self {
        let weigh = |_: &ScriptVersionId, bytecode: &Bytecode| {
            u32::try_from(bytecode.len()).unwrap_or(u32::MAX)
        };
        let bytecode = Cache::builder()
            .max_capacity(BYTECODE_BYTES)
            .weigher(weigh)
            .build();
        Self {
            sandbox,
            store,
            bytecode,
            scheduler: OnceLock::new(),
        }
    }

    pub(crate) fn set_scheduler(&self, scheduler: SchedulerHandle) {
        // A second one would be a mistake of the wiring; the first stays.
        let _ = self.scheduler.set(scheduler);
    }

    /// The bytecode of a version, or the outcome of a run that cannot begin.
    async fn load(&self, org: OrgId, version: ScriptVersionId) -> Result<Bytecode, Outcome> {
        if let Some(bytecode) = self.bytecode.get(&version).await {
            return Ok(bytecode);
        }
        let found = self.store.get_version_source(org, version).await.map_err(|error| {
            tracing::error!(error = %error, script_version.id = %version, "a script cannot be loaded");
            Outcome::error(ErrorClass::PlatformError, NOT_RUN)
        })?;
        let VersionSource { source, language } =
            found.ok_or_else(|| Outcome::error(ErrorClass::PlatformError, NOT_RUN))?;
        let bytecode = self
            .sandbox
            .compile(&source, language)
            .await
            .map_err(compile_outcome)?;
        self.bytecode.insert(version, bytecode.clone()).await;
        Ok(bytecode)
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
impl Runner for InProcess {
    async fn run(&self, request: RunRequest) -> Outcome {
        let bytecode = match self.load(request.org_id, request.version_id).await {
            Ok(bytecode) => bytecode,
            Err(outcome) => return outcome,
        };
        let inputs = RunInputs {
            params: request.parameters,
            env: request.env_vars,
            limits: Limits {
                wall: request.timeout,
                ..Limits::default()
            },
        };
        self.sandbox.run(&bytecode, inputs).await
    }
}

#[async_trait]
impl ScriptEngine for InProcess {
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
        match self.sandbox.compile(source, language).await {
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
        let request = RunRequest {
            execution_id: run.execution_id,
            org_id: run.org_id,
            script_id: run.script_id,
            version_id: run.version_id,
            script_name: run.script_name,
            parameters: run.parameters,
            env_vars: run.env_vars,
            timeout: run.timeout,
        };
        scheduler.run_now(request).await
    }

    fn schedule_changed(&self) {
        if let Some(scheduler) = self.scheduler.get() {
            scheduler.wake();
        }
    }
}
