//! `DELETE /api/v1/maintenance-windows/{window_id}`

use axum::{extract::State, http::StatusCode};
use vedette_core::MaintenanceWindowId;

use super::find_window;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// Deletes a maintenance window
///
/// One that is active ends at once.
#[utoipa::path(delete, path = "/api/v1/maintenance-windows/{window_id}", tag = "maintenance",
    security(("bearer" = [])), params(("window_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn delete_maintenance_window(
    State(state): State<ApiState>,
    caller: May<need::MaintenanceManage>,
    PathId(id): PathId<MaintenanceWindowId>,
) -> Result<StatusCode, Problem> {
    find_window(&state, &caller, id).await?;
    if caller
        .store
        .delete_maintenance_window(caller.org_id, id)
        .await?
    {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
