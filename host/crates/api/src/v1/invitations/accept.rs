//! `POST /api/v1/invitations/accept`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;

use super::token_hash;
use crate::{
    ApiState, auth::SignedIn, extract::JsonBody, problem::Problem,
    v1::organizations::OrganizationView,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptBody {
    /// What the link holds.
    invitation: String,
}

/// Joins an organization by an invitation
///
/// The session stays where it is: `PUT /users/me/organization` goes over.
#[utoipa::path(post, path = "/api/v1/invitations/accept", tag = "members",
    security(("bearer" = [])), request_body = AcceptBody,
    responses((status = 200, body = OrganizationView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn accept_invitation(
    State(state): State<ApiState>,
    SignedIn { caller, store }: SignedIn,
    JsonBody(body): JsonBody<AcceptBody>,
) -> Result<Json<OrganizationView>, Problem> {
    let org = store
        .accept_invitation(
            token_hash(&body.invitation),
            caller.user.id,
            state.clock.now(),
        )
        .await?;
    let found = state.store.get_organization(org).await?;
    Ok(Json(found.ok_or_else(Problem::not_found)?.into()))
}
