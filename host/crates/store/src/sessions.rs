//! Sessions: one for each device that signed in.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::{Access, OrgId, SessionId, UserId};

use crate::{
    AuditAction, ChainId, Store, StoreError, User,
    accounts::UserRow,
    audit::{Event, audit},
    db::{in_tx, on_db},
};

/// A session to be made.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Id.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// For which organization, if the user belongs to one.
    pub org_id: Option<OrgId>,
    /// SHA-256 of the refresh token.
    pub refresh_token_hash: [u8; 32],
    /// When it begins.
    pub created_at: DateTime<Utc>,
    /// When it ends if it is not refreshed.
    pub expires_at: DateTime<Utc>,
}

/// Who is calling, as stored at this very moment.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The session.
    pub session_id: SessionId,
    /// The user.
    pub user: User,
    /// The organization that all that the caller sees belongs to, and what the caller may do in it.
    /// `None`: the user belongs to it no more, or it is to be deleted.
    pub member: Option<(OrgId, Access)>,
}

pub(crate) const INSERT_SESSION: &str = "INSERT INTO sessions \
    (id, user_id, org_id, refresh_token_hash, created_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";
/// The organization is the session's only as long as the user belongs to it.
const FIND_CALLER: &str = "SELECT users.id, users.username, users.email, users.is_admin, \
    users.is_disabled, users.created_at, organizations.id AS org_id, organizations.access_version \
    FROM sessions JOIN users ON users.id = sessions.user_id \
    LEFT JOIN memberships ON memberships.user_id = users.id \
    AND memberships.org_id = sessions.org_id \
    LEFT JOIN organizations ON organizations.id = memberships.org_id \
    AND organizations.delete_after IS NULL \
    WHERE sessions.id = $1 AND sessions.revoked_at IS NULL AND sessions.expires_at > $2";
const ROTATE_SESSION: &str = "UPDATE sessions SET refresh_token_hash = $1, expires_at = $2 \
    WHERE id = $3 AND refresh_token_hash = $4 AND revoked_at IS NULL AND expires_at > $5";
const REVOKE_SESSION: &str = "UPDATE sessions SET revoked_at = $1 \
    WHERE id = $2 AND revoked_at IS NULL RETURNING user_id, org_id";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[INSERT_SESSION, FIND_CALLER, ROTATE_SESSION, REVOKE_SESSION];

#[derive(FromRow)]
struct CallerRow {
    #[sqlx(flatten)]
    user: UserRow,
    org_id: Option<Uuid>,
    access_version: Option<Uuid>,
}

/// Keeps a new session.
macro_rules! insert_session {
    ($store:expr, $tx:ident, $new:expr) => {
        sqlx::query($crate::sessions::INSERT_SESSION)
            .bind($new.id.as_uuid())
            .bind($new.user_id.as_uuid())
            .bind($new.org_id.map(OrgId::as_uuid))
            .bind($new.refresh_token_hash.as_slice())
            .bind($new.created_at)
            .bind($new.expires_at)
            .execute(&mut *$tx)
            .await?;
        let chain = $new
            .org_id
            .map_or($crate::ChainId::INSTALLATION, $crate::ChainId::from);
        let made = $crate::audit::Event::made(
            $crate::AuditAction::SessionCreate,
            $new.id,
            serde_json::json!({ "user_id": $new.user_id, "expires_at": $new.expires_at }),
        );
        $crate::audit::audit!($store, $tx, chain, made);
    };
}

/// Ends a session that goes on, and records why.
macro_rules! revoke_session {
    ($store:expr, $tx:ident, $session:expr, $now:expr, $action:expr) => {
        let ended: Option<(Uuid, Option<Uuid>)> = sqlx::query_as(REVOKE_SESSION)
            .bind($now)
            .bind($session.as_uuid())
            .fetch_optional(&mut *$tx)
            .await?;
        if let Some((user, org)) = ended {
            let chain = org.map_or(ChainId::INSTALLATION, ChainId::from_uuid);
            let before = serde_json::json!({ "user_id": user });
            audit!($store, $tx, chain, Event::gone($action, $session, before));
        }
    };
}

pub(crate) use insert_session;

impl Store {
    /// Keeps a new session.
    pub async fn create_session(&self, new: NewSession) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            insert_session!(self, tx, new);
        });
        Ok(())
    }

    /// The caller behind a session; `None` when it is revoked or over, or when the user is disabled.
    pub async fn find_caller(
        &self,
        session_id: SessionId,
        now: DateTime<Utc>,
    ) -> Result<Option<Caller>, StoreError> {
        let row: Option<CallerRow> = on_db!(self, pool => {
            sqlx::query_as(FIND_CALLER)
                .bind(session_id.as_uuid())
                .bind(now)
                .fetch_optional(pool)
                .await?
        });
        let Some(row) = row.filter(|row| !row.user.is_disabled) else {
            return Ok(None);
        };
        let member = match row.org_id.map(OrgId::from_uuid).zip(row.access_version) {
            None => None,
            Some((org, version)) => {
                let user = UserId::from_uuid(row.user.id);
                Some((org, self.get_access_at(org, user, version).await?))
            }
        };
        Ok(Some(Caller {
            session_id,
            member,
            user: row.user.into(),
        }))
    }

    /// Exchanges the refresh token of a session. `false`: it was not the current one, hence used
    /// before or made up, and the session is revoked.
    pub async fn rotate_session(
        &self,
        session_id: SessionId,
        old_hash: [u8; 32],
        new_hash: [u8; 32],
        expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let rotated = in_tx!(self, tx => {
            let rotated = sqlx::query(ROTATE_SESSION)
                .bind(new_hash.as_slice())
                .bind(expires_at)
                .bind(session_id.as_uuid())
                .bind(old_hash.as_slice())
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if rotated == 0 {
                revoke_session!(self, tx, session_id, now, AuditAction::SessionReuse);
            }
            rotated
        });
        Ok(rotated > 0)
    }

    /// Records that somebody tried to sign in as a user and was refused.
    pub async fn refuse_session(&self, user: UserId) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            let refused = Event::of(AuditAction::SessionRefuse, user);
            audit!(self, tx, ChainId::INSTALLATION, refused);
        });
        Ok(())
    }

    /// Ends a session. One that has ended is nothing to do.
    pub async fn revoke_session(
        &self,
        session_id: SessionId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            revoke_session!(self, tx, session_id, now, AuditAction::SessionRevoke);
        });
        Ok(())
    }
}
