//! Components that are forbidden in the whole installation.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_store::BlockedComponent;

/// A component that nobody may run.
#[derive(Serialize, ToSchema)]
pub(crate) struct BlockedComponentView {
    digest: String,
    /// Shown to those who have it.
    reason: String,
    blocked_by: Uuid,
    blocked_at: DateTime<Utc>,
}

impl From<BlockedComponent> for BlockedComponentView {
    fn from(blocked: BlockedComponent) -> Self {
        Self {
            digest: blocked.digest.to_string(),
            reason: blocked.reason,
            blocked_by: blocked.blocked_by.as_uuid(),
            blocked_at: blocked.blocked_at,
        }
    }
}
