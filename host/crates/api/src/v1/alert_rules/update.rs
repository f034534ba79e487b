//! `PUT /api/v1/alert-rules/{rule_id}`

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponseParts};
use vedette_core::AlertRuleId;
use vedette_store::UpdatedRule;

use super::{AlertRuleView, body::AlertRuleBody, find_rule, follow_up, one_with_channels};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::Problem,
    v1::revision::{Expected, etag, if_match},
};

/// Replaces an alert rule
///
/// With other numbers of the same kind it stays where it stands; with another kind, or disabled, it
/// leaves its incident. With `If-Match`, only if nobody changed it since.
#[utoipa::path(put, path = "/api/v1/alert-rules/{rule_id}", tag = "alerts",
    security(("bearer" = [])), request_body = AlertRuleBody, params(("rule_id" = uuid::Uuid, Path),
        ("If-Match" = Option<String>, Header, description = "the ETag that was read")),
    responses((status = 200, body = AlertRuleView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn update_alert_rule(
    State(state): State<ApiState>,
    caller: May<need::AlertManage>,
    PathId(id): PathId<AlertRuleId>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<AlertRuleBody>,
) -> Result<(impl IntoResponseParts, Json<AlertRuleView>), Problem> {
    let expected = match if_match(&headers) {
        Expected::Any => None,
        Expected::Revision(revision) => Some(revision),
        Expected::Nothing => return Err(Problem::stale()),
    };
    // Before the body is judged, so that a foreign id tells nothing.
    find_rule(&state, &caller, id).await?;
    let (content, now) = (body.check()?, state.clock.now());
    let steps = content.follow_up.escalation.clone();
    let updated = caller
        .store
        .update_alert_rule(caller.org_id, id, content, now, expected);
    match updated.await? {
        UpdatedRule::Done(rule) => {
            let view = one_with_channels(&state, caller.org_id, rule).await?;
            Ok((etag(view.revision), Json(view)))
        }
        UpdatedRule::NotFound => Err(Problem::not_found()),
        UpdatedRule::Stale => Err(Problem::stale()),
        UpdatedRule::NoChannel(missing) => Err(follow_up::no_channel(&steps, missing)),
    }
}
