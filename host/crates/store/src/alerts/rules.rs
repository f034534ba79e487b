//! Making, reading and changing rules.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, types::Json};
use uuid::Uuid;
use vedette_core::{
    AlertRuleId, OrgId, Schedule, ScriptId, UserId,
    alert::{
        follow_up::FollowUp,
        incident::Event as IncidentChange,
        machine::{self, Edit},
        rule::RuleDefinition,
        state::RuleState,
    },
    slot::DEFAULT_LOCATION,
};

use super::{
    AlertRule, Changes, CreatedRule, MAX_RULES, NewAlertRule, RuleContent, UpdatedRule,
    evaluate::{Cause, StateRow},
    follow_ups::{
        STEPS_OF_RULE, STEPS_OF_SCRIPT, StepRow, find_missing_channel, follow_anew, minutes,
        steps_of,
    },
    load_alerts,
    look::{next_look, next_look_if_held},
    write::corrupt_alert,
    write_alerts,
};
use crate::{
    AuditAction, Page, PageRequest, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    error::conflict,
    replaced::At,
    scripts::LOCK_SLOT,
    slots::read_schedule,
};

const GET_RULE: &str = "SELECT rules.id, rules.script_id, rules.name, rules.rule_definition, rules.severity, \
    rules.is_enabled, rules.remind_after_minutes, rules.created_by, rules.created_at, rules.updated_at, \
    rules.revision, states.state \
    FROM alert_rules AS rules JOIN scripts ON scripts.id = rules.script_id AND NOT scripts.is_deleted \
    LEFT JOIN alert_rule_states AS states ON states.rule_id = rules.id AND states.location = $3 \
    WHERE rules.org_id = $1 AND rules.id = $2";
const LIST_RULES: &str = "SELECT rules.id, rules.script_id, rules.name, rules.rule_definition, rules.severity, \
    rules.is_enabled, rules.remind_after_minutes, rules.created_by, rules.created_at, rules.updated_at, \
    rules.revision, states.state \
    FROM alert_rules AS rules \
    LEFT JOIN alert_rule_states AS states ON states.rule_id = rules.id AND states.location = $3 \
    WHERE rules.org_id = $1 AND rules.script_id = $2 AND rules.id < $4 ORDER BY rules.id DESC LIMIT $5";
const GET_SCHEDULE: &str = "SELECT is_enabled, cron_expression, interval_seconds, timezone FROM scripts \
    WHERE org_id = $1 AND id = $2 AND NOT is_deleted";
const COUNT_RULES: &str = "SELECT COUNT(*) FROM alert_rules WHERE org_id = $1 AND script_id = $2";
pub(crate) const INSERT_RULE: &str = "INSERT INTO alert_rules (id, org_id, script_id, name, rule_definition, severity, \
    is_enabled, created_by, created_at, updated_at, revision, remind_after_minutes) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, 1, $10)";
const UPDATE_RULE: &str = "UPDATE alert_rules SET name = $3, rule_definition = $4, severity = $5, \
    is_enabled = $6, updated_at = $7, revision = revision + 1, remind_after_minutes = $9 \
    WHERE org_id = $1 AND id = $2 AND revision = $8";
const DELETE_RULE: &str = "DELETE FROM alert_rules WHERE org_id = $1 AND id = $2";
const FORGET_STATE: &str = "DELETE FROM alert_rule_states WHERE rule_id = $1";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[
    GET_RULE,
    LIST_RULES,
    GET_SCHEDULE,
    COUNT_RULES,
    INSERT_RULE,
    UPDATE_RULE,
    DELETE_RULE,
    FORGET_STATE,
];

#[derive(FromRow)]
struct RuleRow {
    id: Uuid,
    script_id: Uuid,
    name: String,
    rule_definition: Json<Value>,
    severity: String,
    is_enabled: bool,
    remind_after_minutes: Option<i64>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    revision: i64,
    state: Option<String>,
}

impl AlertRule {
    /// One that is new.
    pub(super) fn made(new: NewAlertRule) -> Self {
        let is_enabled = new.content.is_enabled;
        Self {
            id: new.id,
            script_id: new.script_id,
            phase: is_enabled.then(|| RuleState::new(new.created_at).phase()),
            content: new.content,
            created_by: new.created_by,
            created_at: new.created_at,
            updated_at: new.created_at,
            revision: 1,
        }
    }

    fn of(row: RuleRow, steps: &[StepRow]) -> Result<Self, StoreError> {
        let definition = RuleDefinition::read(&row.rule_definition.0);
        let severity = row.severity.parse();
        Ok(Self {
            id: AlertRuleId::from_uuid(row.id),
            script_id: ScriptId::from_uuid(row.script_id),
            content: RuleContent {
                name: row.name,
                definition: definition.map_err(|error| corrupt_alert(&row.id, &error))?,
                severity: severity.map_err(|error| corrupt_alert(&row.id, &error))?,
                is_enabled: row.is_enabled,
                follow_up: FollowUp {
                    remind_after_minutes: row.remind_after_minutes.map(minutes),
                    escalation: steps_of(row.id, steps),
                },
            },
            // One that does not read begins anew with the next execution.
            phase: row
                .state
                .and_then(|text| RuleState::from_json(&text).ok())
                .map(|state| state.phase()),
            created_by: UserId::from_uuid(row.created_by),
            created_at: row.created_at,
            updated_at: row.updated_at,
            revision: row.revision,
        })
    }
}

#[derive(FromRow)]
struct ScheduleRow {
    is_enabled: bool,
    cron_expression: Option<String>,
    interval_seconds: Option<i64>,
    timezone: String,
}

impl ScheduleRow {
    /// `None`: the script is paused, and time brings nothing.
    fn schedule(&self, script: ScriptId) -> Result<Option<Schedule>, StoreError> {
        if !self.is_enabled {
            return Ok(None);
        }
        let cron = self.cron_expression.as_deref();
        read_schedule(
            script.as_uuid(),
            cron,
            self.interval_seconds,
            &self.timezone,
        )
        .map(Some)
    }
}

/// Locks the alerting of a script and reads its schedule; `None`: there is no such script.
macro_rules! lock_script {
    ($store:expr, $tx:ident, $org:expr, $script:expr) => {{
        let lock = format!("{LOCK_SLOT}{}", $store.db.lock_slots());
        sqlx::query(AssertSqlSafe(lock))
            .bind($org.as_uuid())
            .bind($script.as_uuid())
            .bind(DEFAULT_LOCATION)
            .execute(&mut *$tx)
            .await?;
        let row: Option<ScheduleRow> = sqlx::query_as(GET_SCHEDULE)
            .bind($org.as_uuid())
            .bind($script.as_uuid())
            .fetch_optional(&mut *$tx)
            .await?;
        row
    }};
}

/// The row of a rule, and its steps.
macro_rules! read_rule {
    ($from:expr, $org:expr, $id:expr) => {{
        let row: Option<RuleRow> = sqlx::query_as(GET_RULE)
            .bind($org.as_uuid())
            .bind($id.as_uuid())
            .bind(DEFAULT_LOCATION)
            .fetch_optional($from)
            .await?;
        match row {
            None => None,
            Some(row) => {
                let steps: Vec<StepRow> = sqlx::query_as(STEPS_OF_RULE)
                    .bind($id.as_uuid())
                    .fetch_all($from)
                    .await?;
                Some((row, steps))
            }
        }
    }};
}

/// Where a rule that is enabled stands, as it is kept. Without a schedule time brings nothing.
pub(crate) fn state_row(
    rule: AlertRuleId,
    definition: &RuleDefinition,
    state: &RuleState,
    schedule: Option<&Schedule>,
    now: DateTime<Utc>,
) -> StateRow {
    let next_look = if state.is_firing() {
        next_look_if_held
    } else {
        next_look
    };
    StateRow {
        rule,
        state: state.to_json(),
        next_tick_at: schedule.and_then(|schedule| next_look(definition, state, schedule, now)),
    }
}

/// Keeps the state of a rule that is enabled.
macro_rules! keep_state {
    ($D:ident, $tx:ident, $row:expr) => {{
        let mut insert = sqlx::QueryBuilder::<$D>::new("");
        $crate::alerts::write::push_states(&mut insert, &[$row]);
        insert.build().persistent(false).execute(&mut *$tx).await?;
    }};
}

/// Keeps a rule that is new, and begins with it.
macro_rules! insert_rule {
    ($D:ident, $tx:ident, $org:expr, $rule:expr, $schedule:expr) => {{
        let rule: &$crate::AlertRule = $rule;
        let (content, now) = (&rule.content, rule.created_at);
        sqlx::query($crate::alerts::rules::INSERT_RULE)
            .bind(rule.id.as_uuid())
            .bind($org.as_uuid())
            .bind(rule.script_id.as_uuid())
            .bind(&content.name)
            .bind(sqlx::types::Json(content.definition.to_json()))
            .bind(content.severity.as_str())
            .bind(content.is_enabled)
            .bind(rule.created_by.as_uuid())
            .bind(now)
            .bind(content.follow_up.remind_after_minutes.map(i64::from))
            .execute(&mut *$tx)
            .await
            .map_err(|error| $crate::error::conflict(error, "name"))?;
        $crate::alerts::follow_ups::keep_steps!($tx, rule.id, &content.follow_up.escalation);
        if content.is_enabled {
            let state = vedette_core::alert::state::RuleState::new(now);
            let definition = &content.definition;
            $crate::alerts::rules::keep_state!(
                $D,
                $tx,
                $crate::alerts::rules::state_row(rule.id, definition, &state, $schedule, now)
            );
        }
    }};
}

pub(crate) use {insert_rule, keep_state};

/// Tells the incident of a script that one of its rules is gone.
macro_rules! remove_from_incident {
    ($D:ident, $tx:ident, $org:expr, $script:expr, $rule:expr, $now:expr) => {{
        let scripts = [$script];
        let mut alerts = load_alerts!($D, $tx, |_| $org, &scripts, $now);
        let mut changes = Changes::default();
        let at = At($now);
        for alerts in &mut alerts {
            if alerts.incident.causes().contains(&$rule) {
                let event = IncidentChange::RuleRemoved { rule: $rule };
                alerts.apply(event, Cause::time($now, &at), &mut changes);
            }
        }
        write_alerts!($D, $tx, changes);
    }};
}

impl Store {
    /// Makes a rule.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the script has one of this name.
    pub async fn create_alert_rule(
        &self,
        mut new: NewAlertRule,
    ) -> Result<CreatedRule, StoreError> {
        new.content.follow_up = new.content.follow_up.in_order();
        let (org, script) = (new.org_id, new.script_id);
        let rule = in_tx!(self, D, tx => {
            let Some(schedule) = lock_script!(self, tx, org, script) else {
                return Ok(CreatedRule::NoScript);
            };
            let (count,): (i64,) = sqlx::query_as(COUNT_RULES)
                .bind(org.as_uuid())
                .bind(script.as_uuid())
                .fetch_one(&mut *tx)
                .await?;
            if count >= i64::from(MAX_RULES) {
                return Ok(CreatedRule::TooMany);
            }
            let steps = &new.content.follow_up.escalation;
            if let Some(missing) = find_missing_channel!(self, D, tx, org, steps) {
                return Ok(CreatedRule::NoChannel(missing));
            }
            let schedule = schedule.schedule(script)?;
            let rule = AlertRule::made(new);
            insert_rule!(D, tx, org, &rule, schedule.as_ref());
            let made = Event::made(AuditAction::AlertRuleCreate, rule.id, rule.snapshot());
            audit!(self, tx, org, made);
            rule
        });
        Ok(CreatedRule::Done(rule))
    }

    /// One rule of an organization.
    pub async fn get_alert_rule(
        &self,
        org: OrgId,
        id: AlertRuleId,
    ) -> Result<Option<AlertRule>, StoreError> {
        on_db!(self, pool => read_rule!(pool, org, id))
            .map(|(row, steps)| AlertRule::of(row, &steps))
            .transpose()
    }

    /// One page of the rules of a script, newest first.
    pub async fn list_alert_rules(
        &self,
        org: OrgId,
        script: ScriptId,
        page: PageRequest,
    ) -> Result<Page<AlertRule>, StoreError> {
        let (rows, steps): (Vec<RuleRow>, Vec<StepRow>) = on_db!(self, pool => {
            let rows = sqlx::query_as(LIST_RULES)
                .bind(org.as_uuid())
                .bind(script.as_uuid())
                .bind(DEFAULT_LOCATION)
                .bind(page.before())
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?;
            let steps = sqlx::query_as(STEPS_OF_SCRIPT)
                .bind(org.as_uuid())
                .bind(script.as_uuid())
                .fetch_all(pool)
                .await?;
            (rows, steps)
        });
        let items = rows
            .into_iter()
            .map(|row| AlertRule::of(row, &steps))
            .collect::<Result<_, _>>()?;
        Ok(page.page(items, |rule: &AlertRule| rule.id.as_uuid()))
    }

    /// Replaces what a user decides about a rule. With `expected_revision`, only if it has that revision.
    ///
    /// A rule that fires and becomes one of another kind, or is disabled, leaves its incident.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the script has another one of this name.
    pub async fn update_alert_rule(
        &self,
        org: OrgId,
        id: AlertRuleId,
        mut content: RuleContent,
        now: DateTime<Utc>,
        expected_revision: Option<i64>,
    ) -> Result<UpdatedRule, StoreError> {
        content.follow_up = content.follow_up.in_order();
        let Some(known) = self.get_alert_rule(org, id).await? else {
            return Ok(UpdatedRule::NotFound);
        };
        // A rule stays with its script.
        let script = known.script_id;
        let rule = in_tx!(self, D, tx => {
            let schedule = lock_script!(self, tx, org, script);
            let (Some(schedule), Some((row, steps))) = (schedule, read_rule!(&mut *tx, org, id)) else {
                return Ok(UpdatedRule::NotFound);
            };
            let state = row.state.as_deref().and_then(|text| RuleState::from_json(text).ok());
            let old = AlertRule::of(row, &steps)?;
            if expected_revision.is_some_and(|expected| expected != old.revision) {
                return Ok(UpdatedRule::Stale);
            }
            let steps = &content.follow_up.escalation;
            if let Some(missing) = find_missing_channel!(self, D, tx, org, steps) {
                return Ok(UpdatedRule::NoChannel(missing));
            }
            let changed = sqlx::query(UPDATE_RULE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(&content.name)
                .bind(Json(content.definition.to_json()))
                .bind(content.severity.as_str())
                .bind(content.is_enabled)
                .bind(now)
                .bind(old.revision)
                .bind(content.follow_up.remind_after_minutes.map(i64::from))
                .execute(&mut *tx)
                .await
                .map_err(|error| conflict(error, "name"))?
                .rows_affected();
            if changed == 0 {
                return Ok(UpdatedRule::Stale);
            }
            if content.follow_up != old.content.follow_up {
                follow_anew!(tx, org, script, id, steps, now);
            }
            let kept = state
                .filter(|_| content.is_enabled)
                .map(|state| machine::edit(&old.content.definition, &content.definition, state));
            let state = match kept {
                Some(Edit::Kept(state)) => state,
                Some(Edit::Anew) | None => {
                    remove_from_incident!(D, tx, org, script, id, now);
                    RuleState::new(now)
                }
            };
            if content.is_enabled {
                let schedule = schedule.schedule(script)?;
                let row = state_row(id, &content.definition, &state, schedule.as_ref(), now);
                keep_state!(D, tx, row);
            } else {
                sqlx::query(FORGET_STATE).bind(id.as_uuid()).execute(&mut *tx).await?;
            }
            let rule = AlertRule {
                phase: content.is_enabled.then(|| state.phase()),
                content,
                updated_at: now,
                revision: old.revision + 1,
                ..old.clone()
            };
            let (before, after) = (old.snapshot(), rule.snapshot());
            audit!(self, tx, org, Event::changed(AuditAction::AlertRuleUpdate, id, before, after));
            rule
        });
        Ok(UpdatedRule::Done(rule))
    }

    /// Deletes a rule, which leaves its incident. `false`: there was none.
    pub async fn delete_alert_rule(
        &self,
        org: OrgId,
        id: AlertRuleId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let Some(known) = self.get_alert_rule(org, id).await? else {
            return Ok(false);
        };
        let script = known.script_id;
        Ok(in_tx!(self, D, tx => {
            lock_script!(self, tx, org, script);
            remove_from_incident!(D, tx, org, script, id, now);
            let deleted = sqlx::query(DELETE_RULE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if deleted > 0 {
                let gone = Event::gone(AuditAction::AlertRuleDelete, id, known.snapshot());
                audit!(self, tx, org, gone);
            }
            deleted > 0
        }))
    }
}
