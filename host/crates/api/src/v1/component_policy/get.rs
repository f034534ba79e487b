//! `GET /api/v1/component-policy`

use axum::{Json, extract::State};

use super::ComponentPolicy;
use crate::{
    ApiState,
    auth::{May, need},
    problem::Problem,
};

/// What the organization asks of its components
#[utoipa::path(get, path = "/api/v1/component-policy", tag = "component-keys",
    security(("bearer" = [])),
    responses((status = 200, body = ComponentPolicy), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(crate) async fn get_component_policy(
    State(state): State<ApiState>,
    caller: May<need::ComponentKeyRead>,
) -> Result<Json<ComponentPolicy>, Problem> {
    let requires_signature = state
        .store
        .requires_component_signature(caller.org_id)
        .await?;
    Ok(Json(ComponentPolicy { requires_signature }))
}
