//! `POST /api/v1/auth/register`

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_core::{OrgId, ProjectId, UserId};
use vedette_store::{Actor, NewUser, StoreError};

use crate::{
    ApiState, Registration,
    author::Origin,
    extract::JsonBody,
    password,
    problem::{FieldError, Problem},
    v1::{
        invitations::token_hash,
        users::{UserView, names},
    },
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    /// 2 to 64 of letters, digits, `.`, `_`, `-`; without regard to case.
    #[schema(example = "anna")]
    username: String,
    #[schema(example = "anna@example.com")]
    email: String,
    /// 8 to 256 characters, and none that everybody would guess.
    password: String,
    /// The token of an invitation: the user joins the organization that invites instead of getting
    /// one.
    invitation: Option<String>,
}

/// Registers a user
///
/// The first user of an installation becomes its administrator. Who may register after that is
/// the setting `auth.registration`.
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "auth", request_body = Register,
    responses((status = 201, body = UserView), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn register_user(
    State(state): State<ApiState>,
    origin: Origin,
    JsonBody(body): JsonBody<Register>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    let allow_later = state.config.registration == Registration::Open;
    let invitation = body.invitation.as_deref().map(token_hash);
    // Before the costly hash, and before telling whether a name is taken.
    may_register(&state, invitation).await?;
    let errors = check(&body);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let hash = state.hasher.hash(body.password).await?;
    let password_hash = hash.ok_or_else(Problem::panicked)?;
    let clock = state.clock.as_ref();
    let new = NewUser {
        id: UserId::generate(clock),
        org_id: OrgId::generate(clock),
        project_id: ProjectId::generate(clock),
        username: body.username,
        email: body.email,
        password_hash,
        invitation,
        created_at: clock.now(),
        allow_later,
    };
    let actor = Actor::User {
        id: new.id,
        name: new.username.clone(),
    };
    let registration = origin.store(&state, actor).register_user(new).await?;
    let access = state
        .store
        .get_access(registration.org_id, registration.user.id)
        .await?;
    let member = (registration.org_id, access);
    Ok((
        StatusCode::CREATED,
        Json(UserView::new(registration.user, Some(&member))),
    ))
}

/// Whether anybody may register at all, or by this invitation.
async fn may_register(state: &ApiState, invitation: Option<[u8; 32]>) -> Result<(), Problem> {
    let registration = state.config.registration;
    if let Some(invitation) = invitation {
        let is_open = registration != Registration::Closed
            && state
                .store
                .is_invitation_open(invitation, state.clock.now())
                .await?;
        return if is_open {
            Ok(())
        } else {
            Err(StoreError::InvitationInvalid.into())
        };
    }
    if registration != Registration::Open && state.store.has_users().await? {
        return Err(StoreError::RegistrationClosed.into());
    }
    Ok(())
}

fn check(body: &Register) -> Vec<FieldError> {
    let mut errors = names::check(&body.username, &body.email);
    let owner = password::Owner {
        username: &body.username,
        email: &body.email,
    };
    errors.extend(password::check_new(&body.password, "/password", &owner).err());
    errors
}
