//! What a user sends to set the default rules of a project, and everything that can be wrong with it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::ChannelId;
use vedette_store::{DefaultRule, MAX_CHANNELS, MAX_RULES};

use crate::{
    problem::{FieldError, Problem},
    v1::alert_rules::{
        body::AlertRuleBody,
        follow_up::{self, EscalationStepBody},
    },
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DefaultRulesBody {
    /// All of them, in the order in which a script is to get them; their names differ.
    #[schema(max_items = 20)]
    rules: Vec<DefaultRuleBody>,
}

/// An alert rule that scripts begin with. Its fields are those of an alert rule, and its channels.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DefaultRuleBody {
    #[schema(example = "is down")]
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
    #[schema(minimum = 5, maximum = 10_080, example = 60)]
    remind_after_minutes: Option<u32>,
    #[schema(max_items = 5)]
    escalation: Option<Vec<EscalationStepBody>>,
    /// Whom it tells; by default nobody.
    #[schema(example = json!([]))]
    channel_ids: Option<Vec<Uuid>>,
}

impl DefaultRulesBody {
    /// Checks everything and reports all that is wrong together.
    pub(super) fn check(self) -> Result<Vec<DefaultRule>, Problem> {
        if self.rules.len() > MAX_RULES as usize {
            let detail = format!("give at most {MAX_RULES} rules, as many as a script may have");
            return Err(Problem::invalid(vec![FieldError::new("/rules", detail)]));
        }
        let mut errors: Vec<FieldError> = Vec::new();
        let (mut rules, mut names) = (Vec::new(), BTreeSet::new());
        for (index, rule) in self.rules.into_iter().enumerate() {
            let mut wrong: Vec<FieldError> = Vec::new();
            if !names.insert(rule.name.clone()) {
                let detail = "a rule before it has this name; give another";
                wrong.push(FieldError::new("/name", detail));
            }
            rules.extend(rule.read(&mut wrong));
            let at = format!("/rules/{index}");
            errors.extend(wrong.into_iter().map(|error| error.within(&at)));
        }
        if errors.is_empty() {
            Ok(rules)
        } else {
            Err(Problem::invalid(errors))
        }
    }
}

impl DefaultRuleBody {
    fn read(self, errors: &mut Vec<FieldError>) -> Option<DefaultRule> {
        let channels = self.channel_ids.unwrap_or_default();
        if channels.len() > MAX_CHANNELS as usize {
            let detail = format!("an organization has at most {MAX_CHANNELS} channels");
            errors.push(FieldError::new("/channel_ids", detail));
        }
        let rule = AlertRuleBody {
            name: self.name,
            rule_definition: self.rule_definition,
            severity: self.severity,
            is_enabled: self.is_enabled,
            remind_after_minutes: self.remind_after_minutes,
            escalation: self.escalation,
        };
        let channels = channels.into_iter().map(ChannelId::from_uuid);
        Some(DefaultRule {
            content: rule.read(errors)?,
            channel_ids: channels.collect(),
        })
    }
}

/// The organization has no such channel.
pub(super) fn no_channel(rules: &[DefaultRule], missing: ChannelId) -> Problem {
    let errors = rules.iter().enumerate().flat_map(|(index, rule)| {
        let at = format!("/rules/{index}");
        let told = rule.channel_ids.iter().enumerate();
        let told = told.filter(|(_, id)| **id == missing);
        let told = told.map(|(place, _)| format!("/channel_ids/{place}"));
        let places = told.chain(follow_up::places(
            &rule.content.follow_up.escalation,
            missing,
        ));
        let errors = places.map(|place| FieldError::new(place, follow_up::NO_CHANNEL).within(&at));
        errors.collect::<Vec<_>>()
    });
    Problem::invalid(errors.collect())
}
