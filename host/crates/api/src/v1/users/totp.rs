//! `DELETE /api/v1/admin/users/{user_id}/totp`

use axum::http::StatusCode;
use vedette_core::UserId;

use crate::{auth::Administrator, extract::PathId, problem::Problem};

/// Removes the second factor of a user who has lost it
///
/// For administrators of the installation, who must know for themselves who is asking.
#[utoipa::path(delete, path = "/api/v1/admin/users/{user_id}/totp", tag = "admin",
    security(("bearer" = [])), params(("user_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem),
        (status = 404, description = "There is no such user, or no second factor", body = Problem)))]
pub(crate) async fn remove_user_totp(
    Administrator { caller, store }: Administrator,
    PathId(id): PathId<UserId>,
) -> Result<StatusCode, Problem> {
    if !store.delete_totp_key(id).await? {
        return Err(Problem::not_found());
    }
    tracing::warn!(user.id = %id, removed_by = %caller.user.id, "a second factor was removed");
    Ok(StatusCode::NO_CONTENT)
}
