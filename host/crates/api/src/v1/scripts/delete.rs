//! `DELETE /api/v1/scripts/{script_id}`

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use vedette_core::ScriptId;

use super::{Expected, if_match};
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// Deletes a script
///
/// Its versions and executions go with it. With `If-Match`, only if nobody changed it since.
#[utoipa::path(delete, path = "/api/v1/scripts/{script_id}", tag = "scripts",
    security(("bearer" = [])), params(("script_id" = uuid::Uuid, Path),
        ("If-Match" = Option<String>, Header, description = "the ETag that was read")),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn delete_script(
    State(state): State<ApiState>,
    caller: May<need::ScriptDelete>,
    PathId(id): PathId<ScriptId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let project = state.store.project_of_script(caller.org_id, id).await?;
    caller.check_in(project.ok_or_else(Problem::not_found)?)?;
    match if_match(&headers) {
        Expected::Any => {}
        Expected::Nothing => return Err(Problem::stale()),
        // A change between this look and the deletion is not seen: the store deletes whatever is
        // there. It guards against what was read long ago, which is what it is sent for.
        Expected::Revision(revision) => {
            let script = state.store.get_script(caller.org_id, id).await?;
            if script.ok_or_else(Problem::not_found)?.revision != revision {
                return Err(Problem::stale());
            }
        }
    }
    if caller.store.delete_script(caller.org_id, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
