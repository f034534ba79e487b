//! `GET /api/v1/roles/{role_id}`

use axum::{Json, extract::State};
use vedette_core::RoleId;

use super::RoleView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// One role
#[utoipa::path(get, path = "/api/v1/roles/{role_id}", tag = "roles", security(("bearer" = [])),
    params(("role_id" = uuid::Uuid, Path)),
    responses((status = 200, body = RoleView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_role(
    State(state): State<ApiState>,
    caller: May<need::RoleRead>,
    PathId(id): PathId<RoleId>,
) -> Result<Json<RoleView>, Problem> {
    let role = state.store.get_role(caller.org_id, id).await?;
    Ok(Json(role.ok_or_else(Problem::not_found)?.into()))
}
