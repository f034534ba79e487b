//! `GET /api/v1/scripts/{script_id}`

use axum::{Json, extract::State, response::IntoResponseParts};
use vedette_core::ScriptId;

use super::{ScriptView, etag};
use crate::{
    ApiState,
    auth::{Action, SignedIn, authorize},
    extract::PathId,
    problem::Problem,
};

/// One script
#[utoipa::path(get, path = "/api/v1/scripts/{script_id}", tag = "scripts",
    security(("bearer" = [])), params(("script_id" = uuid::Uuid, Path)),
    responses((status = 200, body = ScriptView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_script(
    State(state): State<ApiState>,
    SignedIn(caller): SignedIn,
    PathId(id): PathId<ScriptId>,
) -> Result<(impl IntoResponseParts, Json<ScriptView>), Problem> {
    authorize(&caller, Action::Read)?;
    let script = state
        .store
        .get_script(caller.org_id, id)
        .await?
        .ok_or_else(Problem::not_found)?;
    Ok((etag(script.revision), Json(script.into())))
}
