//! Organizations: the tenants. One that is to be deleted is out of reach at once, and can be brought
//! back by its owners for a while.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;
use vedette_core::{BuiltInRole, OrgId, ProjectId, ScriptId, SessionId, UserId};

use crate::{
    AuditAction, ChainId, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    members::{INSERT_GRANT, INSERT_MEMBERSHIP},
    projects::INSERT_PROJECT,
    roles::built_in_role_id,
};

/// An organization as one of its members sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Id.
    pub id: OrgId,
    /// For people.
    pub name: String,
    /// When made.
    pub created_at: DateTime<Utc>,
    /// It is to be deleted, for good from then on.
    pub delete_after: Option<DateTime<Utc>>,
}

/// An organization to be made.
#[derive(Debug, Clone)]
pub struct NewOrganization {
    /// Id.
    pub id: OrgId,
    /// For people.
    pub name: String,
    /// Id of its first project.
    pub project_id: ProjectId,
    /// Who makes it, and owns it.
    pub owner: UserId,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Organizations that one user may own.
    pub most: u32,
}

/// Scripts of an organization that is deleted for good, hidden in one transaction.
const SWEEP_BATCH: u32 = 100;

const COUNT_OWNED: &str = "SELECT COUNT(*) FROM user_roles \
    WHERE user_id = $1 AND role_id = $2 AND project_id IS NULL";
pub(crate) const INSERT_ORG: &str =
    "INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3)";
const LIST_ORGS: &str = "SELECT organizations.id, organizations.name, organizations.created_at, \
    organizations.delete_after FROM memberships \
    JOIN organizations ON organizations.id = memberships.org_id \
    WHERE memberships.user_id = $1 ORDER BY organizations.id";
const GET_ORG: &str = "SELECT id, name, created_at, delete_after FROM organizations WHERE id = $1";
const RENAME_ORG: &str = "UPDATE organizations SET name = $2 WHERE id = $1";
const DELETE_LATER: &str =
    "UPDATE organizations SET delete_after = $2 WHERE id = $1 AND delete_after IS NULL";
const RESTORE_ORG: &str = "UPDATE organizations SET delete_after = NULL \
    WHERE id = $1 AND delete_after > $4 AND EXISTS (SELECT 1 FROM user_roles \
    WHERE org_id = $1 AND user_id = $2 AND role_id = $3 AND project_id IS NULL)";
const SWITCH_SESSION: &str = "UPDATE sessions SET org_id = $1 WHERE id = $2 AND user_id = $3 \
    AND EXISTS (SELECT 1 FROM memberships \
    JOIN organizations ON organizations.id = memberships.org_id \
    WHERE memberships.org_id = $1 AND memberships.user_id = $3 \
    AND organizations.delete_after IS NULL)";
const LIST_DUE_ORGS: &str =
    "SELECT id FROM organizations WHERE delete_after <= $1 ORDER BY id LIMIT 100";
const LIST_SCRIPTS_LEFT: &str =
    "SELECT id FROM scripts WHERE org_id = $1 AND NOT is_deleted ORDER BY id LIMIT $2";
const COUNT_SCRIPTS_LEFT: &str = "SELECT COUNT(*) FROM scripts WHERE org_id = $1";
const DELETE_ORG: &str = "DELETE FROM organizations WHERE id = $1 AND delete_after <= $2";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    COUNT_OWNED,
    INSERT_ORG,
    LIST_ORGS,
    GET_ORG,
    RENAME_ORG,
    DELETE_LATER,
    RESTORE_ORG,
    SWITCH_SESSION,
    LIST_DUE_ORGS,
    LIST_SCRIPTS_LEFT,
    COUNT_SCRIPTS_LEFT,
    DELETE_ORG,
];

#[derive(FromRow)]
struct OrgRow {
    id: Uuid,
    name: String,
    created_at: DateTime<Utc>,
    delete_after: Option<DateTime<Utc>>,
}

impl From<OrgRow> for Organization {
    fn from(row: OrgRow) -> Self {
        Self {
            id: OrgId::from_uuid(row.id),
            name: row.name,
            created_at: row.created_at,
            delete_after: row.delete_after,
        }
    }
}

/// An organization, read in a transaction that is going to change it.
macro_rules! organization_in {
    ($store:ident, $tx:ident, $org:expr) => {{
        let lock = format!("{GET_ORG}{}", $store.db.lock_rows());
        let row: Option<OrgRow> = sqlx::query_as(AssertSqlSafe(lock))
            .bind($org.as_uuid())
            .fetch_optional(&mut *$tx)
            .await?;
        row.map(Organization::from)
    }};
}

/// Makes an organization with its first project, and a user its owner.
macro_rules! insert_organization {
    ($store:expr, $tx:ident, $org:expr, $name:expr, $project:expr, $owner:expr, $now:expr) => {
        sqlx::query($crate::organizations::INSERT_ORG)
            .bind($org.as_uuid())
            .bind($name)
            .bind($now)
            .execute(&mut *$tx)
            .await?;
        sqlx::query(INSERT_MEMBERSHIP)
            .bind($org.as_uuid())
            .bind($owner.as_uuid())
            .bind($now)
            .execute(&mut *$tx)
            .await?;
        sqlx::query(INSERT_GRANT)
            .bind($org.as_uuid())
            .bind($owner.as_uuid())
            .bind(built_in_role_id(BuiltInRole::Owner).as_uuid())
            .bind(None::<Uuid>)
            .execute(&mut *$tx)
            .await?;
        sqlx::query(INSERT_PROJECT)
            .bind($project.as_uuid())
            .bind($org.as_uuid())
            .bind("default")
            .bind($now)
            .execute(&mut *$tx)
            .await?;
        let made = $crate::audit::Event::made(
            $crate::AuditAction::OrganizationCreate,
            $org,
            serde_json::json!({ "name": $name, "owner": $owner, "project_id": $project }),
        );
        $crate::audit::audit!($store, $tx, $org, made);
    };
}

pub(crate) use insert_organization;

impl Store {
    /// Makes an organization with a first project. `false`: the user owns `most` already.
    pub async fn create_organization(&self, new: &NewOrganization) -> Result<bool, StoreError> {
        let owner = built_in_role_id(BuiltInRole::Owner);
        Ok(in_tx!(self, tx => {
            let count: i64 = sqlx::query_scalar(COUNT_OWNED)
                .bind(new.owner.as_uuid())
                .bind(owner.as_uuid())
                .fetch_one(&mut *tx)
                .await?;
            let fits = count < i64::from(new.most);
            if fits {
                insert_organization!(
                    self, tx, new.id, &new.name, new.project_id, new.owner, new.created_at
                );
            }
            fits
        }))
    }

    /// The organizations that a user belongs to, those that are to be deleted too.
    pub async fn list_organizations(&self, user: UserId) -> Result<Vec<Organization>, StoreError> {
        let rows: Vec<OrgRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_ORGS).bind(user.as_uuid()).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(Organization::from).collect())
    }

    /// One organization.
    pub async fn get_organization(&self, org: OrgId) -> Result<Option<Organization>, StoreError> {
        let row: Option<OrgRow> = on_db!(self, pool => {
            sqlx::query_as(GET_ORG).bind(org.as_uuid()).fetch_optional(pool).await?
        });
        Ok(row.map(Organization::from))
    }

    /// Renames an organization.
    pub async fn rename_organization(&self, org: OrgId, name: &str) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            let old = organization_in!(self, tx, org);
            sqlx::query(RENAME_ORG).bind(org.as_uuid()).bind(name).execute(&mut *tx).await?;
            if let Some(old) = old {
                let before = old.snapshot();
                let after = Organization { name: name.to_owned(), ..old }.snapshot();
                let action = AuditAction::OrganizationUpdate;
                audit!(self, tx, org, Event::changed(action, org, before, after));
            }
        });
        Ok(())
    }

    /// Puts an organization out of reach: nothing of it runs and nobody sees it. From `after` on it
    /// cannot be brought back.
    pub async fn delete_organization_after(
        &self,
        org: OrgId,
        after: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            let old = organization_in!(self, tx, org);
            let deleted = sqlx::query(DELETE_LATER)
                .bind(org.as_uuid())
                .bind(after)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if let Some(old) = old.filter(|_| deleted > 0) {
                let before = old.snapshot();
                let after = Organization { delete_after: Some(after), ..old }.snapshot();
                let action = AuditAction::OrganizationDelete;
                audit!(self, tx, org, Event::changed(action, org, before, after));
            }
        });
        Ok(())
    }

    /// Brings back an organization that is to be deleted. `false`: the user owns none such, or it is
    /// too late.
    pub async fn restore_organization(
        &self,
        org: OrgId,
        owner: UserId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let restored = in_tx!(self, tx => {
            let restored = sqlx::query(RESTORE_ORG)
                .bind(org.as_uuid())
                .bind(owner.as_uuid())
                .bind(built_in_role_id(BuiltInRole::Owner).as_uuid())
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if restored > 0 {
                audit!(self, tx, org, Event::of(AuditAction::OrganizationRestore, org));
            }
            restored
        });
        Ok(restored > 0)
    }

    /// Makes a session one for another organization. `false`: the user does not belong to it.
    pub async fn switch_session(
        &self,
        session: SessionId,
        user: UserId,
        org: OrgId,
    ) -> Result<bool, StoreError> {
        let switched = in_tx!(self, tx => {
            let switched = sqlx::query(SWITCH_SESSION)
                .bind(org.as_uuid())
                .bind(session.as_uuid())
                .bind(user.as_uuid())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if switched > 0 {
                audit!(self, tx, org, Event::of(AuditAction::SessionSwitch, session));
            }
            switched
        });
        Ok(switched > 0)
    }

    /// Deletes what is left of organizations whose time is over: first their scripts, in batches,
    /// then all the rest. Answers how many organizations are gone.
    pub async fn sweep_organizations(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let due: Vec<Uuid> = on_db!(self, pool => {
            sqlx::query_scalar(LIST_DUE_ORGS).bind(now).fetch_all(pool).await?
        });
        let mut gone = 0;
        for org in due.into_iter().map(OrgId::from_uuid) {
            let scripts: Vec<Uuid> = on_db!(self, pool => {
                sqlx::query_scalar(LIST_SCRIPTS_LEFT)
                    .bind(org.as_uuid())
                    .bind(i64::from(SWEEP_BATCH))
                    .fetch_all(pool)
                    .await?
            });
            for script in scripts.into_iter().map(ScriptId::from_uuid) {
                self.delete_script(org, script).await?;
            }
            gone += in_tx!(self, tx => {
                let left: i64 = sqlx::query_scalar(COUNT_SCRIPTS_LEFT)
                    .bind(org.as_uuid())
                    .fetch_one(&mut *tx)
                    .await?;
                if left == 0 {
                    let deleted = sqlx::query(DELETE_ORG)
                        .bind(org.as_uuid())
                        .bind(now)
                        .execute(&mut *tx)
                        .await?
                        .rows_affected();
                    if deleted > 0 {
                        let gone = Event::of(AuditAction::OrganizationPurge, org);
                        audit!(self, tx, ChainId::INSTALLATION, gone);
                    }
                    deleted
                } else {
                    0
                }
            });
        }
        Ok(gone)
    }
}
