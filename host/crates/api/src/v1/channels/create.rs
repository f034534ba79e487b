//! `POST /api/v1/notification-channels`

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{AppendHeaders, IntoResponseParts},
};
use vedette_alerting::{Channel, ChannelKind};
use vedette_core::ChannelId;
use vedette_store::{CreatedChannel, MAX_CHANNELS, NewChannel};

use super::{
    ChannelView,
    body::{NewChannelBody, check},
    no_mail,
};
use crate::{
    ApiState,
    auth::{May, need},
    extract::JsonBody,
    problem::Problem,
    v1::revision::etag,
};

/// Seconds after which to try again.
const RETRY_AFTER: u16 = 3_600;

/// Makes a notification channel
///
/// Which settings a type has is in the documentation. They are checked all at once; what they keep secret
/// is encrypted and never given back. Addresses are on the public internet, unless the installation allows
/// others. Mail needs an installation that sends mail: otherwise the answer is 409.
#[utoipa::path(post, path = "/api/v1/notification-channels", tag = "notifications",
    security(("bearer" = [])), request_body = NewChannelBody,
    responses((status = 201, body = ChannelView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn create_channel(
    State(state): State<ApiState>,
    caller: May<need::ChannelManage>,
    JsonBody(body): JsonBody<NewChannelBody>,
) -> Result<
    (
        StatusCode,
        impl IntoResponseParts,
        AppendHeaders<[(HeaderName, String); 1]>,
        Json<ChannelView>,
    ),
    Problem,
> {
    let settings = Channel::read(&body.kind, &body.config, &state.channel_policy);
    let settings = check(&body.name, settings)?;
    if settings.kind() == ChannelKind::Email && state.outbox.is_none() {
        return Err(no_mail());
    }
    let parts = settings.split();
    let new = NewChannel {
        id: ChannelId::generate(state.clock.as_ref()),
        org_id: caller.org_id,
        owner_id: caller.user.id,
        name: body.name,
        kind: body.kind,
        config: parts.public,
        secret: parts.secret,
        is_enabled: body.is_enabled.unwrap_or(true),
        created_at: state.clock.now(),
    };
    let channel = match caller.store.create_channel(new).await? {
        CreatedChannel::Done(channel) => channel,
        CreatedChannel::TooMany => {
            let detail = format!(
                "the organization has {MAX_CHANNELS} notification channels already; delete one"
            );
            return Err(Problem::quota_exceeded(detail, RETRY_AFTER));
        }
    };
    let path = format!("/api/v1/notification-channels/{}", channel.id);
    let location = AppendHeaders([(header::LOCATION, path)]);
    let etag = etag(channel.revision);
    let view = ChannelView::new(channel, Some(settings.destination()));
    Ok((StatusCode::CREATED, etag, location, Json(view)))
}
