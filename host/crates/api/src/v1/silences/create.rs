//! `POST /api/v1/silences`

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{AppendHeaders, IntoResponseParts},
};
use vedette_core::SilenceId;
use vedette_store::{CreatedSilence, MAX_SILENCES, NewSilence};

use super::{SilenceView, body::SilenceBody, check_project, unknown_project};
use crate::{
    ApiState,
    auth::{May, need},
    extract::JsonBody,
    problem::Problem,
    v1::revision::etag,
};

/// Seconds after which to try again.
const RETRY_AFTER: u16 = 3_600;

/// Makes a silence
///
/// While it is active, nobody is told of the alerts that all of its matchers match. What still fires when it ends is
/// told then. Uptime goes on counting.
#[utoipa::path(post, path = "/api/v1/silences", tag = "maintenance",
    security(("bearer" = [])), request_body = SilenceBody,
    responses((status = 201, body = SilenceView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn create_silence(
    State(state): State<ApiState>,
    caller: May<need::MaintenanceManage>,
    JsonBody(body): JsonBody<SilenceBody>,
) -> Result<
    (
        StatusCode,
        impl IntoResponseParts,
        AppendHeaders<[(HeaderName, String); 1]>,
        Json<SilenceView>,
    ),
    Problem,
> {
    let now = state.clock.now();
    let content = body.check(now)?;
    check_project(&state, &caller, content.project_id).await?;
    let new = NewSilence {
        id: SilenceId::generate(state.clock.as_ref()),
        org_id: caller.org_id,
        content,
        created_by: caller.user.id,
        created_at: now,
    };
    let silence = match caller.store.create_silence(new).await? {
        CreatedSilence::Done(silence) => silence,
        CreatedSilence::NoProject => return Err(Problem::invalid(vec![unknown_project()])),
        CreatedSilence::TooMany => {
            let detail = format!(
                "the organization has {MAX_SILENCES} silences that are not over; delete one"
            );
            return Err(Problem::quota_exceeded(detail, RETRY_AFTER));
        }
    };
    let path = format!("/api/v1/silences/{}", silence.id);
    let location = AppendHeaders([(header::LOCATION, path)]);
    let etag = etag(silence.revision);
    let view = SilenceView::of(silence, now);
    Ok((StatusCode::CREATED, etag, location, Json(view)))
}
