//! `GET /api/v1/components`

use axum::{Json, extract::State};
use vedette_store::Page;

use super::ComponentView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PageQuery,
    problem::Problem,
    v1::PageView,
};

/// Lists the components of the organization
#[utoipa::path(get, path = "/api/v1/components", tag = "components", security(("bearer" = [])),
    params(("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<ComponentView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_components(
    State(state): State<ApiState>,
    caller: May<need::ComponentRead>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<ComponentView>>, Problem> {
    let now = state.clock.now();
    let page = state
        .store
        .list_components(caller.org_id, page, now)
        .await?;
    let items = page.items.into_iter();
    Ok(Json(PageView::of(Page {
        items: items
            .map(|component| ComponentView::new(component, now))
            .collect(),
        next_cursor: page.next_cursor,
    })))
}
