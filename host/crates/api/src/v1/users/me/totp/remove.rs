//! `POST /api/v1/users/me/totp/remove`

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::wrong_code;
use crate::{
    ApiState,
    auth::SignedIn,
    confirm,
    extract::JsonBody,
    problem::{FieldError, Problem},
    second_factor::{self, Codes, Judged},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TotpRemoval {
    current_password: String,
    /// Six digits, as the app shows them. Either this or a recovery code.
    #[schema(example = "287082")]
    totp_code: Option<String>,
    recovery_code: Option<String>,
}

/// Removes the second factor
///
/// Its recovery codes go with it. It needs the password and a code.
#[utoipa::path(post, path = "/api/v1/users/me/totp/remove", tag = "users",
    security(("bearer" = [])), request_body = TotpRemoval,
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn remove_totp(
    State(state): State<ApiState>,
    SignedIn { caller, store }: SignedIn,
    JsonBody(body): JsonBody<TotpRemoval>,
) -> Result<StatusCode, Problem> {
    let user = caller.user.id;
    confirm::confirm(&state, user, body.current_password).await?;
    let pointer = if body.recovery_code.is_some() {
        "/recovery_code"
    } else {
        "/totp_code"
    };
    let codes = Codes {
        totp_code: body.totp_code,
        recovery_code: body.recovery_code,
    };
    match second_factor::judge(&state, &store, user, codes).await? {
        Judged::Right => {}
        Judged::Wrong => return Err(wrong_code(pointer)),
        Judged::Missing => {
            let detail = "give a code, or a recovery code";
            return Err(Problem::invalid(vec![FieldError::new(pointer, detail)]));
        }
        Judged::NotNeeded => {
            let detail = "you have no second factor";
            return Err(Problem::invalid(vec![FieldError::new(pointer, detail)]));
        }
    }
    store.delete_totp_key(user).await?;
    tracing::info!(user.id = %user, "a second factor was removed");
    Ok(StatusCode::NO_CONTENT)
}
