//! `GET /api/v1/admin/blocked-components`

use axum::{Json, extract::State};
use vedette_store::Page;

use super::BlockedComponentView;
use crate::{ApiState, auth::Administrator, problem::Problem, v1::PageView};

/// Lists all components that are blocked, newest first
///
/// For administrators of the installation.
#[utoipa::path(get, path = "/api/v1/admin/blocked-components", tag = "admin",
    security(("bearer" = [])),
    responses((status = 200, body = PageView<BlockedComponentView>), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(crate) async fn list_blocked_components(
    State(state): State<ApiState>,
    _: Administrator,
) -> Result<Json<PageView<BlockedComponentView>>, Problem> {
    // Administrators write them by hand: they are few.
    Ok(Json(PageView::of(Page {
        items: state.store.list_blocked_components().await?,
        next_cursor: None,
    })))
}
