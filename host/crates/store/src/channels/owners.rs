//! Owners of channels that were disabled because nobody listens there any more: they are told, once.

use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::{ChannelId, OrgId};

use crate::{
    Store, StoreError,
    db::{in_tx, on_db},
};

/// Of members only: who has left the organization has nothing to do with its channels any more.
const LIST_UNTOLD: &str = "SELECT channels.id, channels.org_id, channels.name, channels.disabled_reason, \
    organizations.name AS organization, users.email FROM notification_channels AS channels \
    JOIN organizations ON organizations.id = channels.org_id \
    JOIN memberships ON memberships.org_id = channels.org_id AND memberships.user_id = channels.owner_id \
    JOIN users ON users.id = channels.owner_id \
    WHERE NOT channels.owner_is_told AND NOT channels.is_enabled ORDER BY channels.id LIMIT $1";
const NOTE_TOLD: &str = "UPDATE notification_channels SET owner_is_told = (1 = 1) \
    WHERE org_id = $1 AND id = $2";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[LIST_UNTOLD, NOTE_TOLD];

/// Somebody who does not know yet that a channel of theirs is disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UntoldOwner {
    /// The channel.
    pub channel_id: ChannelId,
    /// Its organization.
    pub org_id: OrgId,
    /// The channel's name.
    pub channel: String,
    /// The organization's name.
    pub organization: String,
    /// Why it is disabled.
    pub reason: String,
    /// Where they get mail.
    pub email: String,
}

#[derive(FromRow)]
struct UntoldRow {
    id: Uuid,
    org_id: Uuid,
    name: String,
    disabled_reason: Option<String>,
    organization: String,
    email: String,
}

impl Store {
    /// Some owners who are to be told, of all organizations.
    pub async fn list_untold_owners(&self, limit: u32) -> Result<Vec<UntoldOwner>, StoreError> {
        let rows: Vec<UntoldRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_UNTOLD).bind(i64::from(limit)).fetch_all(pool).await?
        });
        let untold = rows.into_iter().map(|row| UntoldOwner {
            channel_id: ChannelId::from_uuid(row.id),
            org_id: OrgId::from_uuid(row.org_id),
            channel: row.name,
            organization: row.organization,
            reason: row.disabled_reason.unwrap_or_default(),
            email: row.email,
        });
        Ok(untold.collect())
    }

    /// Notes that the owner of a channel was told that it is disabled.
    pub async fn note_owner_told(&self, org: OrgId, channel: ChannelId) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            sqlx::query(NOTE_TOLD)
                .bind(org.as_uuid())
                .bind(channel.as_uuid())
                .execute(&mut *tx)
                .await?;
        });
        Ok(())
    }
}
