//! `PUT /api/v1/maintenance-windows/{window_id}`

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponseParts};
use vedette_core::MaintenanceWindowId;
use vedette_store::UpdatedWindow;

use super::{
    MaintenanceWindowView, body::MaintenanceWindowBody, check_scope, find_window, unknown_scope,
};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::Problem,
    v1::revision::{Expected, etag, if_match},
};

/// Replaces a maintenance window
///
/// It counts at once: also for executions whose slots were before, but are recorded later. With `If-Match`, only if
/// nobody changed it since.
#[utoipa::path(put, path = "/api/v1/maintenance-windows/{window_id}", tag = "maintenance",
    security(("bearer" = [])), request_body = MaintenanceWindowBody,
    params(("window_id" = uuid::Uuid, Path),
        ("If-Match" = Option<String>, Header, description = "the ETag that was read")),
    responses((status = 200, body = MaintenanceWindowView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn update_maintenance_window(
    State(state): State<ApiState>,
    caller: May<need::MaintenanceManage>,
    PathId(id): PathId<MaintenanceWindowId>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<MaintenanceWindowBody>,
) -> Result<(impl IntoResponseParts, Json<MaintenanceWindowView>), Problem> {
    let expected = match if_match(&headers) {
        Expected::Any => None,
        Expected::Revision(revision) => Some(revision),
        Expected::Nothing => return Err(Problem::stale()),
    };
    // Before the body is judged, so that a foreign id tells nothing.
    find_window(&state, &caller, id).await?;
    let now = state.clock.now();
    let content = body.check(now)?;
    check_scope(&state, &caller, &content.scope).await?;
    let updated = caller
        .store
        .update_maintenance_window(caller.org_id, id, content, now, expected);
    match updated.await? {
        UpdatedWindow::Done(window) => {
            let etag = etag(window.revision);
            Ok((etag, Json(MaintenanceWindowView::of(*window, now))))
        }
        UpdatedWindow::NotFound => Err(Problem::not_found()),
        UpdatedWindow::NoScope => Err(Problem::invalid(vec![unknown_scope("thing")])),
        UpdatedWindow::Stale => Err(Problem::stale()),
    }
}
