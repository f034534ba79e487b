//! `POST /api/v1/scripts/{script_id}/alert-rules`

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{AppendHeaders, IntoResponseParts},
};
use vedette_core::{AlertRuleId, ScriptId};
use vedette_store::{CreatedRule, MAX_RULES, NewAlertRule};

use super::{AlertRuleView, body::AlertRuleBody, check_script, follow_up};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::Problem,
    v1::revision::etag,
};

/// Seconds after which to try again.
const RETRY_AFTER: u16 = 3_600;

/// Makes an alert rule of a script
///
/// It looks at the executions whose slots come from now on. No part of a definition is ever ignored:
/// what is not understood is refused.
#[utoipa::path(post, path = "/api/v1/scripts/{script_id}/alert-rules", tag = "alerts",
    security(("bearer" = [])), request_body = AlertRuleBody, params(("script_id" = uuid::Uuid, Path)),
    responses((status = 201, body = AlertRuleView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn create_alert_rule(
    State(state): State<ApiState>,
    caller: May<need::AlertManage>,
    PathId(script_id): PathId<ScriptId>,
    JsonBody(body): JsonBody<AlertRuleBody>,
) -> Result<
    (
        StatusCode,
        impl IntoResponseParts,
        AppendHeaders<[(HeaderName, String); 1]>,
        Json<AlertRuleView>,
    ),
    Problem,
> {
    // Before the body is judged, so that a foreign id tells nothing.
    check_script(&state, &caller, script_id).await?;
    let new = NewAlertRule {
        id: AlertRuleId::generate(state.clock.as_ref()),
        org_id: caller.org_id,
        script_id,
        content: body.check()?,
        created_by: caller.user.id,
        created_at: state.clock.now(),
    };
    let steps = new.content.follow_up.escalation.clone();
    let rule = match caller.store.create_alert_rule(new).await? {
        CreatedRule::Done(rule) => rule,
        CreatedRule::NoScript => return Err(Problem::not_found()),
        CreatedRule::NoChannel(missing) => return Err(follow_up::no_channel(&steps, missing)),
        CreatedRule::TooMany => {
            let detail = format!("this script has {MAX_RULES} alert rules already; delete one");
            return Err(Problem::quota_exceeded(detail, RETRY_AFTER));
        }
    };
    let path = format!("/api/v1/alert-rules/{}", rule.id);
    let location = AppendHeaders([(header::LOCATION, path)]);
    let etag = etag(rule.revision);
    let view = AlertRuleView::new(rule, Vec::new());
    Ok((StatusCode::CREATED, etag, location, Json(view)))
}
