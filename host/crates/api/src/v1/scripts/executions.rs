//! `GET /api/v1/scripts/{script_id}/executions`

use axum::{Json, extract::State};
use vedette_core::ScriptId;

use crate::{
    ApiState,
    auth::{May, need},
    extract::{PageQuery, PathId},
    problem::Problem,
    v1::{PageView, executions::ExecutionSummaryView},
};

/// Lists the executions of a script, newest first
#[utoipa::path(get, path = "/api/v1/scripts/{script_id}/executions", tag = "executions",
    security(("bearer" = [])), params(("script_id" = uuid::Uuid, Path),
        ("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<ExecutionSummaryView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn list_executions(
    State(state): State<ApiState>,
    caller: May<need::ExecutionRead>,
    PathId(id): PathId<ScriptId>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<ExecutionSummaryView>>, Problem> {
    let project = state.store.project_of_script(caller.org_id, id).await?;
    caller.check_in(project.ok_or_else(Problem::not_found)?)?;
    Ok(Json(PageView::of(
        state.store.list_executions(caller.org_id, id, page).await?,
    )))
}
