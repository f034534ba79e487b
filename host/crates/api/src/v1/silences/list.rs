//! `GET /api/v1/silences`

use axum::{Json, extract::State};
use vedette_store::Page;

use super::SilenceView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PageQuery,
    problem::Problem,
    v1::PageView,
};

/// Lists the silences, newest first
///
/// Those that are over as well, for a year at least. Who may see only some projects sees the silences that keep to
/// these.
#[utoipa::path(get, path = "/api/v1/silences", tag = "maintenance",
    security(("bearer" = [])), params(
        ("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<SilenceView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_silences(
    State(state): State<ApiState>,
    caller: May<need::MaintenanceRead>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<SilenceView>>, Problem> {
    let projects = caller.projects();
    let page = state.store.list_silences(caller.org_id, &projects, page);
    let (page, now) = (page.await?, state.clock.now());
    let silences = page.items.into_iter();
    Ok(Json(PageView::of(Page {
        items: silences
            .map(|silence| SilenceView::of(silence, now))
            .collect(),
        next_cursor: page.next_cursor,
    })))
}
