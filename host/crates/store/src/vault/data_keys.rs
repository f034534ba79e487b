//! The organizations' keys: made when the first secret is kept, wrapped anew by a newer master
//! key, and replaced. All of it goes on while secrets are read and written.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;
use vedette_core::OrgId;

use super::{DataKey, Vault, VaultError, WrappedKey};
use crate::{
    AuditAction, ChainId, Store, StoreError,
    audit::{Event, audit},
    channels::EncryptedChannel,
    db::{in_tx, on_db},
    variables::EncryptedRow,
};

/// Keys of one transaction, and values of one transaction.
const BATCH: u32 = 100;

pub(crate) const NEWEST_KEY: &str = "SELECT org_id, version, master_key_id, wrapped_key \
    FROM organization_keys WHERE org_id = $1 ORDER BY version DESC LIMIT 1";
pub(crate) const INSERT_KEY: &str = "INSERT INTO organization_keys \
    (org_id, version, master_key_id, wrapped_key, created_at) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT DO NOTHING";
const FIND_WRAPPED_BY: &str = "SELECT org_id, version, master_key_id, wrapped_key \
    FROM organization_keys WHERE master_key_id = $1 LIMIT 1";
const LIST_WRAPPED_OTHERWISE: &str = "SELECT org_id, version, master_key_id, wrapped_key \
    FROM organization_keys WHERE master_key_id <> $1 AND (org_id, version) > ($2, $3) \
    ORDER BY org_id, version LIMIT $4";
const REWRAP_KEY: &str = "UPDATE organization_keys SET master_key_id = $4, wrapped_key = $5 \
    WHERE org_id = $1 AND version = $2 AND master_key_id = $3";
const HAS_ORGANIZATION: &str = "SELECT id FROM organizations WHERE id = $1";
const LIST_OUTDATED: &str = "SELECT variables.id, variables.project_id, variables.script_id, \
    variables.name, variables.kind, CAST(variables.allowed_hosts AS TEXT) AS allowed_hosts, \
    variables.ciphertext, variables.revision, keys.org_id, keys.version, keys.master_key_id, \
    keys.wrapped_key FROM variables \
    JOIN organization_keys AS keys ON keys.org_id = variables.org_id \
    AND keys.version = variables.key_version \
    WHERE variables.org_id = $1 AND variables.key_version < $2 \
    ORDER BY variables.key_version LIMIT $3";
const REENCRYPT: &str = "UPDATE variables SET ciphertext = $5, key_version = $6 \
    WHERE org_id = $1 AND id = $2 AND key_version = $3 AND revision = $4";
const LIST_OUTDATED_CHANNELS: &str = "SELECT channels.id, channels.ciphertext, channels.revision, \
    keys.org_id, keys.version, keys.master_key_id, keys.wrapped_key \
    FROM notification_channels AS channels \
    JOIN organization_keys AS keys ON keys.org_id = channels.org_id \
    AND keys.version = channels.key_version \
    WHERE channels.org_id = $1 AND channels.key_version < $2 \
    ORDER BY channels.key_version LIMIT $3";
const REENCRYPT_CHANNEL: &str = "UPDATE notification_channels SET ciphertext = $5, key_version = $6 \
    WHERE org_id = $1 AND id = $2 AND key_version = $3 AND revision = $4";
const LOCK_OUTDATED_KEYS: &str =
    "SELECT version FROM organization_keys WHERE org_id = $1 AND version < $2";
const DELETE_UNUSED_KEYS: &str = "DELETE FROM organization_keys WHERE org_id = $1 AND version < $2 \
    AND NOT EXISTS (SELECT 1 FROM variables WHERE variables.org_id = organization_keys.org_id \
    AND variables.key_version = organization_keys.version) \
    AND NOT EXISTS (SELECT 1 FROM notification_channels AS channels \
    WHERE channels.org_id = organization_keys.org_id \
    AND channels.key_version = organization_keys.version)";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    NEWEST_KEY,
    INSERT_KEY,
    FIND_WRAPPED_BY,
    LIST_WRAPPED_OTHERWISE,
    REWRAP_KEY,
    HAS_ORGANIZATION,
    LIST_OUTDATED,
    REENCRYPT,
    LIST_OUTDATED_CHANNELS,
    REENCRYPT_CHANNEL,
    LOCK_OUTDATED_KEYS,
    DELETE_UNUSED_KEYS,
];

/// What a new key of an organization came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// The version that encrypts from now on.
    pub version: i64,
    /// Values that were encrypted anew.
    pub reencrypted: u64,
}

#[derive(FromRow)]
pub(crate) struct KeyRow {
    org_id: Uuid,
    pub(crate) version: i64,
    #[sqlx(flatten)]
    wrapped: WrappedKey,
}

impl KeyRow {
    pub(crate) fn open(&self, vault: &Vault) -> Result<DataKey, StoreError> {
        let (org, version) = (OrgId::from_uuid(self.org_id), self.version);
        let opened = vault.unwrap(org, version, &self.wrapped);
        opened.map_err(|error| key_error(org, version, error))
    }
}

/// A key that does not open was changed by other hands.
pub(crate) fn key_error(org: OrgId, version: i64, error: VaultError) -> StoreError {
    match error {
        VaultError::NotOpened => {
            let id = format!("{org}/{version}");
            StoreError::corrupt("organization_keys", &id, &"`wrapped_key` does not open")
        }
        error => StoreError::Vault(error),
    }
}

/// The key that encrypts an organization's secrets, made if there is none. It stays until the
/// transaction ends.
macro_rules! current_data_key {
    ($store:expr, $tx:ident, $newest:expr, $org:expr, $now:expr) => {{
        let find = || {
            ::sqlx::query_as::<_, $crate::vault::KeyRow>(::sqlx::AssertSqlSafe($newest.clone()))
                .bind($org.as_uuid())
        };
        let found = find().fetch_optional(&mut *$tx).await?;
        let row = match found {
            Some(row) => row,
            None => {
                let new = $store.vault.new_data_key($org, 1)?;
                ::sqlx::query($crate::vault::INSERT_KEY)
                    .bind($org.as_uuid())
                    .bind(1_i64)
                    .bind(new.master_key_id)
                    .bind(new.wrapped_key)
                    .bind($now)
                    .execute(&mut *$tx)
                    .await?;
                // Somebody else's, if two made the first one at once.
                find().fetch_one(&mut *$tx).await?
            }
        };
        row.open(&$store.vault)?
    }};
}
pub(crate) use current_data_key;

/// Encrypts some values of a table anew. `None`: none was left. A value that was changed meanwhile has the new key
/// already, or is found again.
macro_rules! reencrypt {
    ($store:expr, $Row:ty, $org:expr, $version:expr, $list:expr, $update:expr) => {{
        let newest = format!("{NEWEST_KEY}{}", $store.db.share_rows());
        Ok(in_tx!($store, tx => {
            let rows: Vec<$Row> = sqlx::query_as($list)
                .bind($org.as_uuid())
                .bind($version)
                .bind(i64::from(BATCH))
                .fetch_all(&mut *tx)
                .await?;
            if rows.is_empty() {
                return Ok(None);
            }
            let row: KeyRow = sqlx::query_as(AssertSqlSafe(newest))
                .bind($org.as_uuid())
                .fetch_one(&mut *tx)
                .await?;
            let key = row.open(&$store.vault)?;
            let mut changed = 0;
            for row in rows {
                let ciphertext = row.reencrypt(&$store.vault, &key)?;
                changed += sqlx::query($update)
                    .bind($org.as_uuid())
                    .bind(row.id)
                    .bind(row.key.version)
                    .bind(row.revision)
                    .bind(ciphertext)
                    .bind(key.version())
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
            }
            Some(changed)
        }))
    }};
}

impl Store {
    /// Makes sure that the master keys are those of this database, and not others of the same
    /// names: a server that began with those would encrypt what no other can read.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a key that one of them should have wrapped does not open.
    pub async fn check_master_keys(&self) -> Result<(), StoreError> {
        for id in self.vault.ids() {
            let row: Option<KeyRow> = on_db!(self, pool => {
                sqlx::query_as(FIND_WRAPPED_BY).bind(&id).fetch_optional(pool).await?
            });
            if let Some(row) = row {
                row.open(&self.vault)?;
            }
        }
        Ok(())
    }

    /// Wraps all organizations' keys that are under older master keys by the newest one. Answers
    /// how many. What they encrypt stays as it is. Safe to repeat, at any time.
    ///
    /// # Errors
    /// [`StoreError::Vault`] when a key is under a master key that is not here; those before it
    /// are done.
    pub async fn rewrap_data_keys(&self) -> Result<u64, StoreError> {
        let newest = self.vault.newest_id()?;
        let (mut rewrapped, mut after) = (0, (Uuid::nil(), i64::MIN));
        loop {
            let rows: Vec<KeyRow> = on_db!(self, pool => {
                sqlx::query_as(LIST_WRAPPED_OTHERWISE)
                    .bind(&newest)
                    .bind(after.0)
                    .bind(after.1)
                    .bind(i64::from(BATCH))
                    .fetch_all(pool)
                    .await?
            });
            let Some(last) = rows.last() else {
                return Ok(rewrapped);
            };
            after = (last.org_id, last.version);
            let mut batch = Vec::with_capacity(rows.len());
            for row in rows {
                let (org, version) = (OrgId::from_uuid(row.org_id), row.version);
                let new = self.vault.rewrap(org, version, &row.wrapped);
                let new = new.map_err(|error| key_error(org, version, error))?;
                batch.push((org, version, row.wrapped.master_key_id, new));
            }
            rewrapped += in_tx!(self, tx => {
                let mut changed = 0;
                for (org, version, old_master, new) in &batch {
                    changed += sqlx::query(REWRAP_KEY)
                        .bind(org.as_uuid())
                        .bind(version)
                        .bind(old_master)
                        .bind(&new.master_key_id)
                        .bind(&new.wrapped_key)
                        .execute(&mut *tx)
                        .await?
                        .rows_affected();
                }
                if changed > 0 {
                    let after = json!({ "keys": changed, "master_key_id": newest });
                    let made = Event::made(AuditAction::MasterKeyRotate, &newest, after);
                    audit!(self, tx, ChainId::INSTALLATION, made);
                }
                changed
            });
        }
    }

    /// Gives an organization a new key, encrypts its secrets anew with it, and forgets the old
    /// ones. `None`: there is no such organization. Safe to repeat: what was interrupted is
    /// completed.
    pub async fn rotate_data_key(
        &self,
        org: OrgId,
        now: DateTime<Utc>,
    ) -> Result<Option<Rotated>, StoreError> {
        let Some(version) = self.add_data_key(org, now).await? else {
            return Ok(None);
        };
        let mut reencrypted = 0;
        loop {
            while let Some(changed) = self.reencrypt_batch(org, version).await? {
                reencrypted += changed;
            }
            while let Some(changed) = self.reencrypt_channels(org, version).await? {
                reencrypted += changed;
            }
            // A secret that was being kept while the key came may have the old one still.
            if self.forget_outdated_keys(org, version).await? {
                return Ok(Some(Rotated {
                    version,
                    reencrypted,
                }));
            }
        }
    }

    async fn add_data_key(
        &self,
        org: OrgId,
        now: DateTime<Utc>,
    ) -> Result<Option<i64>, StoreError> {
        let lock = format!("{NEWEST_KEY}{}", self.db.lock_rows());
        Ok(in_tx!(self, tx => {
            let found: Option<(Uuid,)> = sqlx::query_as(HAS_ORGANIZATION)
                .bind(org.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            if found.is_none() {
                return Ok(None);
            }
            let newest: Option<KeyRow> = sqlx::query_as(AssertSqlSafe(lock))
                .bind(org.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let version = newest.map_or(1, |row| row.version + 1);
            let new = self.vault.new_data_key(org, version)?;
            // If another rotation was faster by this much, its key is as good.
            sqlx::query(INSERT_KEY)
                .bind(org.as_uuid())
                .bind(version)
                .bind(new.master_key_id)
                .bind(new.wrapped_key)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            let after = json!({ "version": version });
            audit!(self, tx, org, Event::made(AuditAction::DataKeyRotate, org, after));
            Some(version)
        }))
    }

    async fn reencrypt_batch(&self, org: OrgId, version: i64) -> Result<Option<u64>, StoreError> {
        reencrypt!(self, EncryptedRow, org, version, LIST_OUTDATED, REENCRYPT)
    }

    async fn reencrypt_channels(
        &self,
        org: OrgId,
        version: i64,
    ) -> Result<Option<u64>, StoreError> {
        reencrypt!(
            self,
            EncryptedChannel,
            org,
            version,
            LIST_OUTDATED_CHANNELS,
            REENCRYPT_CHANNEL
        )
    }

    /// Deletes the keys before a version that nothing is encrypted with. Answers whether none of
    /// them is left.
    async fn forget_outdated_keys(&self, org: OrgId, version: i64) -> Result<bool, StoreError> {
        let lock = format!("{LOCK_OUTDATED_KEYS}{}", self.db.lock_rows());
        Ok(in_tx!(self, tx => {
            // Waits for those who encrypt with one of them: only then it shows who needs it.
            let outdated: Vec<(i64,)> = sqlx::query_as(AssertSqlSafe(lock))
                .bind(org.as_uuid())
                .bind(version)
                .fetch_all(&mut *tx)
                .await?;
            let deleted = sqlx::query(DELETE_UNUSED_KEYS)
                .bind(org.as_uuid())
                .bind(version)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            deleted >= outdated.len() as u64
        }))
    }
}
