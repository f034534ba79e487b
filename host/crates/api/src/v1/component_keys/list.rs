//! `GET /api/v1/component-keys`

use axum::{Json, extract::State};

use super::ComponentKeyView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PageQuery,
    problem::Problem,
    v1::PageView,
};

/// Lists the keys that components are signed with, the revoked and expired ones too
#[utoipa::path(get, path = "/api/v1/component-keys", tag = "component-keys",
    security(("bearer" = [])),
    params(("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<ComponentKeyView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_component_keys(
    State(state): State<ApiState>,
    caller: May<need::ComponentKeyRead>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<ComponentKeyView>>, Problem> {
    let page = state.store.list_component_keys(caller.org_id, page).await?;
    Ok(Json(PageView::of(page)))
}
