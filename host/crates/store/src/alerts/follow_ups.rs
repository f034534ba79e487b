//! Who is told when nobody acknowledges an incident: as rules say it, and as time brings it.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Database, Encode, FromRow, QueryBuilder, Type};
use uuid::Uuid;
use vedette_core::{
    AlertRuleId, ChannelId, IncidentId, OrgId, ScriptId,
    alert::{
        follow_up::{Asked, EscalationStep},
        incident::Stage,
    },
};

use super::{
    Changes,
    evaluate::{Cause, OpenIncident, ScriptAlerts},
    notices::{Escalated, NoticeRow, Tell},
};

/// When to look again at what is due of a rule that is muted.
const IF_MUTED: TimeDelta = TimeDelta::minutes(1);

pub(crate) const STEPS_OF_RULE: &str = "SELECT rule_id, after_minutes, channel_id FROM alert_rule_escalations \
    WHERE rule_id = $1 ORDER BY after_minutes, channel_id";
pub(crate) const STEPS_OF_SCRIPT: &str = "SELECT rule_id, after_minutes, channel_id FROM alert_rule_escalations \
    JOIN alert_rules ON alert_rules.id = rule_id WHERE org_id = $1 AND script_id = $2 \
    ORDER BY rule_id, after_minutes, channel_id";
pub(crate) const FORGET_STEPS: &str = "DELETE FROM alert_rule_escalations WHERE rule_id = $1";
pub(crate) const INSERT_STEP: &str = "INSERT INTO alert_rule_escalations (rule_id, after_minutes, channel_id) \
    VALUES ($1, $2, $3)";
/// What a rule says is another thing now: time has to look again.
pub(crate) const LOOK_AGAIN: &str = "UPDATE incidents SET next_notice_at = $3 WHERE org_id = $1 \
    AND script_id = $2 AND resolved_at IS NULL AND acknowledged_at IS NULL";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[
    STEPS_OF_RULE,
    STEPS_OF_SCRIPT,
    FORGET_STEPS,
    INSERT_STEP,
    LOOK_AGAIN,
];

/// What is told again of an incident that goes on, and when to look.
#[derive(Debug)]
pub(crate) struct FollowUpRow {
    pub(crate) incident: IncidentId,
    pub(crate) org: OrgId,
    pub(crate) state: String,
    pub(crate) next_notice_at: Option<DateTime<Utc>>,
}

impl ScriptAlerts {
    /// Tells again what is due of an incident that nobody sees to.
    pub(crate) fn follow_up(&mut self, asked: &[Asked], cause: Cause<'_>, changes: &mut Changes) {
        let Some(open) = self.open else { return };
        let told = asked.iter().filter(|asked| self.is_told_of(asked.rule));
        let told: Vec<Asked> = told.cloned().collect();
        let asked = told
            .iter()
            .filter(|asked| !self.is_muted(asked.rule, cause.now));
        let asked: Vec<Asked> = asked.cloned().collect();
        let due = self.follow_ups.take_due(&asked, cause.now);
        if let Some((rule, _)) = due.steps.first() {
            let escalated = Escalated {
                steps: due.steps.clone(),
                down: self.down(open, *rule),
            };
            self.tell(
                open.id,
                cause.now,
                Tell::Escalated(escalated),
                cause,
                changes,
            );
        }
        if due.is_reminder {
            let rules = asked
                .iter()
                .filter(|asked| asked.remind_after_minutes.is_some());
            let rules = rules.map(|asked| asked.rule).collect();
            self.tell(open.id, cause.now, Tell::Reminder(rules), cause, changes);
        }
        let next = self.follow_ups.next(&told);
        let next = next.map(|at| {
            let is_muted = at <= cause.now;
            if is_muted { cause.now + IF_MUTED } else { at }
        });
        self.look_at(open, next, changes);
    }

    /// Whether people were told of a rule that fires, and wait for somebody to see to it.
    fn is_told_of(&self, rule: AlertRuleId) -> bool {
        self.incident.stage() == Stage::Open && self.incident.told().any(|told| told == rule)
    }

    fn is_muted(&self, rule: AlertRuleId, now: DateTime<Utc>) -> bool {
        let known = self.rules.iter().find(|known| known.id == rule);
        known.is_some_and(|known| self.mutes.is_muted(now, known.severity, &known.definition))
    }

    /// Keeps what was told of the incident, and when there may be more.
    pub(super) fn look_at(
        &self,
        open: OpenIncident,
        at: Option<DateTime<Utc>>,
        changes: &mut Changes,
    ) {
        changes.follow_ups.retain(|row| row.incident != open.id);
        changes.follow_ups.push(FollowUpRow {
            incident: open.id,
            org: self.org,
            state: self.follow_ups.to_json(),
            next_notice_at: at,
        });
    }
}

/// A channel of a step.
#[derive(Debug, FromRow)]
pub(crate) struct StepRow {
    rule_id: Uuid,
    after_minutes: i64,
    channel_id: Uuid,
}

/// The steps of a rule, of rows in their order.
pub(crate) fn steps_of(rule: Uuid, rows: &[StepRow]) -> Vec<EscalationStep> {
    let rows: Vec<&StepRow> = rows.iter().filter(|row| row.rule_id == rule).collect();
    let steps = rows.chunk_by(|one, other| one.after_minutes == other.after_minutes);
    let steps = steps.map(|rows| EscalationStep {
        after_minutes: minutes(rows[0].after_minutes),
        channel_ids: rows
            .iter()
            .map(|row| ChannelId::from_uuid(row.channel_id))
            .collect(),
    });
    steps.collect()
}

/// The CHECK of the column lets in no others.
pub(super) fn minutes(stored: i64) -> u32 {
    u32::try_from(stored).unwrap_or(u32::MAX)
}

/// What a rule asks for, a row for each step.
#[derive(Debug, FromRow)]
pub(crate) struct AskedRow {
    id: Uuid,
    remind_after_minutes: Option<i64>,
    /// `None`: it has no steps.
    after_minutes: Option<i64>,
}

/// What rules ask for, of rows in their order.
pub(crate) fn asked_of(rows: &[AskedRow]) -> Vec<Asked> {
    let rules = rows.chunk_by(|one, other| one.id == other.id);
    let asked = rules.map(|rows| Asked {
        rule: AlertRuleId::from_uuid(rows[0].id),
        remind_after_minutes: rows[0].remind_after_minutes.map(minutes),
        steps: rows
            .iter()
            .filter_map(|row| row.after_minutes.map(minutes))
            .collect(),
    });
    asked.collect()
}

/// Asks for what the enabled rules of scripts ask for.
pub(crate) fn push_asked<D>(query: &mut QueryBuilder<D>, scripts: &[ScriptId])
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
{
    query.push(
        "SELECT DISTINCT rules.id, rules.remind_after_minutes, steps.after_minutes FROM alert_rules AS rules \
         LEFT JOIN alert_rule_escalations AS steps ON steps.rule_id = rules.id \
         WHERE rules.is_enabled AND rules.script_id IN (",
    );
    let mut ids = query.separated(", ");
    for script in scripts {
        ids.push_bind(script.as_uuid());
    }
    query.push(") ORDER BY rules.id, steps.after_minutes");
}

/// Asks for the enabled channels of steps, whatever they were told.
pub(crate) fn push_escalated<D>(
    query: &mut QueryBuilder<D>,
    notice: &NoticeRow,
    escalated: &Escalated,
) where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
    i64: for<'q> Encode<'q, D> + Type<D>,
{
    query
        .push(
            "SELECT channels.id, (SELECT COALESCE(MAX(told.position), 0) FROM notifications AS told \
             WHERE told.channel_id = channels.id AND told.incident_id = ",
        )
        .push_bind(notice.incident.as_uuid())
        .push(
            ") FROM notification_channels AS channels WHERE channels.is_enabled AND channels.org_id = ",
        )
        .push_bind(notice.org.as_uuid())
        .push(
            " AND EXISTS (SELECT 1 FROM alert_rule_escalations AS steps \
             WHERE steps.channel_id = channels.id AND (",
        );
    for (index, (rule, minutes)) in escalated.steps.iter().enumerate() {
        query
            .push(if index == 0 { "" } else { " OR " })
            .push("steps.rule_id = ")
            .push_bind(rule.as_uuid())
            .push(" AND steps.after_minutes = ")
            .push_bind(i64::from(*minutes));
    }
    query.push(")) ORDER BY channels.id");
}

/// Asks for the enabled channels of rules that were told of the incident. What waits for a channel, as when it does
/// not answer, is enough.
pub(crate) fn push_reminded<D>(
    query: &mut QueryBuilder<D>,
    notice: &NoticeRow,
    rules: &[AlertRuleId],
) where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
{
    query
        .push(
            "SELECT told.channel_id, told.payload, (SELECT MAX(later.position) FROM notifications AS later \
             WHERE later.incident_id = told.incident_id AND later.channel_id = told.channel_id) AS last \
             FROM notifications AS told WHERE told.position = 1 AND told.org_id = ",
        )
        .push_bind(notice.org.as_uuid())
        .push(" AND told.incident_id = ")
        .push_bind(notice.incident.as_uuid())
        .push(
            " AND EXISTS (SELECT 1 FROM notification_channels AS channels JOIN alert_rule_channels AS attached \
             ON attached.channel_id = channels.id WHERE channels.id = told.channel_id AND channels.is_enabled \
             AND attached.rule_id IN (",
        );
    let mut places = query.separated(", ");
    for rule in rules {
        places.push_bind(rule.as_uuid());
    }
    query.push(
        ")) AND NOT EXISTS (SELECT 1 FROM notifications AS waiting LEFT JOIN notifications AS digests \
         ON digests.id = waiting.digest_id WHERE waiting.channel_id = told.channel_id \
         AND waiting.incident_id = told.incident_id \
         AND (waiting.status = 'pending' OR digests.status = 'pending')) ORDER BY told.channel_id",
    );
}

/// Those of some channels that the organization has.
macro_rules! channels_there {
    ($D:ty, $from:expr, $share:expr, $org:expr, $wanted:expr) => {{
        let wanted: &std::collections::BTreeSet<vedette_core::ChannelId> = $wanted;
        let mut there: Vec<uuid::Uuid> = Vec::new();
        if !wanted.is_empty() {
            let mut select = sqlx::QueryBuilder::<$D>::new(
                "SELECT id FROM notification_channels WHERE org_id = ",
            );
            select.push_bind($org.as_uuid()).push(" AND id IN (");
            let mut places = select.separated(", ");
            for channel in wanted {
                places.push_bind(channel.as_uuid());
            }
            select.push(")").push($share);
            there = select
                .build_query_scalar()
                .persistent(false)
                .fetch_all($from)
                .await?;
        }
        let there = there.into_iter().map(vedette_core::ChannelId::from_uuid);
        there.collect::<std::collections::BTreeSet<_>>()
    }};
}

/// The first channel of some steps that the organization does not have. The others stay until the transaction ends.
macro_rules! find_missing_channel {
    ($store:expr, $D:ident, $tx:ident, $org:expr, $steps:expr) => {{
        let steps: &[vedette_core::alert::follow_up::EscalationStep] = $steps;
        let wanted: std::collections::BTreeSet<vedette_core::ChannelId> = steps
            .iter()
            .flat_map(|step| step.channel_ids.iter().copied())
            .collect();
        let share = $store.db.share_rows();
        let there =
            $crate::alerts::follow_ups::channels_there!($D, &mut *$tx, share, $org, &wanted);
        wanted.into_iter().find(|channel| !there.contains(channel))
    }};
}

/// Keeps the steps of a rule.
macro_rules! keep_steps {
    ($tx:ident, $rule:expr, $steps:expr) => {{
        for step in $steps {
            for channel in &step.channel_ids {
                sqlx::query($crate::alerts::follow_ups::INSERT_STEP)
                    .bind($rule.as_uuid())
                    .bind(i64::from(step.after_minutes))
                    .bind(channel.as_uuid())
                    .execute(&mut *$tx)
                    .await?;
            }
        }
    }};
}

/// Keeps other steps of a rule, and looks again at what they say of the incident that goes on.
macro_rules! follow_anew {
    ($tx:ident, $org:expr, $script:expr, $rule:expr, $steps:expr, $now:expr) => {{
        sqlx::query($crate::alerts::follow_ups::FORGET_STEPS)
            .bind($rule.as_uuid())
            .execute(&mut *$tx)
            .await?;
        $crate::alerts::follow_ups::keep_steps!($tx, $rule, $steps);
        sqlx::query($crate::alerts::follow_ups::LOOK_AGAIN)
            .bind($org.as_uuid())
            .bind($script.as_uuid())
            .bind($now)
            .execute(&mut *$tx)
            .await?;
    }};
}

/// What the rules of scripts ask for.
macro_rules! load_asked {
    ($D:ident, $tx:ident, $scripts:expr) => {{
        let mut asked = sqlx::QueryBuilder::<$D>::new("");
        $crate::alerts::follow_ups::push_asked(&mut asked, $scripts);
        let asked: Vec<$crate::alerts::follow_ups::AskedRow> = asked
            .build_query_as()
            .persistent(false)
            .fetch_all(&mut *$tx)
            .await?;
        $crate::alerts::follow_ups::asked_of(&asked)
    }};
}

pub(crate) use {channels_there, find_missing_channel, follow_anew, keep_steps, load_asked};
