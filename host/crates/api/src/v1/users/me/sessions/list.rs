//! `GET /api/v1/users/me/sessions`

use axum::{Json, extract::State};
use vedette_store::Page;

use super::SessionView;
use crate::{ApiState, auth::SignedIn, extract::PageQuery, problem::Problem, v1::PageView};

/// Lists the caller's sessions that go on, newest first
#[utoipa::path(get, path = "/api/v1/users/me/sessions", tag = "users", security(("bearer" = [])),
    params(("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<SessionView>), (status = 400, body = Problem),
        (status = 401, body = Problem)))]
pub(crate) async fn list_sessions(
    State(state): State<ApiState>,
    SignedIn { caller, .. }: SignedIn,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<SessionView>>, Problem> {
    let now = state.clock.now();
    let page = state.store.list_sessions(caller.user.id, page, now).await?;
    let view = |session| SessionView::new(session, caller.session_id);
    Ok(Json(PageView::of(Page {
        items: page.items.iter().map(view).collect::<Vec<_>>(),
        next_cursor: page.next_cursor,
    })))
}
