//! What a user sends to make or to change a rule, and everything that can be wrong with it.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use vedette_core::{
    alert::{Severity, rule::RuleDefinition},
    script,
};
use vedette_store::RuleContent;

use super::follow_up::{self, EscalationStepBody};
use crate::problem::{FieldError, Problem};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertRuleBody {
    #[schema(example = "shop is down")]
    pub(crate) name: String,
    /// As `GET /api/v1/alert-rules/schema` says.
    #[schema(value_type = Object,
        example = json!({ "type": "status_change", "consecutive_failures": 3 }))]
    pub(crate) rule_definition: Value,
    /// `info`, `warning`, which is the default, or `critical`.
    #[schema(pattern = "^(info|warning|critical)$", example = "critical")]
    pub(crate) severity: Option<String>,
    /// True by default.
    pub(crate) is_enabled: Option<bool>,
    /// As long as nobody has acknowledged, its channels are told again each so many minutes.
    #[schema(minimum = 5, maximum = 10_080, example = 60)]
    pub(crate) remind_after_minutes: Option<u32>,
    /// Who is told besides as long as nobody has acknowledged, by growing `after_minutes`.
    #[schema(max_items = 5)]
    pub(crate) escalation: Option<Vec<EscalationStepBody>>,
}

impl AlertRuleBody {
    /// Checks everything and reports all that is wrong together.
    pub(super) fn check(self) -> Result<RuleContent, Problem> {
        let mut errors = Vec::new();
        let content = self.read(&mut errors);
        content
            .filter(|_| errors.is_empty())
            .ok_or_else(|| Problem::invalid(errors))
    }

    /// Checks everything, and adds all that is wrong to `errors`; `None`: too much is wrong for a rule.
    pub(crate) fn read(self, errors: &mut Vec<FieldError>) -> Option<RuleContent> {
        errors.extend(script::check_name(&self.name).err().map(Into::into));
        let definition =
            RuleDefinition::read(&self.rule_definition).map_err(|error| errors.push(error.into()));
        let severity = match self.severity.as_deref() {
            None => Ok(Severity::Warning),
            Some(text) => text.parse::<Severity>().map_err(|_| {
                let detail = "give `info`, `warning` or `critical`";
                errors.push(FieldError::new("/severity", detail));
            }),
        };
        let escalation = self.escalation.unwrap_or_default();
        let follow_up = follow_up::check(self.remind_after_minutes, escalation, errors);
        Some(RuleContent {
            name: self.name,
            definition: definition.ok()?,
            severity: severity.ok()?,
            is_enabled: self.is_enabled.unwrap_or(true),
            follow_up,
        })
    }
}
