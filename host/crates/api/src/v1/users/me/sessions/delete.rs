//! `DELETE /api/v1/users/me/sessions/{session_id}`

use axum::{extract::State, http::StatusCode};
use vedette_core::SessionId;

use crate::{ApiState, auth::SignedIn, extract::PathId, problem::Problem};

/// Ends one of the caller's sessions
///
/// Its tokens are refused from now on.
#[utoipa::path(delete, path = "/api/v1/users/me/sessions/{session_id}", tag = "users",
    security(("bearer" = [])), params(("session_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem)))]
pub(crate) async fn revoke_session(
    State(state): State<ApiState>,
    SignedIn { caller, store }: SignedIn,
    PathId(id): PathId<SessionId>,
) -> Result<StatusCode, Problem> {
    let now = state.clock.now();
    if store.revoke_own_session(caller.user.id, id, now).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
