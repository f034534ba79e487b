//! What the API needs of those who compile and run.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use vedette_core::{
    ComponentFacts, ComponentRefusal, Environment, ExecutionId, OrgId, Outcome, ScriptId,
    ScriptVersionId, SourceLanguage,
};

/// A source was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It does not compile.
    #[error("{message}")]
    Invalid {
        /// What the compiler says.
        message: String,
        /// Line in the source, from 1.
        line: Option<u32>,
        /// Column in the line, from 1.
        column: Option<u32>,
    },
    /// The compiler itself failed; the source may be fine.
    #[error("the source could not be checked")]
    Unavailable,
}

/// A run that a user asks for.
#[derive(Debug, Clone)]
pub struct RunNow {
    /// Id of its row.
    pub execution_id: ExecutionId,
    /// The organization.
    pub org_id: OrgId,
    /// The script.
    pub script_id: ScriptId,
    /// The version to run.
    pub version_id: ScriptVersionId,
    /// For logs.
    pub script_name: String,
    /// Inputs of the run.
    pub parameters: Map<String, Value>,
    /// Inputs of the run, and which of them are secret.
    pub env_vars: Environment,
    /// Time limit of the run.
    pub timeout: Duration,
}

/// Judges uploaded components, and is told of those that wait.
#[async_trait]
pub trait ComponentEngine: Send + Sync + 'static {
    /// What can be read off a component, without compiling it, or why it is not accepted. A
    /// refusal of the class `platform_error` says nothing about the component.
    async fn inspect(&self, bytes: Bytes) -> Result<ComponentFacts, ComponentRefusal>;

    /// A component may wait to be compiled.
    fn component_waiting(&self);

    /// A component was blocked or unblocked.
    fn components_changed(&self);
}

/// Compiles and runs scripts.
#[async_trait]
pub trait ScriptEngine: ComponentEngine {
    /// Whether a source compiles.
    async fn check_source(&self, source: &str, language: SourceLanguage)
    -> Result<(), SourceError>;

    /// Runs a script as soon as there is a place.
    async fn run_now(&self, run: RunNow) -> Outcome;

    /// Whether scripts can be run at present.
    fn is_able(&self) -> bool {
        true
    }

    /// A schedule was made or changed: something may be due sooner than was known.
    fn schedule_changed(&self);
}
