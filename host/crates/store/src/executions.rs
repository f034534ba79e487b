//! Executions: reading them, and those that are started by hand.

use std::{borrow::Cow, str::FromStr as _};

use chrono::{DateTime, TimeZone as _, Utc};
use serde_json::json;
use sqlx::{Database, Encode, FromRow, QueryBuilder, Type, types::Json};
use uuid::Uuid;
use vedette_core::{
    ErrorClass, ExecutionId, Flag, LogLevel, LogLine, MissedReason, OrgId, Outcome, RequestRecord,
    ScriptId, ScriptVersionId, Status, Step, UserId, Verdict, slot::DEFAULT_LOCATION,
};

use crate::{
    AuditAction, Page, PageRequest, Store, StoreError,
    audit::{Event, audit},
    db::{in_tx, on_db},
    quotas::add_usage,
    recordings::keep_recording,
};

/// What started an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Its slot.
    Schedule,
    /// A slot that a rule asked for, to confirm a failure.
    Recheck,
    /// A user.
    Manual,
}

impl Trigger {
    /// The spelling in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Recheck => "recheck",
            Self::Manual => "manual",
        }
    }

    /// What starts the run of a slot.
    pub const fn of_slot(is_recheck: bool) -> Self {
        if is_recheck {
            Self::Recheck
        } else {
            Self::Schedule
        }
    }

    /// As the table keeps it, beside whether it is a recheck.
    const fn kind(self) -> &'static str {
        match self {
            Self::Schedule | Self::Recheck => "schedule",
            Self::Manual => "manual",
        }
    }
}

/// An execution that a user starts.
#[derive(Debug, Clone)]
pub struct ManualExecution {
    /// Id.
    pub execution_id: ExecutionId,
    /// The organization.
    pub org_id: OrgId,
    /// The script.
    pub script_id: ScriptId,
    /// The version that will run.
    pub version_id: ScriptVersionId,
    /// The user.
    pub started_by: UserId,
    /// Now.
    pub executed_at: DateTime<Utc>,
    /// After this time it counts as interrupted.
    pub leased_until: DateTime<Utc>,
}

/// An execution without its requests, its steps and its log.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionSummary {
    /// Id.
    pub id: ExecutionId,
    /// The script.
    pub script_id: ScriptId,
    /// The version that ran.
    pub version_id: ScriptVersionId,
    /// What started it.
    pub trigger: Trigger,
    /// The slot, if it was one.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// When the run was handed over; for a missed slot, when that was decided.
    pub executed_at: DateTime<Utc>,
    /// Milliseconds.
    pub duration_ms: f64,
    /// How it stands.
    pub status: Status,
    /// Set exactly for `error`.
    pub error_class: Option<ErrorClass>,
    /// Set exactly for `missed`.
    pub missed_reason: Option<MissedReason>,
    /// In a sentence.
    pub message: Option<String>,
    /// The verdict.
    pub result: Option<Verdict>,
    /// Milliseconds.
    pub latency_ms: Option<f64>,
    /// Units of fuel.
    pub fuel_used: u64,
    /// Bytes.
    pub peak_memory_bytes: u64,
    /// Remarks.
    pub flags: Vec<Flag>,
}

/// An execution in full.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// What lists show.
    pub summary: ExecutionSummary,
    /// In the order of their start.
    pub requests: Vec<RequestRecord>,
    /// In the order of their start.
    pub steps: Vec<Step>,
    /// In order.
    pub logs: Vec<LogLine>,
}

const LIST_EXECUTIONS: &str = "SELECT id, script_id, script_version_id, trigger_kind, is_recheck, \
    scheduled_at, executed_at, duration_ms, status, error_class, missed_reason, message, result, \
    latency_ms, fuel_used, peak_memory_bytes, requests, steps, flags FROM script_executions \
    WHERE org_id = $1 AND script_id = $2 AND id < $3 \
    AND EXISTS (SELECT 1 FROM scripts WHERE scripts.id = $2 AND NOT is_deleted) \
    ORDER BY id DESC LIMIT $4";
const GET_EXECUTION: &str = "SELECT id, script_id, script_version_id, trigger_kind, is_recheck, \
    scheduled_at, executed_at, duration_ms, status, error_class, missed_reason, message, result, latency_ms, \
    fuel_used, peak_memory_bytes, requests, steps, flags FROM script_executions \
    WHERE org_id = $1 AND id = $2 \
    AND EXISTS (SELECT 1 FROM scripts WHERE scripts.id = script_id AND NOT is_deleted)";
const LIST_LOGS: &str = "SELECT log_level, message, timestamp FROM script_execution_logs \
    WHERE execution_id = $2 AND EXISTS \
    (SELECT 1 FROM script_executions WHERE org_id = $1 AND id = $2) ORDER BY line_number";
const INSERT_MANUAL: &str = "INSERT INTO script_executions (id, org_id, script_id, \
    script_version_id, location, trigger_kind, started_by, executed_at, duration_ms, status, \
    fuel_used, peak_memory_bytes, requests, steps, flags, leased_until) \
    VALUES ($1, $2, $3, $4, $5, 'manual', $6, $7, 0, 'running', 0, 0, $8, $9, $10, $11)";
const FINISH_MANUAL: &str = "UPDATE script_executions SET duration_ms = $1, status = $2, \
    error_class = $3, message = $4, result = $5, latency_ms = $6, fuel_used = $7, \
    peak_memory_bytes = $8, requests = $9, steps = $10, flags = $11, leased_until = NULL \
    WHERE org_id = $12 AND id = $13 AND status = 'running'";
const EXECUTED_AT: &str = "SELECT executed_at FROM script_executions WHERE org_id = $1 AND id = $2";
const FAIL_INTERRUPTED: &str = "UPDATE script_executions SET status = 'error', \
    error_class = 'platform_error', message = $1, leased_until = NULL \
    WHERE status = 'running' AND leased_until <= $2";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    LIST_EXECUTIONS,
    GET_EXECUTION,
    LIST_LOGS,
    INSERT_MANUAL,
    FINISH_MANUAL,
    EXECUTED_AT,
    FAIL_INTERRUPTED,
];

const INTERRUPTED: &str = "the run was interrupted: the server stopped before it ended";

/// The values of one row, as they are bound.
pub(crate) struct ExecutionColumns<'a> {
    id: Uuid,
    org_id: Uuid,
    script_id: Uuid,
    version_id: Uuid,
    trigger: Trigger,
    scheduled_at: Option<DateTime<Utc>>,
    executed_at: DateTime<Utc>,
    missed_reason: Option<MissedReason>,
    outcome: Cow<'a, Outcome>,
}

impl<'a> ExecutionColumns<'a> {
    #[expect(clippy::too_many_arguments, reason = "one for each column")]
    pub(crate) fn new(
        id: ExecutionId,
        org_id: OrgId,
        script_id: ScriptId,
        version_id: ScriptVersionId,
        trigger: Trigger,
        scheduled_at: Option<DateTime<Utc>>,
        executed_at: DateTime<Utc>,
        outcome: Cow<'a, Outcome>,
        missed_reason: Option<MissedReason>,
    ) -> Self {
        Self {
            id: id.as_uuid(),
            org_id: org_id.as_uuid(),
            script_id: script_id.as_uuid(),
            version_id: version_id.as_uuid(),
            trigger,
            scheduled_at,
            executed_at,
            missed_reason,
            outcome,
        }
    }
}

/// Fuel and bytes are below 2^63 by far.
fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// `INSERT` of many executions that answers the ids of those that were new.
pub(crate) fn push_executions<D>(query: &mut QueryBuilder<D>, rows: &[ExecutionColumns<'_>])
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
    String: for<'q> Encode<'q, D> + Type<D>,
    Option<String>: for<'q> Encode<'q, D> + Type<D>,
    &'static str: for<'q> Encode<'q, D> + Type<D>,
    Option<&'static str>: for<'q> Encode<'q, D> + Type<D>,
    DateTime<Utc>: for<'q> Encode<'q, D> + Type<D>,
    Option<DateTime<Utc>>: for<'q> Encode<'q, D> + Type<D>,
    f64: for<'q> Encode<'q, D> + Type<D>,
    Option<f64>: for<'q> Encode<'q, D> + Type<D>,
    i64: for<'q> Encode<'q, D> + Type<D>,
    bool: for<'q> Encode<'q, D> + Type<D>,
    Option<Json<Verdict>>: for<'q> Encode<'q, D> + Type<D>,
    Json<Vec<RequestRecord>>: for<'q> Encode<'q, D> + Type<D>,
    Json<Vec<Step>>: for<'q> Encode<'q, D> + Type<D>,
    Json<Vec<Flag>>: for<'q> Encode<'q, D> + Type<D>,
{
    query.push(
        "INSERT INTO script_executions (id, org_id, script_id, script_version_id, location, \
         trigger_kind, is_recheck, scheduled_at, executed_at, duration_ms, status, error_class, missed_reason, \
         message, result, latency_ms, fuel_used, peak_memory_bytes, requests, steps, flags) ",
    );
    query.push_values(rows, |mut values, row| {
        let outcome = &row.outcome;
        values
            .push_bind(row.id)
            .push_bind(row.org_id)
            .push_bind(row.script_id)
            .push_bind(row.version_id)
            .push_bind(DEFAULT_LOCATION)
            .push_bind(row.trigger.kind())
            .push_bind(row.trigger == Trigger::Recheck)
            .push_bind(row.scheduled_at)
            .push_bind(row.executed_at)
            .push_bind(outcome.duration_ms)
            .push_bind(outcome.status.as_str())
            .push_bind(outcome.error_class.map(ErrorClass::as_str))
            .push_bind(row.missed_reason.map(MissedReason::as_str))
            .push_bind(outcome.message.clone())
            .push_bind(outcome.result.clone().map(Json))
            .push_bind(outcome.latency_ms)
            .push_bind(count(outcome.fuel_used))
            .push_bind(count(outcome.peak_memory_bytes))
            .push_bind(Json(outcome.requests.clone()))
            .push_bind(Json(outcome.steps.clone()))
            .push_bind(Json(outcome.flags.clone()));
    });
    query.push(" ON CONFLICT (script_id, location, scheduled_at) DO NOTHING RETURNING id");
}

/// `INSERT` of many log lines.
pub(crate) fn push_logs<D>(query: &mut QueryBuilder<D>, lines: &[(Uuid, i64, &LogLine)])
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
    String: for<'q> Encode<'q, D> + Type<D>,
    &'static str: for<'q> Encode<'q, D> + Type<D>,
    DateTime<Utc>: for<'q> Encode<'q, D> + Type<D>,
    i64: for<'q> Encode<'q, D> + Type<D>,
{
    query.push(
        "INSERT INTO script_execution_logs (execution_id, line_number, log_level, message, \
         timestamp) ",
    );
    query.push_values(lines, |mut values, (id, number, line)| {
        values
            .push_bind(*id)
            .push_bind(*number)
            .push_bind(line.log_level.as_str())
            .push_bind(line.message.clone())
            .push_bind(line.timestamp);
    });
}

#[derive(FromRow)]
struct ExecutionRow {
    id: Uuid,
    script_id: Uuid,
    script_version_id: Uuid,
    trigger_kind: String,
    is_recheck: bool,
    scheduled_at: Option<DateTime<Utc>>,
    executed_at: DateTime<Utc>,
    duration_ms: f64,
    status: String,
    error_class: Option<String>,
    missed_reason: Option<String>,
    message: Option<String>,
    result: Option<Json<Verdict>>,
    latency_ms: Option<f64>,
    fuel_used: i64,
    peak_memory_bytes: i64,
    requests: Json<Vec<RequestRecord>>,
    steps: Json<Vec<Step>>,
    flags: Json<Vec<Flag>>,
}

impl ExecutionRow {
    fn into_parts(self) -> Result<(ExecutionSummary, Vec<RequestRecord>, Vec<Step>), StoreError> {
        let id = self.id;
        let corrupt = |what: String| StoreError::corrupt("script_executions", &id, &what);
        let amount = |value: i64| u64::try_from(value).map_err(|error| corrupt(error.to_string()));
        let summary = ExecutionSummary {
            id: ExecutionId::from_uuid(id),
            script_id: ScriptId::from_uuid(self.script_id),
            version_id: ScriptVersionId::from_uuid(self.script_version_id),
            trigger: match self.trigger_kind.as_str() {
                "schedule" => Trigger::of_slot(self.is_recheck),
                "manual" => Trigger::Manual,
                other => return Err(corrupt(format!("trigger `{other}`"))),
            },
            scheduled_at: self.scheduled_at,
            executed_at: self.executed_at,
            duration_ms: self.duration_ms,
            status: Status::from_str(&self.status).map_err(|error| corrupt(error.to_string()))?,
            error_class: self
                .error_class
                .map(|class| ErrorClass::from_str(&class))
                .transpose()
                .map_err(|error| corrupt(error.to_string()))?,
            missed_reason: self
                .missed_reason
                .map(|reason| MissedReason::from_str(&reason))
                .transpose()
                .map_err(|error| corrupt(error.to_string()))?,
            message: self.message,
            result: self.result.map(|result| result.0),
            latency_ms: self.latency_ms,
            fuel_used: amount(self.fuel_used)?,
            peak_memory_bytes: amount(self.peak_memory_bytes)?,
            flags: self.flags.0,
        };
        Ok((summary, self.requests.0, self.steps.0))
    }
}

#[derive(FromRow)]
struct LogRow {
    log_level: String,
    message: String,
    timestamp: DateTime<Utc>,
}

impl Store {
    /// Keeps an execution as running, before it begins.
    pub async fn insert_manual_execution(&self, new: &ManualExecution) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            sqlx::query(INSERT_MANUAL)
                .bind(new.execution_id.as_uuid())
                .bind(new.org_id.as_uuid())
                .bind(new.script_id.as_uuid())
                .bind(new.version_id.as_uuid())
                .bind(DEFAULT_LOCATION)
                .bind(new.started_by.as_uuid())
                .bind(new.executed_at)
                .bind(Json(Vec::<RequestRecord>::new()))
                .bind(Json(Vec::<Step>::new()))
                .bind(Json(Vec::<Flag>::new()))
                .bind(new.leased_until)
                .execute(&mut *tx)
                .await?;
            let after = json!({ "execution_id": new.execution_id });
            let made = Event::made(AuditAction::ScriptRun, new.script_id, after);
            audit!(self, tx, new.org_id, made);
        });
        Ok(())
    }

    /// Keeps what came of it. `false`: it was not running any more, and nothing was changed.
    pub async fn finish_manual_execution(
        &self,
        org: OrgId,
        id: ExecutionId,
        outcome: &Outcome,
    ) -> Result<bool, StoreError> {
        Ok(in_tx!(self, D, tx => {
            let finished = sqlx::query(FINISH_MANUAL)
                .bind(outcome.duration_ms)
                .bind(outcome.status.as_str())
                .bind(outcome.error_class.map(ErrorClass::as_str))
                .bind(&outcome.message)
                .bind(outcome.result.as_ref().map(Json))
                .bind(outcome.latency_ms)
                .bind(count(outcome.fuel_used))
                .bind(count(outcome.peak_memory_bytes))
                .bind(Json(&outcome.requests))
                .bind(Json(&outcome.steps))
                .bind(Json(&outcome.flags))
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let lines: Vec<_> =
                (0_i64..).zip(&outcome.logs).map(|(number, line)| (id.as_uuid(), number, line)).collect();
            if finished > 0 && !lines.is_empty() {
                // At most a thousand lines of five values each.
                for lines in lines.chunks(500) {
                    let mut insert = QueryBuilder::<D>::new("");
                    push_logs(&mut insert, lines);
                    insert.build().execute(&mut *tx).await?;
                }
            }
            if finished > 0 {
                keep_recording!(tx, org, id, outcome);
                let executed_at: DateTime<Utc> = sqlx::query_scalar(EXECUTED_AT)
                    .bind(org.as_uuid())
                    .bind(id.as_uuid())
                    .fetch_one(&mut *tx)
                    .await?;
                add_usage!(D, tx, [(org, executed_at, outcome)]);
            }
            finished > 0
        }))
    }

    /// Ends executions that still count as running although their time is over by `now`. A
    /// process that knows that it is alone passes the end of time.
    pub async fn fail_interrupted_executions(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        // As text, later years begin with a `+` and would sort before all others.
        let last = Utc.with_ymd_and_hms(9999, 12, 31, 23, 59, 59).single();
        let now = last.map_or(now, |last| now.min(last));
        Ok(in_tx!(self, tx => {
            sqlx::query(FAIL_INTERRUPTED)
                .bind(INTERRUPTED)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected()
        }))
    }

    /// One page of a script's executions, newest first.
    pub async fn list_executions(
        &self,
        org: OrgId,
        script: ScriptId,
        page: PageRequest,
    ) -> Result<Page<ExecutionSummary>, StoreError> {
        let rows: Vec<ExecutionRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_EXECUTIONS)
                .bind(org.as_uuid())
                .bind(script.as_uuid())
                .bind(page.before())
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?
        });
        let items: Vec<_> = rows
            .into_iter()
            .map(|row| row.into_parts().map(|(summary, ..)| summary))
            .collect::<Result<_, _>>()?;
        Ok(page.page(items, |summary| summary.id.as_uuid()))
    }

    /// One execution of an organization, in full.
    pub async fn get_execution(
        &self,
        org: OrgId,
        id: ExecutionId,
    ) -> Result<Option<Execution>, StoreError> {
        let row: Option<ExecutionRow> = on_db!(self, pool => {
            sqlx::query_as(GET_EXECUTION)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(pool)
                .await?
        });
        let Some(row) = row else { return Ok(None) };
        let (summary, requests, steps) = row.into_parts()?;
        let rows: Vec<LogRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_LOGS)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_all(pool)
                .await?
        });
        let logs = rows.into_iter().map(|row| {
            let log_level = LogLevel::from_str(&row.log_level)
                .map_err(|error| StoreError::corrupt("script_execution_logs", &id, &error))?;
            Ok(LogLine {
                log_level,
                message: row.message,
                timestamp: row.timestamp,
            })
        });
        let logs = logs.collect::<Result<_, StoreError>>()?;
        Ok(Some(Execution {
            summary,
            requests,
            steps,
            logs,
        }))
    }
}
