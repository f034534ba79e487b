//! `POST /api/v1/users/me/totp/confirm`

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wrong_code;
use crate::{
    ApiState, auth::SignedIn, extract::JsonBody, problem::Problem, recovery, second_factor,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TotpConfirmation {
    /// Six digits, as the app shows them.
    #[schema(example = "287082")]
    totp_code: String,
}

/// For when the app is lost.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryCodes {
    /// Each is good for one login. They are shown this once.
    recovery_codes: Vec<String>,
}

/// Confirms the key by a code of it
///
/// From now on a code is asked for at login.
#[utoipa::path(post, path = "/api/v1/users/me/totp/confirm", tag = "users",
    security(("bearer" = [])), request_body = TotpConfirmation,
    responses((status = 200, body = RecoveryCodes), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn confirm_totp(
    State(state): State<ApiState>,
    SignedIn { caller, store }: SignedIn,
    JsonBody(body): JsonBody<TotpConfirmation>,
) -> Result<Json<RecoveryCodes>, Problem> {
    let user = caller.user.id;
    let wrong = || wrong_code("/totp_code");
    let attempt = state.attempts.at_code(user).await?;
    let key = state.store.find_totp_key(user).await?;
    // One that is confirmed has nothing to confirm; its codes are for logins.
    let key = key
        .filter(|key| key.last_step.is_none())
        .ok_or_else(wrong)?;
    let totp = second_factor::open(&state, user, &key.sealed_key)?;
    let now = state.clock.now();
    let step = totp.find_step(&body.totp_code, now).ok_or_else(wrong)?;
    let recovery_codes = recovery::generate()?;
    let hashes: Vec<_> = recovery_codes
        .iter()
        .map(|code| recovery::hash(user, code))
        .collect();
    let is_confirmed = store
        .confirm_totp_key(user, &key.sealed_key, step, &hashes, now)
        .await?;
    if !is_confirmed {
        return Err(wrong());
    }
    attempt.succeed().await;
    tracing::info!(user.id = %user, "a second factor was confirmed");
    Ok(Json(RecoveryCodes { recovery_codes }))
}
