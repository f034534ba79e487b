//! The keys that components are signed with.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_store::ComponentKey;

use crate::signature;

/// A public key of the organization.
#[derive(Serialize, ToSchema)]
pub(crate) struct ComponentKeyView {
    id: Uuid,
    name: String,
    /// Ed25519, 32 bytes in base64.
    public_key: String,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    /// From then on it is good no more.
    expires_at: Option<DateTime<Utc>>,
    /// Since then it is good no more.
    revoked_at: Option<DateTime<Utc>>,
}

impl From<ComponentKey> for ComponentKeyView {
    fn from(key: ComponentKey) -> Self {
        Self {
            id: key.id.as_uuid(),
            name: key.name,
            public_key: signature::write(&key.public_key),
            created_by: key.created_by.as_uuid(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        }
    }
}
