//! `POST /api/v1/scripts`

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::AppendHeaders,
};
use vedette_core::ScriptId;
use vedette_store::NewScript;

use super::{ScriptView, body::ScriptBody, etag};
use crate::{
    ApiState,
    auth::{May, need},
    extract::JsonBody,
    problem::Problem,
};

/// Makes a script
///
/// A source is compiled before it is stored. The script is scheduled at once unless `is_enabled` is false. It
/// gets a copy of each default alert rule of its project unless `default_alert_rules` is false.
#[utoipa::path(post, path = "/api/v1/scripts", tag = "scripts", security(("bearer" = [])),
    request_body = ScriptBody,
    responses((status = 201, body = ScriptView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn create_script(
    State(state): State<ApiState>,
    caller: May<need::ScriptCreate>,
    JsonBody(body): JsonBody<ScriptBody>,
) -> Result<
    (
        StatusCode,
        impl axum::response::IntoResponseParts,
        AppendHeaders<[(HeaderName, String); 1]>,
        Json<ScriptView>,
    ),
    Problem,
> {
    let id = ScriptId::generate(state.clock.as_ref());
    let has_default_rules = body.default_alert_rules.unwrap_or(true);
    let change = body.check(&state, &caller, id, None).await?;
    let new = NewScript {
        id,
        org_id: caller.org_id,
        has_default_rules,
        content: change,
    };
    let script = caller.store.create_script(new).await?;
    state.engine.schedule_changed();
    let location = AppendHeaders([(header::LOCATION, format!("/api/v1/scripts/{id}"))]);
    Ok((
        StatusCode::CREATED,
        etag(script.revision),
        location,
        Json(script.into()),
    ))
}
