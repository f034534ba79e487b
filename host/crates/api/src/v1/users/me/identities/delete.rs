//! `DELETE /api/v1/users/me/identities/{identity_id}`

use axum::{extract::State, http::StatusCode};
use vedette_core::IdentityId;
use vedette_store::RemovedIdentity;

use crate::{ApiState, auth::SignedIn, extract::PathId, problem::Problem};

/// Takes an identity off the caller's account
///
/// Sessions go on. The last way to sign in stays: 409.
#[utoipa::path(delete, path = "/api/v1/users/me/identities/{identity_id}", tag = "users",
    security(("bearer" = [])), params(("identity_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem),
        (status = 409, description = "The caller could not sign in any more", body = Problem)))]
pub(crate) async fn remove_identity(
    State(state): State<ApiState>,
    SignedIn { caller, store }: SignedIn,
    PathId(id): PathId<IdentityId>,
) -> Result<StatusCode, Problem> {
    let providers = state.providers.values();
    let issuers: Vec<_> = providers
        .map(|provider| provider.settings.issuer.clone())
        .collect();
    let user = caller.user.id;
    match store.remove_identity(user, id, &issuers).await? {
        RemovedIdentity::Done => {
            tracing::warn!(user.id = %user, "an identity was taken off an account");
            Ok(StatusCode::NO_CONTENT)
        }
        RemovedIdentity::Absent => Err(Problem::not_found()),
        RemovedIdentity::LastWayIn => Err(Problem::in_use(
            "you could not sign in any more; set a password first, or add another identity",
        )),
    }
}
