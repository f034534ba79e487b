//! `PUT /api/v1/scripts/{script_id}`

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponseParts};
use vedette_core::ScriptId;
use vedette_store::Updated;

use super::{Expected, ScriptView, body::ScriptBody, etag, if_match};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::Problem,
};

/// Replaces a script
///
/// With `If-Match`, only if nobody changed it since. Another `script_body`, `language` or
/// `component` makes a new version.
#[utoipa::path(put, path = "/api/v1/scripts/{script_id}", tag = "scripts",
    security(("bearer" = [])), request_body = ScriptBody, params(("script_id" = uuid::Uuid, Path),
        ("If-Match" = Option<String>, Header, description = "the ETag that was read")),
    responses((status = 200, body = ScriptView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn update_script(
    State(state): State<ApiState>,
    caller: May<need::ScriptUpdate>,
    PathId(id): PathId<ScriptId>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<ScriptBody>,
) -> Result<(impl IntoResponseParts, Json<ScriptView>), Problem> {
    let expected = match if_match(&headers) {
        Expected::Any => None,
        Expected::Revision(revision) => Some(revision),
        Expected::Nothing => return Err(Problem::stale()),
    };
    // Before the body is judged, so that a foreign id tells nothing.
    let old = state.store.get_script(caller.org_id, id).await?;
    let old = old.ok_or_else(Problem::not_found)?;
    caller.check_in(old.project_id)?;
    let change = body.check(&state, &caller, id, Some(&old)).await?;
    let script = match caller
        .store
        .update_script(caller.org_id, id, change, expected)
        .await?
    {
        Updated::Done(script) => *script,
        Updated::NotFound => return Err(Problem::not_found()),
        Updated::Stale => return Err(Problem::stale()),
    };
    state.engine.schedule_changed();
    Ok((etag(script.revision), Json(script.into())))
}
