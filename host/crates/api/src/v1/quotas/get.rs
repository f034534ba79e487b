//! `GET /api/v1/admin/organizations/{organization_id}/quotas`

use axum::{Json, extract::State};
use vedette_core::OrgId;

use super::{QuotasView, view};
use crate::{ApiState, auth::Administrator, extract::PathId, problem::Problem};

/// The quotas of an organization
///
/// For administrators of the installation.
#[utoipa::path(get, path = "/api/v1/admin/organizations/{organization_id}/quotas", tag = "admin",
    security(("bearer" = [])), params(("organization_id" = uuid::Uuid, Path)),
    responses((status = 200, body = QuotasView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_quotas(
    State(state): State<ApiState>,
    _: Administrator,
    PathId(org): PathId<OrgId>,
) -> Result<Json<QuotasView>, Problem> {
    let found = state.store.get_organization(org).await?;
    found.ok_or_else(Problem::not_found)?;
    Ok(Json(view(&state, org).await?))
}
