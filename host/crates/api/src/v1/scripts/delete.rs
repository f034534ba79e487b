//! `DELETE /api/v1/scripts/{script_id}`

use axum::{extract::State, http::StatusCode};
use vedette_core::ScriptId;

use crate::{
    ApiState,
    auth::{Action, SignedIn, authorize},
    extract::PathId,
    problem::Problem,
};

/// Deletes a script
///
/// Its versions and executions go with it.
#[utoipa::path(delete, path = "/api/v1/scripts/{script_id}", tag = "scripts",
    security(("bearer" = [])), params(("script_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn delete_script(
    State(state): State<ApiState>,
    SignedIn(caller): SignedIn,
    PathId(id): PathId<ScriptId>,
) -> Result<StatusCode, Problem> {
    authorize(&caller, Action::WriteScripts)?;
    if state.store.delete_script(caller.org_id, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
