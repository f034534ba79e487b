//! `GET /api/v1/alerts/history`

use axum::{
    Json,
    extract::{FromRequestParts, Query, State},
    http::request::Parts,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use vedette_core::{ExecutionId, IncidentId};
use vedette_store::{HistoryEntry, HistoryFilter, PageRequest};

use crate::{
    ApiState,
    auth::{May, need},
    extract::{page_request, query_id, query_time},
    problem::Problem,
    v1::PageView,
};

/// A time at which a rule fired or recovered.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryEntryView {
    id: Uuid,
    script_id: Uuid,
    /// The rule, which may be gone by now.
    rule_id: Uuid,
    /// The incident that it was part of; null: nobody was to be told.
    incident_id: Option<Uuid>,
    /// The execution that brought it; null: time did.
    execution_id: Option<Uuid>,
    /// `fired` or `recovered`.
    transition: &'static str,
    /// The slot of the execution, or the time.
    triggered_at: DateTime<Utc>,
    /// The rule as it was, and what it saw.
    #[schema(value_type = Object)]
    details: Value,
}

impl From<HistoryEntry> for HistoryEntryView {
    fn from(entry: HistoryEntry) -> Self {
        Self {
            id: entry.id.as_uuid(),
            script_id: entry.script_id.as_uuid(),
            rule_id: entry.rule_id.as_uuid(),
            incident_id: entry.incident_id.map(IncidentId::as_uuid),
            execution_id: entry.execution_id.map(ExecutionId::as_uuid),
            transition: entry.transition.as_str(),
            triggered_at: entry.triggered_at,
            details: entry.details,
        }
    }
}

/// A filter, and which page of what fits it.
pub(crate) struct HistoryQuery(HistoryFilter, PageRequest);

/// As the query has it; for the document, too.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RawHistoryQuery {
    /// Of this script.
    #[param(value_type = Option<Uuid>)]
    script_id: Option<String>,
    /// Of this rule, also when it is gone.
    #[param(value_type = Option<Uuid>)]
    rule_id: Option<String>,
    /// Of this incident.
    #[param(value_type = Option<Uuid>)]
    incident_id: Option<String>,
    /// Not before.
    #[param(value_type = Option<DateTime<Utc>>)]
    from: Option<String>,
    /// Before.
    #[param(value_type = Option<DateTime<Utc>>)]
    until: Option<String>,
    /// 1 to 100, 50 by default.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for HistoryQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<RawHistoryQuery>::from_request_parts(parts, state)
            .await
            .map_err(|_| {
                let detail = "the history takes `script_id`, `rule_id`, `incident_id`, `from`, \
                              `until`, `limit` and `cursor`, once each";
                Problem::bad_request(detail)
            })?;
        let filter = HistoryFilter {
            script: query_id("script_id", raw.script_id)?,
            rule: query_id("rule_id", raw.rule_id)?,
            incident: query_id("incident_id", raw.incident_id)?,
            from: query_time("from", raw.from)?,
            until: query_time("until", raw.until)?,
        };
        Ok(Self(filter, page_request(raw.limit, raw.cursor)?))
    }
}

/// Lists when rules fired and recovered, newest first
///
/// Of the scripts of all projects that the caller may see.
#[utoipa::path(get, path = "/api/v1/alerts/history", tag = "alerts", security(("bearer" = [])),
    params(RawHistoryQuery),
    responses((status = 200, body = PageView<HistoryEntryView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_alert_history(
    State(state): State<ApiState>,
    caller: May<need::AlertRead>,
    HistoryQuery(filter, page): HistoryQuery,
) -> Result<Json<PageView<HistoryEntryView>>, Problem> {
    let page = state
        .store
        .list_alert_history(caller.org_id, &caller.projects(), filter, page)
        .await?;
    Ok(Json(PageView::of(page)))
}
