//! `POST /api/v1/roles/{role_id}/permissions`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_core::RoleId;

use super::{RoleView, read_permissions, refuse_beyond};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::Problem,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PermissionsBody {
    /// Of `GET /permissions`; none that the caller does not have.
    #[schema(example = json!(["script:create"]))]
    permissions: Vec<String>,
}

/// Gives a role permissions, beside those that it has
#[utoipa::path(post, path = "/api/v1/roles/{role_id}/permissions", tag = "roles",
    security(("bearer" = [])), params(("role_id" = uuid::Uuid, Path)),
    request_body = PermissionsBody,
    responses((status = 200, body = RoleView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn add_role_permissions(
    State(state): State<ApiState>,
    caller: May<need::RoleManage>,
    PathId(id): PathId<RoleId>,
    JsonBody(body): JsonBody<PermissionsBody>,
) -> Result<Json<RoleView>, Problem> {
    let org = caller.org_id;
    let old = state.store.get_role(org, id).await?;
    if old.ok_or_else(Problem::not_found)?.is_built_in {
        return Err(Problem::built_in());
    }
    let mut errors = Vec::new();
    let permissions = read_permissions(&body.permissions, &mut errors);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    refuse_beyond(&caller, permissions)?;
    if !caller
        .store
        .add_role_permissions(org, id, permissions)
        .await?
    {
        return Err(Problem::not_found());
    }
    let role = state.store.get_role(org, id).await?;
    Ok(Json(role.ok_or_else(Problem::not_found)?.into()))
}
