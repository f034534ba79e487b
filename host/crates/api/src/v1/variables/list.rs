//! `GET /api/v1/variables`

use axum::{Json, extract::State};

use super::{
    VariableView,
    level::{LevelPageQuery, check_level},
};
use crate::{
    ApiState,
    auth::{May, need},
    problem::Problem,
    v1::PageView,
};

/// Lists the variables of one level
///
/// Of a project with `project_id`, of a script with `script_id`, else of the organization. Those of
/// wider levels are not among them.
#[utoipa::path(get, path = "/api/v1/variables", tag = "variables", security(("bearer" = [])),
    params(("project_id" = Option<uuid::Uuid>, Query, description = "the project that they are for"),
        ("script_id" = Option<uuid::Uuid>, Query, description = "the script that they are for"),
        ("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<VariableView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn list_variables(
    State(state): State<ApiState>,
    caller: May<need::VariableRead>,
    LevelPageQuery(level, page): LevelPageQuery,
) -> Result<Json<PageView<VariableView>>, Problem> {
    check_level(&state, &caller, level).await?;
    let page = state
        .store
        .list_variables(caller.org_id, level, page)
        .await?;
    Ok(Json(PageView::of(page.ok_or_else(Problem::not_found)?)))
}
