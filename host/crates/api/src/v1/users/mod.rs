//! Users.

pub(crate) mod list;
pub(crate) mod me;
pub(crate) mod names;
pub(crate) mod organization;
pub(crate) mod password_reset;
pub(crate) mod totp;
pub(crate) mod update;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{Access, OrgId, Permission};
use vedette_store::User;

/// A user, as seen by that user.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserView {
    id: Uuid,
    username: String,
    email: String,
    /// Of the installation.
    is_admin: bool,
    /// What the session is for; null: the user belongs to it no more.
    organization_id: Option<Uuid>,
    /// In all of that organization; what a role for a single project brings is not among them.
    permissions: Vec<&'static str>,
    created_at: DateTime<Utc>,
}

impl UserView {
    pub(crate) fn new(user: User, member: Option<&(OrgId, Access)>) -> Self {
        let held = member.map(|(_, access)| access.everywhere());
        Self {
            id: user.id.as_uuid(),
            username: user.username,
            email: user.email,
            is_admin: user.is_admin,
            organization_id: member.map(|(org, _)| org.as_uuid()),
            permissions: held
                .unwrap_or_default()
                .iter()
                .map(Permission::as_str)
                .collect(),
            created_at: user.created_at,
        }
    }
}

/// A user, as seen by administrators of the installation.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserAccountView {
    id: Uuid,
    username: String,
    email: String,
    /// Of the installation.
    is_admin: bool,
    /// May not sign in.
    is_disabled: bool,
    created_at: DateTime<Utc>,
}

impl From<User> for UserAccountView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.as_uuid(),
            username: user.username,
            email: user.email,
            is_admin: user.is_admin,
            is_disabled: user.is_disabled,
            created_at: user.created_at,
        }
    }
}
