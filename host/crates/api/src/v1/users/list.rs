//! `GET /api/v1/users`

use axum::{Json, extract::State};

use super::UserAccountView;
use crate::{ApiState, auth::Administrator, extract::PageQuery, problem::Problem, v1::PageView};

/// Lists all users of the installation, newest first
///
/// For administrators of the installation.
#[utoipa::path(get, path = "/api/v1/users", tag = "admin", security(("bearer" = [])),
    params(("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<UserAccountView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_users(
    State(state): State<ApiState>,
    _: Administrator,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<UserAccountView>>, Problem> {
    Ok(Json(PageView::of(state.store.list_users(page).await?)))
}
