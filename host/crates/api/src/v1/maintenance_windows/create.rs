//! `POST /api/v1/maintenance-windows`

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{AppendHeaders, IntoResponseParts},
};
use vedette_core::MaintenanceWindowId;
use vedette_store::{CreatedWindow, MAX_WINDOWS, NewWindow};

use super::{MaintenanceWindowView, body::MaintenanceWindowBody, check_scope, unknown_scope};
use crate::{
    ApiState,
    auth::{May, need},
    extract::JsonBody,
    problem::Problem,
    v1::revision::etag,
};

/// Seconds after which to try again.
const RETRY_AFTER: u16 = 3_600;

/// Makes a maintenance window
///
/// While it is active, nobody is told about the scripts that it covers, and their uptime does not count. What still
/// fires when it ends is told then.
#[utoipa::path(post, path = "/api/v1/maintenance-windows", tag = "maintenance",
    security(("bearer" = [])), request_body = MaintenanceWindowBody,
    responses((status = 201, body = MaintenanceWindowView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn create_maintenance_window(
    State(state): State<ApiState>,
    caller: May<need::MaintenanceManage>,
    JsonBody(body): JsonBody<MaintenanceWindowBody>,
) -> Result<
    (
        StatusCode,
        impl IntoResponseParts,
        AppendHeaders<[(HeaderName, String); 1]>,
        Json<MaintenanceWindowView>,
    ),
    Problem,
> {
    let now = state.clock.now();
    let content = body.check(now)?;
    check_scope(&state, &caller, &content.scope).await?;
    let new = NewWindow {
        id: MaintenanceWindowId::generate(state.clock.as_ref()),
        org_id: caller.org_id,
        content,
        created_by: caller.user.id,
        created_at: now,
    };
    let window = match caller.store.create_maintenance_window(new).await? {
        CreatedWindow::Done(window) => *window,
        CreatedWindow::NoScope => return Err(Problem::invalid(vec![unknown_scope("thing")])),
        CreatedWindow::TooMany => {
            let detail = format!(
                "the organization has {MAX_WINDOWS} maintenance windows that are not over; delete one"
            );
            return Err(Problem::quota_exceeded(detail, RETRY_AFTER));
        }
    };
    let path = format!("/api/v1/maintenance-windows/{}", window.id);
    let location = AppendHeaders([(header::LOCATION, path)]);
    let etag = etag(window.revision);
    let view = MaintenanceWindowView::of(window, now);
    Ok((StatusCode::CREATED, etag, location, Json(view)))
}
