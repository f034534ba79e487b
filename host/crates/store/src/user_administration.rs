//! What administrators of the installation see and decide of its users. These statements name no
//! organization: only such administrators come here.

use chrono::{DateTime, Utc};
use vedette_core::UserId;

use crate::{
    AuditAction, ChainId, Page, PageRequest, Store, StoreError, User,
    accounts::UserRow,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    password_resets::DELETE_RESET_OF_USER,
};

/// What an administrator decides of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserChange {
    /// May not sign in; all sessions end.
    pub is_disabled: bool,
    /// Administrator of the installation.
    pub is_admin: bool,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedUser {
    /// It was made.
    Done(User),
    /// There is no such user.
    Absent,
    /// Nobody would be left to administrate the installation.
    LastAdministrator,
}

const LIST_USERS: &str = "SELECT id, username, email, is_admin, is_disabled, created_at \
    FROM users WHERE id < $1 ORDER BY id DESC LIMIT $2";
const GET_USER: &str = "SELECT id, username, email, is_admin, is_disabled, created_at \
    FROM users WHERE id = $1";
const CHANGE_USER: &str = "UPDATE users SET is_disabled = $2, is_admin = $3 WHERE id = $1 \
    RETURNING id, username, email, is_admin, is_disabled, created_at";
const COUNT_ADMINISTRATORS: &str = "SELECT COUNT(*) FROM users WHERE is_admin AND NOT is_disabled";
pub(crate) const REVOKE_ALL_OF_USER: &str =
    "UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    LIST_USERS,
    GET_USER,
    CHANGE_USER,
    COUNT_ADMINISTRATORS,
    REVOKE_ALL_OF_USER,
];

impl Store {
    /// One page of all users of the installation, newest first.
    pub async fn list_users(&self, page: PageRequest) -> Result<Page<User>, StoreError> {
        let rows: Vec<UserRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_USERS)
                .bind(page.before())
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?
        });
        let items = rows.into_iter().map(User::from).collect();
        Ok(page.page(items, |user: &User| user.id.as_uuid()))
    }

    /// Changes what a user may do in the installation. The sessions of one who is disabled end in
    /// the same transaction, and stay ended when the user is let in again.
    pub async fn change_user(
        &self,
        user: UserId,
        change: UserChange,
        now: DateTime<Utc>,
    ) -> Result<ChangedUser, StoreError> {
        let lock = self.db.lock_registration();
        let changed: User = in_tx!(self, tx => {
            // First, as in all transactions that come to both: they must not lock each other out.
            if change.is_disabled {
                sqlx::query(DELETE_RESET_OF_USER).bind(user.as_uuid()).execute(&mut *tx).await?;
            }
            // Two administrators must not disable each other at once.
            sqlx::query(lock).execute(&mut *tx).await?;
            let old: Option<UserRow> =
                sqlx::query_as(GET_USER).bind(user.as_uuid()).fetch_optional(&mut *tx).await?;
            let row: Option<UserRow> = sqlx::query_as(CHANGE_USER)
                .bind(user.as_uuid())
                .bind(change.is_disabled)
                .bind(change.is_admin)
                .fetch_optional(&mut *tx)
                .await?;
            let (Some(old), Some(row)) = (old.map(User::from), row.map(User::from)) else {
                return Ok(ChangedUser::Absent);
            };
            let left: i64 =
                sqlx::query_scalar(COUNT_ADMINISTRATORS).fetch_one(&mut *tx).await?;
            if left == 0 {
                return Ok(ChangedUser::LastAdministrator);
            }
            if change.is_disabled {
                sqlx::query(REVOKE_ALL_OF_USER)
                    .bind(user.as_uuid())
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
            }
            let (before, after) = (old.snapshot(), row.snapshot());
            let changed = Event::changed(AuditAction::UserUpdate, user, before, after);
            audit!(self, tx, ChainId::INSTALLATION, changed);
            row
        });
        Ok(ChangedUser::Done(changed))
    }
}
