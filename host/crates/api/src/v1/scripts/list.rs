//! `GET /api/v1/scripts`

use axum::{
    Json,
    extract::{FromRequestParts, Query, State},
    http::request::Parts,
};
use serde::Deserialize;
use utoipa::IntoParams;
use vedette_core::silence::check_tag;
use vedette_store::PageRequest;

use super::ScriptView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::page_request,
    problem::Problem,
    v1::PageView,
};

/// A tag, and which page of what has it.
pub(crate) struct ScriptQuery(Option<String>, PageRequest);

/// As the query has it; for the document, too.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RawScriptQuery {
    /// With exactly this tag.
    tag: Option<String>,
    /// 1 to 100, 50 by default.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for ScriptQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<RawScriptQuery>::from_request_parts(parts, state)
            .await
            .map_err(|_| {
                let detail = "the list of scripts takes `tag`, `limit` and `cursor`, once each";
                Problem::bad_request(detail)
            })?;
        if let Some(Err(error)) = raw.tag.as_deref().map(check_tag) {
            return Err(Problem::bad_request(format!("`tag`: {error}")));
        }
        Ok(Self(raw.tag, page_request(raw.limit, raw.cursor)?))
    }
}

/// Lists the scripts of the organization
#[utoipa::path(get, path = "/api/v1/scripts", tag = "scripts", security(("bearer" = [])),
    params(RawScriptQuery),
    responses((status = 200, body = PageView<ScriptView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_scripts(
    State(state): State<ApiState>,
    caller: May<need::ScriptRead>,
    ScriptQuery(tag, page): ScriptQuery,
) -> Result<Json<PageView<ScriptView>>, Problem> {
    let page = state
        .store
        .list_scripts(caller.org_id, &caller.projects(), tag.as_deref(), page)
        .await?;
    Ok(Json(PageView::of(page)))
}
