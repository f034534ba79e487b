//! What users may change of themselves, and the list of their sessions.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::{SessionId, UserId};

use crate::{
    AuditAction, ChainId, Page, PageRequest, Store, StoreError,
    audit::{Event, audit},
    db::{in_tx, on_db},
    error::conflict,
};

/// A session as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    /// Id.
    pub id: SessionId,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends if it is not refreshed.
    pub expires_at: DateTime<Utc>,
}

const IS_NAME_TAKEN: &str =
    "SELECT COUNT(*) FROM users WHERE LOWER(username) = LOWER($1) AND id <> $2";
const GET_PROFILE: &str = "SELECT username, email FROM users WHERE id = $1";
const UPDATE_PROFILE: &str = "UPDATE users SET username = $2, email = $3 WHERE id = $1";
const LIST_SESSIONS: &str = "SELECT id, created_at, expires_at FROM sessions \
    WHERE user_id = $1 AND id < $2 AND revoked_at IS NULL AND expires_at > $3 \
    ORDER BY id DESC LIMIT $4";
const REVOKE_OWN_SESSION: &str = "UPDATE sessions SET revoked_at = $3 \
    WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL AND expires_at > $3 RETURNING org_id";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    IS_NAME_TAKEN,
    GET_PROFILE,
    UPDATE_PROFILE,
    LIST_SESSIONS,
    REVOKE_OWN_SESSION,
];

#[derive(FromRow)]
struct SessionRow {
    id: Uuid,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl Store {
    /// Changes a user's name and address.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for `username` or `email`.
    pub async fn update_profile(
        &self,
        user: UserId,
        username: &str,
        email: &str,
    ) -> Result<(), StoreError> {
        // Nobody takes the name between the look and the change.
        let lock = self.db.lock_registration();
        in_tx!(self, tx => {
            sqlx::query(lock).execute(&mut *tx).await?;
            let same: i64 = sqlx::query_scalar(IS_NAME_TAKEN)
                .bind(username)
                .bind(user.as_uuid())
                .fetch_one(&mut *tx)
                .await?;
            if same > 0 {
                return Err(StoreError::Conflict { field: "username" });
            }
            let (old_name, old_email): (String, String) =
                sqlx::query_as(GET_PROFILE).bind(user.as_uuid()).fetch_one(&mut *tx).await?;
            sqlx::query(UPDATE_PROFILE)
                .bind(user.as_uuid())
                .bind(username)
                .bind(email)
                .execute(&mut *tx)
                .await
                .map_err(|error| conflict(error, "email"))?;
            let before = json!({ "username": old_name, "email": old_email });
            let after = json!({ "username": username, "email": email });
            let changed = Event::changed(AuditAction::ProfileUpdate, user, before, after);
            audit!(self, tx, ChainId::INSTALLATION, changed);
        });
        Ok(())
    }

    /// One page of a user's sessions that go on at `now`, newest first.
    pub async fn list_sessions(
        &self,
        user: UserId,
        page: PageRequest,
        now: DateTime<Utc>,
    ) -> Result<Page<SessionSummary>, StoreError> {
        let rows: Vec<SessionRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_SESSIONS)
                .bind(user.as_uuid())
                .bind(page.before())
                .bind(now)
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?
        });
        let items = rows
            .into_iter()
            .map(|row| SessionSummary {
                id: SessionId::from_uuid(row.id),
                created_at: row.created_at,
                expires_at: row.expires_at,
            })
            .collect();
        Ok(page.page(items, |session: &SessionSummary| session.id.as_uuid()))
    }

    /// Ends a session of a user. `false`: the user has no such session that goes on.
    pub async fn revoke_own_session(
        &self,
        user: UserId,
        session: SessionId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        in_tx!(self, tx => {
            let ended: Option<(Option<Uuid>,)> = sqlx::query_as(REVOKE_OWN_SESSION)
                .bind(user.as_uuid())
                .bind(session.as_uuid())
                .bind(now)
                .fetch_optional(&mut *tx)
                .await?;
            let Some((org,)) = ended else {
                return Ok(false);
            };
            let chain = org.map_or(ChainId::INSTALLATION, ChainId::from_uuid);
            let before = json!({ "user_id": user });
            audit!(self, tx, chain, Event::gone(AuditAction::SessionRevoke, session, before));
        });
        Ok(true)
    }
}
