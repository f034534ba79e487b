//! `GET /api/v1/maintenance-windows/{window_id}`

use axum::{Json, extract::State, response::IntoResponseParts};
use vedette_core::MaintenanceWindowId;

use super::{MaintenanceWindowView, find_window};
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
    v1::revision::etag,
};

/// One maintenance window, and when it is active
#[utoipa::path(get, path = "/api/v1/maintenance-windows/{window_id}", tag = "maintenance",
    security(("bearer" = [])), params(("window_id" = uuid::Uuid, Path)),
    responses((status = 200, body = MaintenanceWindowView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_maintenance_window(
    State(state): State<ApiState>,
    caller: May<need::MaintenanceRead>,
    PathId(id): PathId<MaintenanceWindowId>,
) -> Result<(impl IntoResponseParts, Json<MaintenanceWindowView>), Problem> {
    let window = find_window(&state, &caller, id).await?;
    let etag = etag(window.revision);
    let now = state.clock.now();
    Ok((etag, Json(MaintenanceWindowView::of(window, now))))
}
