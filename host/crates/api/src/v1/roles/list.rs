//! `GET /api/v1/roles`

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::RoleView;
use crate::{
    ApiState,
    auth::{May, need},
    problem::Problem,
};

/// All roles of an organization.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoleList {
    items: Vec<RoleView>,
}

/// Lists the roles, the built-in ones first
#[utoipa::path(get, path = "/api/v1/roles", tag = "roles", security(("bearer" = [])),
    responses((status = 200, body = RoleList), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(crate) async fn list_roles(
    State(state): State<ApiState>,
    caller: May<need::RoleRead>,
) -> Result<Json<RoleList>, Problem> {
    let roles = state.store.list_roles(caller.org_id).await?;
    let items = roles.into_iter().map(RoleView::from).collect();
    Ok(Json(RoleList { items }))
}
