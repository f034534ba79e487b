//! `DELETE /api/v1/component-keys/{key_id}`

use axum::{extract::State, http::StatusCode};
use vedette_core::ComponentKeyId;

use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// Revokes a key
///
/// It stays in the list. What only it has signed counts as unsigned from now on; scripts that run
/// already go on.
#[utoipa::path(delete, path = "/api/v1/component-keys/{key_id}", tag = "component-keys",
    security(("bearer" = [])), params(("key_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn revoke_component_key(
    State(state): State<ApiState>,
    caller: May<need::ComponentKeyManage>,
    PathId(id): PathId<ComponentKeyId>,
) -> Result<StatusCode, Problem> {
    let now = state.clock.now();
    if caller
        .store
        .revoke_component_key(caller.org_id, id, now)
        .await?
    {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
