//! `DELETE /api/v1/alert-rules/{rule_id}`

use axum::{extract::State, http::StatusCode};
use vedette_core::AlertRuleId;

use super::find_rule;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// Deletes an alert rule
///
/// It leaves its incident; when and why it fired stays in the history.
#[utoipa::path(delete, path = "/api/v1/alert-rules/{rule_id}", tag = "alerts",
    security(("bearer" = [])), params(("rule_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn delete_alert_rule(
    State(state): State<ApiState>,
    caller: May<need::AlertManage>,
    PathId(id): PathId<AlertRuleId>,
) -> Result<StatusCode, Problem> {
    find_rule(&state, &caller, id).await?;
    let now = state.clock.now();
    let deleted = caller.store.delete_alert_rule(caller.org_id, id, now);
    if deleted.await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
