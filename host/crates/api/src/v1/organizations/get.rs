//! `GET /api/v1/organization`

use axum::{Json, extract::State};

use super::OrganizationView;
use crate::{
    ApiState,
    auth::{May, need},
    problem::Problem,
};

/// The organization that the session is for
#[utoipa::path(get, path = "/api/v1/organization", tag = "organizations", security(("bearer" = [])),
    responses((status = 200, body = OrganizationView), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(crate) async fn get_organization(
    State(state): State<ApiState>,
    caller: May<need::OrganizationRead>,
) -> Result<Json<OrganizationView>, Problem> {
    let found = state.store.get_organization(caller.org_id).await?;
    Ok(Json(found.ok_or_else(Problem::no_organization)?.into()))
}
