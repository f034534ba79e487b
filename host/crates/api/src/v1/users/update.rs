//! `PUT /api/v1/admin/users/{user_id}`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_core::UserId;
use vedette_store::{ChangedUser, UserChange};

use super::UserAccountView;
use crate::{
    ApiState,
    auth::Administrator,
    extract::{JsonBody, PathId},
    problem::Problem,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserAccountBody {
    /// May not sign in. All sessions end at once.
    is_disabled: bool,
    /// Administrator of the installation.
    is_admin: bool,
}

/// Disables or enables a user, and makes administrators of the installation
///
/// For such administrators. The last one who can sign in stays.
#[utoipa::path(put, path = "/api/v1/admin/users/{user_id}", tag = "admin",
    security(("bearer" = [])), params(("user_id" = uuid::Uuid, Path)), request_body = UserAccountBody,
    responses((status = 200, body = UserAccountView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "Nobody would be left to administrate", body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn update_user(
    State(state): State<ApiState>,
    Administrator { caller, store }: Administrator,
    PathId(id): PathId<UserId>,
    JsonBody(body): JsonBody<UserAccountBody>,
) -> Result<Json<UserAccountView>, Problem> {
    let change = UserChange {
        is_disabled: body.is_disabled,
        is_admin: body.is_admin,
    };
    let now = state.clock.now();
    match store.change_user(id, change, now).await? {
        ChangedUser::Done(user) => {
            tracing::warn!(
                user.id = %id, user.is_disabled = user.is_disabled, user.is_admin = user.is_admin,
                changed_by = %caller.user.id, "a user was changed"
            );
            Ok(Json(user.into()))
        }
        ChangedUser::Absent => Err(Problem::not_found()),
        ChangedUser::LastAdministrator => Err(Problem::last_administrator()),
    }
}
