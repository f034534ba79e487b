//! `GET /api/v1/scripts`

use axum::{Json, extract::State};

use super::ScriptView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PageQuery,
    problem::Problem,
    v1::PageView,
};

/// Lists the scripts of the organization
#[utoipa::path(get, path = "/api/v1/scripts", tag = "scripts", security(("bearer" = [])),
    params(("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<ScriptView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_scripts(
    State(state): State<ApiState>,
    caller: May<need::ScriptRead>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<ScriptView>>, Problem> {
    Ok(Json(PageView::of(
        state
            .store
            .list_scripts(caller.org_id, &caller.projects(), page)
            .await?,
    )))
}
