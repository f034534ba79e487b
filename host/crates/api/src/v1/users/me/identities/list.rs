//! `GET /api/v1/users/me/identities`

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{ApiState, auth::SignedIn, problem::Problem};

/// Who the caller is at a provider.
#[derive(Serialize, ToSchema)]
pub(crate) struct IdentityView {
    id: Uuid,
    /// The provider's name; null: it is no longer one of this installation.
    provider: Option<String>,
    issuer: String,
    /// What the provider calls the caller.
    subject: String,
    created_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Identities {
    items: Vec<IdentityView>,
}

/// Lists the identities by which the caller can sign in
#[utoipa::path(get, path = "/api/v1/users/me/identities", tag = "users",
    security(("bearer" = [])),
    responses((status = 200, body = Identities), (status = 401, body = Problem)))]
pub(crate) async fn list_identities(
    State(state): State<ApiState>,
    SignedIn { caller, .. }: SignedIn,
) -> Result<Json<Identities>, Problem> {
    let found = state.store.list_identities(caller.user.id).await?;
    let name = |issuer: &str| {
        let mut providers = state.providers.values();
        let provider = providers.find(|provider| provider.settings.issuer == issuer);
        provider.map(|provider| provider.settings.name.clone())
    };
    let items = found
        .into_iter()
        .map(|identity| IdentityView {
            id: identity.id.as_uuid(),
            provider: name(&identity.issuer),
            issuer: identity.issuer,
            subject: identity.subject,
            created_at: identity.created_at,
        })
        .collect();
    Ok(Json(Identities { items }))
}
