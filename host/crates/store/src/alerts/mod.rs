//! Alert rules, where each stands, and the incidents that come of them.
//!
//! `core::alert` decides; this keeps. What an execution changes is written in the transaction that records it
//! (`evaluate` is pure, `write` has its statements), so that no execution is judged twice or never. Whoever changes
//! the alerting of a script holds its slot's row locked.

pub(crate) mod defaults;
pub(crate) mod evaluate;
pub(crate) mod follow_ups;
mod history;
pub(crate) mod incidents;
mod look;
pub(crate) mod notices;
mod past;
pub(crate) mod rules;
mod ticks;
pub(crate) mod write;

use chrono::{DateTime, Utc};
use vedette_core::{
    AlertRuleId, ChannelId, OrgId, ScriptId, UserId,
    alert::{Severity, follow_up::FollowUp, rule::RuleDefinition, state::Phase},
};

pub use defaults::{DefaultRule, SetDefaultRules};
pub(crate) use evaluate::{Changes, Executed, evidence_of};
pub use history::{AlertTransition, HistoryEntry, HistoryFilter};
pub(crate) use history::{Conditions, bind_some};
pub use incidents::{
    ChangedIncident, Incident, IncidentAction, IncidentDetail, IncidentEvent, IncidentEventKind,
    IncidentFilter, IncidentStage,
};
pub use past::Past;
pub(crate) use write::{judge_executions, load_alerts, pause_alerts, time_alerts, write_alerts};

/// Most rules of a script: each is looked at after each run.
pub const MAX_RULES: u32 = 20;

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRule {
    /// Id.
    pub id: AlertRuleId,
    /// The script that it is about.
    pub script_id: ScriptId,
    /// What a user decides about it.
    pub content: RuleContent,
    /// Where it stands; `None`: it is disabled.
    pub phase: Option<Phase>,
    /// Who made it.
    pub created_by: UserId,
    /// When made.
    pub created_at: DateTime<Utc>,
    /// When changed last.
    pub updated_at: DateTime<Utc>,
    /// Grows with each change.
    pub revision: i64,
}

/// What a user decides about a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleContent {
    /// For people; there is one of a name for each script.
    pub name: String,
    /// What it looks for.
    pub definition: RuleDefinition,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it is looked at.
    pub is_enabled: bool,
    /// Who is told when nobody acknowledges its incident.
    pub follow_up: FollowUp,
}

/// A rule to be made.
#[derive(Debug, Clone)]
pub struct NewAlertRule {
    /// Id.
    pub id: AlertRuleId,
    /// The organization.
    pub org_id: OrgId,
    /// The script that it is about.
    pub script_id: ScriptId,
    /// What a user decides about it.
    pub content: RuleContent,
    /// Who makes it.
    pub created_by: UserId,
    /// Now.
    pub created_at: DateTime<Utc>,
}

/// What became of a new rule.
#[derive(Debug, Clone)]
pub enum CreatedRule {
    /// It is there.
    Done(AlertRule),
    /// The organization has no such script.
    NoScript,
    /// The script has [`MAX_RULES`].
    TooMany,
    /// No such channel in this organization, which a step of its escalation names.
    NoChannel(ChannelId),
}

/// What became of a change.
#[derive(Debug, Clone)]
pub enum UpdatedRule {
    /// The rule as it is now.
    Done(AlertRule),
    /// No such rule in this organization.
    NotFound,
    /// It was changed since the expected revision.
    Stale,
    /// No such channel in this organization, which a step of its escalation names.
    NoChannel(ChannelId),
}

#[cfg(feature = "testing")]
pub(crate) fn all_sql() -> Vec<&'static str> {
    [
        defaults::ALL_SQL,
        history::ALL_SQL,
        incidents::ALL_SQL,
        past::ALL_SQL,
        follow_ups::ALL_SQL,
        notices::ALL_SQL,
        rules::ALL_SQL,
        ticks::ALL_SQL,
        write::ALL_SQL,
    ]
    .concat()
}
