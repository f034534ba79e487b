//! `POST /api/v1/projects`

use axum::{Json, extract::State, http::StatusCode};
use vedette_core::{ProjectId, Quota};
use vedette_store::Project;

use super::{ProjectBody, ProjectView};
use crate::{
    ApiState,
    auth::{May, need},
    extract::JsonBody,
    problem::Problem,
};

/// Makes a project
#[utoipa::path(post, path = "/api/v1/projects", tag = "projects", security(("bearer" = [])),
    request_body = ProjectBody,
    responses((status = 201, body = ProjectView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn create_project(
    State(state): State<ApiState>,
    caller: May<need::ProjectCreate>,
    JsonBody(body): JsonBody<ProjectBody>,
) -> Result<(StatusCode, Json<ProjectView>), Problem> {
    let project = Project {
        name: body.check()?,
        id: ProjectId::generate(state.clock.as_ref()),
        created_at: state.clock.now(),
    };
    let quotas = state.store.quotas_of(caller.org_id).await?;
    let most = quotas.limit(Quota::Projects).unwrap_or(u64::MAX);
    let most_projects = u32::try_from(most).unwrap_or(u32::MAX);
    let made = caller
        .store
        .create_project(caller.org_id, &project, most_projects)
        .await?;
    if made {
        Ok((StatusCode::CREATED, Json(project.into())))
    } else {
        Err(Problem::quota(Quota::Projects, most))
    }
}
