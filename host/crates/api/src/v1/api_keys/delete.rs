//! `DELETE /api/v1/api-keys/{key_id}`

use axum::http::StatusCode;
use vedette_core::{ApiKeyId, Permission};

use crate::{
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// Ends a key
///
/// It is refused from now on. With the permission `user:manage`, any member's.
#[utoipa::path(delete, path = "/api/v1/api-keys/{key_id}", tag = "api-keys",
    security(("bearer" = [])), params(("key_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn revoke_api_key(
    caller: May<need::ApiKeyCreate>,
    PathId(id): PathId<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    let of_all = caller.access.somewhere(Permission::UserManage);
    let (org, user) = (caller.org_id, caller.user.id);
    if caller.store.delete_api_key(org, id, user, of_all).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
