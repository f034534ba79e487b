//! `POST /api/v1/notification-channels/{channel_id}/test`

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::AppendHeaders,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_alerting::sample;
use vedette_core::{ChannelId, NotificationId};
use vedette_store::NewNotification;

use crate::{
    ApiState,
    auth::{May, need},
    extract::{NoBody, PathId},
    problem::Problem,
};

/// Something that will be sent.
#[derive(Serialize, ToSchema)]
pub(crate) struct TestView {
    /// What came of it is in `GET /api/v1/notifications/{notification_id}`.
    notification_id: Uuid,
}

/// Tries a notification channel
///
/// A notification that says so is sent there, within a second. What came of it is in the delivery log, to
/// which `Location` leads. An organization has 20 of these, and another one every 30 seconds.
#[utoipa::path(post, path = "/api/v1/notification-channels/{channel_id}/test", tag = "notifications",
    security(("bearer" = [])), params(("channel_id" = uuid::Uuid, Path)),
    responses((status = 202, body = TestView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "The channel is disabled", body = Problem),
        (status = 413, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn test_channel(
    State(state): State<ApiState>,
    caller: May<need::ChannelManage>,
    PathId(channel_id): PathId<ChannelId>,
    _: NoBody,
) -> Result<
    (
        StatusCode,
        AppendHeaders<[(HeaderName, String); 1]>,
        Json<TestView>,
    ),
    Problem,
> {
    let org_id = caller.org_id;
    let channel = state.store.get_channel(org_id, channel_id).await?;
    let channel = channel.ok_or_else(Problem::not_found)?;
    if !channel.is_enabled {
        let reason = channel.disabled_reason.map(|reason| format!(": {reason}"));
        let reason = reason.unwrap_or_default();
        return Err(Problem::not_now(format!(
            "the channel is disabled{reason}; enable it first"
        )));
    }
    let organization = state.store.get_organization(org_id).await?;
    let organization = organization.ok_or_else(Problem::no_organization)?;
    state.attempts.at_test(org_id).await?;
    let (id, now) = (
        NotificationId::generate(state.clock.as_ref()),
        state.clock.now(),
    );
    let notification = sample::test(id, &organization.name, now);
    let new = NewNotification {
        id,
        org_id,
        channel_id,
        event: notification.event.as_str().to_owned(),
        payload: serde_json::to_value(&notification).map_err(|error| Problem::internal(&error))?,
        created_at: now,
    };
    if !caller.store.create_notification(&new).await? {
        return Err(Problem::not_found());
    }
    let location = AppendHeaders([(header::LOCATION, format!("/api/v1/notifications/{id}"))]);
    let notification_id = id.as_uuid();
    Ok((
        StatusCode::ACCEPTED,
        location,
        Json(TestView { notification_id }),
    ))
}
