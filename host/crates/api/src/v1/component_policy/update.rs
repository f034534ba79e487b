//! `PUT /api/v1/component-policy`

use axum::Json;

use super::ComponentPolicy;
use crate::{
    auth::{May, need},
    extract::JsonBody,
    problem::Problem,
};

/// Decides what the organization asks of its components
///
/// It counts for what is uploaded or given to a script from now on.
#[utoipa::path(put, path = "/api/v1/component-policy", tag = "component-keys",
    security(("bearer" = [])), request_body = ComponentPolicy,
    responses((status = 200, body = ComponentPolicy), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn update_component_policy(
    caller: May<need::ComponentKeyManage>,
    JsonBody(policy): JsonBody<ComponentPolicy>,
) -> Result<Json<ComponentPolicy>, Problem> {
    caller
        .store
        .set_requires_component_signature(caller.org_id, policy.requires_signature)
        .await?;
    Ok(Json(policy))
}
