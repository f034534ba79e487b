//! Who belongs to the organization, and by which roles.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod update;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{ProjectId, RoleId};
use vedette_store::{Grant, Member, MemberChange};

use crate::problem::{FieldError, Problem};

/// A role that somebody has or is to have.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantView {
    /// Of `GET /roles`.
    role_id: Uuid,
    /// The one project in which it counts; without it, the role counts in all of the organization.
    project_id: Option<Uuid>,
}

impl From<&GrantView> for Grant {
    fn from(grant: &GrantView) -> Self {
        Self {
            role_id: RoleId::from_uuid(grant.role_id),
            project_id: grant.project_id.map(ProjectId::from_uuid),
        }
    }
}

impl From<Grant> for GrantView {
    fn from(grant: Grant) -> Self {
        Self {
            role_id: grant.role_id.as_uuid(),
            project_id: grant.project_id.map(ProjectId::as_uuid),
        }
    }
}

/// Someone who belongs to the organization.
#[derive(Serialize, ToSchema)]
pub(crate) struct MemberView {
    user_id: Uuid,
    username: String,
    email: String,
    /// May not sign in at the moment.
    is_disabled: bool,
    joined_at: DateTime<Utc>,
    roles: Vec<GrantView>,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user_id.as_uuid(),
            username: member.username,
            email: member.email,
            is_disabled: member.is_disabled,
            joined_at: member.joined_at,
            roles: member.grants.into_iter().map(GrantView::from).collect(),
        }
    }
}

/// Why a change of members did not happen.
fn refuse(change: MemberChange) -> Result<(), Problem> {
    match change {
        MemberChange::Done => Ok(()),
        MemberChange::NotFound => Err(Problem::not_found()),
        MemberChange::Beyond => Err(Problem::beyond()),
        MemberChange::LastOwner => Err(Problem::in_use(
            "the organization would have no owner; hand it on with POST \
             /api/v1/organization/transfer, or delete it",
        )),
        MemberChange::Unknown(place) => Err(Problem::invalid(vec![FieldError::new(
            format!("/roles/{place}"),
            "there is no such role or project in this organization",
        )])),
    }
}
