//! `PUT /api/v1/silences/{silence_id}`

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponseParts};
use vedette_core::SilenceId;
use vedette_store::UpdatedSilence;

use super::{SilenceView, body::SilenceBody, check_project, find_silence, unknown_project};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::Problem,
    v1::revision::{Expected, etag, if_match},
};

/// Replaces a silence
///
/// It counts at once. With `If-Match`, only if nobody changed it since.
#[utoipa::path(put, path = "/api/v1/silences/{silence_id}", tag = "maintenance",
    security(("bearer" = [])), request_body = SilenceBody,
    params(("silence_id" = uuid::Uuid, Path),
        ("If-Match" = Option<String>, Header, description = "the ETag that was read")),
    responses((status = 200, body = SilenceView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn update_silence(
    State(state): State<ApiState>,
    caller: May<need::MaintenanceManage>,
    PathId(id): PathId<SilenceId>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SilenceBody>,
) -> Result<(impl IntoResponseParts, Json<SilenceView>), Problem> {
    let expected = match if_match(&headers) {
        Expected::Any => None,
        Expected::Revision(revision) => Some(revision),
        Expected::Nothing => return Err(Problem::stale()),
    };
    // Before the body is judged, so that a foreign id tells nothing.
    find_silence(&state, &caller, id).await?;
    let now = state.clock.now();
    let content = body.check(now)?;
    check_project(&state, &caller, content.project_id).await?;
    let updated = caller
        .store
        .update_silence(caller.org_id, id, content, now, expected);
    match updated.await? {
        UpdatedSilence::Done(silence) => {
            let etag = etag(silence.revision);
            Ok((etag, Json(SilenceView::of(silence, now))))
        }
        UpdatedSilence::NotFound => Err(Problem::not_found()),
        UpdatedSilence::NoProject => Err(Problem::invalid(vec![unknown_project()])),
        UpdatedSilence::Stale => Err(Problem::stale()),
    }
}
