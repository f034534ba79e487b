//! `POST /api/v1/notifications/{notification_id}/resend`

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use vedette_core::NotificationId;
use vedette_store::Resent;

use super::find_notification;
use crate::{
    ApiState,
    auth::{May, need},
    extract::{NoBody, PathId},
    problem::Problem,
};

/// What is sent again.
#[derive(Serialize, ToSchema)]
pub(crate) struct ResentView {
    /// How many: it, and those of the same incident to the same channel that came after it and were not delivered.
    sent_again: u64,
}

/// Sends a notification again that was not delivered
///
/// With the same id, and another day of attempts. With it go the dead ones of the same incident and channel
/// that came after it. When one that came after it was delivered, or waits, the answer is 409: what a
/// receiver hears last is how it is.
#[utoipa::path(post, path = "/api/v1/notifications/{notification_id}/resend", tag = "notifications",
    security(("bearer" = [])), params(("notification_id" = uuid::Uuid, Path)),
    responses((status = 202, body = ResentView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn resend_notification(
    State(state): State<ApiState>,
    caller: May<need::ChannelManage>,
    PathId(id): PathId<NotificationId>,
    _: NoBody,
) -> Result<(StatusCode, Json<ResentView>), Problem> {
    find_notification(&state, &caller, id).await?;
    let now = state.clock.now();
    let resent = caller.store.resend_notification(caller.org_id, id, now);
    match resent.await? {
        Resent::Done(sent_again) => Ok((StatusCode::ACCEPTED, Json(ResentView { sent_again }))),
        Resent::NotFound => Err(Problem::not_found()),
        Resent::NotDead => Err(Problem::not_now(
            "only a notification that is `dead` is sent again: this one was delivered, or waits",
        )),
        Resent::Overtaken => Err(Problem::not_now(
            "a later notification about the same incident was delivered to this channel, or waits: \
             what it hears last is how it is",
        )),
    }
}
