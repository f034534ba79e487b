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
    name: String,
    /// As `GET /api/v1/alert-rules/schema` says.
    #[schema(value_type = Object,
        example = json!({ "type": "status_change", "consecutive_failures": 3 }))]
    rule_definition: Value,
    /// `info`, `warning`, which is the default, or `critical`.
    #[schema(pattern = "^(info|warning|critical)$", example = "critical")]
    severity: Option<String>,
    /// True by default.
    is_enabled: Option<bool>,
    /// As long as nobody has acknowledged, its channels are told again each so many minutes.
    #[schema(minimum = 5, maximum = 10_080, example = 60)]
    remind_after_minutes: Option<u32>,
    /// Who is told besides as long as nobody has acknowledged, by growing `after_minutes`.
    #[schema(max_items = 5)]
    escalation: Option<Vec<EscalationStepBody>>,
}

impl AlertRuleBody {
    /// Checks everything and reports all that is wrong together.
    pub(super) fn check(self) -> Result<RuleContent, Problem> {
        let mut errors: Vec<FieldError> = Vec::new();
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
        let follow_up = follow_up::check(self.remind_after_minutes, escalation, &mut errors);
        match (definition, severity) {
            (Ok(definition), Ok(severity)) if errors.is_empty() => Ok(RuleContent {
                name: self.name,
                definition,
                severity,
                is_enabled: self.is_enabled.unwrap_or(true),
                follow_up,
            }),
            _ => Err(Problem::invalid(errors)),
        }
    }
}
