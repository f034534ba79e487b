//! `POST /api/v1/organizations/{organization_id}/restore`

use axum::{Json, extract::State};
use vedette_core::OrgId;

use super::OrganizationView;
use crate::{
    ApiState,
    auth::SignedIn,
    extract::{NoBody, PathId},
    problem::Problem,
};

/// Brings back an organization that is to be deleted
///
/// For its owners. What was due in the meantime counts as missed.
#[utoipa::path(post, path = "/api/v1/organizations/{organization_id}/restore",
    tag = "organizations", security(("bearer" = [])),
    params(("organization_id" = uuid::Uuid, Path)),
    responses((status = 200, body = OrganizationView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 404, body = Problem), (status = 413, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn restore_organization(
    State(state): State<ApiState>,
    SignedIn { caller, store }: SignedIn,
    PathId(id): PathId<OrgId>,
    _: NoBody,
) -> Result<Json<OrganizationView>, Problem> {
    let now = state.clock.now();
    if !store.restore_organization(id, caller.user.id, now).await? {
        return Err(Problem::not_found());
    }
    let found = state.store.get_organization(id).await?;
    state.engine.schedule_changed();
    Ok(Json(found.ok_or_else(Problem::not_found)?.into()))
}
