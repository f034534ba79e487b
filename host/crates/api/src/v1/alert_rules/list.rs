//! `GET /api/v1/scripts/{script_id}/alert-rules`

use axum::{Json, extract::State};
use vedette_core::ScriptId;
use vedette_store::Page;

use super::{AlertRuleView, check_script, with_channels};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{PageQuery, PathId},
    problem::Problem,
    v1::PageView,
};

/// Lists the alert rules of a script, newest first
#[utoipa::path(get, path = "/api/v1/scripts/{script_id}/alert-rules", tag = "alerts",
    security(("bearer" = [])), params(("script_id" = uuid::Uuid, Path),
        ("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<AlertRuleView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn list_alert_rules(
    State(state): State<ApiState>,
    caller: May<need::AlertRead>,
    PathId(script): PathId<ScriptId>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<AlertRuleView>>, Problem> {
    check_script(&state, &caller, script).await?;
    let org = caller.org_id;
    let page = state.store.list_alert_rules(org, script, page).await?;
    let page = Page {
        items: with_channels(&state, org, page.items).await?,
        next_cursor: page.next_cursor,
    };
    Ok(Json(PageView::<AlertRuleView>::of(page)))
}
