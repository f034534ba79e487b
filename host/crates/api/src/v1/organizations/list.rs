//! `GET /api/v1/organizations`

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::OrganizationView;
use crate::{ApiState, auth::SignedIn, problem::Problem};

/// All organizations that the caller belongs to.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrganizationList {
    items: Vec<OrganizationView>,
}

/// Lists the organizations that the caller belongs to
#[utoipa::path(get, path = "/api/v1/organizations", tag = "organizations",
    security(("bearer" = [])),
    responses((status = 200, body = OrganizationList), (status = 401, body = Problem)))]
pub(crate) async fn list_organizations(
    State(state): State<ApiState>,
    SignedIn { caller, .. }: SignedIn,
) -> Result<Json<OrganizationList>, Problem> {
    let organizations = state.store.list_organizations(caller.user.id).await?;
    let items = organizations.into_iter().map(OrganizationView::from);
    Ok(Json(OrganizationList {
        items: items.collect(),
    }))
}
