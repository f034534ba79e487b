//! For load balancers: is the process alive, and can it do its work.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{ApiState, problem::Problem};

#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
}

/// Alive: the process answers.
#[utoipa::path(get, path = "/health/live", tag = "health", operation_id = "get_health_live",
    responses((status = 200, body = Health)))]
pub(crate) async fn live() -> Json<Health> {
    Json(Health { status: "live" })
}

/// Ready: the database answers too, and scripts can be run.
#[utoipa::path(get, path = "/health/ready", tag = "health", operation_id = "get_health_ready",
    responses((status = 200, body = Health), (status = 503, body = Problem)))]
pub(crate) async fn ready(State(state): State<ApiState>) -> Result<Json<Health>, Problem> {
    state.store.ping().await.map_err(|error| {
        tracing::warn!(%error, "not ready");
        Problem::unavailable("the database does not answer")
    })?;
    if !state.engine.is_able() {
        return Err(Problem::unavailable("no script can be run"));
    }
    Ok(Json(Health { status: "ready" }))
}
