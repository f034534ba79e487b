//! Second factors: the key that codes are made from (RFC 6238), and codes for when it is lost.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use vedette_core::UserId;

use crate::{
    AuditAction, ChainId, Store, StoreError,
    audit::{Event, audit},
    db::{in_tx, on_db},
};

/// A user's key for codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotpKey {
    /// Sealed by the caller.
    pub sealed_key: Vec<u8>,
    /// The step of the last code that was used; `None`: the key is not confirmed yet, and not
    /// asked for.
    pub last_step: Option<i64>,
}

const FIND_KEY: &str = "SELECT sealed_key, last_step FROM totp_keys WHERE user_id = $1";
const PUT_KEY: &str = "INSERT INTO totp_keys (user_id, sealed_key, created_at) \
    VALUES ($1, $2, $3) ON CONFLICT (user_id) DO UPDATE \
    SET sealed_key = excluded.sealed_key, created_at = excluded.created_at \
    WHERE totp_keys.confirmed_at IS NULL";
const CONFIRM_KEY: &str = "UPDATE totp_keys SET confirmed_at = $4, last_step = $3 \
    WHERE user_id = $1 AND sealed_key = $2 AND confirmed_at IS NULL";
const USE_STEP: &str = "UPDATE totp_keys SET last_step = $3 \
    WHERE user_id = $1 AND sealed_key = $2 AND last_step < $3";
const DELETE_KEY: &str = "DELETE FROM totp_keys WHERE user_id = $1";
const INSERT_CODE: &str = "INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)";
const USE_CODE: &str = "DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2";
const COUNT_CODES: &str = "SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    FIND_KEY,
    PUT_KEY,
    CONFIRM_KEY,
    USE_STEP,
    DELETE_KEY,
    INSERT_CODE,
    USE_CODE,
    COUNT_CODES,
];

#[derive(FromRow)]
struct KeyRow {
    sealed_key: Vec<u8>,
    last_step: Option<i64>,
}

impl Store {
    /// The key of a user, confirmed or not.
    pub async fn find_totp_key(&self, user: UserId) -> Result<Option<TotpKey>, StoreError> {
        let row: Option<KeyRow> = on_db!(self, pool => {
            sqlx::query_as(FIND_KEY).bind(user.as_uuid()).fetch_optional(pool).await?
        });
        Ok(row.map(|row| TotpKey {
            sealed_key: row.sealed_key,
            last_step: row.last_step,
        }))
    }

    /// Keeps a key that is to be confirmed, in place of an earlier one that never was. `false`: the
    /// user has one that is confirmed.
    pub async fn put_totp_key(
        &self,
        user: UserId,
        sealed_key: &[u8],
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        Ok(in_tx!(self, tx => {
            sqlx::query(PUT_KEY)
                .bind(user.as_uuid())
                .bind(sealed_key)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0
        }))
    }

    /// From now on codes of a key are asked for; the one of `step` is used. The recovery codes come
    /// into being with it. `false`: the key was confirmed or replaced meanwhile.
    pub async fn confirm_totp_key(
        &self,
        user: UserId,
        sealed_key: &[u8],
        step: i64,
        recovery_code_hashes: &[[u8; 32]],
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        in_tx!(self, tx => {
            let keys = sqlx::query(CONFIRM_KEY)
                .bind(user.as_uuid())
                .bind(sealed_key)
                .bind(step)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if keys == 0 {
                return Ok(false);
            }
            for hash in recovery_code_hashes {
                sqlx::query(INSERT_CODE)
                    .bind(user.as_uuid())
                    .bind(hash.as_slice())
                    .execute(&mut *tx)
                    .await?;
            }
            let confirmed = Event::of(AuditAction::TotpConfirm, user);
            audit!(self, tx, ChainId::INSTALLATION, confirmed);
        });
        Ok(true)
    }

    /// Uses the code of a step, and with it all earlier ones. `false`: it was used, or the key is
    /// not what it was.
    pub async fn use_totp_step(
        &self,
        user: UserId,
        sealed_key: &[u8],
        step: i64,
    ) -> Result<bool, StoreError> {
        Ok(in_tx!(self, tx => {
            sqlx::query(USE_STEP)
                .bind(user.as_uuid())
                .bind(sealed_key)
                .bind(step)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0
        }))
    }

    /// Uses a recovery code. `false`: it was used, or never was.
    pub async fn use_recovery_code(
        &self,
        user: UserId,
        code_hash: [u8; 32],
    ) -> Result<bool, StoreError> {
        Ok(in_tx!(self, tx => {
            let is_used = sqlx::query(USE_CODE)
                .bind(user.as_uuid())
                .bind(code_hash.as_slice())
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if is_used {
                let event = Event::of(AuditAction::RecoveryCodeUse, user);
                audit!(self, tx, ChainId::INSTALLATION, event);
            }
            is_used
        }))
    }

    /// How many recovery codes a user has left.
    pub async fn count_recovery_codes(&self, user: UserId) -> Result<i64, StoreError> {
        Ok(on_db!(self, pool => {
            sqlx::query_scalar(COUNT_CODES).bind(user.as_uuid()).fetch_one(pool).await?
        }))
    }

    /// Forgets a user's key, and the recovery codes with it. `false`: there is none.
    pub async fn delete_totp_key(&self, user: UserId) -> Result<bool, StoreError> {
        Ok(in_tx!(self, tx => {
            let is_gone = sqlx::query(DELETE_KEY)
                .bind(user.as_uuid())
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if is_gone {
                let gone = Event::of(AuditAction::TotpDelete, user);
                audit!(self, tx, ChainId::INSTALLATION, gone);
            }
            is_gone
        }))
    }
}
