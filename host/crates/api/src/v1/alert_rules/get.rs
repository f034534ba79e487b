//! `GET /api/v1/alert-rules/{rule_id}`

use axum::{Json, extract::State, response::IntoResponseParts};
use vedette_core::AlertRuleId;

use super::{AlertRuleView, find_rule, one_with_channels};
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
    v1::revision::etag,
};

/// One alert rule, and where it stands
#[utoipa::path(get, path = "/api/v1/alert-rules/{rule_id}", tag = "alerts",
    security(("bearer" = [])), params(("rule_id" = uuid::Uuid, Path)),
    responses((status = 200, body = AlertRuleView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_alert_rule(
    State(state): State<ApiState>,
    caller: May<need::AlertRead>,
    PathId(id): PathId<AlertRuleId>,
) -> Result<(impl IntoResponseParts, Json<AlertRuleView>), Problem> {
    let rule = find_rule(&state, &caller, id).await?;
    let view = one_with_channels(&state, caller.org_id, rule).await?;
    Ok((etag(view.revision), Json(view)))
}
