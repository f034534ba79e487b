//! `GET /api/v1/components/{digest}`

use axum::{Json, extract::State};

use super::ComponentView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathDigest,
    problem::Problem,
};

/// One component: how it stands, and what it can do
#[utoipa::path(get, path = "/api/v1/components/{digest}", tag = "components",
    security(("bearer" = [])), params(("digest" = String, Path)),
    responses((status = 200, body = ComponentView), (status = 401, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(crate) async fn get_component(
    State(state): State<ApiState>,
    caller: May<need::ComponentRead>,
    PathDigest(digest): PathDigest,
) -> Result<Json<ComponentView>, Problem> {
    let now = state.clock.now();
    let component = state
        .store
        .get_component(caller.org_id, digest, now)
        .await?;
    let component = component.ok_or_else(Problem::not_found)?;
    Ok(Json(ComponentView::new(component, now)))
}
