//! `GET /api/v1/script-templates`

use axum::{Json, extract::State};

use super::TemplateView;
use crate::{ApiState, auth::SignedIn, extract::PageQuery, problem::Problem, v1::PageView};

/// Lists the templates
#[utoipa::path(get, path = "/api/v1/script-templates", tag = "script-templates",
    security(("bearer" = [])),
    params(("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<TemplateView>), (status = 400, body = Problem),
        (status = 401, body = Problem)))]
pub(crate) async fn list_script_templates(
    State(state): State<ApiState>,
    _: SignedIn,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<TemplateView>>, Problem> {
    Ok(Json(PageView::of(state.store.list_templates(page).await?)))
}
