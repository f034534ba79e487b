//! Links that set a new password without the old one: good once, for an hour. Of a user there is one
//! at most.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use vedette_core::UserId;

use crate::{
    AuditAction, ChainId, Store, StoreError, User,
    accounts::UserRow,
    audit::{Event, audit},
    db::{in_tx, on_db},
    user_administration::REVOKE_ALL_OF_USER,
};

/// A link to be made.
#[derive(Debug, Clone)]
pub struct NewPasswordReset {
    /// For whom.
    pub user_id: UserId,
    /// SHA-256 of the token in it.
    pub token_hash: [u8; 32],
    /// By whom.
    pub created_by: UserId,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// From then on it is good no more.
    pub expires_at: DateTime<Utc>,
}

const PUT_RESET: &str = "INSERT INTO password_resets \
    (user_id, token_hash, created_by, created_at, expires_at) \
    SELECT id, $2, $3, $4, $5 FROM users WHERE id = $1 AND NOT is_disabled \
    ON CONFLICT (user_id) DO UPDATE SET token_hash = excluded.token_hash, \
    created_by = excluded.created_by, created_at = excluded.created_at, \
    expires_at = excluded.expires_at";
const FIND_RESET: &str = "SELECT users.id, users.username, users.email, users.is_admin, \
    users.is_disabled, users.created_at FROM password_resets \
    JOIN users ON users.id = password_resets.user_id \
    WHERE password_resets.token_hash = $1 AND password_resets.expires_at > $2 \
    AND NOT users.is_disabled";
const TAKE_RESET: &str = "DELETE FROM password_resets WHERE token_hash = $1 AND expires_at > $2 \
    RETURNING user_id";
const RESET_PASSWORD: &str =
    "UPDATE users SET password_hash = $2 WHERE id = $1 AND NOT is_disabled";
pub(crate) const DELETE_RESET_OF_USER: &str = "DELETE FROM password_resets WHERE user_id = $1";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    PUT_RESET,
    FIND_RESET,
    TAKE_RESET,
    RESET_PASSWORD,
    DELETE_RESET_OF_USER,
];

impl Store {
    /// Keeps a link, in place of the one that the user may have had. `false`: there is no such user,
    /// or one who is disabled.
    pub async fn put_password_reset(&self, new: &NewPasswordReset) -> Result<bool, StoreError> {
        Ok(in_tx!(self, tx => {
            let made = sqlx::query(PUT_RESET)
                .bind(new.user_id.as_uuid())
                .bind(new.token_hash.as_slice())
                .bind(new.created_by.as_uuid())
                .bind(new.created_at)
                .bind(new.expires_at)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if made {
                let made = Event::of(AuditAction::PasswordResetCreate, new.user_id);
                audit!(self, tx, ChainId::INSTALLATION, made);
            }
            made
        }))
    }

    /// Whose password a link sets; `None` when it was used, is over, or never was.
    pub async fn find_password_reset(
        &self,
        token_hash: [u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<User>, StoreError> {
        let row: Option<UserRow> = on_db!(self, pool => {
            sqlx::query_as(FIND_RESET)
                .bind(token_hash.as_slice())
                .bind(now)
                .fetch_optional(pool)
                .await?
        });
        Ok(row.map(User::from))
    }

    /// Uses a link: sets the password and ends all sessions. `false`: it was used by somebody else
    /// meanwhile, is over, or never was.
    pub async fn use_password_reset(
        &self,
        token_hash: [u8; 32],
        password_hash: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        in_tx!(self, tx => {
            let user: Option<Uuid> = sqlx::query_scalar(TAKE_RESET)
                .bind(token_hash.as_slice())
                .bind(now)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(user) = user else {
                return Ok(false);
            };
            let users = sqlx::query(RESET_PASSWORD)
                .bind(user)
                .bind(password_hash)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if users == 0 {
                return Ok(false);
            }
            sqlx::query(REVOKE_ALL_OF_USER).bind(user).bind(now).execute(&mut *tx).await?;
            let event = Event::of(AuditAction::PasswordResetUse, user);
            audit!(self, tx, ChainId::INSTALLATION, event);
        });
        Ok(true)
    }
}
