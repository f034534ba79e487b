//! Links by which somebody may join the organization, once.

pub(crate) mod accept;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::ProjectId;
use vedette_store::Invitation;

/// An open invitation.
#[derive(Serialize, ToSchema)]
pub(crate) struct InvitationView {
    id: Uuid,
    /// Only this address may use it; null: whoever has the link.
    email: Option<String>,
    role_id: Uuid,
    project_id: Option<Uuid>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id.as_uuid(),
            email: invitation.email,
            role_id: invitation.grant.role_id.as_uuid(),
            project_id: invitation.grant.project_id.map(ProjectId::as_uuid),
            created_by: invitation.created_by.as_uuid(),
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

/// What is stored of the text that a link holds. A text that cannot be one has the hash of none.
pub(crate) fn token_hash(text: &str) -> [u8; 32] {
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    Sha256::digest(bytes).into()
}
