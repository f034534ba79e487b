//! `POST /api/v1/organizations`

use axum::{Json, extract::State, http::StatusCode};
use vedette_core::{OrgId, ProjectId};
use vedette_store::NewOrganization;

use super::{OrganizationBody, OrganizationView};
use crate::{ApiState, auth::SignedIn, extract::JsonBody, problem::Problem};

/// Organizations that one user may own.
const MOST_OWNED: u32 = 20;
/// Seconds after which to try again.
const RETRY_AFTER: u16 = 3_600;

/// Makes an organization
///
/// The caller owns it. It has a first project, `default`. The session stays where it is: `PUT
/// /users/me/organization` goes over.
#[utoipa::path(post, path = "/api/v1/organizations", tag = "organizations",
    security(("bearer" = [])), request_body = OrganizationBody,
    responses((status = 201, body = OrganizationView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn create_organization(
    State(state): State<ApiState>,
    SignedIn { caller, store }: SignedIn,
    JsonBody(body): JsonBody<OrganizationBody>,
) -> Result<(StatusCode, Json<OrganizationView>), Problem> {
    let clock = state.clock.as_ref();
    let new = NewOrganization {
        id: OrgId::generate(clock),
        name: body.check()?,
        project_id: ProjectId::generate(clock),
        owner: caller.user.id,
        created_at: clock.now(),
        most: MOST_OWNED,
    };
    if !store.create_organization(&new).await? {
        let detail = format!("you own {MOST_OWNED} organizations; hand one on or delete one");
        return Err(Problem::quota_exceeded(detail, RETRY_AFTER));
    }
    let made = state.store.get_organization(new.id).await?;
    Ok((
        StatusCode::CREATED,
        Json(made.ok_or_else(Problem::not_found)?.into()),
    ))
}
