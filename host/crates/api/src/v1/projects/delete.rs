//! `DELETE /api/v1/projects/{project_id}`

use axum::{extract::State, http::StatusCode};
use vedette_core::ProjectId;
use vedette_store::Deleted;

use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// Deletes a project that has no scripts
#[utoipa::path(delete, path = "/api/v1/projects/{project_id}", tag = "projects",
    security(("bearer" = [])), params(("project_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn delete_project(
    State(state): State<ApiState>,
    caller: May<need::ProjectDelete>,
    PathId(id): PathId<ProjectId>,
) -> Result<StatusCode, Problem> {
    let found = state.store.get_project(caller.org_id, id).await?;
    caller.check_in(found.ok_or_else(Problem::not_found)?.id)?;
    match caller.store.delete_project(caller.org_id, id).await? {
        Deleted::Done => Ok(StatusCode::NO_CONTENT),
        Deleted::NotFound => Err(Problem::not_found()),
        Deleted::InUse => Err(Problem::in_use(
            "the project has scripts, or some that are being deleted; move or delete them first",
        )),
    }
}
