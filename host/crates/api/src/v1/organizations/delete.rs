//! `DELETE /api/v1/organization`

use axum::{Json, extract::State};
use chrono::TimeDelta;

use super::OrganizationView;
use crate::{
    ApiState,
    auth::{May, need},
    problem::Problem,
};

/// How long an owner can bring an organization back.
const GRACE: TimeDelta = TimeDelta::days(14);

/// Deletes the organization that the session is for
///
/// Nothing of it runs from now on, and nobody sees it. For 14 days an owner can bring it back; then
/// it is gone for good.
#[utoipa::path(delete, path = "/api/v1/organization", tag = "organizations",
    security(("bearer" = [])),
    responses((status = 200, body = OrganizationView), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(crate) async fn delete_organization(
    State(state): State<ApiState>,
    caller: May<need::OrganizationDelete>,
) -> Result<Json<OrganizationView>, Problem> {
    let after = state.clock.now() + GRACE;
    caller
        .store
        .delete_organization_after(caller.org_id, after)
        .await?;
    let found = state.store.get_organization(caller.org_id).await?;
    Ok(Json(found.ok_or_else(Problem::no_organization)?.into()))
}
