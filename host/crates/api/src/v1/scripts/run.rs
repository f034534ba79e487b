//! `POST /api/v1/scripts/{script_id}/run`

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::TimeDelta;
use tracing::Instrument as _;
use vedette_core::{ErrorClass, ExecutionId, Outcome, ScriptId};
use vedette_store::{Execution, ManualExecution};

use crate::{
    ApiState, RunNow,
    auth::{May, need},
    extract::{NoBody, PathId},
    manual_runs::Ticket,
    problem::Problem,
    v1::executions::ExecutionView,
};

/// How long a run may wait for its place, and its outcome for the database, before it counts as
/// interrupted.
const GRACE: TimeDelta = TimeDelta::minutes(2);

/// Tries to keep an outcome: with the pauses between them about half a minute.
const TRIES: u32 = 8;

/// Runs a script now
///
/// Answers with the finished execution; with `Prefer: respond-async` at once, with the place
/// where the execution will be.
#[utoipa::path(post, path = "/api/v1/scripts/{script_id}/run", tag = "scripts",
    security(("bearer" = [])), params(("script_id" = uuid::Uuid, Path),
        ("Prefer" = Option<String>, Header, description = "`respond-async` (RFC 7240)")),
    responses((status = 200, body = ExecutionView), (status = 202, body = ExecutionView),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn run_script(
    State(state): State<ApiState>,
    caller: May<need::ScriptRun>,
    PathId(id): PathId<ScriptId>,
    headers: HeaderMap,
    _: NoBody,
) -> Result<Response, Problem> {
    let script = state
        .store
        .get_script(caller.org_id, id)
        .await?
        .ok_or_else(Problem::not_found)?;
    caller.check_in(script.project_id)?;
    let now = state.clock.now();
    if let Some((quota, limit, until)) = state.store.used_up(caller.org_id, now).await? {
        return Err(Problem::used_up(quota, limit, until - now));
    }
    // Before the row is made: a run that cannot have its variables does not begin.
    let env_vars = state.store.get_environment(&script).await?;
    let ticket = state.manual_runs.admit(caller.org_id).ok_or_else(|| {
        Problem::unavailable("too many runs by hand wait already; none was begun")
    })?;
    let new = ManualExecution {
        execution_id: ExecutionId::generate(state.clock.as_ref()),
        org_id: caller.org_id,
        script_id: id,
        version_id: script.version_id,
        started_by: caller.user.id,
        executed_at: now,
        leased_until: now + TimeDelta::seconds(script.timeout_seconds.into()) + GRACE,
    };
    caller.store.insert_manual_execution(&new).await?;
    // Only what the run needs: it may wait for long, and sources are large.
    let run = RunNow {
        execution_id: new.execution_id,
        org_id: new.org_id,
        script_id: new.script_id,
        version_id: new.version_id,
        script_name: script.name,
        parameters: script.parameters,
        env_vars,
        timeout: Duration::from_secs(script.timeout_seconds.into()),
    };
    drop(script.program);
    // A task of its own: the run ends and is kept although the client has gone.
    let running = tokio::spawn(run_and_keep(state.clone(), run, ticket).in_current_span());
    if prefers_async(&headers) {
        let location = format!("/api/v1/executions/{}", new.execution_id);
        let execution = read(&state, &new).await?;
        let body = Json(ExecutionView::from(execution));
        return Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], body).into_response());
    }
    running.await.map_err(|_| Problem::panicked())??;
    Ok(Json(ExecutionView::from(read(&state, &new).await?)).into_response())
}

async fn run_and_keep(state: ApiState, run: RunNow, _ticket: Ticket) -> Result<(), Problem> {
    let (org, execution) = (run.org_id, run.execution_id);
    let engine = state.engine.clone();
    let outcome = tokio::spawn(async move { engine.run_now(run).await }.in_current_span())
        .await
        .unwrap_or_else(|error| {
            tracing::error!(%error, execution.id = %execution, "a run panicked");
            Outcome::error(
                ErrorClass::PlatformError,
                "the platform failed to run the script",
            )
        });
    let mut pause = Duration::from_millis(100);
    for _ in 1..TRIES {
        match state
            .store
            .finish_manual_execution(org, execution, &outcome)
            .await
        {
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, execution.id = %execution, "an outcome waits");
                tokio::time::sleep_until(tokio::time::Instant::now() + pause).await;
                pause *= 2;
            }
            kept => return kept.map(drop).map_err(Into::into),
        }
    }
    let kept = state
        .store
        .finish_manual_execution(org, execution, &outcome)
        .await;
    kept.map(drop).map_err(Into::into)
}

async fn read(state: &ApiState, new: &ManualExecution) -> Result<Execution, Problem> {
    let execution = state
        .store
        .get_execution(new.org_id, new.execution_id)
        .await?;
    // Deleted with its script while it ran.
    execution.ok_or_else(Problem::not_found)
}

/// RFC 7240 section 4.1.
fn prefers_async(headers: &HeaderMap) -> bool {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|preference| preference.trim().eq_ignore_ascii_case("respond-async"))
}
