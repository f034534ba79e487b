//! `POST /api/v1/auth/oidc/{provider}/start`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_store::StoreError;

use super::{StartedLogin, begin, provider};
use crate::{
    ApiState, Registration,
    client_address::ClientAddress,
    extract::{OptionalJson, PathText},
    problem::Problem,
    v1::invitations::token_hash,
};

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartBody {
    /// The token of an invitation, for who has no account yet.
    invitation: Option<String>,
}

/// Begins to sign in by an identity provider
///
/// Send the browser to `authorization_url`. It comes back to `/login/oidc/{provider}` with `code` and
/// `state`, and maybe `iss`: give these and the `login_token` to the callback, within ten minutes.
#[utoipa::path(post, path = "/api/v1/auth/oidc/{provider}/start", tag = "auth",
    request_body = Option<StartBody>, params(("provider" = String, Path)),
    responses((status = 200, body = StartedLogin), (status = 400, body = Problem),
        (status = 404, description = "There is no such provider here", body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem),
        (status = 502, description = "The provider cannot be used now", body = Problem)))]
pub(crate) async fn start_oidc_login(
    State(state): State<ApiState>,
    from: ClientAddress,
    PathText(name): PathText,
    OptionalJson(body): OptionalJson<StartBody>,
) -> Result<Json<StartedLogin>, Problem> {
    let provider = provider(&state, &name)?;
    state.attempts.at_start(from).await?;
    let invitation = body.invitation.as_deref().map(token_hash);
    // Better told now than after the way to the provider and back.
    if let Some(invitation) = invitation {
        let now = state.clock.now();
        let is_good = state.config.registration != Registration::Closed
            && state.store.is_invitation_open(invitation, now).await?;
        if !is_good {
            return Err(StoreError::InvitationInvalid.into());
        }
    }
    begin(&state, provider, invitation, None).await.map(Json)
}
