//! `PUT /api/v1/projects/{project_id}`

use axum::{Json, extract::State};
use vedette_core::ProjectId;

use super::{ProjectBody, ProjectView};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::Problem,
};

/// Renames a project
#[utoipa::path(put, path = "/api/v1/projects/{project_id}", tag = "projects",
    security(("bearer" = [])), params(("project_id" = uuid::Uuid, Path)),
    request_body = ProjectBody,
    responses((status = 200, body = ProjectView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn update_project(
    State(state): State<ApiState>,
    caller: May<need::ProjectUpdate>,
    PathId(id): PathId<ProjectId>,
    JsonBody(body): JsonBody<ProjectBody>,
) -> Result<Json<ProjectView>, Problem> {
    let org = caller.org_id;
    let found = state.store.get_project(org, id).await?;
    caller.check_in(found.ok_or_else(Problem::not_found)?.id)?;
    let name = body.check()?;
    caller.store.rename_project(org, id, &name).await?;
    let project = state.store.get_project(org, id).await?;
    Ok(Json(project.ok_or_else(Problem::not_found)?.into()))
}
