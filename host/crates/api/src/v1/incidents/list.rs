//! `GET /api/v1/incidents`

use axum::{
    Json,
    extract::{FromRequestParts, Query, State},
    http::request::Parts,
};
use serde::Deserialize;
use utoipa::IntoParams;
use vedette_store::{IncidentFilter, IncidentStage, PageRequest};

use super::IncidentView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::{page_request, query_id},
    problem::Problem,
    v1::PageView,
};

/// A filter, and which page of what fits it.
pub(crate) struct IncidentQuery(IncidentFilter, PageRequest);

/// As the query has it; for the document, too.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RawIncidentQuery {
    /// Of this script.
    #[param(value_type = Option<Uuid>)]
    script_id: Option<String>,
    /// `open`, `acknowledged` or `resolved`.
    #[param(pattern = "^(open|acknowledged|resolved)$")]
    status: Option<String>,
    /// 1 to 100, 50 by default.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for IncidentQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<RawIncidentQuery>::from_request_parts(parts, state)
            .await
            .map_err(|_| {
                let detail = "the list of incidents takes `script_id`, `status`, `limit` and \
                              `cursor`, once each";
                Problem::bad_request(detail)
            })?;
        let filter = IncidentFilter {
            script: query_id("script_id", raw.script_id)?,
            stage: raw.status.as_deref().map(stage).transpose()?,
        };
        Ok(Self(filter, page_request(raw.limit, raw.cursor)?))
    }
}

fn stage(text: &str) -> Result<IncidentStage, Problem> {
    let mut all = IncidentStage::ALL.iter().copied();
    all.find(|stage| stage.as_str() == text)
        .ok_or_else(|| Problem::bad_request("`status` is `open`, `acknowledged` or `resolved`"))
}

/// Lists incidents, newest first
///
/// Of the scripts of all projects that the caller may see.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "alerts", security(("bearer" = [])),
    params(RawIncidentQuery),
    responses((status = 200, body = PageView<IncidentView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_incidents(
    State(state): State<ApiState>,
    caller: May<need::AlertRead>,
    IncidentQuery(filter, page): IncidentQuery,
) -> Result<Json<PageView<IncidentView>>, Problem> {
    let page = state
        .store
        .list_incidents(caller.org_id, &caller.projects(), filter, page)
        .await?;
    Ok(Json(PageView::of(page)))
}
