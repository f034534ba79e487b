//! `DELETE /api/v1/variables/{variable_id}`

use axum::{extract::State, http::StatusCode};
use vedette_core::VariableId;

use super::level::check_level;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// Deletes a variable
///
/// Runs that have begun still have it.
#[utoipa::path(delete, path = "/api/v1/variables/{variable_id}", tag = "variables",
    security(("bearer" = [])), params(("variable_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn delete_variable(
    State(state): State<ApiState>,
    caller: May<need::VariableManage>,
    PathId(id): PathId<VariableId>,
) -> Result<StatusCode, Problem> {
    let variable = state.store.get_variable(caller.org_id, id).await?;
    let level = variable.ok_or_else(Problem::not_found)?.level;
    check_level(&state, &caller, level).await?;
    if caller.store.delete_variable(caller.org_id, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
