//! `DELETE /api/v1/notification-channels/{channel_id}`

use axum::http::StatusCode;
use vedette_core::ChannelId;

use crate::{
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// Deletes a notification channel
///
/// No rule tells it any more, and what waits to be sent there is not sent.
#[utoipa::path(delete, path = "/api/v1/notification-channels/{channel_id}", tag = "notifications",
    security(("bearer" = [])), params(("channel_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn delete_channel(
    caller: May<need::ChannelManage>,
    PathId(id): PathId<ChannelId>,
) -> Result<StatusCode, Problem> {
    if caller.store.delete_channel(caller.org_id, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
