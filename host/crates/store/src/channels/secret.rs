//! What channels keep secret: opened for deliveries and for changes, encrypted anew for a newer key.

use std::collections::HashMap;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;
use vedette_core::{ChannelId, OrgId};

use super::{Channel, ChannelRow};
use crate::{
    Store, StoreError,
    db::on_db,
    vault::{DataKey, KeyRow, Vault, VaultError},
};

const OPEN_CHANNELS: &str = "SELECT channels.id, owner_id, name, type, config, is_enabled, \
    disabled_reason, channels.created_at, updated_at, revision, ciphertext, keys.org_id, \
    keys.version, keys.master_key_id, keys.wrapped_key FROM notification_channels AS channels \
    JOIN organization_keys AS keys ON keys.org_id = channels.org_id \
    AND keys.version = channels.key_version WHERE ";
const OPEN_CHANNEL: &str = "SELECT channels.id, owner_id, name, type, config, is_enabled, \
    disabled_reason, channels.created_at, updated_at, revision, ciphertext, keys.org_id, \
    keys.version, keys.master_key_id, keys.wrapped_key FROM notification_channels AS channels \
    JOIN organization_keys AS keys ON keys.org_id = channels.org_id \
    AND keys.version = channels.key_version WHERE channels.org_id = $1 AND channels.id = $2";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[OPEN_CHANNEL];

/// A channel with all of its settings. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct OpenedChannel {
    /// The channel.
    pub channel: Channel,
    /// The settings that are secret, as JSON.
    pub secret: SecretString,
}

/// What a channel keeps secret, with the key that it is encrypted with.
#[derive(FromRow)]
pub(crate) struct EncryptedChannel {
    pub(crate) id: Uuid,
    ciphertext: Vec<u8>,
    pub(crate) revision: i64,
    #[sqlx(flatten)]
    pub(crate) key: KeyRow,
}

impl EncryptedChannel {
    /// The secret under a newer key.
    pub(crate) fn reencrypt(&self, vault: &Vault, newer: &DataKey) -> Result<Vec<u8>, StoreError> {
        let id = ChannelId::from_uuid(self.id);
        let secret = open(self.id, &self.key.open(vault)?, &self.ciphertext)?;
        newer
            .seal_channel(id, secret.expose_secret())
            .map_err(StoreError::Vault)
    }
}

/// One that does not open was changed or moved by other hands.
fn open(id: Uuid, key: &DataKey, ciphertext: &[u8]) -> Result<SecretString, StoreError> {
    let opened = key.open_channel(ChannelId::from_uuid(id), ciphertext);
    opened.map_err(|error| match error {
        VaultError::NotOpened => {
            StoreError::corrupt("notification_channels", &id, &"`ciphertext` does not open")
        }
        error => StoreError::Vault(error),
    })
}

#[derive(FromRow)]
struct OpenRow {
    #[sqlx(flatten)]
    channel: ChannelRow,
    ciphertext: Vec<u8>,
    #[sqlx(flatten)]
    key: KeyRow,
}

impl OpenRow {
    fn open(self, vault: &Vault) -> Result<OpenedChannel, StoreError> {
        let secret = open(self.channel.id, &self.key.open(vault)?, &self.ciphertext)?;
        Ok(OpenedChannel {
            channel: self.channel.into(),
            secret,
        })
    }
}

impl Store {
    /// One channel of an organization with its secret: for whoever writes new settings over it, and for a test of it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the secret does not open; [`StoreError::Vault`] when the key for it is not here.
    pub async fn open_channel(
        &self,
        org: OrgId,
        id: ChannelId,
    ) -> Result<Option<OpenedChannel>, StoreError> {
        let row: Option<OpenRow> = on_db!(self, pool => {
            sqlx::query_as(OPEN_CHANNEL)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(pool)
                .await?
        });
        row.map(|row| row.open(&self.vault)).transpose()
    }

    /// Channels of any organizations with their secrets, for deliveries. Those that are gone are not among them; what
    /// is wrong with one concerns it alone.
    pub async fn open_channels(
        &self,
        ids: &[ChannelId],
    ) -> Result<HashMap<ChannelId, Result<OpenedChannel, StoreError>>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<OpenRow> = on_db!(self, pool => {
            let mut query = QueryBuilder::new(OPEN_CHANNELS);
            query.push("channels.id IN (");
            let mut places = query.separated(", ");
            for id in ids {
                places.push_bind(id.as_uuid());
            }
            query.push(")");
            query.build_query_as().persistent(false).fetch_all(pool).await?
        });
        let opened = rows.into_iter().map(|row| {
            let id = ChannelId::from_uuid(row.channel.id);
            (id, row.open(&self.vault))
        });
        Ok(opened.collect())
    }
}
