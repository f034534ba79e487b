//! Users, organizations, memberships.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::{OrgId, ProjectId, UserId};

use crate::{
    Store, StoreError,
    db::{in_tx, on_db},
    error::is_unique_violation,
};

/// What a member may do, by the built-in roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything, the organization's end included.
    Owner,
    /// Everything but that.
    Admin,
    /// Scripts.
    Editor,
    /// Reading.
    Viewer,
}

impl Role {
    /// The spelling in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Editor => "editor",
            Self::Viewer => "viewer",
        }
    }

    pub(crate) fn read(text: &str, user: Uuid) -> Result<Self, StoreError> {
        [Self::Owner, Self::Admin, Self::Editor, Self::Viewer]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| StoreError::corrupt("memberships", &user, &format!("role `{text}`")))
    }
}

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
    /// Id of the organization that is made for the user.
    pub org_id: OrgId,
    /// Id of that organization's first project.
    pub project_id: ProjectId,
    /// As checked by the caller.
    pub username: String,
    /// As checked by the caller.
    pub email: String,
    /// In PHC format.
    pub password_hash: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Whether others than the first may register.
    pub allow_later: bool,
}

/// What a registration made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The user.
    pub user: User,
    /// The user's organization.
    pub org_id: OrgId,
}

/// What signing in needs.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub user: User,
    /// The organization that the session will be for: the first that the user belongs to.
    pub org_id: OrgId,
    /// The user's role there.
    pub role: Role,
    /// In PHC format.
    pub password_hash: String,
}

const COUNT_USERS: &str = "SELECT COUNT(*) FROM users";
const INSERT_ORG: &str = "INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3)";
const INSERT_USER: &str = "INSERT INTO users \
    (id, username, email, password_hash, is_admin, is_disabled, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const INSERT_MEMBERSHIP: &str =
    "INSERT INTO memberships (org_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)";
const INSERT_PROJECT: &str =
    "INSERT INTO projects (id, org_id, name, created_at) VALUES ($1, $2, $3, $4)";
const HAS_USERNAME: &str = "SELECT COUNT(*) FROM users WHERE LOWER(username) = LOWER($1)";
const FIND_LOGIN: &str = "SELECT users.id, users.username, users.email, users.is_admin, \
    users.is_disabled, users.created_at, users.password_hash, memberships.org_id, memberships.role \
    FROM users JOIN memberships ON memberships.user_id = users.id \
    WHERE LOWER(users.username) = LOWER($1) OR LOWER(users.email) = LOWER($1) \
    ORDER BY memberships.created_at, memberships.org_id LIMIT 1";
const DEFAULT_PROJECT: &str = "SELECT id FROM projects WHERE org_id = $1 ORDER BY id LIMIT 1";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    COUNT_USERS,
    INSERT_ORG,
    INSERT_USER,
    INSERT_MEMBERSHIP,
    INSERT_PROJECT,
    HAS_USERNAME,
    FIND_LOGIN,
    DEFAULT_PROJECT,
];

#[derive(FromRow)]
struct LoginRow {
    id: Uuid,
    username: String,
    email: String,
    is_admin: bool,
    is_disabled: bool,
    created_at: DateTime<Utc>,
    password_hash: String,
    org_id: Uuid,
    role: String,
}

impl Store {
    /// Registers a user with an organization and a first project, or nothing at all. The first
    /// user of the installation is always let in and becomes its administrator.
    ///
    /// # Errors
    /// [`StoreError::RegistrationClosed`], or [`StoreError::Conflict`] for `username` or `email`.
    pub async fn register_user(&self, new: NewUser) -> Result<Registration, StoreError> {
        let lock = self.db.lock_registration();
        let user = in_tx!(self, tx => {
            sqlx::query(lock).execute(&mut *tx).await?;
            let users: i64 = sqlx::query_scalar(COUNT_USERS).fetch_one(&mut *tx).await?;
            if users > 0 && !new.allow_later {
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
                .map_err(|error| {
                    if is_unique_violation(&error) {
                        StoreError::Conflict { field: "email" }
                    } else {
                        error.into()
                    }
                })?;
            sqlx::query(INSERT_ORG)
                .bind(new.org_id.as_uuid())
                .bind(&new.username)
                .bind(new.created_at)
                .execute(&mut *tx)
                .await?;
            sqlx::query(INSERT_MEMBERSHIP)
                .bind(new.org_id.as_uuid())
                .bind(user.id.as_uuid())
                .bind(Role::Owner.as_str())
                .bind(new.created_at)
                .execute(&mut *tx)
                .await?;
            sqlx::query(INSERT_PROJECT)
                .bind(new.project_id.as_uuid())
                .bind(new.org_id.as_uuid())
                .bind("default")
                .bind(new.created_at)
                .execute(&mut *tx)
                .await?;
            user
        });
        Ok(Registration {
            user,
            org_id: new.org_id,
        })
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
        row.map(|row| {
            Ok(Login {
                role: Role::read(&row.role, row.id)?,
                user: User {
                    id: UserId::from_uuid(row.id),
                    username: row.username,
                    email: row.email,
                    is_admin: row.is_admin,
                    is_disabled: row.is_disabled,
                    created_at: row.created_at,
                },
                org_id: OrgId::from_uuid(row.org_id),
                password_hash: row.password_hash,
            })
        })
        .transpose()
    }

    /// The project that scripts belong to when none is named.
    pub async fn default_project(&self, org: OrgId) -> Result<Option<ProjectId>, StoreError> {
        let id: Option<Uuid> = on_db!(self, pool => {
            sqlx::query_scalar(DEFAULT_PROJECT).bind(org.as_uuid()).fetch_optional(pool).await?
        });
        Ok(id.map(ProjectId::from_uuid))
    }
}
