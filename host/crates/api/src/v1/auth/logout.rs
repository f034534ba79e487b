//! `POST /api/v1/auth/logout`

use axum::{extract::State, http::StatusCode};

use crate::{ApiState, auth::SignedIn, problem::Problem};

/// Signs out
///
/// Ends the session: its tokens are refused from now on.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "auth", security(("bearer" = [])),
    responses((status = 204), (status = 401, body = Problem)))]
pub(crate) async fn logout(
    State(state): State<ApiState>,
    SignedIn { caller, store }: SignedIn,
) -> Result<StatusCode, Problem> {
    store
        .revoke_session(caller.session_id, state.clock.now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
