//! `POST /api/v1/roles`

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::AppendHeaders,
};
use vedette_core::RoleId;

use super::{RoleBody, RoleView};
use crate::{
    ApiState,
    auth::{May, need},
    extract::JsonBody,
    problem::Problem,
};

/// Roles that an organization may make.
const MOST_ROLES: u32 = 50;
/// Seconds after which to try again.
const RETRY_AFTER: u16 = 3_600;

/// Makes a role of the organization's own
#[utoipa::path(post, path = "/api/v1/roles", tag = "roles", security(("bearer" = [])),
    request_body = RoleBody,
    responses((status = 201, body = RoleView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn create_role(
    State(state): State<ApiState>,
    caller: May<need::RoleManage>,
    JsonBody(body): JsonBody<RoleBody>,
) -> Result<
    (
        StatusCode,
        AppendHeaders<[(HeaderName, String); 1]>,
        Json<RoleView>,
    ),
    Problem,
> {
    let role = body.check(&caller)?;
    let id = RoleId::generate(state.clock.as_ref());
    let (org, now) = (caller.org_id, state.clock.now());
    if !caller
        .store
        .create_role(org, id, &role, MOST_ROLES, now)
        .await?
    {
        let detail = format!("the organization has {MOST_ROLES} roles of its own; delete one");
        return Err(Problem::quota_exceeded(detail, RETRY_AFTER));
    }
    let role = state.store.get_role(org, id).await?;
    let location = AppendHeaders([(header::LOCATION, format!("/api/v1/roles/{id}"))]);
    let role = role.ok_or_else(Problem::not_found)?;
    Ok((StatusCode::CREATED, location, Json(role.into())))
}
