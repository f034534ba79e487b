//! `GET /api/v1/invitations`

use axum::{Json, extract::State};

use super::InvitationView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PageQuery,
    problem::Problem,
    v1::PageView,
};

/// Lists the open invitations, newest first
#[utoipa::path(get, path = "/api/v1/invitations", tag = "members", security(("bearer" = [])),
    params(("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<InvitationView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_invitations(
    State(state): State<ApiState>,
    caller: May<need::UserManage>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<InvitationView>>, Problem> {
    let now = state.clock.now();
    let page = state
        .store
        .list_invitations(caller.org_id, now, page)
        .await?;
    Ok(Json(PageView::of(page)))
}
