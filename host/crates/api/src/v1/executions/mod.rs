//! Executions.

pub(crate) mod get;
pub(crate) mod recording;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{ErrorClass, Flag, LogLine, MissedReason, RequestRecord, Step};
use vedette_store::{Execution, ExecutionSummary};

/// An execution as lists show it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExecutionSummaryView {
    id: Uuid,
    script_id: Uuid,
    version_id: Uuid,
    /// `schedule`, `recheck` (a rule asked for it, to confirm a failure) or `manual`.
    trigger: &'static str,
    /// The slot; null for a manual run.
    scheduled_at: Option<DateTime<Utc>>,
    /// When the run began.
    executed_at: DateTime<Utc>,
    duration_ms: f64,
    /// `running`, `success`, `failure`, `timeout`, `error` or `missed`.
    status: &'static str,
    /// Set exactly for `error`.
    error_class: Option<&'static str>,
    /// Set exactly for `missed`.
    missed_reason: Option<&'static str>,
    message: Option<String>,
    /// The verdict as the script returned it.
    #[schema(value_type = Option<Object>)]
    result: Value,
    latency_ms: Option<f64>,
    fuel_used: u64,
    peak_memory_bytes: u64,
    flags: Vec<&'static str>,
}

impl From<ExecutionSummary> for ExecutionSummaryView {
    fn from(summary: ExecutionSummary) -> Self {
        Self {
            id: summary.id.as_uuid(),
            script_id: summary.script_id.as_uuid(),
            version_id: summary.version_id.as_uuid(),
            trigger: summary.trigger.as_str(),
            scheduled_at: summary.scheduled_at,
            executed_at: summary.executed_at,
            duration_ms: summary.duration_ms,
            status: summary.status.as_str(),
            error_class: summary.error_class.map(ErrorClass::as_str),
            missed_reason: summary.missed_reason.map(MissedReason::as_str),
            message: summary.message,
            result: serde_json::to_value(summary.result).unwrap_or_default(),
            latency_ms: summary.latency_ms,
            fuel_used: summary.fuel_used,
            peak_memory_bytes: summary.peak_memory_bytes,
            flags: summary.flags.into_iter().map(Flag::as_str).collect(),
        }
    }
}

/// A request that a run made. Durations in milliseconds; null is what was not measured.
#[derive(Serialize, ToSchema)]
pub(crate) struct RequestView {
    method: String,
    /// Of the first hop.
    url: String,
    /// Null: no response came, and `error` says why.
    status: Option<u16>,
    error: Option<String>,
    /// Since the start of the run.
    started_at_ms: f64,
    /// All hops, to the last byte or the error.
    total_ms: f64,
    dns_ms: Option<f64>,
    connect_ms: Option<f64>,
    tls_ms: Option<f64>,
    first_byte_ms: Option<f64>,
    download_ms: Option<f64>,
    /// Address and port that answered.
    remote_address: Option<String>,
    /// Decoded bytes of the body.
    body_bytes: u64,
    redirects: u32,
}

impl From<RequestRecord> for RequestView {
    fn from(record: RequestRecord) -> Self {
        Self {
            method: record.method,
            url: record.url,
            status: record.status,
            error: record.error,
            started_at_ms: record.started_at_ms,
            total_ms: record.total_ms,
            dns_ms: record.dns_ms,
            connect_ms: record.connect_ms,
            tls_ms: record.tls_ms,
            first_byte_ms: record.first_byte_ms,
            download_ms: record.download_ms,
            remote_address: record.remote_address,
            body_bytes: record.body_bytes,
            redirects: record.redirects,
        }
    }
}

/// A step or a check of a run, as the script named it.
#[derive(Serialize, ToSchema)]
pub(crate) struct StepView {
    name: String,
    /// `step` or `check`.
    kind: &'static str,
    passed: bool,
    /// Since the start of the run.
    started_at_ms: f64,
    /// Null for a check, and for a step that the end of the run cut short.
    duration_ms: Option<f64>,
    /// Why it did not pass.
    message: Option<String>,
}

impl From<Step> for StepView {
    fn from(step: Step) -> Self {
        Self {
            name: step.name,
            kind: step.kind.as_str(),
            passed: step.passed,
            started_at_ms: step.started_at_ms,
            duration_ms: step.duration_ms,
            message: step.message,
        }
    }
}

/// A line that a script logged.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogView {
    /// `debug`, `info`, `warn` or `error`.
    log_level: &'static str,
    message: String,
    timestamp: DateTime<Utc>,
}

impl From<LogLine> for LogView {
    fn from(line: LogLine) -> Self {
        Self {
            log_level: line.log_level.as_str(),
            message: line.message,
            timestamp: line.timestamp,
        }
    }
}

/// An execution in full.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExecutionView {
    #[serde(flatten)]
    summary: ExecutionSummaryView,
    /// In the order of their start.
    requests: Vec<RequestView>,
    /// Steps and checks, in the order of their start.
    steps: Vec<StepView>,
    logs: Vec<LogView>,
}

impl From<Execution> for ExecutionView {
    fn from(execution: Execution) -> Self {
        Self {
            summary: execution.summary.into(),
            requests: execution.requests.into_iter().map(Into::into).collect(),
            steps: execution.steps.into_iter().map(Into::into).collect(),
            logs: execution.logs.into_iter().map(Into::into).collect(),
        }
    }
}
