//! `GET /api/v1/auth/oidc`

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ApiState;

/// A way to sign in.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProviderView {
    /// For the paths.
    #[schema(example = "corp")]
    name: String,
    /// For people.
    #[schema(example = "Corp")]
    title: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Providers {
    items: Vec<ProviderView>,
}

/// Lists the identity providers by which people can sign in
#[utoipa::path(get, path = "/api/v1/auth/oidc", tag = "auth",
    responses((status = 200, body = Providers)))]
pub(crate) async fn list_oidc_providers(State(state): State<ApiState>) -> Json<Providers> {
    let providers = state.providers.values();
    let items = providers
        .map(|provider| ProviderView {
            name: provider.settings.name.clone(),
            title: provider.settings.title.clone(),
        })
        .collect();
    Json(Providers { items })
}
