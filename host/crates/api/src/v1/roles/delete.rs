//! `DELETE /api/v1/roles/{role_id}`

use axum::{extract::State, http::StatusCode};
use vedette_core::RoleId;
use vedette_store::Deleted;

use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// Deletes a role that nobody has
#[utoipa::path(delete, path = "/api/v1/roles/{role_id}", tag = "roles", security(("bearer" = [])),
    params(("role_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn delete_role(
    State(state): State<ApiState>,
    caller: May<need::RoleManage>,
    PathId(id): PathId<RoleId>,
) -> Result<StatusCode, Problem> {
    let role = state.store.get_role(caller.org_id, id).await?;
    if role.ok_or_else(Problem::not_found)?.is_built_in {
        return Err(Problem::built_in());
    }
    match caller.store.delete_role(caller.org_id, id).await? {
        Deleted::Done => Ok(StatusCode::NO_CONTENT),
        Deleted::NotFound => Err(Problem::not_found()),
        Deleted::InUse => Err(Problem::in_use(
            "members or invitations have this role; give them another first",
        )),
    }
}
