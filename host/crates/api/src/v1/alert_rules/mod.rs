//! Alert rules of scripts.

pub(crate) mod body;
pub(crate) mod channels;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod dry_run;
pub(crate) mod follow_up;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod schema;
pub(crate) mod update;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{AlertRuleId, ChannelId, OrgId, ScriptId, alert::state::Phase};
use vedette_store::AlertRule;

use follow_up::EscalationStepView;

use crate::{
    ApiState,
    auth::{May, Need},
    problem::Problem,
};

/// An alert rule.
#[derive(Serialize, ToSchema)]
pub(crate) struct AlertRuleView {
    id: Uuid,
    script_id: Uuid,
    name: String,
    /// With what was left out filled in.
    #[schema(value_type = Object)]
    rule_definition: Value,
    /// `info`, `warning` or `critical`.
    severity: &'static str,
    is_enabled: bool,
    /// Minutes from one reminder to the next; null: there are none.
    remind_after_minutes: Option<u32>,
    /// Who is told besides, step by step.
    escalation: Vec<EscalationStepView>,
    /// Where it stands: `ok`, `pending`, `firing` or `recovering`; null when it is disabled.
    phase: Option<&'static str>,
    /// Whom it tells; set by `PUT …/channels`.
    channel_ids: Vec<Uuid>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// Counts all changes; its `ETag` goes with `If-Match`.
    revision: i64,
}

impl AlertRuleView {
    fn new(rule: AlertRule, channels: Vec<ChannelId>) -> Self {
        let content = rule.content;
        let steps = content.follow_up.escalation.into_iter();
        // What nothing is known of, because its script was paused, begins anew.
        let phase = rule.phase.unwrap_or(Phase::Ok);
        Self {
            id: rule.id.as_uuid(),
            script_id: rule.script_id.as_uuid(),
            name: content.name,
            rule_definition: content.definition.to_json(),
            severity: content.severity.as_str(),
            is_enabled: content.is_enabled,
            remind_after_minutes: content.follow_up.remind_after_minutes,
            escalation: steps.map(Into::into).collect(),
            phase: content.is_enabled.then(|| phase_text(phase)),
            channel_ids: channels.into_iter().map(ChannelId::as_uuid).collect(),
            created_by: rule.created_by.as_uuid(),
            created_at: rule.created_at,
            updated_at: rule.updated_at,
            revision: rule.revision,
        }
    }
}

/// Rules with the channels that they tell.
async fn with_channels(
    state: &ApiState,
    org: OrgId,
    rules: Vec<AlertRule>,
) -> Result<Vec<AlertRuleView>, Problem> {
    let ids: Vec<AlertRuleId> = rules.iter().map(|rule| rule.id).collect();
    let mut channels = state.store.channels_of_rules(org, &ids).await?;
    let rules = rules.into_iter();
    let view = |rule: AlertRule| {
        let channels = channels.remove(&rule.id).unwrap_or_default();
        AlertRuleView::new(rule, channels)
    };
    Ok(rules.map(view).collect())
}

/// One rule, with the channels that it tells.
async fn one_with_channels(
    state: &ApiState,
    org: OrgId,
    rule: AlertRule,
) -> Result<AlertRuleView, Problem> {
    let mut views = with_channels(state, org, vec![rule]).await?;
    Ok(views.remove(0))
}

const fn phase_text(phase: Phase) -> &'static str {
    match phase {
        Phase::Ok => "ok",
        Phase::Pending { .. } => "pending",
        Phase::Firing => "firing",
        Phase::Recovering { .. } => "recovering",
    }
}

/// Lets the caller go on with the rules of a script.
async fn check_script<P: Need>(
    state: &ApiState,
    caller: &May<P>,
    script: ScriptId,
) -> Result<(), Problem> {
    let project = state.store.project_of_script(caller.org_id, script).await?;
    caller.check_in(project.ok_or_else(Problem::not_found)?)
}

/// A rule that the caller may go on with.
async fn find_rule<P: Need>(
    state: &ApiState,
    caller: &May<P>,
    id: AlertRuleId,
) -> Result<AlertRule, Problem> {
    let rule = state.store.get_alert_rule(caller.org_id, id).await?;
    let rule = rule.ok_or_else(Problem::not_found)?;
    check_script(state, caller, rule.script_id).await?;
    Ok(rule)
}
