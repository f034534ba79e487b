//! `GET /api/v1/projects`

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::ProjectView;
use crate::{
    ApiState,
    auth::{May, need},
    problem::Problem,
};

/// All projects in which the caller sees scripts.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProjectList {
    items: Vec<ProjectView>,
}

/// Lists the projects in which the caller sees scripts, the oldest first
#[utoipa::path(get, path = "/api/v1/projects", tag = "projects", security(("bearer" = [])),
    responses((status = 200, body = ProjectList), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(crate) async fn list_projects(
    State(state): State<ApiState>,
    caller: May<need::ScriptRead>,
) -> Result<Json<ProjectList>, Problem> {
    let projects = state
        .store
        .list_projects(caller.org_id, &caller.projects())
        .await?;
    let items = projects.into_iter().map(ProjectView::from).collect();
    Ok(Json(ProjectList { items }))
}
