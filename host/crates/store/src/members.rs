//! Who belongs to an organization, and by which roles. Nobody gives, or takes from others, what they
//! do not have themselves, and an organization keeps at least one owner.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;
use vedette_core::{Access, BuiltInRole, OrgId, ProjectId, RoleId, UserId};

use crate::{
    AuditAction, Page, PageRequest, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    roles::{built_in_role_id, role_permissions},
};

/// A role that somebody has, in the whole organization or in one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The role.
    pub role_id: RoleId,
    /// `None`: the whole organization.
    pub project_id: Option<ProjectId>,
}

/// Someone who belongs to an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user_id: UserId,
    /// The user's name.
    pub username: String,
    /// The user's address.
    pub email: String,
    /// May not sign in at the moment.
    pub is_disabled: bool,
    /// Since when they belong to it.
    pub joined_at: DateTime<Utc>,
    /// Their roles.
    pub grants: Vec<Grant>,
}

/// What became of a change of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberChange {
    /// It is so now.
    Done,
    /// There is no such member.
    NotFound,
    /// The one who asks has less than what would be given or taken.
    Beyond,
    /// Nobody would own the organization any more.
    LastOwner,
    /// The grant of this place names a role or a project that is not here.
    Unknown(usize),
}

/// Serializes the changes of an organization's members.
pub(crate) const LOCK_ORG: &str = "SELECT id FROM organizations WHERE id = $1";
const LIST_MEMBERS: &str = "SELECT users.id, users.username, users.email, users.is_disabled, \
    memberships.created_at FROM memberships JOIN users ON users.id = memberships.user_id \
    WHERE memberships.org_id = $1 AND users.id < $2 ORDER BY users.id DESC LIMIT $3";
const GET_MEMBER: &str = "SELECT users.id, users.username, users.email, users.is_disabled, \
    memberships.created_at FROM memberships JOIN users ON users.id = memberships.user_id \
    WHERE memberships.org_id = $1 AND users.id = $2";
const GRANTS_OF: &str = "SELECT role_id, project_id FROM user_roles \
    WHERE org_id = $1 AND user_id = $2 ORDER BY role_id, project_id";
const ACCESS_OF: &str = "SELECT user_roles.role_id, user_roles.project_id, \
    role_permissions.permission FROM user_roles \
    LEFT JOIN role_permissions ON role_permissions.role_id = user_roles.role_id \
    WHERE user_roles.org_id = $1 AND user_roles.user_id = $2";
/// What a role allows, if the organization has it.
const ACCESS_BY: &str = "SELECT roles.id AS role_id, role_permissions.permission \
    FROM roles LEFT JOIN role_permissions ON role_permissions.role_id = roles.id \
    WHERE (roles.org_id = $1 OR roles.org_id IS NULL) AND roles.id = $2";
pub(crate) const HAS_PROJECT: &str = "SELECT COUNT(*) FROM projects WHERE org_id = $1 AND id = $2";
pub(crate) const INSERT_MEMBERSHIP: &str = "INSERT INTO memberships (org_id, user_id, created_at) VALUES ($1, $2, $3) \
    ON CONFLICT (org_id, user_id) DO NOTHING";
pub(crate) const INSERT_GRANT: &str = "INSERT INTO user_roles (org_id, user_id, role_id, project_id) \
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const CLEAR_GRANTS: &str = "DELETE FROM user_roles WHERE org_id = $1 AND user_id = $2";
const REVOKE_GRANT: &str = "DELETE FROM user_roles \
    WHERE org_id = $1 AND user_id = $2 AND role_id = $3 AND project_id IS NULL";
/// An owner who may not sign in owns nothing.
const COUNT_OWNERS: &str = "SELECT COUNT(*) FROM user_roles \
    JOIN users ON users.id = user_roles.user_id AND NOT users.is_disabled \
    WHERE org_id = $1 AND role_id = $2 AND project_id IS NULL";
const DELETE_MEMBERSHIP: &str = "DELETE FROM memberships WHERE org_id = $1 AND user_id = $2";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    LOCK_ORG,
    LIST_MEMBERS,
    GET_MEMBER,
    GRANTS_OF,
    ACCESS_OF,
    ACCESS_BY,
    HAS_PROJECT,
    INSERT_MEMBERSHIP,
    INSERT_GRANT,
    CLEAR_GRANTS,
    REVOKE_GRANT,
    COUNT_OWNERS,
    DELETE_MEMBERSHIP,
];

#[derive(FromRow)]
struct MemberRow {
    id: Uuid,
    username: String,
    email: String,
    is_disabled: bool,
    created_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct GrantRow {
    role_id: Uuid,
    project_id: Option<Uuid>,
}

/// A permission that a grant brings; a role without any has one row with none.
#[derive(FromRow, Serialize, Deserialize)]
pub(crate) struct AccessRow {
    pub(crate) role_id: Uuid,
    #[sqlx(default)]
    pub(crate) project_id: Option<Uuid>,
    pub(crate) permission: Option<String>,
}

/// What rows of grants allow together.
pub(crate) fn access_of(rows: &[AccessRow]) -> Access {
    let mut access = Access::default();
    for row in rows {
        let project = row.project_id.map(ProjectId::from_uuid);
        let names = row.permission.as_deref().into_iter();
        let permissions = role_permissions(RoleId::from_uuid(row.role_id), names);
        access.grant(project, permissions);
    }
    access
}

fn member(row: MemberRow, grants: &[GrantRow]) -> Member {
    Member {
        user_id: UserId::from_uuid(row.id),
        grants: grants
            .iter()
            .map(|grant| Grant {
                role_id: RoleId::from_uuid(grant.role_id),
                project_id: grant.project_id.map(ProjectId::from_uuid),
            })
            .collect(),
        username: row.username,
        email: row.email,
        is_disabled: row.is_disabled,
        joined_at: row.created_at,
    }
}

/// What a member may do, read in a transaction.
macro_rules! access_in {
    ($tx:ident, $org:expr, $user:expr) => {{
        let rows: Vec<AccessRow> = sqlx::query_as(ACCESS_OF)
            .bind($org.as_uuid())
            .bind($user.as_uuid())
            .fetch_all(&mut *$tx)
            .await?;
        access_of(&rows)
    }};
}

/// A member with their grants, read in a transaction.
macro_rules! member_in {
    ($tx:ident, $org:expr, $user:expr) => {{
        let row: Option<MemberRow> = sqlx::query_as(GET_MEMBER)
            .bind($org.as_uuid())
            .bind($user.as_uuid())
            .fetch_optional(&mut *$tx)
            .await?;
        let grants: Vec<GrantRow> = sqlx::query_as(GRANTS_OF)
            .bind($org.as_uuid())
            .bind($user.as_uuid())
            .fetch_all(&mut *$tx)
            .await?;
        row.map(|row| member(row, &grants))
    }};
}

/// Whether nobody owns the organization, by a role for all of it.
macro_rules! has_no_owner {
    ($tx:ident, $org:expr) => {{
        let owners: i64 = sqlx::query_scalar(COUNT_OWNERS)
            .bind($org.as_uuid())
            .bind(built_in_role_id(BuiltInRole::Owner).as_uuid())
            .fetch_one(&mut *$tx)
            .await?;
        owners == 0
    }};
}

impl Store {
    /// One page of an organization's members, those who registered last first.
    pub async fn list_members(
        &self,
        org: OrgId,
        page: PageRequest,
    ) -> Result<Page<Member>, StoreError> {
        let mut members = Vec::new();
        on_db!(self, pool => {
            let rows: Vec<MemberRow> = sqlx::query_as(LIST_MEMBERS)
                .bind(org.as_uuid())
                .bind(page.before())
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?;
            for row in rows {
                let grants: Vec<GrantRow> = sqlx::query_as(GRANTS_OF)
                    .bind(org.as_uuid())
                    .bind(row.id)
                    .fetch_all(pool)
                    .await?;
                members.push(member(row, &grants));
            }
        });
        Ok(page.page(members, |member: &Member| member.user_id.as_uuid()))
    }

    /// One member.
    pub async fn get_member(&self, org: OrgId, user: UserId) -> Result<Option<Member>, StoreError> {
        Ok(on_db!(self, pool => {
            let row: Option<MemberRow> = sqlx::query_as(GET_MEMBER)
                .bind(org.as_uuid())
                .bind(user.as_uuid())
                .fetch_optional(pool)
                .await?;
            let Some(row) = row else { return Ok(None) };
            let grants: Vec<GrantRow> = sqlx::query_as(GRANTS_OF)
                .bind(org.as_uuid())
                .bind(user.as_uuid())
                .fetch_all(pool)
                .await?;
            Some(member(row, &grants))
        }))
    }

    /// What a user may do in an organization.
    pub async fn get_access(&self, org: OrgId, user: UserId) -> Result<Access, StoreError> {
        let rows: Vec<AccessRow> = on_db!(self, pool => {
            sqlx::query_as(ACCESS_OF)
                .bind(org.as_uuid())
                .bind(user.as_uuid())
                .fetch_all(pool)
                .await?
        });
        Ok(access_of(&rows))
    }

    /// Gives a member these roles and no others. `by` is what the one who asks may do.
    pub async fn set_member_grants(
        &self,
        org: OrgId,
        user: UserId,
        grants: &[Grant],
        by: &Access,
    ) -> Result<MemberChange, StoreError> {
        let lock_org = format!("{LOCK_ORG}{}", self.db.lock_rows());
        in_tx!(self, tx => {
            sqlx::query(AssertSqlSafe(lock_org)).bind(org.as_uuid()).execute(&mut *tx).await?;
            // Its only owner may not sign in at the moment: the others' changes are not to blame.
            let was_ownerless = has_no_owner!(tx, org);
            let Some(old) = member_in!(tx, org, user) else {
                return Ok(MemberChange::NotFound);
            };
            if !by.covers(&access_in!(tx, org, user)) {
                return Ok(MemberChange::Beyond);
            }
            sqlx::query(CLEAR_GRANTS)
                .bind(org.as_uuid())
                .bind(user.as_uuid())
                .execute(&mut *tx)
                .await?;
            for (place, grant) in grants.iter().enumerate() {
                let roles: Vec<AccessRow> = sqlx::query_as(ACCESS_BY)
                    .bind(org.as_uuid())
                    .bind(grant.role_id.as_uuid())
                    .fetch_all(&mut *tx)
                    .await?;
                let projects: i64 = match grant.project_id {
                    None => 1,
                    Some(project) => sqlx::query_scalar(HAS_PROJECT)
                        .bind(org.as_uuid())
                        .bind(project.as_uuid())
                        .fetch_one(&mut *tx)
                        .await?,
                };
                if roles.is_empty() || projects == 0 {
                    return Ok(MemberChange::Unknown(place));
                }
                sqlx::query(INSERT_GRANT)
                    .bind(org.as_uuid())
                    .bind(user.as_uuid())
                    .bind(grant.role_id.as_uuid())
                    .bind(grant.project_id.map(ProjectId::as_uuid))
                    .execute(&mut *tx)
                    .await?;
            }
            if !by.covers(&access_in!(tx, org, user)) {
                return Ok(MemberChange::Beyond);
            }
            if !was_ownerless && has_no_owner!(tx, org) {
                return Ok(MemberChange::LastOwner);
            }
            let before = old.snapshot();
            let after = Member { grants: grants.to_vec(), ..old }.snapshot();
            audit!(self, tx, org, Event::changed(AuditAction::MemberUpdate, user, before, after));
        });
        Ok(MemberChange::Done)
    }

    /// Takes a member out of an organization, and all their roles with it. `by` is what the one who
    /// asks may do; `None`: they leave by themselves.
    pub async fn remove_member(
        &self,
        org: OrgId,
        user: UserId,
        by: Option<&Access>,
    ) -> Result<MemberChange, StoreError> {
        let lock_org = format!("{LOCK_ORG}{}", self.db.lock_rows());
        in_tx!(self, tx => {
            sqlx::query(AssertSqlSafe(lock_org)).bind(org.as_uuid()).execute(&mut *tx).await?;
            // Its only owner may not sign in at the moment: the others' changes are not to blame.
            let was_ownerless = has_no_owner!(tx, org);
            let held = access_in!(tx, org, user);
            let Some(old) = member_in!(tx, org, user) else {
                return Ok(MemberChange::NotFound);
            };
            sqlx::query(DELETE_MEMBERSHIP)
                .bind(org.as_uuid())
                .bind(user.as_uuid())
                .execute(&mut *tx)
                .await?;
            if by.is_some_and(|by| !by.covers(&held)) {
                return Ok(MemberChange::Beyond);
            }
            if !was_ownerless && has_no_owner!(tx, org) {
                return Ok(MemberChange::LastOwner);
            }
            audit!(self, tx, org, Event::gone(AuditAction::MemberDelete, user, old.snapshot()));
        });
        Ok(MemberChange::Done)
    }

    /// Makes a member the owner in the place of another, who becomes an admin.
    pub async fn transfer_organization(
        &self,
        org: OrgId,
        from: UserId,
        to: UserId,
    ) -> Result<MemberChange, StoreError> {
        let lock_org = format!("{LOCK_ORG}{}", self.db.lock_rows());
        let owner = built_in_role_id(BuiltInRole::Owner).as_uuid();
        let admin = built_in_role_id(BuiltInRole::Admin).as_uuid();
        in_tx!(self, tx => {
            sqlx::query(AssertSqlSafe(lock_org)).bind(org.as_uuid()).execute(&mut *tx).await?;
            let found: Option<MemberRow> = sqlx::query_as(GET_MEMBER)
                .bind(org.as_uuid())
                .bind(to.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            if found.is_none_or(|member| member.is_disabled) {
                return Ok(MemberChange::NotFound);
            }
            for (user, role) in [(from, admin), (to, owner)] {
                sqlx::query(INSERT_GRANT)
                    .bind(org.as_uuid())
                    .bind(user.as_uuid())
                    .bind(role)
                    .bind(None::<Uuid>)
                    .execute(&mut *tx)
                    .await?;
            }
            if from != to {
                sqlx::query(REVOKE_GRANT)
                    .bind(org.as_uuid())
                    .bind(from.as_uuid())
                    .bind(owner)
                    .execute(&mut *tx)
                    .await?;
            }
            let (before, after) = (json!({ "owner": from }), json!({ "owner": to }));
            let action = AuditAction::OrganizationTransfer;
            audit!(self, tx, org, Event::changed(action, org, before, after));
        });
        Ok(MemberChange::Done)
    }
}
