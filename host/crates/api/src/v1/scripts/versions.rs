//! `GET /api/v1/scripts/{script_id}/versions`

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{ProgramKind, ScriptId};
use vedette_store::{VersionKind, VersionSummary};

use crate::{
    ApiState,
    auth::{May, need},
    extract::{PageQuery, PathId},
    problem::Problem,
    v1::PageView,
};

/// A version of a script. Versions never change.
#[derive(Serialize, ToSchema)]
pub(crate) struct VersionView {
    /// Counts from 1; what `rollback` takes.
    number: i64,
    /// What executions name.
    version_id: Uuid,
    /// `script` or `component`.
    kind: &'static str,
    /// `javascript` or `typescript`; null for a component.
    language: Option<&'static str>,
    /// The component's digest; null for a script.
    component: Option<String>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
}

impl From<VersionSummary> for VersionView {
    fn from(version: VersionSummary) -> Self {
        let (kind, language, component) = match version.kind {
            VersionKind::Source(language) => (ProgramKind::Script, Some(language.as_str()), None),
            VersionKind::Component(digest) => {
                (ProgramKind::Component, None, Some(digest.to_string()))
            }
        };
        Self {
            number: version.number,
            version_id: version.id.as_uuid(),
            kind: kind.as_str(),
            language,
            component,
            created_by: version.created_by.as_uuid(),
            created_at: version.created_at,
        }
    }
}

/// Lists the versions of a script, newest first
#[utoipa::path(get, path = "/api/v1/scripts/{script_id}/versions", tag = "scripts",
    security(("bearer" = [])), params(("script_id" = uuid::Uuid, Path),
        ("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<VersionView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn list_script_versions(
    State(state): State<ApiState>,
    caller: May<need::ScriptRead>,
    PathId(id): PathId<ScriptId>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<VersionView>>, Problem> {
    let project = state.store.project_of_script(caller.org_id, id).await?;
    caller.check_in(project.ok_or_else(Problem::not_found)?)?;
    let page = state.store.list_versions(caller.org_id, id, page).await?;
    Ok(Json(PageView::of(page)))
}
