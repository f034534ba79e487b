//! Keys by which machines call the API: for one user in one organization, and never beyond what that
//! user may do there at the moment.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{FromRow, types::Json};
use uuid::Uuid;
use vedette_core::{Access, ApiKeyId, OrgId, Permission, PermissionSet, ProjectId, UserId};

use crate::{
    AuditAction, Page, PageRequest, Store, StoreError, User,
    accounts::UserRow,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    members::HAS_PROJECT,
};

/// A key, without what it is proved by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Id.
    pub id: ApiKeyId,
    /// For people.
    pub name: String,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is good for, as far as its user may do it.
    pub permissions: PermissionSet,
    /// The one project in which it counts; `None`: all that its user has.
    pub project_id: Option<ProjectId>,
    /// When made.
    pub created_at: DateTime<Utc>,
    /// From then on it is good no more; `None`: it has no end.
    pub expires_at: Option<DateTime<Utc>>,
    /// To the minute; `None`: never.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A key to be kept.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// What it will be.
    pub key: ApiKey,
    /// The organization.
    pub org_id: OrgId,
    /// SHA-256 of the key.
    pub token_hash: [u8; 32],
    /// Keys that a user may have in an organization, expired ones not counted.
    pub most: u32,
}

/// What became of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiKeyCreated {
    /// It is kept.
    Done,
    /// The user has as many as may be.
    TooMany,
    /// The project is not there.
    UnknownProject,
}

/// Who calls by a key.
#[derive(Debug, Clone)]
pub struct KeyCaller {
    /// The key.
    pub key_id: ApiKeyId,
    /// The key's user.
    pub user: User,
    /// The key's organization.
    pub org_id: OrgId,
    /// What the key allows, within what its user may do.
    pub access: Access,
}

/// A use that was noted this short a time ago is not noted again: no write for each request.
const NOTED_FOR: TimeDelta = TimeDelta::minutes(1);

const COUNT_KEYS: &str = "SELECT COUNT(*) FROM api_keys WHERE org_id = $1 AND user_id = $2 \
    AND (expires_at IS NULL OR expires_at > $3)";
const INSERT_KEY: &str = "INSERT INTO api_keys (id, org_id, user_id, name, token_hash, permissions, \
    project_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const LIST_KEYS: &str = "SELECT id, user_id, name, permissions, project_id, created_at, expires_at, \
    last_used_at FROM api_keys WHERE org_id = $1 AND id < $2 AND (user_id = $3 OR $4) \
    ORDER BY id DESC LIMIT $5";
const DELETE_KEY: &str = "DELETE FROM api_keys WHERE org_id = $1 AND id = $2 \
    AND (user_id = $3 OR $4) RETURNING id, user_id, name, permissions, project_id, created_at, \
    expires_at, last_used_at";
const FIND_CALLER: &str = "SELECT api_keys.id AS key_id, api_keys.org_id, api_keys.permissions, \
    api_keys.project_id, api_keys.last_used_at, users.id, users.username, users.email, \
    users.is_admin, users.is_disabled, users.created_at, organizations.access_version \
    FROM api_keys JOIN users ON users.id = api_keys.user_id \
    JOIN organizations ON organizations.id = api_keys.org_id \
    WHERE api_keys.token_hash = $1 AND (api_keys.expires_at IS NULL OR api_keys.expires_at > $2) \
    AND NOT users.is_disabled AND organizations.delete_after IS NULL";
const NOTE_USE: &str = "UPDATE api_keys SET last_used_at = $3 WHERE org_id = $1 AND id = $2";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    COUNT_KEYS,
    INSERT_KEY,
    LIST_KEYS,
    DELETE_KEY,
    FIND_CALLER,
    NOTE_USE,
];

#[derive(FromRow)]
struct KeyRow {
    id: Uuid,
    user_id: Uuid,
    name: String,
    permissions: Json<Vec<String>>,
    project_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
}

impl From<KeyRow> for ApiKey {
    fn from(row: KeyRow) -> Self {
        Self {
            id: ApiKeyId::from_uuid(row.id),
            name: row.name,
            user_id: UserId::from_uuid(row.user_id),
            permissions: read_permissions(&row.permissions),
            project_id: row.project_id.map(ProjectId::from_uuid),
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        }
    }
}

#[derive(FromRow)]
struct CallerRow {
    key_id: Uuid,
    org_id: Uuid,
    permissions: Json<Vec<String>>,
    project_id: Option<Uuid>,
    last_used_at: Option<DateTime<Utc>>,
    access_version: Uuid,
    #[sqlx(flatten)]
    user: UserRow,
}

/// A name that this version does not know allows nothing.
fn read_permissions(names: &[String]) -> PermissionSet {
    let names = names.iter();
    names
        .filter_map(|name| name.parse::<Permission>().ok())
        .collect()
}

impl Store {
    /// Keeps a key.
    pub async fn create_api_key(&self, new: &NewApiKey) -> Result<ApiKeyCreated, StoreError> {
        let key = &new.key;
        let names: Vec<&str> = key.permissions.iter().map(Permission::as_str).collect();
        in_tx!(self, tx => {
            let keys: i64 = sqlx::query_scalar(COUNT_KEYS)
                .bind(new.org_id.as_uuid())
                .bind(key.user_id.as_uuid())
                .bind(key.created_at)
                .fetch_one(&mut *tx)
                .await?;
            if keys >= i64::from(new.most) {
                return Ok(ApiKeyCreated::TooMany);
            }
            if let Some(project) = key.project_id {
                let found: i64 = sqlx::query_scalar(HAS_PROJECT)
                    .bind(new.org_id.as_uuid())
                    .bind(project.as_uuid())
                    .fetch_one(&mut *tx)
                    .await?;
                if found == 0 {
                    return Ok(ApiKeyCreated::UnknownProject);
                }
            }
            sqlx::query(INSERT_KEY)
                .bind(key.id.as_uuid())
                .bind(new.org_id.as_uuid())
                .bind(key.user_id.as_uuid())
                .bind(&key.name)
                .bind(new.token_hash.as_slice())
                .bind(Json(&names))
                .bind(key.project_id.map(ProjectId::as_uuid))
                .bind(key.created_at)
                .bind(key.expires_at)
                .execute(&mut *tx)
                .await?;
            let made = Event::made(AuditAction::ApiKeyCreate, key.id, key.snapshot());
            audit!(self, tx, new.org_id, made);
        });
        Ok(ApiKeyCreated::Done)
    }

    /// One page of a user's keys in an organization, or of all members' keys, newest first.
    pub async fn list_api_keys(
        &self,
        org: OrgId,
        user: UserId,
        of_all: bool,
        page: PageRequest,
    ) -> Result<Page<ApiKey>, StoreError> {
        let rows: Vec<KeyRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_KEYS)
                .bind(org.as_uuid())
                .bind(page.before())
                .bind(user.as_uuid())
                .bind(of_all)
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?
        });
        let items = rows.into_iter().map(ApiKey::from).collect();
        Ok(page.page(items, |key: &ApiKey| key.id.as_uuid()))
    }

    /// Ends a key of a user, or of any member. `false`: there is none.
    pub async fn delete_api_key(
        &self,
        org: OrgId,
        id: ApiKeyId,
        user: UserId,
        of_all: bool,
    ) -> Result<bool, StoreError> {
        in_tx!(self, tx => {
            let deleted: Option<KeyRow> = sqlx::query_as(DELETE_KEY)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(user.as_uuid())
                .bind(of_all)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(key) = deleted.map(ApiKey::from) else {
                return Ok(false);
            };
            audit!(self, tx, org, Event::gone(AuditAction::ApiKeyDelete, id, key.snapshot()));
        });
        Ok(true)
    }

    /// The caller behind a key, and notes its use. `None` when it is unknown, ended or over, or when
    /// its user is disabled.
    pub async fn find_key_caller(
        &self,
        token_hash: [u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<KeyCaller>, StoreError> {
        let row: Option<CallerRow> = on_db!(self, pool => {
            sqlx::query_as(FIND_CALLER)
                .bind(token_hash.as_slice())
                .bind(now)
                .fetch_optional(pool)
                .await?
        });
        let Some(row) = row else { return Ok(None) };
        if row
            .last_used_at
            .is_none_or(|noted| now - noted >= NOTED_FOR)
        {
            in_tx!(self, tx => {
                sqlx::query(NOTE_USE)
                    .bind(row.org_id)
                    .bind(row.key_id)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
            });
        }
        let (org, user) = (OrgId::from_uuid(row.org_id), UserId::from_uuid(row.user.id));
        let held = self.get_access_at(org, user, row.access_version).await?;
        let project = row.project_id.map(ProjectId::from_uuid);
        Ok(Some(KeyCaller {
            access: held.narrowed(read_permissions(&row.permissions), project),
            key_id: ApiKeyId::from_uuid(row.key_id),
            org_id: org,
            user: row.user.into(),
        }))
    }
}
