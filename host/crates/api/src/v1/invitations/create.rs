//! `POST /api/v1/invitations`

use axum::{Json, extract::State, http::StatusCode};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{Access, InvitationId, ProjectId, RoleId};
use vedette_store::{Grant, Invitation, Invited, NewInvitation};

use super::{InvitationView, token_hash};
use crate::{
    ApiState,
    auth::{May, need},
    extract::JsonBody,
    problem::{FieldError, Problem},
    v1::users::names::is_email,
};

/// Open invitations of an organization.
const MOST_OPEN: u32 = 100;
/// Seconds after which to try again.
const RETRY_AFTER: u16 = 3_600;
/// How long a link is good.
const LIFETIME: TimeDelta = TimeDelta::days(7);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationBody {
    /// What whoever joins will have; of `GET /roles`.
    role_id: Uuid,
    /// The one project in which it counts; without it, all of the organization.
    project_id: Option<Uuid>,
    /// Only this address may use the link; without it, whoever has it.
    email: Option<String>,
}

/// An invitation with what its link holds, which is not shown again.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewInvitationView {
    #[serde(flatten)]
    invitation: InvitationView,
    /// For `POST /invitations/accept`, or as `invitation` of `POST /auth/register`.
    token: String,
}

/// Invites somebody
///
/// The answer has the token of the link, once. It is good for one person and for 7 days.
#[utoipa::path(post, path = "/api/v1/invitations", tag = "members", security(("bearer" = [])),
    request_body = InvitationBody,
    responses((status = 201, body = NewInvitationView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn create_invitation(
    State(state): State<ApiState>,
    caller: May<need::UserManage>,
    JsonBody(body): JsonBody<InvitationBody>,
) -> Result<(StatusCode, Json<NewInvitationView>), Problem> {
    let mut errors = Vec::new();
    if body.email.as_deref().is_some_and(|email| !is_email(email)) {
        errors.push(FieldError::new("/email", "this is not an e-mail address"));
    }
    let role_id = RoleId::from_uuid(body.role_id);
    let role = state.store.get_role(caller.org_id, role_id).await?;
    if role.is_none() {
        let detail = "there is no such role; see GET /api/v1/roles";
        errors.push(FieldError::new("/role_id", detail));
    }
    let Some(role) = role.filter(|_| errors.is_empty()) else {
        return Err(Problem::invalid(errors));
    };
    let project_id = body.project_id.map(ProjectId::from_uuid);
    let mut given = Access::default();
    given.grant(project_id, role.permissions);
    if !caller.access.covers(&given) {
        return Err(Problem::beyond());
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Problem::internal(&error))?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let now = state.clock.now();
    let invitation = Invitation {
        id: InvitationId::generate(state.clock.as_ref()),
        email: body.email,
        grant: Grant {
            role_id,
            project_id,
        },
        created_by: caller.user.id,
        created_at: now,
        expires_at: now + LIFETIME,
    };
    let new = NewInvitation {
        invitation: invitation.clone(),
        org_id: caller.org_id,
        token_hash: token_hash(&token),
        most: MOST_OPEN,
    };
    match caller.store.create_invitation(&new).await? {
        Invited::Done => {}
        Invited::TooMany => {
            let detail = format!("{MOST_OPEN} invitations are open; take one back");
            return Err(Problem::quota_exceeded(detail, RETRY_AFTER));
        }
        Invited::UnknownProject => {
            let detail = "there is no such project; see GET /api/v1/projects";
            return Err(Problem::invalid(vec![FieldError::new(
                "/project_id",
                detail,
            )]));
        }
    }
    let invitation = invitation.into();
    Ok((
        StatusCode::CREATED,
        Json(NewInvitationView { invitation, token }),
    ))
}
