//! `DELETE /api/v1/admin/blocked-components/{digest}`

use axum::{extract::State, http::StatusCode};

use crate::{ApiState, auth::Administrator, extract::PathDigest, problem::Problem};

/// Allows a component again
///
/// For administrators of the installation.
#[utoipa::path(delete, path = "/api/v1/admin/blocked-components/{digest}", tag = "admin",
    security(("bearer" = [])), params(("digest" = String, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(crate) async fn unblock_component(
    State(state): State<ApiState>,
    Administrator { caller, store }: Administrator,
    PathDigest(digest): PathDigest,
) -> Result<StatusCode, Problem> {
    if !store.unblock_component(digest).await? {
        return Err(Problem::not_found());
    }
    tracing::warn!(component.digest = %digest, user.id = %caller.user.id, "a component was unblocked");
    state.engine.components_changed();
    // It may have waited to be compiled.
    state.engine.component_waiting();
    Ok(StatusCode::NO_CONTENT)
}
