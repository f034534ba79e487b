//! `PUT /api/v1/roles/{role_id}`

use axum::{Json, extract::State};
use vedette_core::RoleId;

use super::{RoleBody, RoleView, refuse_beyond};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::Problem,
};

/// Replaces a role
///
/// What it allows counts from the next request of those who have it. Built-in roles cannot be
/// changed.
#[utoipa::path(put, path = "/api/v1/roles/{role_id}", tag = "roles", security(("bearer" = [])),
    params(("role_id" = uuid::Uuid, Path)), request_body = RoleBody,
    responses((status = 200, body = RoleView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn update_role(
    State(state): State<ApiState>,
    caller: May<need::RoleManage>,
    PathId(id): PathId<RoleId>,
    JsonBody(body): JsonBody<RoleBody>,
) -> Result<Json<RoleView>, Problem> {
    let org = caller.org_id;
    let old = state.store.get_role(org, id).await?;
    let old = old.ok_or_else(Problem::not_found)?;
    if old.is_built_in {
        return Err(Problem::built_in());
    }
    // Who has less than the role takes nothing away from it either.
    refuse_beyond(&caller, old.permissions)?;
    let role = body.check(&caller)?;
    if !caller.store.update_role(org, id, &role).await? {
        return Err(Problem::not_found());
    }
    let role = state.store.get_role(org, id).await?;
    Ok(Json(role.ok_or_else(Problem::not_found)?.into()))
}
