//! Users: registering and signing in.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::{BuiltInRole, OrgId, ProjectId, UserId};

use crate::{
    Store, StoreError,
    db::{in_tx, on_db},
    error::conflict,
    invitations::use_invitation,
    members::{INSERT_GRANT, INSERT_MEMBERSHIP},
    organizations::insert_organization,
    projects::INSERT_PROJECT,
    roles::built_in_role_id,
};

/// A person who can sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Unique without regard to case.
    pub username: String,
    /// Unique without regard to case.
    pub email: String,
    /// Administrator of the installation, not of an organization.
    pub is_admin: bool,
    /// May not sign in.
    pub is_disabled: bool,
    /// When registered.
    pub created_at: DateTime<Utc>,
}

/// A registration. The ids are the caller's, so that time and chance stay out of here.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Id of the user.
    pub id: UserId,
    /// Id of the organization that is made for the user, who comes without an invitation.
    pub org_id: OrgId,
    /// Id of that organization's first project.
    pub project_id: ProjectId,
    /// SHA-256 of an invitation, by which the user joins another organization instead.
    pub invitation: Option<[u8; 32]>,
    /// As checked by the caller.
    pub username: String,
    /// As checked by the caller.
    pub email: String,
    /// In PHC format.
    pub password_hash: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Whether others than the first may register without an invitation.
    pub allow_later: bool,
}

/// What a registration made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The user.
    pub user: User,
    /// The organization that the user belongs to.
    pub org_id: OrgId,
}

/// What signing in needs.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub user: User,
    /// The organization that the session will be for: the first that the user belongs to.
    pub org_id: Option<OrgId>,
    /// In PHC format.
    pub password_hash: String,
}

const COUNT_USERS: &str = "SELECT COUNT(*) FROM users";
const INSERT_USER: &str = "INSERT INTO users \
    (id, username, email, password_hash, is_admin, is_disabled, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const HAS_USERNAME: &str = "SELECT COUNT(*) FROM users WHERE LOWER(username) = LOWER($1)";
const FIND_LOGIN: &str = "SELECT users.id, users.username, users.email, users.is_admin, \
    users.is_disabled, users.created_at, users.password_hash, organizations.id AS org_id FROM users \
    LEFT JOIN memberships ON memberships.user_id = users.id \
    LEFT JOIN organizations ON organizations.id = memberships.org_id \
    AND organizations.delete_after IS NULL \
    WHERE LOWER(users.username) = LOWER($1) OR LOWER(users.email) = LOWER($1) \
    ORDER BY organizations.id IS NULL, memberships.created_at, memberships.org_id LIMIT 1";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[COUNT_USERS, INSERT_USER, HAS_USERNAME, FIND_LOGIN];

/// A user as other rows have one, too.
#[derive(FromRow)]
pub(crate) struct UserRow {
    pub(crate) id: Uuid,
    username: String,
    email: String,
    is_admin: bool,
    pub(crate) is_disabled: bool,
    created_at: DateTime<Utc>,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: UserId::from_uuid(row.id),
            username: row.username,
            email: row.email,
            is_admin: row.is_admin,
            is_disabled: row.is_disabled,
            created_at: row.created_at,
        }
    }
}

#[derive(FromRow)]
struct LoginRow {
    #[sqlx(flatten)]
    user: UserRow,
    password_hash: String,
    org_id: Option<Uuid>,
}

impl Store {
    /// Registers a user with an organization and a first project, or as a member of the organization
    /// that invites, or not at all. The first user of the installation is always let in and becomes
    /// its administrator.
    ///
    /// # Errors
    /// [`StoreError::RegistrationClosed`], [`StoreError::InvitationInvalid`], or
    /// [`StoreError::Conflict`] for `username` or `email`.
    pub async fn register_user(&self, new: NewUser) -> Result<Registration, StoreError> {
        let lock = self.db.lock_registration();
        let registration = in_tx!(self, tx => {
            sqlx::query(lock).execute(&mut *tx).await?;
            let users: i64 = sqlx::query_scalar(COUNT_USERS).fetch_one(&mut *tx).await?;
            if users > 0 && !new.allow_later && new.invitation.is_none() {
                return Err(StoreError::RegistrationClosed);
            }
            let same: i64 =
                sqlx::query_scalar(HAS_USERNAME).bind(&new.username).fetch_one(&mut *tx).await?;
            if same > 0 {
                return Err(StoreError::Conflict { field: "username" });
            }
            let user = User {
                id: new.id,
                username: new.username.clone(),
                email: new.email.clone(),
                is_admin: users == 0,
                is_disabled: false,
                created_at: new.created_at,
            };
            sqlx::query(INSERT_USER)
                .bind(user.id.as_uuid())
                .bind(&user.username)
                .bind(&user.email)
                .bind(&new.password_hash)
                .bind(user.is_admin)
                .bind(user.is_disabled)
                .bind(user.created_at)
                .execute(&mut *tx)
                .await
                .map_err(|error| conflict(error, "email"))?;
            let org = if let Some(token) = new.invitation {
                use_invitation!(self, tx, token, new.id, &new.email, new.created_at)
            } else {
                insert_organization!(
                    tx, new.org_id, &new.username, new.project_id, new.id, new.created_at
                );
                new.org_id
            };
            Registration { user, org_id: org }
        });
        Ok(registration)
    }

    /// Whether anyone has registered yet.
    pub async fn has_users(&self) -> Result<bool, StoreError> {
        let users: i64 =
            on_db!(self, pool => sqlx::query_scalar(COUNT_USERS).fetch_one(pool).await?);
        Ok(users > 0)
    }

    /// Finds a user by name or e-mail address, without regard to case.
    pub async fn find_login(&self, name_or_email: &str) -> Result<Option<Login>, StoreError> {
        let row: Option<LoginRow> = on_db!(self, pool => {
            sqlx::query_as(FIND_LOGIN).bind(name_or_email).fetch_optional(pool).await?
        });
        Ok(row.map(|row| Login {
            user: row.user.into(),
            org_id: row.org_id.map(OrgId::from_uuid),
            password_hash: row.password_hash,
        }))
    }
}
