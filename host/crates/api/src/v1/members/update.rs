//! `PUT /api/v1/members/{user_id}`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_core::UserId;
use vedette_store::Grant;

use super::{GrantView, MemberView, refuse};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::{FieldError, Problem},
};

/// Roles of one member.
const MOST_ROLES: usize = 50;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberBody {
    /// At least one.
    roles: Vec<GrantView>,
}

/// Gives a member these roles and no others
///
/// It counts from the member's next request. Nobody gives, or takes, what they do not have.
#[utoipa::path(put, path = "/api/v1/members/{user_id}", tag = "members", security(("bearer" = [])),
    params(("user_id" = uuid::Uuid, Path)), request_body = MemberBody,
    responses((status = 200, body = MemberView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn update_member(
    State(state): State<ApiState>,
    caller: May<need::UserManage>,
    PathId(id): PathId<UserId>,
    JsonBody(body): JsonBody<MemberBody>,
) -> Result<Json<MemberView>, Problem> {
    let org = caller.org_id;
    // Before the body is judged, so that a foreign id tells nothing.
    let found = state.store.get_member(org, id).await?;
    found.ok_or_else(Problem::not_found)?;
    if !(1..=MOST_ROLES).contains(&body.roles.len()) {
        let detail = format!("give 1 to {MOST_ROLES} roles; DELETE removes a member");
        return Err(Problem::invalid(vec![FieldError::new("/roles", detail)]));
    }
    let grants: Vec<_> = body.roles.iter().map(Grant::from).collect();
    let changed = caller
        .store
        .set_member_grants(org, id, &grants, &caller.access)
        .await?;
    refuse(changed)?;
    let member = state.store.get_member(org, id).await?;
    Ok(Json(member.ok_or_else(Problem::not_found)?.into()))
}
