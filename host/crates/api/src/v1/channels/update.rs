//! `PUT /api/v1/notification-channels/{channel_id}`

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponseParts};
use vedette_core::ChannelId;
use vedette_store::{ChannelChange, UpdatedChannel};

use super::{
    ChannelView,
    body::{ChannelBody, check},
    settings,
};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::Problem,
    v1::revision::{Expected, etag, if_match},
};

/// Changes a notification channel
///
/// Its type stays, and so do secrets that are left out, unless the channel goes to another host: they were
/// meant for the old one. With `If-Match`, only if nobody changed it since.
#[utoipa::path(put, path = "/api/v1/notification-channels/{channel_id}", tag = "notifications",
    security(("bearer" = [])), request_body = ChannelBody, params(("channel_id" = uuid::Uuid, Path),
        ("If-Match" = Option<String>, Header, description = "the ETag that was read")),
    responses((status = 200, body = ChannelView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn update_channel(
    State(state): State<ApiState>,
    caller: May<need::ChannelManage>,
    PathId(id): PathId<ChannelId>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<ChannelBody>,
) -> Result<(impl IntoResponseParts, Json<ChannelView>), Problem> {
    // Before the body is judged, so that a foreign id tells nothing.
    let opened = state.store.open_channel(caller.org_id, id).await?;
    let opened = opened.ok_or_else(Problem::not_found)?;
    let revision = opened.channel.revision;
    match if_match(&headers) {
        Expected::Revision(expected) if expected != revision => return Err(Problem::stale()),
        Expected::Nothing => return Err(Problem::stale()),
        Expected::Any | Expected::Revision(_) => {}
    }
    let old = settings(&opened).map_err(|error| Problem::internal(&error))?;
    let new = check(&body.name, old.update(&body.config, &state.channel_policy))?;
    let parts = new.split();
    let change = ChannelChange {
        name: body.name,
        config: parts.public,
        secret: Some(parts.secret),
        is_enabled: body.is_enabled.unwrap_or(true),
        changed_at: state.clock.now(),
    };
    // Secrets that stay are those of this revision.
    let updated = caller
        .store
        .update_channel(caller.org_id, id, change, Some(revision));
    match updated.await? {
        UpdatedChannel::Done(channel) => {
            let view = ChannelView::new(channel, Some(new.destination()));
            Ok((etag(view.revision), Json(view)))
        }
        UpdatedChannel::NotFound => Err(Problem::not_found()),
        UpdatedChannel::Stale => Err(Problem::stale()),
    }
}
