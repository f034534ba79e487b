//! `PUT /api/v1/users/me/password`

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    ApiState,
    auth::SignedIn,
    client_address::ClientAddress,
    confirm,
    extract::JsonBody,
    notices::{self, Notice},
    password,
    problem::{FieldError, Problem},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    current_password: String,
    /// 8 to 256 characters, and none that everybody would guess.
    new_password: String,
}

/// Changes the caller's password
///
/// All other sessions of the caller end.
#[utoipa::path(put, path = "/api/v1/users/me/password", tag = "users",
    security(("bearer" = [])), request_body = PasswordChange,
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn change_password(
    State(state): State<ApiState>,
    SignedIn { caller, store }: SignedIn,
    from: ClientAddress,
    JsonBody(body): JsonBody<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let user = caller.user;
    let owner = password::Owner {
        username: &user.username,
        email: &user.email,
    };
    let refuse = |error| Problem::invalid(vec![error]);
    password::check_new(&body.new_password, "/new_password", &owner).map_err(refuse)?;
    if body.new_password == body.current_password {
        let detail = "this is the current password";
        return Err(refuse(FieldError::new("/new_password", detail)));
    }
    let seen_hash = confirm::confirm(&state, user.id, body.current_password).await?;
    let hash = state.hasher.hash(body.new_password).await?;
    let hash = hash.ok_or_else(Problem::panicked)?;
    let now = state.clock.now();
    let is_changed = store
        .change_password(user.id, caller.session_id, &seen_hash, &hash, now)
        .await?;
    if is_changed {
        notices::tell(&state, &user, Notice::PasswordChanged, from);
        Ok(StatusCode::NO_CONTENT)
    } else {
        // Somebody was faster, and the given one is the password no more.
        Err(confirm::wrong())
    }
}
