//! Notifications: what channels were told, and what came of it.

pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod resend;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{IncidentId, NotificationId, Permission, ScriptId};
use vedette_store::{NotificationDetail, StoredNotification};

use crate::{ApiState, auth::Member, problem::Problem};

/// A notification as lists show it.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationView {
    /// The same in all attempts; receivers know repetitions by it.
    id: Uuid,
    /// What happened: `down`, `up`, `acknowledged`, `reminder`, `escalated`, `test` or `digest`.
    event: String,
    /// `pending`, `delivered`, `dead`: it is not tried any more, or `digested`: another one tells it.
    status: &'static str,
    /// Where it goes; the channel may be gone.
    channel_id: Uuid,
    /// The script that it is about; null: none, or one that is gone.
    script_id: Option<Uuid>,
    /// The incident that it is about; null: none.
    incident_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    /// The notification that tells it, of one that is `digested`.
    digest_id: Option<Uuid>,
    /// Attempts since it was sent, or sent again.
    attempt_count: u32,
    /// Of one that is pending.
    next_attempt_at: Option<DateTime<Utc>>,
    /// Of one that was delivered.
    delivered_at: Option<DateTime<Utc>>,
    /// Why the last attempt failed, or why there is none any more.
    last_error: Option<String>,
}

impl From<StoredNotification> for NotificationView {
    fn from(notification: StoredNotification) -> Self {
        Self {
            id: notification.id.as_uuid(),
            event: notification.event,
            status: notification.status.as_str(),
            channel_id: notification.channel_id.as_uuid(),
            script_id: notification.script_id.map(ScriptId::as_uuid),
            incident_id: notification.incident_id.map(IncidentId::as_uuid),
            digest_id: notification.digest_id.map(NotificationId::as_uuid),
            created_at: notification.created_at,
            attempt_count: notification.attempts,
            next_attempt_at: notification.next_attempt_at,
            delivered_at: notification.delivered_at,
            last_error: notification.last_error,
        }
    }
}

/// A notification that the caller may see. One about no script, or about one that is gone, is seen by those who see
/// the alerts of all projects.
async fn find_notification(
    state: &ApiState,
    caller: &Member,
    id: NotificationId,
) -> Result<NotificationDetail, Problem> {
    let found = state.store.get_notification(caller.org_id, id).await?;
    let found = found.ok_or_else(Problem::not_found)?;
    let held = match found.project_id {
        Some(project) => caller.access.in_project(project),
        None => caller.access.everywhere(),
    };
    if held.contains(Permission::AlertRead) {
        Ok(found)
    } else {
        Err(Problem::not_found())
    }
}
