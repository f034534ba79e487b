//! The rules that a script begins with: each project has some, and a script that is made in it gets a copy of each.
//!
//! They are a column of their project. A channel that is deleted stays named in it, and is left out whenever it is read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::types::Json;
use vedette_core::{
    AlertRuleId, ChannelId, OrgId, ProjectId,
    alert::{
        Severity,
        follow_up::{EscalationStep, FollowUp},
        rule::RuleDefinition,
    },
};

use super::{AlertRule, NewAlertRule, RuleContent, follow_ups::channels_there};
use crate::{
    AuditAction, Script, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    replaced::At,
};

pub(crate) const GET_DEFAULTS: &str =
    "SELECT default_alert_rules FROM projects WHERE org_id = $1 AND id = $2";
const SET_DEFAULTS: &str =
    "UPDATE projects SET default_alert_rules = $3 WHERE org_id = $1 AND id = $2";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[GET_DEFAULTS, SET_DEFAULTS];

/// A rule that scripts begin with.
#[derive(Debug, Clone, PartialEq)]
pub struct DefaultRule {
    /// What a user decides about it.
    pub content: RuleContent,
    /// Whom it tells.
    pub channel_ids: Vec<ChannelId>,
}

/// What became of other default rules.
#[derive(Debug, Clone, PartialEq)]
pub enum SetDefaultRules {
    /// They are those of the project, as they are kept.
    Done(Vec<DefaultRule>),
    /// No such project in this organization.
    NoProject,
    /// No such channel in this organization; nothing was changed.
    NoChannel(ChannelId),
}

/// One as it is kept, and as records show it.
#[derive(Serialize, Deserialize)]
struct StoredRule {
    name: String,
    rule_definition: Value,
    severity: Severity,
    is_enabled: bool,
    remind_after_minutes: Option<u32>,
    escalation: Vec<EscalationStep>,
    channel_ids: Vec<ChannelId>,
}

impl DefaultRule {
    fn in_order(mut self) -> Self {
        self.content.follow_up = self.content.follow_up.in_order();
        self.channel_ids.sort_unstable();
        self.channel_ids.dedup();
        self
    }

    /// The same, without channels that are not there any more, and steps that had no others.
    fn without_gone(mut self, there: &BTreeSet<ChannelId>) -> Self {
        self.channel_ids.retain(|channel| there.contains(channel));
        let steps = &mut self.content.follow_up.escalation;
        for step in &mut *steps {
            step.channel_ids.retain(|channel| there.contains(channel));
        }
        steps.retain(|step| !step.channel_ids.is_empty());
        self
    }

    fn stored(&self) -> StoredRule {
        let content = &self.content;
        StoredRule {
            name: content.name.clone(),
            rule_definition: content.definition.to_json(),
            severity: content.severity,
            is_enabled: content.is_enabled,
            remind_after_minutes: content.follow_up.remind_after_minutes,
            escalation: content.follow_up.escalation.clone(),
            channel_ids: self.channel_ids.clone(),
        }
    }
}

/// As the column and records have it.
fn stored(rules: &[DefaultRule]) -> Value {
    let rules = rules.iter().map(DefaultRule::stored);
    json!(rules.collect::<Vec<_>>())
}

/// Reads what [`stored`] wrote.
pub(crate) fn read(project: ProjectId, stored: Value) -> Result<Vec<DefaultRule>, StoreError> {
    let stored: Vec<StoredRule> = serde_json::from_value(stored)
        .map_err(|error| StoreError::corrupt("projects", &project, &error))?;
    let rules = stored.into_iter().map(|rule| {
        let definition = RuleDefinition::read(&rule.rule_definition)
            .map_err(|error| StoreError::corrupt("projects", &project, &error))?;
        Ok(DefaultRule {
            content: RuleContent {
                name: rule.name,
                definition,
                severity: rule.severity,
                is_enabled: rule.is_enabled,
                follow_up: FollowUp {
                    remind_after_minutes: rule.remind_after_minutes,
                    escalation: rule.escalation,
                },
            },
            channel_ids: rule.channel_ids,
        })
    });
    rules.collect()
}

/// All channels that rules name.
pub(crate) fn channels_of(rules: &[DefaultRule]) -> BTreeSet<ChannelId> {
    let channels = rules.iter().flat_map(|rule| {
        let steps = rule.content.follow_up.escalation.iter();
        let steps = steps.flat_map(|step| &step.channel_ids);
        rule.channel_ids.iter().chain(steps)
    });
    channels.copied().collect()
}

/// Rules as they are when only those channels are there.
pub(crate) fn without_gone(
    rules: Vec<DefaultRule>,
    there: &BTreeSet<ChannelId>,
) -> Vec<DefaultRule> {
    let rules = rules.into_iter().map(|rule| rule.without_gone(there));
    rules.collect()
}

/// The rules that a script begins with, in the order of the defaults, each with the channels that it tells.
pub(crate) fn copies(
    defaults: Vec<DefaultRule>,
    script: &Script,
) -> Vec<(AlertRule, Vec<ChannelId>)> {
    // Lists are sorted by id, and ids of one millisecond come in any order.
    let ids = defaults
        .iter()
        .map(|_| AlertRuleId::generate(&At(script.created_at)));
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable();
    let copies = ids.into_iter().zip(defaults).map(|(id, default)| {
        let new = NewAlertRule {
            id,
            org_id: script.org_id,
            script_id: script.id,
            content: default.content,
            created_by: script.owner_id,
            created_at: script.created_at,
        };
        (AlertRule::made(new), default.channel_ids)
    });
    copies.collect()
}

/// What records say of such a rule.
pub(crate) fn made(rule: &AlertRule, channels: &[ChannelId]) -> Event {
    let mut after = rule.snapshot();
    after["channels"] = json!(channels);
    Event::made(AuditAction::AlertRuleCreate, rule.id, after)
}

/// The default rules of a project with those of their channels that are there; `None`: there is no such project.
/// In a transaction, `$lock` and `$share` keep the project and the channels as they are until it ends.
macro_rules! read_defaults {
    ($D:ty, $from:expr, $lock:expr, $share:expr, $org:expr, $project:expr) => {{
        let sql = format!("{}{}", $crate::alerts::defaults::GET_DEFAULTS, $lock);
        let stored: Option<sqlx::types::Json<serde_json::Value>> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .bind($org.as_uuid())
                .bind($project.as_uuid())
                .fetch_optional($from)
                .await?;
        match stored {
            None => None,
            Some(sqlx::types::Json(stored)) => {
                let rules = $crate::alerts::defaults::read($project, stored)?;
                let named = $crate::alerts::defaults::channels_of(&rules);
                let there =
                    $crate::alerts::follow_ups::channels_there!($D, $from, $share, $org, &named);
                Some($crate::alerts::defaults::without_gone(rules, &there))
            }
        }
    }};
}

/// Gives a script that is being made the default rules of its project, and says what is to be recorded of it.
macro_rules! copy_defaults {
    ($store:expr, $D:ident, $tx:ident, $script:expr, $schedule:expr) => {{
        let script: &$crate::Script = $script;
        let (org, share) = (script.org_id, $store.db.share_rows());
        let defaults = $crate::alerts::defaults::read_defaults!(
            $D,
            &mut *$tx,
            share,
            share,
            org,
            script.project_id
        );
        let copies = $crate::alerts::defaults::copies(defaults.unwrap_or_default(), script);
        let mut made = Vec::new();
        for (rule, channels) in &copies {
            $crate::alerts::rules::insert_rule!($D, $tx, org, rule, $schedule);
            for channel in channels {
                sqlx::query($crate::channels::ATTACH)
                    .bind(rule.id.as_uuid())
                    .bind(channel.as_uuid())
                    .execute(&mut *$tx)
                    .await?;
            }
            made.push($crate::alerts::defaults::made(rule, channels));
        }
        made
    }};
}

pub(crate) use {copy_defaults, read_defaults};

impl Store {
    /// The rules that scripts of a project begin with. `None`: no such project in this organization.
    pub async fn list_default_rules(
        &self,
        org: OrgId,
        project: ProjectId,
    ) -> Result<Option<Vec<DefaultRule>>, StoreError> {
        Ok(on_db!(self, pool => read_defaults!(_, pool, "", "", org, project)))
    }

    /// Sets the rules that scripts of a project begin with, in place of those before. Their names have to differ.
    /// Rules that scripts have stay as they are.
    pub async fn set_default_rules(
        &self,
        org: OrgId,
        project: ProjectId,
        rules: Vec<DefaultRule>,
    ) -> Result<SetDefaultRules, StoreError> {
        let rules: Vec<DefaultRule> = rules.into_iter().map(DefaultRule::in_order).collect();
        let named = channels_of(&rules);
        let (lock, share) = (self.db.lock_owner(), self.db.share_rows());
        in_tx!(self, D, tx => {
            let Some(before) = read_defaults!(D, &mut *tx, lock, "", org, project) else {
                return Ok(SetDefaultRules::NoProject);
            };
            let there = channels_there!(D, &mut *tx, share, org, &named);
            if let Some(missing) = named.iter().find(|channel| !there.contains(channel)) {
                return Ok(SetDefaultRules::NoChannel(*missing));
            }
            let after = stored(&rules);
            sqlx::query(SET_DEFAULTS)
                .bind(org.as_uuid())
                .bind(project.as_uuid())
                .bind(Json(&after))
                .execute(&mut *tx)
                .await?;
            let (before, after) = (json!({ "rules": stored(&before) }), json!({ "rules": after }));
            let action = AuditAction::DefaultAlertRulesUpdate;
            audit!(self, tx, org, Event::changed(action, project, before, after));
        });
        Ok(SetDefaultRules::Done(rules))
    }
}
