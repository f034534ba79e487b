//! `PUT /api/v1/admin/organizations/{organization_id}/quotas`

use axum::{Json, extract::State};
use vedette_core::OrgId;

use super::{QuotaNumbers, QuotasView, view};
use crate::{
    ApiState,
    auth::Administrator,
    extract::{JsonBody, PathId},
    problem::Problem,
};

/// Sets the quotas of an organization
///
/// What is null or left out is as the installation has it. Nothing is deleted that is beyond a quota. For
/// administrators of the installation.
#[utoipa::path(put, path = "/api/v1/admin/organizations/{organization_id}/quotas", tag = "admin",
    security(("bearer" = [])), params(("organization_id" = uuid::Uuid, Path)),
    request_body = QuotaNumbers,
    responses((status = 200, body = QuotasView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn set_quotas(
    State(state): State<ApiState>,
    Administrator { caller, store }: Administrator,
    PathId(org): PathId<OrgId>,
    JsonBody(body): JsonBody<QuotaNumbers>,
) -> Result<Json<QuotasView>, Problem> {
    let own = body.check()?;
    let now = state.clock.now();
    let found = store.set_own_quotas(org, &own, caller.user.id, now).await?;
    if !found {
        return Err(Problem::not_found());
    }
    tracing::info!(org.id = %org, user.id = %caller.user.id, "quotas were set");
    Ok(Json(view(&state, org).await?))
}
