//! `GET /api/v1/executions/{execution_id}`

use axum::{Json, extract::State};
use vedette_core::ExecutionId;

use super::ExecutionView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// One execution, with its requests, its steps and its log
#[utoipa::path(get, path = "/api/v1/executions/{execution_id}", tag = "executions",
    security(("bearer" = [])), params(("execution_id" = uuid::Uuid, Path)),
    responses((status = 200, body = ExecutionView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_execution(
    State(state): State<ApiState>,
    caller: May<need::ExecutionRead>,
    PathId(id): PathId<ExecutionId>,
) -> Result<Json<ExecutionView>, Problem> {
    let project = state.store.project_of_execution(caller.org_id, id).await?;
    caller.check_in(project.ok_or_else(Problem::not_found)?)?;
    let execution = state.store.get_execution(caller.org_id, id).await?;
    Ok(Json(execution.ok_or_else(Problem::not_found)?.into()))
}
