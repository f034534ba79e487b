//! The caller's sessions: one for each device that signed in.

pub(crate) mod delete;
pub(crate) mod list;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::SessionId;
use vedette_store::SessionSummary;

/// A session.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionView {
    id: Uuid,
    created_at: DateTime<Utc>,
    /// When it ends if it is not refreshed.
    expires_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    is_current: bool,
}

impl SessionView {
    fn new(session: &SessionSummary, current: SessionId) -> Self {
        Self {
            id: session.id.as_uuid(),
            created_at: session.created_at,
            expires_at: session.expires_at,
            is_current: session.id == current,
        }
    }
}
