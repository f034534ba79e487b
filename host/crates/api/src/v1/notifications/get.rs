//! `GET /api/v1/notifications/{notification_id}`

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use vedette_core::NotificationId;
use vedette_store::{DeliveryAttempt, NotificationDetail};

use super::{NotificationView, find_notification};
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// An attempt to deliver a notification.
#[derive(Serialize, ToSchema)]
struct AttemptView {
    attempted_at: DateTime<Utc>,
    /// `delivered`, `retry`: it is tried again, `refused`, or `gone`: nobody listens there any more.
    outcome: &'static str,
    /// The status code of the answer; null: there was none, or it went by mail.
    status: Option<u16>,
    duration_ms: u64,
    /// What was wrong.
    error: Option<String>,
    /// The beginning of the answer, without secrets.
    excerpt: Option<String>,
}

impl From<DeliveryAttempt> for AttemptView {
    fn from(attempt: DeliveryAttempt) -> Self {
        Self {
            attempted_at: attempt.attempted_at,
            outcome: attempt.outcome.as_str(),
            status: attempt.status,
            duration_ms: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
            error: attempt.error,
            excerpt: attempt.excerpt,
        }
    }
}

/// A notification with what it tells, and the attempts to deliver it.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationDetailView {
    #[serde(flatten)]
    notification: NotificationView,
    /// What it tells, before it is written in the format of its channel.
    #[schema(value_type = Object)]
    content: Value,
    /// The last 100, oldest first.
    attempts: Vec<AttemptView>,
}

impl From<NotificationDetail> for NotificationDetailView {
    fn from(detail: NotificationDetail) -> Self {
        Self {
            content: detail.notification.payload.clone(),
            notification: detail.notification.into(),
            attempts: detail.attempts.into_iter().map(Into::into).collect(),
        }
    }
}

/// One notification, with the attempts to deliver it
#[utoipa::path(get, path = "/api/v1/notifications/{notification_id}", tag = "notifications",
    security(("bearer" = [])), params(("notification_id" = uuid::Uuid, Path)),
    responses((status = 200, body = NotificationDetailView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_notification(
    State(state): State<ApiState>,
    caller: May<need::AlertRead>,
    PathId(id): PathId<NotificationId>,
) -> Result<Json<NotificationDetailView>, Problem> {
    Ok(Json(find_notification(&state, &caller, id).await?.into()))
}
