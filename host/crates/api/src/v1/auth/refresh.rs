//! `POST /api/v1/auth/refresh`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_store::Actor;

use super::{RefreshToken, Tokens};
use crate::{ApiState, author::Origin, extract::JsonBody, problem::Problem};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    /// From the last answer of login or refresh.
    refresh_token: String,
}

/// Exchanges a refresh token
///
/// A refresh token is good once. One that was used before ends its session, because then somebody
/// else has it too.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "auth", request_body = Refresh,
    responses((status = 200, body = Tokens), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn refresh(
    State(state): State<ApiState>,
    origin: Origin,
    JsonBody(body): JsonBody<Refresh>,
) -> Result<Json<Tokens>, Problem> {
    let attempt = state.attempts.at_token(origin.address).await?;
    let old = RefreshToken::parse(&body.refresh_token).ok_or_else(Problem::unauthorized)?;
    let new = RefreshToken::generate(old.session)?;
    let now = state.clock.now();
    let expires_at = now + state.config.session_lifetime;
    // Read first: once the token is exchanged, nothing but that decides. Of two calls with the same
    // token the second ends the session, which must not turn the first's answer into a refusal.
    let caller = state.store.find_caller(old.session, now).await?;
    let rotated = origin
        .store(&state, Actor::Anonymous)
        .rotate_session(old.session, old.hash(), new.hash(), expires_at, now)
        .await?;
    let caller = caller
        .filter(|_| rotated)
        .ok_or_else(Problem::unauthorized)?;
    attempt.succeed().await;
    Tokens::issue(&state, caller.user.id, &new).map(Json)
}
