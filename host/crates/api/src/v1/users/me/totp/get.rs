//! `GET /api/v1/users/me/totp`

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{ApiState, auth::SignedIn, problem::Problem};

/// Whether the caller has a second factor.
#[derive(Serialize, ToSchema)]
pub(crate) struct TotpView {
    /// A code is asked for at login.
    is_enabled: bool,
    recovery_codes_left: i64,
}

/// The caller's second factor
#[utoipa::path(get, path = "/api/v1/users/me/totp", tag = "users", security(("bearer" = [])),
    responses((status = 200, body = TotpView), (status = 401, body = Problem)))]
pub(crate) async fn get_totp(
    State(state): State<ApiState>,
    SignedIn { caller, .. }: SignedIn,
) -> Result<Json<TotpView>, Problem> {
    let key = state.store.find_totp_key(caller.user.id).await?;
    Ok(Json(TotpView {
        is_enabled: key.is_some_and(|key| key.last_step.is_some()),
        recovery_codes_left: state.store.count_recovery_codes(caller.user.id).await?,
    }))
}
