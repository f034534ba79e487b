//! `POST /api/v1/admin/users/{user_id}/password-reset`

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use vedette_core::UserId;
use vedette_store::NewPasswordReset;

use crate::{
    ApiState,
    auth::Administrator,
    extract::{NoBody, PathId},
    link_token::LinkToken,
    problem::Problem,
};

/// Time for the user to be told the token and to use it.
const LIFETIME: TimeDelta = TimeDelta::hours(1);

/// What lets somebody set a user's password.
#[derive(Serialize, ToSchema)]
pub(crate) struct PasswordReset {
    /// For `POST /api/v1/auth/password-reset`. It is shown this once.
    token: String,
    /// From then on it is good no more.
    expires_at: DateTime<Utc>,
}

/// Makes a token by which a user can set a new password
///
/// It is good once and for an hour, and takes the place of an earlier one. The password stays
/// until it is used. For administrators of the installation.
#[utoipa::path(post, path = "/api/v1/admin/users/{user_id}/password-reset", tag = "admin",
    security(("bearer" = [])), params(("user_id" = uuid::Uuid, Path)),
    responses((status = 201, body = PasswordReset), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, description = "There is no such user, or one who is disabled", body = Problem),
        (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create_password_reset(
    State(state): State<ApiState>,
    Administrator { caller, store }: Administrator,
    PathId(id): PathId<UserId>,
    _: NoBody,
) -> Result<(StatusCode, Json<PasswordReset>), Problem> {
    let token = LinkToken::generate()?;
    let now = state.clock.now();
    let new = NewPasswordReset {
        user_id: id,
        token_hash: token.hash(),
        created_by: caller.user.id,
        created_at: now,
        expires_at: now + LIFETIME,
    };
    if !store.put_password_reset(&new).await? {
        return Err(Problem::not_found());
    }
    tracing::warn!(
        user.id = %id, created_by = %caller.user.id, "a token to set a user's password was made"
    );
    let reset = PasswordReset {
        token: token.text(),
        expires_at: new.expires_at,
    };
    Ok((StatusCode::CREATED, Json(reset)))
}
