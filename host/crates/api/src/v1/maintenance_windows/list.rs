//! `GET /api/v1/maintenance-windows`

use axum::{Json, extract::State};
use vedette_store::Page;

use super::MaintenanceWindowView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PageQuery,
    problem::Problem,
    v1::PageView,
};

/// Lists the maintenance windows, newest first
///
/// Those that are over as well, for a year at least. Who may see only some projects sees the windows of these and of
/// their scripts.
#[utoipa::path(get, path = "/api/v1/maintenance-windows", tag = "maintenance",
    security(("bearer" = [])), params(
        ("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<MaintenanceWindowView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_maintenance_windows(
    State(state): State<ApiState>,
    caller: May<need::MaintenanceRead>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<MaintenanceWindowView>>, Problem> {
    let projects = caller.projects();
    let page = state
        .store
        .list_maintenance_windows(caller.org_id, &projects, page);
    let (page, now) = (page.await?, state.clock.now());
    // To look ahead in many calendars must not keep other requests waiting.
    let page = tokio::task::spawn_blocking(move || {
        let windows = page.items.into_iter();
        PageView::of(Page {
            items: windows
                .map(|window| MaintenanceWindowView::of(window, now))
                .collect(),
            next_cursor: page.next_cursor,
        })
    });
    Ok(Json(page.await.map_err(|_| Problem::panicked())?))
}
