//! `DELETE /api/v1/variables/{variable_id}`

use axum::{extract::State, http::StatusCode};
use vedette_core::VariableId;

use crate::{
    ApiState,
    auth::{Action, SignedIn, authorize},
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
    SignedIn(caller): SignedIn,
    PathId(id): PathId<VariableId>,
) -> Result<StatusCode, Problem> {
    authorize(&caller, Action::WriteScripts)?;
    if state.store.delete_variable(caller.org_id, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
