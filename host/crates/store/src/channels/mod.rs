//! Notification channels. What they keep secret comes in here and leaves for deliveries, and for whoever writes new
//! settings over old ones (`secret`); what is listed and read has none.

mod change;
mod owners;
mod rules;
mod secret;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::{FromRow, types::Json};
use uuid::Uuid;
use vedette_core::{ChannelId, OrgId, UserId};

use crate::{
    AuditAction, Page, PageRequest, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
};

pub use owners::UntoldOwner;
pub(crate) use rules::ATTACH;
pub use rules::SetChannels;
pub(crate) use secret::EncryptedChannel;
pub use secret::OpenedChannel;

/// Most channels of an organization.
pub const MAX_CHANNELS: u32 = 100;

/// A channel, without what it keeps secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Id.
    pub id: ChannelId,
    /// Who made it.
    pub owner_id: UserId,
    /// For people; there is one of a name in the organization.
    pub name: String,
    /// Where it leads to, such as `webhook`. The store knows none of them.
    pub kind: String,
    /// The settings that are no secret.
    pub config: Value,
    /// Whether anything is sent there.
    pub is_enabled: bool,
    /// Why not, when it was not a person who disabled it.
    pub disabled_reason: Option<String>,
    /// When made.
    pub created_at: DateTime<Utc>,
    /// When changed last.
    pub updated_at: DateTime<Utc>,
    /// Grows with each change.
    pub revision: i64,
}

/// A channel to be made.
#[derive(Debug, Clone)]
pub struct NewChannel {
    /// Id.
    pub id: ChannelId,
    /// The organization.
    pub org_id: OrgId,
    /// Who makes it.
    pub owner_id: UserId,
    /// For people.
    pub name: String,
    /// Where it leads to.
    pub kind: String,
    /// The settings that are no secret.
    pub config: Value,
    /// The rest of them, as JSON.
    pub secret: SecretString,
    /// Whether anything is sent there.
    pub is_enabled: bool,
    /// Now.
    pub created_at: DateTime<Utc>,
}

/// What became of a new channel.
#[derive(Debug, Clone)]
pub enum CreatedChannel {
    /// It is there.
    Done(Channel),
    /// The organization has [`MAX_CHANNELS`].
    TooMany,
}

/// What a user decides about a channel that is there. The kind stays.
#[derive(Debug, Clone)]
pub struct ChannelChange {
    /// For people.
    pub name: String,
    /// The settings that are no secret, all of them.
    pub config: Value,
    /// The rest of them, as JSON. `None`: it stays.
    pub secret: Option<SecretString>,
    /// Whether anything is sent there.
    pub is_enabled: bool,
    /// Now.
    pub changed_at: DateTime<Utc>,
}

/// What became of a change.
#[derive(Debug, Clone)]
pub enum UpdatedChannel {
    /// The channel as it is now.
    Done(Channel),
    /// No such channel in this organization.
    NotFound,
    /// It was changed since the expected revision.
    Stale,
}

const GET_CHANNEL: &str = "SELECT id, owner_id, name, type, config, is_enabled, disabled_reason, \
    created_at, updated_at, revision FROM notification_channels WHERE org_id = $1 AND id = $2";
const LIST_CHANNELS: &str = "SELECT id, owner_id, name, type, config, is_enabled, disabled_reason, \
    created_at, updated_at, revision FROM notification_channels \
    WHERE org_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
const DELETE_CHANNEL: &str = "DELETE FROM notification_channels WHERE org_id = $1 AND id = $2 \
    RETURNING id, owner_id, name, type, config, is_enabled, disabled_reason, created_at, \
    updated_at, revision";

#[cfg(feature = "testing")]
pub(crate) fn all_sql() -> Vec<&'static str> {
    let own: &[&str] = &[GET_CHANNEL, LIST_CHANNELS, DELETE_CHANNEL];
    [
        own,
        change::ALL_SQL,
        owners::ALL_SQL,
        rules::ALL_SQL,
        secret::ALL_SQL,
    ]
    .concat()
}

#[derive(FromRow)]
struct ChannelRow {
    id: Uuid,
    owner_id: Uuid,
    name: String,
    r#type: String,
    config: Json<Value>,
    is_enabled: bool,
    disabled_reason: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    revision: i64,
}

impl From<ChannelRow> for Channel {
    fn from(row: ChannelRow) -> Self {
        Self {
            id: ChannelId::from_uuid(row.id),
            owner_id: UserId::from_uuid(row.owner_id),
            name: row.name,
            kind: row.r#type,
            config: row.config.0,
            is_enabled: row.is_enabled,
            disabled_reason: row.disabled_reason,
            created_at: row.created_at,
            updated_at: row.updated_at,
            revision: row.revision,
        }
    }
}

impl Store {
    /// One channel of an organization.
    pub async fn get_channel(
        &self,
        org: OrgId,
        id: ChannelId,
    ) -> Result<Option<Channel>, StoreError> {
        let row: Option<ChannelRow> = on_db!(self, pool => {
            sqlx::query_as(GET_CHANNEL)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(pool)
                .await?
        });
        Ok(row.map(Channel::from))
    }

    /// One page of the channels of an organization, newest first.
    pub async fn list_channels(
        &self,
        org: OrgId,
        page: PageRequest,
    ) -> Result<Page<Channel>, StoreError> {
        let rows: Vec<ChannelRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_CHANNELS)
                .bind(org.as_uuid())
                .bind(page.before())
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?
        });
        let items = rows.into_iter().map(Channel::from).collect();
        Ok(page.page(items, |channel: &Channel| channel.id.as_uuid()))
    }

    /// Deletes a channel. What waits to be sent there becomes a dead letter. `false`: there was none.
    pub async fn delete_channel(&self, org: OrgId, id: ChannelId) -> Result<bool, StoreError> {
        in_tx!(self, tx => {
            let deleted: Option<ChannelRow> = sqlx::query_as(DELETE_CHANNEL)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let Some(row) = deleted else {
                return Ok(false);
            };
            let before = Channel::from(row).snapshot();
            audit!(self, tx, org, Event::gone(AuditAction::ChannelDelete, id, before));
        });
        Ok(true)
    }
}
