//! Links by which somebody may join an organization, once.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::{InvitationId, OrgId, ProjectId, RoleId, UserId};

use crate::{
    AuditAction, Grant, Page, PageRequest, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    members::{HAS_PROJECT, INSERT_GRANT, INSERT_MEMBERSHIP},
};

/// An open invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Id.
    pub id: InvitationId,
    /// Only this address may use it; `None`: whoever has the link.
    pub email: Option<String>,
    /// What whoever joins will have.
    pub grant: Grant,
    /// Who invites.
    pub created_by: UserId,
    /// When.
    pub created_at: DateTime<Utc>,
    /// It is no good from then on.
    pub expires_at: DateTime<Utc>,
}

/// An invitation to be made.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// What it will be.
    pub invitation: Invitation,
    /// The organization.
    pub org_id: OrgId,
    /// SHA-256 of what the link holds.
    pub token_hash: [u8; 32],
    /// Open invitations that the organization may have.
    pub most: u32,
}

/// What became of a new invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invited {
    /// It is open.
    Done,
    /// The organization has as many as it may.
    TooMany,
    /// The project is not there.
    UnknownProject,
}

const DELETE_OVER: &str = "DELETE FROM invitations WHERE org_id = $1 AND expires_at <= $2";
const COUNT_INVITATIONS: &str = "SELECT COUNT(*) FROM invitations WHERE org_id = $1";
const INSERT_INVITATION: &str = "INSERT INTO invitations (id, org_id, token_hash, email, role_id, \
    project_id, created_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const LIST_INVITATIONS: &str = "SELECT id, email, role_id, project_id, created_by, created_at, \
    expires_at FROM invitations WHERE org_id = $1 AND id < $2 AND expires_at > $3 \
    ORDER BY id DESC LIMIT $4";
const REVOKE_INVITATION: &str = "DELETE FROM invitations WHERE org_id = $1 AND id = $2";
/// Who may use it is part of the question, so that a wrong address finds nothing. An invitation ends
/// with the membership of whoever made it.
pub(crate) const TAKE_INVITATION: &str = "SELECT invitations.id, invitations.org_id, \
    invitations.role_id, invitations.project_id FROM invitations \
    JOIN organizations ON organizations.id = invitations.org_id \
    JOIN memberships ON memberships.org_id = invitations.org_id \
    AND memberships.user_id = invitations.created_by \
    WHERE token_hash = $1 AND expires_at > $2 AND organizations.delete_after IS NULL \
    AND (email IS NULL OR LOWER(email) = LOWER($3))";
pub(crate) const DELETE_INVITATION: &str = "DELETE FROM invitations WHERE id = $1";
const EMAIL_OF: &str = "SELECT email FROM users WHERE id = $1 AND NOT is_disabled";
pub(crate) const IS_MEMBER: &str =
    "SELECT COUNT(*) FROM memberships WHERE org_id = $1 AND user_id = $2";
const IS_OPEN: &str = "SELECT COUNT(*) FROM invitations WHERE token_hash = $1 AND expires_at > $2";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    DELETE_OVER,
    COUNT_INVITATIONS,
    INSERT_INVITATION,
    LIST_INVITATIONS,
    REVOKE_INVITATION,
    TAKE_INVITATION,
    DELETE_INVITATION,
    EMAIL_OF,
    IS_OPEN,
    IS_MEMBER,
];

#[derive(FromRow)]
struct InvitationRow {
    id: Uuid,
    email: Option<String>,
    role_id: Uuid,
    project_id: Option<Uuid>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl From<InvitationRow> for Invitation {
    fn from(row: InvitationRow) -> Self {
        Self {
            id: InvitationId::from_uuid(row.id),
            email: row.email,
            grant: Grant {
                role_id: RoleId::from_uuid(row.role_id),
                project_id: row.project_id.map(ProjectId::from_uuid),
            },
            created_by: UserId::from_uuid(row.created_by),
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }
}

/// What using an invitation needs of it.
#[derive(FromRow)]
pub(crate) struct Taken {
    pub(crate) id: Uuid,
    pub(crate) org_id: Uuid,
    pub(crate) role_id: Uuid,
    pub(crate) project_id: Option<Uuid>,
}

/// Uses an invitation up: its user belongs to the organization. Gives the organization; without one
/// the transaction ends with [`StoreError::InvitationInvalid`].
macro_rules! use_invitation {
    ($store:expr, $tx:ident, $token:expr, $user:expr, $email:expr, $now:expr) => {{
        let taken: Option<$crate::invitations::Taken> =
            sqlx::query_as($crate::invitations::TAKE_INVITATION)
                .bind($token.as_slice())
                .bind($now)
                .bind($email)
                .fetch_optional(&mut *$tx)
                .await?;
        let taken = taken.ok_or(StoreError::InvitationInvalid)?;
        // Of two who use it at once, one finds it gone.
        let used = sqlx::query($crate::invitations::DELETE_INVITATION)
            .bind(taken.id)
            .execute(&mut *$tx)
            .await?
            .rows_affected();
        if used == 0 {
            return Err(StoreError::InvitationInvalid);
        }
        let is_member: i64 = sqlx::query_scalar($crate::invitations::IS_MEMBER)
            .bind(taken.org_id)
            .bind($user.as_uuid())
            .fetch_one(&mut *$tx)
            .await?;
        if is_member == 0 {
            $crate::quotas::check_quota!(
                $store,
                $tx,
                taken.org_id,
                vedette_core::Quota::Members,
                $crate::quotas::COUNT_MEMBERS
            );
        }
        sqlx::query(INSERT_MEMBERSHIP)
            .bind(taken.org_id)
            .bind($user.as_uuid())
            .bind($now)
            .execute(&mut *$tx)
            .await?;
        sqlx::query(INSERT_GRANT)
            .bind(taken.org_id)
            .bind($user.as_uuid())
            .bind(taken.role_id)
            .bind(taken.project_id)
            .execute(&mut *$tx)
            .await?;
        let org = OrgId::from_uuid(taken.org_id);
        let (role, project) = (taken.role_id, taken.project_id);
        let made = $crate::audit::Event::made(
            $crate::AuditAction::MemberCreate,
            $user,
            serde_json::json!({ "grants": [{ "role_id": role, "project_id": project }] }),
        );
        $crate::audit::audit!($store, $tx, org, made);
        org
    }};
}

pub(crate) use use_invitation;

impl Store {
    /// Opens an invitation. The caller has checked that the role is one of the organization.
    pub async fn create_invitation(&self, new: &NewInvitation) -> Result<Invited, StoreError> {
        let NewInvitation {
            invitation, org_id, ..
        } = new;
        in_tx!(self, tx => {
            sqlx::query(DELETE_OVER)
                .bind(org_id.as_uuid())
                .bind(invitation.created_at)
                .execute(&mut *tx)
                .await?;
            let open: i64 = sqlx::query_scalar(COUNT_INVITATIONS)
                .bind(org_id.as_uuid())
                .fetch_one(&mut *tx)
                .await?;
            if open >= i64::from(new.most) {
                return Ok(Invited::TooMany);
            }
            if let Some(project) = invitation.grant.project_id {
                let found: i64 = sqlx::query_scalar(HAS_PROJECT)
                    .bind(org_id.as_uuid())
                    .bind(project.as_uuid())
                    .fetch_one(&mut *tx)
                    .await?;
                if found == 0 {
                    return Ok(Invited::UnknownProject);
                }
            }
            sqlx::query(INSERT_INVITATION)
                .bind(invitation.id.as_uuid())
                .bind(org_id.as_uuid())
                .bind(new.token_hash.as_slice())
                .bind(&invitation.email)
                .bind(invitation.grant.role_id.as_uuid())
                .bind(invitation.grant.project_id.map(ProjectId::as_uuid))
                .bind(invitation.created_by.as_uuid())
                .bind(invitation.created_at)
                .bind(invitation.expires_at)
                .execute(&mut *tx)
                .await?;
            let action = AuditAction::InvitationCreate;
            let made = Event::made(action, invitation.id, invitation.snapshot());
            audit!(self, tx, *org_id, made);
        });
        Ok(Invited::Done)
    }

    /// One page of an organization's open invitations, newest first.
    pub async fn list_invitations(
        &self,
        org: OrgId,
        now: DateTime<Utc>,
        page: PageRequest,
    ) -> Result<Page<Invitation>, StoreError> {
        let rows: Vec<InvitationRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_INVITATIONS)
                .bind(org.as_uuid())
                .bind(page.before())
                .bind(now)
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?
        });
        let items = rows.into_iter().map(Invitation::from).collect();
        Ok(page.page(items, |invitation: &Invitation| invitation.id.as_uuid()))
    }

    /// Takes an invitation back. `false`: there is none.
    pub async fn revoke_invitation(
        &self,
        org: OrgId,
        id: InvitationId,
    ) -> Result<bool, StoreError> {
        let revoked = in_tx!(self, tx => {
            let revoked = sqlx::query(REVOKE_INVITATION)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if revoked > 0 {
                audit!(self, tx, org, Event::of(AuditAction::InvitationDelete, id));
            }
            revoked
        });
        Ok(revoked > 0)
    }

    /// Whether a link is still good for anybody: asked before the costly work of registering.
    pub async fn is_invitation_open(
        &self,
        token_hash: [u8; 32],
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let open: i64 = on_db!(self, pool => {
            sqlx::query_scalar(IS_OPEN)
                .bind(token_hash.as_slice())
                .bind(now)
                .fetch_one(pool)
                .await?
        });
        Ok(open > 0)
    }

    /// Lets a user who has registered before join by an invitation. Gives the organization.
    ///
    /// # Errors
    /// [`StoreError::InvitationInvalid`] when it is unknown, used, over, or for another address.
    pub async fn accept_invitation(
        &self,
        token_hash: [u8; 32],
        user: UserId,
        now: DateTime<Utc>,
    ) -> Result<OrgId, StoreError> {
        Ok(in_tx!(self, tx => {
            let email: Option<String> = sqlx::query_scalar(EMAIL_OF)
                .bind(user.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let email = email.ok_or(StoreError::InvitationInvalid)?;
            use_invitation!(self, tx, token_hash, user, &email, now)
        }))
    }
}
