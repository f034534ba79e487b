//! `DELETE /api/v1/members/{user_id}`

use axum::http::StatusCode;
use vedette_core::{Permission, UserId};

use super::refuse;
use crate::{
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// Removes a member, or lets the caller leave
///
/// What they made stays. Everybody may leave, but for the last owner.
#[utoipa::path(delete, path = "/api/v1/members/{user_id}", tag = "members",
    security(("bearer" = [])), params(("user_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn remove_member(
    caller: May<need::UserRead>,
    PathId(id): PathId<UserId>,
) -> Result<StatusCode, Problem> {
    let leaves = id == caller.user.id;
    if !leaves && !caller.access.everywhere().contains(Permission::UserManage) {
        return Err(Problem::lacking(Permission::UserManage));
    }
    let by = Some(&caller.access).filter(|_| !leaves);
    refuse(caller.store.remove_member(caller.org_id, id, by).await?)?;
    Ok(StatusCode::NO_CONTENT)
}
