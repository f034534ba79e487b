//! Keys by which machines call the API.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{Permission, ProjectId};
use vedette_store::ApiKey;

/// A key, without its text.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKeyView {
    id: Uuid,
    name: String,
    /// Whose it is: it never does more than they may.
    user_id: Uuid,
    permissions: Vec<&'static str>,
    /// The one project in which it counts; null: all that its user has.
    project_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    /// From then on it is good no more; null: it has no end.
    expires_at: Option<DateTime<Utc>>,
    /// To the minute; null: never.
    last_used_at: Option<DateTime<Utc>>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id.as_uuid(),
            name: key.name,
            user_id: key.user_id.as_uuid(),
            permissions: key.permissions.iter().map(Permission::as_str).collect(),
            project_id: key.project_id.map(ProjectId::as_uuid),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
        }
    }
}
