//! Signing in with a password, and changing it.
//!
//! Both name the hash that the caller has compared the password with, and both update the user's
//! row: of two at once, one waits for the other. So no session begins by a password that was changed
//! while it was being checked, and no change leaves such a session behind.

use chrono::{DateTime, Utc};
use vedette_core::{OrgId, SessionId, UserId};

use crate::{
    AuditAction, ChainId, NewSession, Store, StoreError,
    audit::{Event, audit},
    db::{in_tx, on_db},
    password_resets::DELETE_RESET_OF_USER,
    sessions::insert_session,
};

const FIND_HASH: &str = "SELECT password_hash FROM users WHERE id = $1";
const KEEP_OR_REHASH: &str = "UPDATE users SET password_hash = $3 \
    WHERE id = $1 AND password_hash = $2 AND NOT is_disabled";
const CHANGE_PASSWORD: &str =
    "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
const REVOKE_OTHERS: &str = "UPDATE sessions SET revoked_at = $3 \
    WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[FIND_HASH, KEEP_OR_REHASH, CHANGE_PASSWORD, REVOKE_OTHERS];

impl Store {
    /// The hash of a user's password, in PHC format.
    pub async fn find_password_hash(&self, user: UserId) -> Result<Option<String>, StoreError> {
        Ok(on_db!(self, pool => {
            sqlx::query_scalar(FIND_HASH).bind(user.as_uuid()).fetch_optional(pool).await?
        }))
    }

    /// Begins a session of a user whose password was right by `seen_hash`, which `new_hash`
    /// replaces. `false`: the password was changed since, or the user is disabled.
    pub async fn sign_in(
        &self,
        new: NewSession,
        seen_hash: &str,
        new_hash: &str,
    ) -> Result<bool, StoreError> {
        in_tx!(self, tx => {
            let users = sqlx::query(KEEP_OR_REHASH)
                .bind(new.user_id.as_uuid())
                .bind(seen_hash)
                .bind(new_hash)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if users == 0 {
                return Ok(false);
            }
            insert_session!(self, tx, new);
        });
        Ok(true)
    }

    /// Changes a password from the one behind `seen_hash`, and ends all sessions of the user but
    /// the one that asks, and the link that would set another one. `false`: it was changed since.
    pub async fn change_password(
        &self,
        user: UserId,
        session: SessionId,
        seen_hash: &str,
        new_hash: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        in_tx!(self, tx => {
            // First, as in all transactions that come to both: they must not lock each other out.
            sqlx::query(DELETE_RESET_OF_USER).bind(user.as_uuid()).execute(&mut *tx).await?;
            let users = sqlx::query(CHANGE_PASSWORD)
                .bind(user.as_uuid())
                .bind(seen_hash)
                .bind(new_hash)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if users == 0 {
                return Ok(false);
            }
            sqlx::query(REVOKE_OTHERS)
                .bind(user.as_uuid())
                .bind(session.as_uuid())
                .bind(now)
                .execute(&mut *tx)
                .await?;
            let changed = Event::of(AuditAction::PasswordUpdate, user);
            audit!(self, tx, ChainId::INSTALLATION, changed);
        });
        Ok(true)
    }
}
