//! `GET /api/v1/projects/{project_id}/default-alert-rules`

use axum::{Json, extract::State};
use vedette_core::ProjectId;

use super::{DefaultRulesView, check_project};
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// The alert rules that scripts of a project begin with
///
/// Channels that were deleted are left out.
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/default-alert-rules", tag = "alerts",
    security(("bearer" = [])), params(("project_id" = uuid::Uuid, Path)),
    responses((status = 200, body = DefaultRulesView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_default_alert_rules(
    State(state): State<ApiState>,
    caller: May<need::AlertRead>,
    PathId(id): PathId<ProjectId>,
) -> Result<Json<DefaultRulesView>, Problem> {
    check_project(&state, &caller, id).await?;
    let rules = state.store.list_default_rules(caller.org_id, id).await?;
    Ok(Json(rules.ok_or_else(Problem::not_found)?.into()))
}
