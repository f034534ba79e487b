//! The alert rules that scripts of a project begin with.

mod body;
pub(crate) mod get;
pub(crate) mod set;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{ChannelId, ProjectId};
use vedette_store::DefaultRule;

use super::alert_rules::follow_up::EscalationStepView;
use crate::{
    ApiState,
    auth::{May, Need},
    problem::Problem,
};

/// The alert rules that scripts of a project begin with.
#[derive(Serialize, ToSchema)]
pub(crate) struct DefaultRulesView {
    rules: Vec<DefaultRuleView>,
}

/// An alert rule that scripts begin with.
#[derive(Serialize, ToSchema)]
pub(crate) struct DefaultRuleView {
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
    /// Whom it tells.
    channel_ids: Vec<Uuid>,
}

impl From<DefaultRule> for DefaultRuleView {
    fn from(rule: DefaultRule) -> Self {
        let content = rule.content;
        let steps = content.follow_up.escalation.into_iter();
        let channels = rule.channel_ids.into_iter();
        Self {
            name: content.name,
            rule_definition: content.definition.to_json(),
            severity: content.severity.as_str(),
            is_enabled: content.is_enabled,
            remind_after_minutes: content.follow_up.remind_after_minutes,
            escalation: steps.map(Into::into).collect(),
            channel_ids: channels.map(ChannelId::as_uuid).collect(),
        }
    }
}

impl From<Vec<DefaultRule>> for DefaultRulesView {
    fn from(rules: Vec<DefaultRule>) -> Self {
        Self {
            rules: rules.into_iter().map(Into::into).collect(),
        }
    }
}

/// Lets the caller go on with the default rules of a project.
async fn check_project<P: Need>(
    state: &ApiState,
    caller: &May<P>,
    id: ProjectId,
) -> Result<(), Problem> {
    let project = state.store.get_project(caller.org_id, id).await?;
    caller.check_in(project.ok_or_else(Problem::not_found)?.id)
}
