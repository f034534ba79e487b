//! `GET /api/v1/api-keys`

use axum::{Json, extract::State};
use vedette_core::Permission;

use super::ApiKeyView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PageQuery,
    problem::Problem,
    v1::PageView,
};

/// Lists the caller's keys, newest first
///
/// With the permission `user:manage`, those of all members.
#[utoipa::path(get, path = "/api/v1/api-keys", tag = "api-keys", security(("bearer" = [])),
    params(("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<ApiKeyView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_api_keys(
    State(state): State<ApiState>,
    caller: May<need::ApiKeyCreate>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<ApiKeyView>>, Problem> {
    let of_all = caller.access.somewhere(Permission::UserManage);
    let page = state
        .store
        .list_api_keys(caller.org_id, caller.user.id, of_all, page)
        .await?;
    Ok(Json(PageView::of(page)))
}
