//! `POST /api/v1/projects`

use axum::{Json, extract::State, http::StatusCode};
use vedette_core::ProjectId;
use vedette_store::Project;

use super::{ProjectBody, ProjectView};
use crate::{
    ApiState,
    auth::{May, need},
    extract::JsonBody,
    problem::Problem,
};

/// Projects that an organization may have.
const MOST_PROJECTS: u32 = 200;
/// Seconds after which to try again.
const RETRY_AFTER: u16 = 3_600;

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
    let made = caller
        .store
        .create_project(caller.org_id, &project, MOST_PROJECTS)
        .await?;
    if made {
        Ok((StatusCode::CREATED, Json(project.into())))
    } else {
        let detail = format!("the organization has {MOST_PROJECTS} projects; delete one");
        Err(Problem::quota_exceeded(detail, RETRY_AFTER))
    }
}
