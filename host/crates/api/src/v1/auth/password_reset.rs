//! `POST /api/v1/auth/password-reset`

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    ApiState,
    author::{self, Origin},
    extract::JsonBody,
    link_token::LinkToken,
    notices::{self, Notice},
    password,
    problem::{FieldError, Problem},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reset {
    /// Of a mail, or as an administrator has got it.
    token: String,
    /// 8 to 256 characters, and none that everybody would guess.
    new_password: String,
}

/// Sets a new password by a token
///
/// All sessions of the user end. A second factor is asked for at the next login as before.
#[utoipa::path(post, path = "/api/v1/auth/password-reset", tag = "auth", request_body = Reset,
    responses((status = 204), (status = 400, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn reset_password(
    State(state): State<ApiState>,
    origin: Origin,
    JsonBody(body): JsonBody<Reset>,
) -> Result<StatusCode, Problem> {
    let from = origin.address;
    let attempt = state.attempts.at_token(from).await?;
    let token_hash = LinkToken::parse(&body.token).map(|token| token.hash());
    let token_hash = token_hash.ok_or_else(no_good)?;
    let now = state.clock.now();
    let user = state.store.find_password_reset(token_hash, now).await?;
    let user = user.ok_or_else(no_good)?;
    // It is a token: what follows is no guess.
    attempt.succeed().await;
    let owner = password::Owner {
        username: &user.username,
        email: &user.email,
    };
    password::check_new(&body.new_password, "/new_password", &owner)
        .map_err(|error| Problem::invalid(vec![error]))?;
    let hash = state.hasher.hash(body.new_password).await?;
    let hash = hash.ok_or_else(Problem::panicked)?;
    let now = state.clock.now();
    if !origin
        .store(&state, author::user(&user))
        .use_password_reset(token_hash, &hash, now)
        .await?
    {
        return Err(no_good());
    }
    tracing::info!(user.id = %user.id, "a password was set by a token");
    notices::tell(&state, &user, Notice::PasswordSet, from);
    Ok(StatusCode::NO_CONTENT)
}

/// One answer for tokens that were used, are over, or never were.
fn no_good() -> Problem {
    let detail = "this token is not good, or not any more; ask for another one";
    Problem::invalid(vec![FieldError::new("/token", detail)])
}
