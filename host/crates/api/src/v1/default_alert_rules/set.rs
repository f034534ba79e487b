//! `PUT /api/v1/projects/{project_id}/default-alert-rules`

use axum::{Json, extract::State};
use vedette_core::ProjectId;
use vedette_store::SetDefaultRules;

use super::{
    DefaultRulesView,
    body::{DefaultRulesBody, no_channel},
    check_project,
};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::Problem,
};

/// Sets the alert rules that scripts of a project begin with
///
/// In place of all those before. A script that is made in the project from now on gets a copy of each, which is
/// its own; rules that scripts have already stay as they are.
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/default-alert-rules", tag = "alerts",
    security(("bearer" = [])), request_body = DefaultRulesBody, params(("project_id" = uuid::Uuid, Path)),
    responses((status = 200, body = DefaultRulesView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn set_default_alert_rules(
    State(state): State<ApiState>,
    caller: May<need::AlertManage>,
    PathId(id): PathId<ProjectId>,
    JsonBody(body): JsonBody<DefaultRulesBody>,
) -> Result<Json<DefaultRulesView>, Problem> {
    // Before the body is judged, so that a foreign id tells nothing.
    check_project(&state, &caller, id).await?;
    let rules = body.check()?;
    let set = caller
        .store
        .set_default_rules(caller.org_id, id, rules.clone());
    match set.await? {
        SetDefaultRules::Done(rules) => Ok(Json(rules.into())),
        SetDefaultRules::NoProject => Err(Problem::not_found()),
        SetDefaultRules::NoChannel(missing) => Err(no_channel(&rules, missing)),
    }
}
