//! Incidents: times during which a script was not well.

pub(crate) mod acknowledge;
mod change;
pub(crate) mod comment;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod resolve;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{AlertRuleId, ExecutionId, IncidentId, UserId};
use vedette_store::{Incident, IncidentDetail, IncidentEvent};

use crate::{
    ApiState,
    auth::{May, Need},
    problem::Problem,
};

/// An incident as lists show it.
#[derive(Serialize, ToSchema)]
pub(crate) struct IncidentView {
    id: Uuid,
    script_id: Uuid,
    /// `open`, `acknowledged` or `resolved`.
    status: &'static str,
    /// The highest of the rules that fired: `info`, `warning` or `critical`.
    severity: &'static str,
    opened_at: DateTime<Utc>,
    acknowledged_at: Option<DateTime<Utc>>,
    acknowledged_by: Option<Uuid>,
    resolved_at: Option<DateTime<Utc>>,
    /// Who said that it is over, if somebody did.
    resolved_by: Option<Uuid>,
    /// `recovered`, `rule_removed`, `script_paused` or `person`. Only the first says that the target
    /// is well.
    resolution: Option<String>,
}

impl From<Incident> for IncidentView {
    fn from(incident: Incident) -> Self {
        Self {
            id: incident.id.as_uuid(),
            script_id: incident.script_id.as_uuid(),
            status: incident.stage().as_str(),
            severity: incident.severity.as_str(),
            opened_at: incident.opened_at,
            acknowledged_at: incident.acknowledged_at,
            acknowledged_by: incident.acknowledged_by.map(UserId::as_uuid),
            resolved_at: incident.resolved_at,
            resolved_by: incident.resolved_by.map(UserId::as_uuid),
            resolution: incident.resolution,
        }
    }
}

/// An entry of an incident's timeline.
#[derive(Serialize, ToSchema)]
pub(crate) struct IncidentEventView {
    id: Uuid,
    /// `opened`, `rule_fired`, `rule_recovered`, `acknowledged`, `comment` or `resolved`.
    kind: &'static str,
    occurred_at: DateTime<Utc>,
    /// Who did it; null: an execution or time did.
    user_id: Option<Uuid>,
    /// The rule that it is about, which may be gone by now.
    rule_id: Option<Uuid>,
    /// The execution that brought it.
    execution_id: Option<Uuid>,
    /// What somebody said.
    message: Option<String>,
}

impl From<IncidentEvent> for IncidentEventView {
    fn from(event: IncidentEvent) -> Self {
        Self {
            id: event.id.as_uuid(),
            kind: event.kind.as_str(),
            occurred_at: event.occurred_at,
            user_id: event.user_id.map(UserId::as_uuid),
            rule_id: event.rule_id.map(AlertRuleId::as_uuid),
            execution_id: event.execution_id.map(ExecutionId::as_uuid),
            message: event.message,
        }
    }
}

/// An incident with what was seen when it began, and its timeline.
#[derive(Serialize, ToSchema)]
pub(crate) struct IncidentDetailView {
    #[serde(flatten)]
    incident: IncidentView,
    /// The execution that brought it, and the ones between which it began; fewer where time did.
    #[schema(value_type = Object)]
    evidence: Value,
    /// The first 1,000 entries, oldest first.
    timeline: Vec<IncidentEventView>,
}

impl From<IncidentDetail> for IncidentDetailView {
    fn from(detail: IncidentDetail) -> Self {
        Self {
            evidence: detail.incident.evidence.clone(),
            incident: detail.incident.into(),
            timeline: detail.events.into_iter().map(Into::into).collect(),
        }
    }
}

/// An incident that the caller may go on with.
async fn find_incident<P: Need>(
    state: &ApiState,
    caller: &May<P>,
    id: IncidentId,
) -> Result<IncidentDetail, Problem> {
    let org = caller.org_id;
    let found = state.store.get_incident(org, id).await?;
    let found = found.ok_or_else(Problem::not_found)?;
    let script = found.incident.script_id;
    let project = state.store.project_of_script(org, script).await?;
    caller.check_in(project.ok_or_else(Problem::not_found)?)?;
    Ok(found)
}
