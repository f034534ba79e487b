//! `GET /api/v1/scripts/{script_id}`

use axum::{Json, extract::State, response::IntoResponseParts};
use vedette_core::ScriptId;

use super::{ScriptView, etag};
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// One script
#[utoipa::path(get, path = "/api/v1/scripts/{script_id}", tag = "scripts",
    security(("bearer" = [])), params(("script_id" = uuid::Uuid, Path)),
    responses((status = 200, body = ScriptView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_script(
    State(state): State<ApiState>,
    caller: May<need::ScriptRead>,
    PathId(id): PathId<ScriptId>,
) -> Result<(impl IntoResponseParts, Json<ScriptView>), Problem> {
    let script = state
        .store
        .get_script(caller.org_id, id)
        .await?
        .ok_or_else(Problem::not_found)?;
    caller.check_in(script.project_id)?;
    Ok((etag(script.revision), Json(script.into())))
}
