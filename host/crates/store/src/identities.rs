//! Who users are at identity providers, and signing in by that.
//!
//! An identity is the provider's address and what it calls the person, and nothing else: an address of
//! mail may pass to somebody else.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::{BuiltInRole, IdentityId, OrgId, ProjectId, SessionId, UserId};

use crate::{
    Actor, AuditAction, Author, ChainId, NewSession, Store, StoreError, User,
    accounts::{COUNT_USERS, HAS_USERNAME, INSERT_USER},
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    error::conflict,
    invitations::use_invitation,
    members::{INSERT_GRANT, INSERT_MEMBERSHIP},
    organizations::insert_organization,
    projects::INSERT_PROJECT,
    roles::built_in_role_id,
    sessions::insert_session,
    user_administration::REVOKE_ALL_OF_USER,
};

/// A hash that no password has: a good one by its form, so that it takes as long to check as any.
pub const NO_PASSWORD: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                               AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Who a user is at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Id.
    pub id: IdentityId,
    /// The provider's address of its own.
    pub issuer: String,
    /// What the provider calls the person.
    pub subject: String,
    /// Since when it signs the user in.
    pub created_at: DateTime<Utc>,
}

impl Identity {
    /// What records keep: whose it is, and whether a trusted address handed the account over.
    fn snapshot(&self, user: UserId, handed_over: bool) -> serde_json::Value {
        json!({
            "user_id": user,
            "issuer": self.issuer,
            "subject": self.subject,
            "handed_over": handed_over,
        })
    }
}

/// Somebody whom a provider has vouched for. The ids are the caller's.
#[derive(Debug, Clone)]
pub struct IdentityLogin {
    /// Who it is. The id counts if it was not known before.
    pub identity: Identity,
    /// Who was signed in and adds the identity to the account.
    pub link_to: Option<UserId>,
    /// An address that may say alone whose account it is: the provider has verified it, and the
    /// installation takes its word.
    pub trusted_email: Option<String>,
    /// Who else becomes a user; `None`: nobody.
    pub new_user: Option<NewIdentityUser>,
    /// Id of the session that begins.
    pub session_id: SessionId,
    /// SHA-256 of its refresh token.
    pub refresh_token_hash: [u8; 32],
    /// When it ends if it is not refreshed. It begins when the identity was made.
    pub expires_at: DateTime<Utc>,
}

/// A user to be made of an identity.
#[derive(Debug, Clone)]
pub struct NewIdentityUser {
    /// Id of the user.
    pub id: UserId,
    /// Id of the organization that is made for the user, who comes without an invitation.
    pub org_id: OrgId,
    /// Id of that organization's first project.
    pub project_id: ProjectId,
    /// The first that is free counts. As checked by the caller.
    pub usernames: Vec<String>,
    /// As checked by the caller.
    pub email: String,
    /// SHA-256 of an invitation, by which the user joins another organization instead.
    pub invitation: Option<[u8; 32]>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentitySignedIn {
    /// The session has begun.
    Done(UserId),
    /// The user is disabled.
    Disabled,
    /// It is nobody's here, and nobody may be made of it.
    Unknown,
}

/// What came of taking an identity off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovedIdentity {
    /// It signs nobody in any more.
    Done,
    /// The user has no such identity.
    Absent,
    /// The user could not sign in any more.
    LastWayIn,
}

const FIND_USER: &str = "SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2";
const INSERT_IDENTITY: &str = "INSERT INTO identities (id, user_id, issuer, subject, created_at) \
    VALUES ($1, $2, $3, $4, $5)";
const USER_BY_EMAIL: &str = "SELECT id FROM users WHERE LOWER(email) = LOWER($1)";
const DELETE_RESET_BY_EMAIL: &str = "DELETE FROM password_resets WHERE user_id IN \
    (SELECT id FROM users WHERE LOWER(email) = LOWER($1))";
const END_PASSWORD: &str = "UPDATE users SET password_hash = $2 WHERE id = $1 AND NOT is_disabled";
const END_KEYS: &str = "DELETE FROM api_keys WHERE user_id = $1";
/// Changes nothing: whoever disables the user meanwhile comes before it, or ends the session too.
const HOLD_USER: &str = "UPDATE users SET is_disabled = is_disabled \
    WHERE id = $1 AND NOT is_disabled RETURNING username";
const FIRST_ORG: &str = "SELECT organizations.id FROM memberships \
    JOIN organizations ON organizations.id = memberships.org_id \
    WHERE memberships.user_id = $1 AND organizations.delete_after IS NULL \
    ORDER BY memberships.created_at, memberships.org_id LIMIT 1";
const LIST_IDENTITIES: &str = "SELECT id, issuer, subject, created_at FROM identities \
    WHERE user_id = $1 ORDER BY id";
const DELETE_IDENTITY: &str = "DELETE FROM identities WHERE user_id = $1 AND id = $2 \
    RETURNING id, issuer, subject, created_at";
const ISSUERS_LEFT: &str = "SELECT issuer FROM identities WHERE user_id = $1";
const HAS_PASSWORD: &str = "SELECT COUNT(*) FROM users WHERE id = $1 AND password_hash <> $2";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    FIND_USER,
    INSERT_IDENTITY,
    USER_BY_EMAIL,
    DELETE_RESET_BY_EMAIL,
    END_PASSWORD,
    END_KEYS,
    HOLD_USER,
    FIRST_ORG,
    LIST_IDENTITIES,
    DELETE_IDENTITY,
    ISSUERS_LEFT,
    HAS_PASSWORD,
];

#[derive(FromRow)]
struct IdentityRow {
    id: Uuid,
    issuer: String,
    subject: String,
    created_at: DateTime<Utc>,
}

impl From<IdentityRow> for Identity {
    fn from(row: IdentityRow) -> Self {
        Self {
            id: IdentityId::from_uuid(row.id),
            issuer: row.issuer,
            subject: row.subject,
            created_at: row.created_at,
        }
    }
}

/// Whose an identity is.
macro_rules! find_user {
    ($tx:ident, $identity:expr) => {{
        let found: Option<Uuid> = sqlx::query_scalar(FIND_USER)
            .bind(&$identity.issuer)
            .bind(&$identity.subject)
            .fetch_optional(&mut *$tx)
            .await?;
        found.map(UserId::from_uuid)
    }};
}

/// Registers somebody as [`Store::register_user`] does, but never the first user of the installation.
macro_rules! insert_user {
    ($store:expr, $tx:ident, $user:expr, $now:expr) => {{
        let users: i64 = sqlx::query_scalar(COUNT_USERS).fetch_one(&mut *$tx).await?;
        if users == 0 {
            return Err(StoreError::RegistrationClosed);
        }
        let mut free = None;
        for name in &$user.usernames {
            let same: i64 = sqlx::query_scalar(HAS_USERNAME)
                .bind(name)
                .fetch_one(&mut *$tx)
                .await?;
            if same == 0 {
                free = Some(name);
                break;
            }
        }
        let name = free.ok_or(StoreError::Conflict { field: "username" })?;
        sqlx::query(INSERT_USER)
            .bind($user.id.as_uuid())
            .bind(name)
            .bind(&$user.email)
            .bind(NO_PASSWORD)
            .bind(false)
            .bind(false)
            .bind($now)
            .execute(&mut *$tx)
            .await
            .map_err(|error| conflict(error, "email"))?;
        let store = $store.in_the_name_of($user.id, name.clone());
        if let Some(token) = $user.invitation {
            use_invitation!(store, $tx, token, $user.id, &$user.email, $now);
        } else {
            insert_organization!(
                store,
                $tx,
                $user.org_id,
                name,
                $user.project_id,
                $user.id,
                $now
            );
        }
        let user = User {
            id: $user.id,
            username: name.clone(),
            email: $user.email.clone(),
            is_admin: false,
            is_disabled: false,
            created_at: $now,
        };
        let made = Event::made(AuditAction::UserCreate, user.id, user.snapshot());
        audit!(store, $tx, ChainId::INSTALLATION, made);
    }};
}

/// Hands an account to the owner of its address. Whoever had it until now may be somebody else, who
/// took the address without having it: all ways in that they have are closed.
macro_rules! hand_over {
    ($tx:ident, $user:expr, $now:expr) => {{
        let held = sqlx::query(END_PASSWORD)
            .bind($user)
            .bind(NO_PASSWORD)
            .execute(&mut *$tx)
            .await?
            .rows_affected();
        if held == 0 {
            return Ok(IdentitySignedIn::Disabled);
        }
        sqlx::query(REVOKE_ALL_OF_USER)
            .bind($user)
            .bind($now)
            .execute(&mut *$tx)
            .await?;
        sqlx::query(END_KEYS).bind($user).execute(&mut *$tx).await?;
    }};
}

impl Store {
    /// The same, in the hands of a user who has just shown who it is.
    fn in_the_name_of(&self, id: UserId, name: String) -> Self {
        let author = self.author();
        self.by(Author {
            actor: Actor::User { id, name },
            ..author.as_ref().clone()
        })
    }

    /// Begins a session of whoever a provider has vouched for. An identity that is known decides alone;
    /// one that is not is added to the account of who was signed in, or of who has the trusted address,
    /// or makes a user.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for `identity` (it is somebody else's), `email` or `username`,
    /// [`StoreError::RegistrationClosed`] while there is no user yet, [`StoreError::InvitationInvalid`].
    pub async fn sign_in_by_identity(
        &self,
        new: IdentityLogin,
    ) -> Result<IdentitySignedIn, StoreError> {
        let lock = self.db.lock_registration();
        let (identity, now) = (&new.identity, new.identity.created_at);
        let user = in_tx!(self, tx => {
            let mut known = find_user!(tx, identity);
            if known.is_none() {
                if let Some(email) = &new.trusted_email {
                    // First, as in all transactions that come to both: they must not lock each other out.
                    sqlx::query(DELETE_RESET_BY_EMAIL).bind(email).execute(&mut *tx).await?;
                }
                // Of two first logins at once the second finds the identity of the first.
                sqlx::query(lock).execute(&mut *tx).await?;
                known = find_user!(tx, identity);
            }
            if known.is_some() && new.link_to.is_some() && known != new.link_to {
                return Err(StoreError::Conflict { field: "identity" });
            }
            let mut added = None;
            let user = if let Some(user) = known {
                user
            } else {
                let by_email: Option<Uuid> = match (new.link_to, &new.trusted_email) {
                    (None, Some(email)) => {
                        sqlx::query_scalar(USER_BY_EMAIL).bind(email).fetch_optional(&mut *tx).await?
                    }
                    _ => None,
                };
                let user = if let Some(user) = new.link_to {
                    user
                } else if let Some(user) = by_email {
                    hand_over!(tx, user, now);
                    UserId::from_uuid(user)
                } else if let Some(user) = &new.new_user {
                    insert_user!(self, tx, user, now);
                    user.id
                } else {
                    return Ok(IdentitySignedIn::Unknown);
                };
                sqlx::query(INSERT_IDENTITY)
                    .bind(identity.id.as_uuid())
                    .bind(user.as_uuid())
                    .bind(&identity.issuer)
                    .bind(&identity.subject)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
                added = Some(identity.snapshot(user, by_email.is_some()));
                user
            };
            let held: Option<String> = sqlx::query_scalar(HOLD_USER)
                .bind(user.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let Some(name) = held else {
                return Ok(IdentitySignedIn::Disabled);
            };
            let store = self.in_the_name_of(user, name);
            let org: Option<Uuid> = sqlx::query_scalar(FIRST_ORG)
                .bind(user.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let session = NewSession {
                id: new.session_id,
                user_id: user,
                org_id: org.map(OrgId::from_uuid),
                refresh_token_hash: new.refresh_token_hash,
                created_at: now,
                expires_at: new.expires_at,
            };
            insert_session!(store, tx, session);
            if let Some(snapshot) = added {
                let made = Event::made(AuditAction::IdentityCreate, identity.id, snapshot);
                audit!(store, tx, ChainId::INSTALLATION, made);
            }
            user
        });
        Ok(IdentitySignedIn::Done(user))
    }

    /// The identities of a user, oldest first: they are few.
    pub async fn list_identities(&self, user: UserId) -> Result<Vec<Identity>, StoreError> {
        let rows: Vec<IdentityRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_IDENTITIES).bind(user.as_uuid()).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(Identity::from).collect())
    }

    /// Takes an identity off a user who has a password, or another identity at one of these issuers.
    pub async fn remove_identity(
        &self,
        user: UserId,
        id: IdentityId,
        issuers: &[String],
    ) -> Result<RemovedIdentity, StoreError> {
        in_tx!(self, tx => {
            // Two at once must not each leave the other's to the user.
            sqlx::query(HOLD_USER).bind(user.as_uuid()).execute(&mut *tx).await?;
            let removed: Option<IdentityRow> = sqlx::query_as(DELETE_IDENTITY)
                .bind(user.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let Some(removed) = removed.map(Identity::from) else {
                return Ok(RemovedIdentity::Absent);
            };
            let left: Vec<String> =
                sqlx::query_scalar(ISSUERS_LEFT).bind(user.as_uuid()).fetch_all(&mut *tx).await?;
            let with_password: i64 = sqlx::query_scalar(HAS_PASSWORD)
                .bind(user.as_uuid())
                .bind(NO_PASSWORD)
                .fetch_one(&mut *tx)
                .await?;
            if with_password == 0 && !left.iter().any(|issuer| issuers.contains(issuer)) {
                return Ok(RemovedIdentity::LastWayIn);
            }
            let snapshot = removed.snapshot(user, false);
            let gone = Event::gone(AuditAction::IdentityDelete, id, snapshot);
            audit!(self, tx, ChainId::INSTALLATION, gone);
        });
        Ok(RemovedIdentity::Done)
    }
}
