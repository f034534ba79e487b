//! `GET /api/v1/executions/{execution_id}/recording`

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use vedette_core::ExecutionId;

use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// What the run was told, for `vedette replay`
///
/// Kept for executions that are no success and for the first success after one, as long as the
/// script has no ten newer ones. It holds answers of the target, and no values of variables.
#[utoipa::path(get, path = "/api/v1/executions/{execution_id}/recording", tag = "executions",
    security(("bearer" = [])), params(("execution_id" = uuid::Uuid, Path)),
    responses((status = 200, body = serde_json::Value, description = "A recording"),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(crate) async fn get_recording(
    State(state): State<ApiState>,
    caller: May<need::ExecutionRead>,
    PathId(id): PathId<ExecutionId>,
) -> Result<Response, Problem> {
    let project = state.store.project_of_execution(caller.org_id, id).await?;
    caller.check_in(project.ok_or_else(Problem::not_found)?)?;
    let recording = state.store.get_recording(caller.org_id, id).await?;
    let text = recording.ok_or_else(Problem::not_found)?;
    // As it was stored: it is JSON, and may be large.
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}
