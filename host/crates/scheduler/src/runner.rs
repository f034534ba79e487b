//! What the scheduler asks of whoever runs scripts, and what it tells those who watch.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use vedette_core::{Environment, ExecutionId, OrgId, Outcome, ScriptId, ScriptVersionId};

/// Runs one execution. The implementation decides where: in process, or far away.
#[async_trait]
pub trait Runner: Send + Sync + 'static {
    /// Runs to the end, within `request.timeout`, and says what came of it.
    ///
    /// A panic, and a run that is still going on some seconds after its timeout, become
    /// `error/platform_error` of this execution; the future is dropped then.
    async fn run(&self, request: RunRequest) -> Outcome;
}

/// The inputs of one run, and of no other.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// Id of the row that the outcome will be recorded in.
    pub execution_id: ExecutionId,
    /// The organization that owns the script.
    pub org_id: OrgId,
    /// The script.
    pub script_id: ScriptId,
    /// The immutable version to run.
    pub version_id: ScriptVersionId,
    /// For logs.
    pub script_name: String,
    /// The script's parameters.
    pub parameters: Map<String, Value>,
    /// The run's variables, and which of them are secret.
    pub env_vars: Environment,
    /// Hard limit of the run, wall clock.
    pub timeout: Duration,
    /// The execution before was no success: how this one is different may be of interest.
    pub after_failure: bool,
}

/// An execution that ended, for those who watch.
#[derive(Debug, Clone)]
pub struct FinishedRun {
    /// Id of its row.
    pub execution_id: ExecutionId,
    /// The organization that owns the script.
    pub org_id: OrgId,
    /// The script.
    pub script_id: ScriptId,
    /// The script's name when it was claimed.
    pub script_name: String,
    /// The version that ran.
    pub version_id: ScriptVersionId,
    /// The slot; `None` for a run started by hand.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// When the run began; for a missed slot, when it was given up.
    pub executed_at: DateTime<Utc>,
    /// What came of it.
    pub outcome: Outcome,
}
