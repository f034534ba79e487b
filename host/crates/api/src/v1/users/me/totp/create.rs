//! `POST /api/v1/users/me/totp`

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiState, auth::SignedIn, confirm, extract::JsonBody, problem::Problem, second_factor,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TotpBody {
    current_password: String,
}

/// A key that is to be confirmed.
#[derive(Serialize, ToSchema)]
pub(crate) struct TotpKeyView {
    /// To type in: 32 letters and digits (base32).
    key: String,
    /// To show as a QR code.
    otpauth_uri: String,
}

/// Makes a key for an authenticator app
///
/// Nothing is asked for at login until a code of it has come to `/users/me/totp/confirm`. The key is
/// shown this once; calling again makes another one.
#[utoipa::path(post, path = "/api/v1/users/me/totp", tag = "users", security(("bearer" = [])),
    request_body = TotpBody,
    responses((status = 201, body = TotpKeyView), (status = 400, body = Problem),
        (status = 401, body = Problem),
        (status = 409, description = "There is one that is confirmed", body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn create_totp(
    State(state): State<ApiState>,
    SignedIn { caller, .. }: SignedIn,
    JsonBody(body): JsonBody<TotpBody>,
) -> Result<(StatusCode, Json<TotpKeyView>), Problem> {
    let user = caller.user;
    confirm::confirm(&state, user.id, body.current_password).await?;
    let (totp, sealed) = second_factor::generate(&state, user.id)?;
    let now = state.clock.now();
    if !state.store.put_totp_key(user.id, &sealed, now).await? {
        let detail = "you have a second factor already; remove it first";
        return Err(Problem::in_use(detail));
    }
    let view = TotpKeyView {
        key: totp.text(),
        otpauth_uri: totp.uri(&user.username),
    };
    Ok((StatusCode::CREATED, Json(view)))
}
