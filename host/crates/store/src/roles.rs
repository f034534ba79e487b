//! Roles: the built-in ones, and those that an organization makes for itself.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::{BuiltInRole, OrgId, Permission, PermissionSet, RoleId};

use crate::{
    AuditAction, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    error::conflict,
};

/// A named set of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Id.
    pub id: RoleId,
    /// Every organization has it, and nobody can change it.
    pub is_built_in: bool,
    /// Unique in the organization without regard to case.
    pub name: String,
    /// For people.
    pub description: String,
    /// What it allows.
    pub permissions: PermissionSet,
    /// When made.
    pub created_at: DateTime<Utc>,
}

/// A role to be made, or what it is to be from now on.
#[derive(Debug, Clone)]
pub struct RoleContent {
    /// Unique in the organization without regard to case.
    pub name: String,
    /// For people.
    pub description: String,
    /// What it allows.
    pub permissions: PermissionSet,
}

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Done,
    /// There was none.
    NotFound,
    /// Something else needs it.
    InUse,
}

const INSTALL_PERMISSION: &str = "INSERT INTO permissions (name, description) VALUES ($1, $2) \
    ON CONFLICT (name) DO UPDATE SET description = excluded.description";
const COUNT_ROLES: &str = "SELECT COUNT(*) FROM roles WHERE org_id = $1";
/// Names of built-in roles are taken everywhere.
const HAS_BUILT_IN: &str = "SELECT COUNT(*) FROM roles WHERE org_id IS NULL AND name = LOWER($1)";
const INSERT_ROLE: &str =
    "INSERT INTO roles (id, org_id, name, description, created_at) VALUES ($1, $2, $3, $4, $5)";
const INSERT_PERMISSION: &str = "INSERT INTO role_permissions (role_id, permission) \
    VALUES ($1, $2) ON CONFLICT (role_id, permission) DO NOTHING";
const LIST_ROLES: &str = "SELECT roles.id, roles.org_id, roles.name, roles.description, \
    roles.created_at, role_permissions.permission FROM roles \
    LEFT JOIN role_permissions ON role_permissions.role_id = roles.id \
    WHERE roles.org_id = $1 OR roles.org_id IS NULL ORDER BY roles.id";
const GET_ROLE: &str = "SELECT roles.id, roles.org_id, roles.name, roles.description, \
    roles.created_at, role_permissions.permission FROM roles \
    LEFT JOIN role_permissions ON role_permissions.role_id = roles.id \
    WHERE (roles.org_id = $1 OR roles.org_id IS NULL) AND roles.id = $2";
const UPDATE_ROLE: &str =
    "UPDATE roles SET name = $3, description = $4 WHERE org_id = $1 AND id = $2";
const TOUCH_ROLE: &str = "UPDATE roles SET name = name WHERE org_id = $1 AND id = $2";
const CLEAR_ROLE: &str = "DELETE FROM role_permissions WHERE role_id = $1";
const IS_ROLE_USED: &str = "SELECT (SELECT COUNT(*) FROM user_roles WHERE role_id = $1) \
    + (SELECT COUNT(*) FROM invitations WHERE role_id = $1)";
const DELETE_ROLE: &str = "DELETE FROM roles WHERE org_id = $1 AND id = $2";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    INSTALL_PERMISSION,
    COUNT_ROLES,
    HAS_BUILT_IN,
    INSERT_ROLE,
    INSERT_PERMISSION,
    LIST_ROLES,
    GET_ROLE,
    UPDATE_ROLE,
    TOUCH_ROLE,
    CLEAR_ROLE,
    IS_ROLE_USED,
    DELETE_ROLE,
];

/// The id of a built-in role, the same in every installation; the migration that made them has
/// these.
pub fn built_in_role_id(role: BuiltInRole) -> RoleId {
    let number = match role {
        BuiltInRole::Owner => 1,
        BuiltInRole::Admin => 2,
        BuiltInRole::Editor => 3,
        BuiltInRole::Viewer => 4,
    };
    RoleId::from_uuid(Uuid::from_u128(0x7000_8000_0000_0000_0000 + number))
}

/// A permission of a role; a role without any has one row with none.
#[derive(FromRow)]
struct RoleRow {
    id: Uuid,
    org_id: Option<Uuid>,
    name: String,
    description: String,
    created_at: DateTime<Utc>,
    permission: Option<String>,
}

/// What a role allows by its rows. A name that this version does not know was written by a newer
/// one, and allows nothing here.
pub(crate) fn role_permissions<'a>(
    id: RoleId,
    names: impl Iterator<Item = &'a str>,
) -> PermissionSet {
    let built_in = BuiltInRole::ALL.into_iter();
    let mut built_in = built_in.filter(|role| built_in_role_id(*role) == id);
    built_in.next().map_or_else(
        || {
            names
                .filter_map(|name| name.parse::<Permission>().ok())
                .collect()
        },
        BuiltInRole::permissions,
    )
}

/// Rows of one role are next to each other.
fn roles(rows: &[RoleRow]) -> Vec<Role> {
    let roles = rows.chunk_by(|one, next| one.id == next.id);
    roles
        .map(|rows| {
            let names = rows.iter().filter_map(|row| row.permission.as_deref());
            let id = RoleId::from_uuid(rows[0].id);
            Role {
                id,
                is_built_in: rows[0].org_id.is_none(),
                name: rows[0].name.clone(),
                description: rows[0].description.clone(),
                permissions: role_permissions(id, names),
                created_at: rows[0].created_at,
            }
        })
        .collect()
}

/// Gives a role permissions, beside those that it has.
macro_rules! insert_permissions {
    ($tx:ident, $role:expr, $permissions:expr) => {
        for permission in $permissions.iter() {
            sqlx::query(INSERT_PERMISSION)
                .bind($role.as_uuid())
                .bind(permission.as_str())
                .execute(&mut *$tx)
                .await?;
        }
    };
}

/// A role that an organization made, read in a transaction.
macro_rules! role_in {
    ($tx:ident, $org:expr, $id:expr) => {{
        let rows: Vec<RoleRow> = sqlx::query_as(GET_ROLE)
            .bind($org.as_uuid())
            .bind($id.as_uuid())
            .fetch_all(&mut *$tx)
            .await?;
        roles(&rows).pop().filter(|role| !role.is_built_in)
    }};
}

/// The same, locked: it is what it was until the transaction ends, and nobody is given it meanwhile.
macro_rules! lock_role {
    ($tx:ident, $org:expr, $id:expr) => {{
        sqlx::query(TOUCH_ROLE)
            .bind($org.as_uuid())
            .bind($id.as_uuid())
            .execute(&mut *$tx)
            .await?;
        role_in!($tx, $org, $id)
    }};
}

/// Records what became of a role that was `$old`.
macro_rules! audit_role {
    ($store:ident, $tx:ident, $org:expr, $old:expr) => {
        if let Some(new) = role_in!($tx, $org, $old.id) {
            let (before, after) = ($old.snapshot(), new.snapshot());
            let changed = Event::changed(AuditAction::RoleUpdate, new.id, before, after);
            audit!($store, $tx, $org, changed);
        }
    };
}

macro_rules! refuse_built_in_name {
    ($tx:ident, $name:expr) => {
        let built_in: i64 = sqlx::query_scalar(HAS_BUILT_IN)
            .bind($name)
            .fetch_one(&mut *$tx)
            .await?;
        if built_in > 0 {
            return Err(StoreError::Conflict { field: "name" });
        }
    };
}

impl Store {
    /// Makes the permissions of this version known to the database, which holds no role to one that
    /// it does not know.
    pub async fn install_permissions(&self) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            for permission in Permission::ALL {
                sqlx::query(INSTALL_PERMISSION)
                    .bind(permission.as_str())
                    .bind(permission.description())
                    .execute(&mut *tx)
                    .await?;
            }
        });
        Ok(())
    }

    /// The roles of an organization, the built-in ones first.
    pub async fn list_roles(&self, org: OrgId) -> Result<Vec<Role>, StoreError> {
        let rows: Vec<RoleRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_ROLES).bind(org.as_uuid()).fetch_all(pool).await?
        });
        Ok(roles(&rows))
    }

    /// A role that an organization has.
    pub async fn get_role(&self, org: OrgId, id: RoleId) -> Result<Option<Role>, StoreError> {
        let rows: Vec<RoleRow> = on_db!(self, pool => {
            sqlx::query_as(GET_ROLE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_all(pool)
                .await?
        });
        Ok(roles(&rows).pop())
    }

    /// Makes a role. `false`: the organization has `most` already.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for `name`.
    pub async fn create_role(
        &self,
        org: OrgId,
        id: RoleId,
        role: &RoleContent,
        most: u32,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        Ok(in_tx!(self, tx => {
            refuse_built_in_name!(tx, &role.name);
            let roles: i64 =
                sqlx::query_scalar(COUNT_ROLES).bind(org.as_uuid()).fetch_one(&mut *tx).await?;
            let fits = roles < i64::from(most);
            if fits {
                sqlx::query(INSERT_ROLE)
                    .bind(id.as_uuid())
                    .bind(org.as_uuid())
                    .bind(&role.name)
                    .bind(&role.description)
                    .bind(now)
                    .execute(&mut *tx)
                    .await
                    .map_err(|error| conflict(error, "name"))?;
                insert_permissions!(tx, id, role.permissions);
                let made = Event::made(AuditAction::RoleCreate, id, role.snapshot());
                audit!(self, tx, org, made);
            }
            fits
        }))
    }

    /// Replaces what a role is. `false`: the organization made no such role.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for `name`.
    pub async fn update_role(
        &self,
        org: OrgId,
        id: RoleId,
        role: &RoleContent,
    ) -> Result<bool, StoreError> {
        Ok(in_tx!(self, tx => {
            refuse_built_in_name!(tx, &role.name);
            let Some(old) = lock_role!(tx, org, id) else {
                return Ok(false);
            };
            sqlx::query(UPDATE_ROLE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(&role.name)
                .bind(&role.description)
                .execute(&mut *tx)
                .await
                .map_err(|error| conflict(error, "name"))?;
            sqlx::query(CLEAR_ROLE).bind(id.as_uuid()).execute(&mut *tx).await?;
            insert_permissions!(tx, id, role.permissions);
            audit_role!(self, tx, org, old);
            true
        }))
    }

    /// Gives a role more permissions. `false`: the organization made no such role.
    pub async fn add_role_permissions(
        &self,
        org: OrgId,
        id: RoleId,
        permissions: PermissionSet,
    ) -> Result<bool, StoreError> {
        Ok(in_tx!(self, tx => {
            let Some(old) = lock_role!(tx, org, id) else {
                return Ok(false);
            };
            insert_permissions!(tx, id, permissions);
            audit_role!(self, tx, org, old);
            true
        }))
    }

    /// Deletes a role that nobody has and that no invitation gives.
    pub async fn delete_role(&self, org: OrgId, id: RoleId) -> Result<Deleted, StoreError> {
        Ok(in_tx!(self, tx => {
            let Some(old) = lock_role!(tx, org, id) else {
                return Ok(Deleted::NotFound);
            };
            let uses: i64 =
                sqlx::query_scalar(IS_ROLE_USED).bind(id.as_uuid()).fetch_one(&mut *tx).await?;
            if uses > 0 {
                return Ok(Deleted::InUse);
            }
            sqlx::query(DELETE_ROLE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .execute(&mut *tx)
                .await?;
            audit!(self, tx, org, Event::gone(AuditAction::RoleDelete, id, old.snapshot()));
            Deleted::Done
        }))
    }
}
