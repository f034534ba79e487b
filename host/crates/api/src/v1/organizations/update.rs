//! `PUT /api/v1/organization`

use axum::{Json, extract::State};

use super::{OrganizationBody, OrganizationView};
use crate::{
    ApiState,
    auth::{May, need},
    extract::JsonBody,
    problem::Problem,
};

/// Renames the organization that the session is for
#[utoipa::path(put, path = "/api/v1/organization", tag = "organizations", security(("bearer" = [])),
    request_body = OrganizationBody,
    responses((status = 200, body = OrganizationView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn update_organization(
    State(state): State<ApiState>,
    caller: May<need::OrganizationUpdate>,
    JsonBody(body): JsonBody<OrganizationBody>,
) -> Result<Json<OrganizationView>, Problem> {
    let name = body.check()?;
    caller
        .store
        .rename_organization(caller.org_id, &name)
        .await?;
    let found = state.store.get_organization(caller.org_id).await?;
    Ok(Json(found.ok_or_else(Problem::no_organization)?.into()))
}
