//! `GET /api/v1/notification-channels/{channel_id}`

use axum::{Json, extract::State, response::IntoResponseParts};
use vedette_core::ChannelId;

use super::{ChannelView, destination};
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
    v1::revision::etag,
};

/// One notification channel
///
/// What its settings keep secret is not shown.
#[utoipa::path(get, path = "/api/v1/notification-channels/{channel_id}", tag = "notifications",
    security(("bearer" = [])), params(("channel_id" = uuid::Uuid, Path)),
    responses((status = 200, body = ChannelView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_channel(
    State(state): State<ApiState>,
    caller: May<need::ChannelRead>,
    PathId(id): PathId<ChannelId>,
) -> Result<(impl IntoResponseParts, Json<ChannelView>), Problem> {
    let opened = state.store.open_channel(caller.org_id, id).await?;
    let opened = opened.ok_or_else(Problem::not_found)?;
    let destination = destination(&opened);
    let view = ChannelView::new(opened.channel, destination);
    Ok((etag(view.revision), Json(view)))
}
