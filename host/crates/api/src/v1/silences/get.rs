//! `GET /api/v1/silences/{silence_id}`

use axum::{Json, extract::State, response::IntoResponseParts};
use vedette_core::SilenceId;

use super::{SilenceView, find_silence};
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
    v1::revision::etag,
};

/// One silence
#[utoipa::path(get, path = "/api/v1/silences/{silence_id}", tag = "maintenance",
    security(("bearer" = [])), params(("silence_id" = uuid::Uuid, Path)),
    responses((status = 200, body = SilenceView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_silence(
    State(state): State<ApiState>,
    caller: May<need::MaintenanceRead>,
    PathId(id): PathId<SilenceId>,
) -> Result<(impl IntoResponseParts, Json<SilenceView>), Problem> {
    let silence = find_silence(&state, &caller, id).await?;
    let etag = etag(silence.revision);
    Ok((etag, Json(SilenceView::of(silence, state.clock.now()))))
}
