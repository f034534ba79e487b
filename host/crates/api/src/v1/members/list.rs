//! `GET /api/v1/members`

use axum::{Json, extract::State};

use super::MemberView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PageQuery,
    problem::Problem,
    v1::PageView,
};

/// Lists the members of the organization
#[utoipa::path(get, path = "/api/v1/members", tag = "members", security(("bearer" = [])),
    params(("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<MemberView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_members(
    State(state): State<ApiState>,
    caller: May<need::UserRead>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<MemberView>>, Problem> {
    let page = state.store.list_members(caller.org_id, page).await?;
    Ok(Json(PageView::of(page)))
}
