//! Making and changing channels.

use secrecy::ExposeSecret as _;
use sqlx::{AssertSqlSafe, types::Json};
use uuid::Uuid;
use vedette_core::{ChannelId, OrgId};

use super::{
    Channel, ChannelChange, ChannelRow, CreatedChannel, GET_CHANNEL, MAX_CHANNELS, NewChannel,
    UpdatedChannel,
};
use crate::{
    AuditAction, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::in_tx,
    error::conflict,
    members::LOCK_ORG,
    vault::{NEWEST_KEY, current_data_key},
};

const COUNT_CHANNELS: &str = "SELECT COUNT(*) FROM notification_channels WHERE org_id = $1";
const INSERT_CHANNEL: &str = "INSERT INTO notification_channels (id, org_id, owner_id, name, type, \
    config, ciphertext, key_version, is_enabled, created_at, updated_at, revision) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, 1)";
const UPDATE_CHANNEL: &str = "UPDATE notification_channels SET name = $4, config = $5, \
    is_enabled = $6, disabled_reason = $7, updated_at = $8, revision = revision + 1 \
    WHERE org_id = $1 AND id = $2 AND revision = $3";
const SET_SECRET: &str = "UPDATE notification_channels SET ciphertext = $3, key_version = $4 \
    WHERE org_id = $1 AND id = $2";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[COUNT_CHANNELS, INSERT_CHANNEL, UPDATE_CHANNEL, SET_SECRET];

impl Store {
    /// Makes a channel, and for the first secret of an organization its key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the organization has one of this name; [`StoreError::Vault`] when the secret
    /// cannot be encrypted.
    pub async fn create_channel(&self, new: NewChannel) -> Result<CreatedChannel, StoreError> {
        let newest = format!("{NEWEST_KEY}{}", self.db.share_rows());
        // Of two who make the last one, one waits and finds it made.
        let lock = format!("{LOCK_ORG}{}", self.db.lock_owner());
        let org = new.org_id;
        let channel = in_tx!(self, tx => {
            let _: Option<Uuid> = sqlx::query_scalar(AssertSqlSafe(lock))
                .bind(org.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let count: i64 = sqlx::query_scalar(COUNT_CHANNELS)
                .bind(org.as_uuid())
                .fetch_one(&mut *tx)
                .await?;
            if count >= i64::from(MAX_CHANNELS) {
                return Ok(CreatedChannel::TooMany);
            }
            let key = current_data_key!(self, tx, newest, org, new.created_at);
            sqlx::query(INSERT_CHANNEL)
                .bind(new.id.as_uuid())
                .bind(org.as_uuid())
                .bind(new.owner_id.as_uuid())
                .bind(&new.name)
                .bind(&new.kind)
                .bind(Json(&new.config))
                .bind(key.seal_channel(new.id, new.secret.expose_secret())?)
                .bind(key.version())
                .bind(new.is_enabled)
                .bind(new.created_at)
                .execute(&mut *tx)
                .await
                .map_err(|error| conflict(error, "name"))?;
            let channel = Channel {
                id: new.id,
                owner_id: new.owner_id,
                name: new.name,
                kind: new.kind,
                config: new.config,
                is_enabled: new.is_enabled,
                disabled_reason: None,
                created_at: new.created_at,
                updated_at: new.created_at,
                revision: 1,
            };
            let made = Event::made(AuditAction::ChannelCreate, channel.id, channel.snapshot());
            audit!(self, tx, org, made);
            channel
        });
        Ok(CreatedChannel::Done(channel))
    }

    /// Changes a channel. With `expected_revision`, only if it has that revision: whoever puts secrets that stay
    /// into new ones gives the revision that they were read with.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the organization has another one of this name; [`StoreError::Vault`] when the
    /// secret cannot be encrypted.
    pub async fn update_channel(
        &self,
        org: OrgId,
        id: ChannelId,
        change: ChannelChange,
        expected_revision: Option<i64>,
    ) -> Result<UpdatedChannel, StoreError> {
        let newest = format!("{NEWEST_KEY}{}", self.db.share_rows());
        let channel = in_tx!(self, tx => {
            let row: Option<ChannelRow> = sqlx::query_as(GET_CHANNEL)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let Some(row) = row else { return Ok(UpdatedChannel::NotFound) };
            let old = Channel::from(row);
            if expected_revision.is_some_and(|expected| expected != old.revision) {
                return Ok(UpdatedChannel::Stale);
            }
            let stays_off = !change.is_enabled && !old.is_enabled;
            let disabled_reason = old.disabled_reason.clone().filter(|_| stays_off);
            let changed = sqlx::query(UPDATE_CHANNEL)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(old.revision)
                .bind(&change.name)
                .bind(Json(&change.config))
                .bind(change.is_enabled)
                .bind(&disabled_reason)
                .bind(change.changed_at)
                .execute(&mut *tx)
                .await
                .map_err(|error| conflict(error, "name"))?
                .rows_affected();
            if changed == 0 {
                return Ok(UpdatedChannel::Stale);
            }
            if let Some(secret) = &change.secret {
                let key = current_data_key!(self, tx, newest, org, change.changed_at);
                sqlx::query(SET_SECRET)
                    .bind(org.as_uuid())
                    .bind(id.as_uuid())
                    .bind(key.seal_channel(id, secret.expose_secret())?)
                    .bind(key.version())
                    .execute(&mut *tx)
                    .await?;
            }
            let channel = Channel {
                name: change.name,
                config: change.config,
                is_enabled: change.is_enabled,
                disabled_reason,
                updated_at: change.changed_at,
                revision: old.revision + 1,
                ..old.clone()
            };
            let (before, after) = (old.snapshot(), channel.snapshot());
            audit!(self, tx, org, Event::changed(AuditAction::ChannelUpdate, id, before, after));
            channel
        });
        Ok(UpdatedChannel::Done(channel))
    }
}
