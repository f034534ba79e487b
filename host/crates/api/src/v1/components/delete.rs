//! `DELETE /api/v1/components/{digest}`

use axum::{extract::State, http::StatusCode};
use vedette_store::DeletedComponent;

use crate::{
    ApiState,
    auth::{May, need},
    extract::PathDigest,
    problem::Problem,
};

/// Deletes a component
///
/// Not one that a script runs. A script can no longer be rolled back to it.
#[utoipa::path(delete, path = "/api/v1/components/{digest}", tag = "components",
    security(("bearer" = [])), params(("digest" = String, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn delete_component(
    State(state): State<ApiState>,
    caller: May<need::ComponentDelete>,
    PathDigest(digest): PathDigest,
) -> Result<StatusCode, Problem> {
    let now = state.clock.now();
    match caller
        .store
        .delete_component(caller.org_id, digest, now)
        .await?
    {
        DeletedComponent::Done => Ok(StatusCode::NO_CONTENT),
        DeletedComponent::NotFound => Err(Problem::not_found()),
        DeletedComponent::InUse => Err(Problem::in_use(
            "a script runs this component; give that another one, or delete it, first",
        )),
    }
}
