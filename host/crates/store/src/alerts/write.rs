//! Reading the alerting of scripts and writing what changed, inside of other transactions.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Database, Encode, FromRow, QueryBuilder, Type, types::Json};
use uuid::Uuid;
use vedette_core::{
    AlertRuleId, IncidentId, OrgId, ScriptId,
    alert::{
        Severity,
        follow_up::FollowUps,
        incident::{IncidentState, Parent},
        rule::RuleDefinition,
        state::RuleState,
    },
    slot::DEFAULT_LOCATION,
};

use super::evaluate::{OpenIncident, RuleInUse, ScriptAlerts, StateRow};
use crate::{StoreError, maintenance::mutes::Muting, slots::read_schedule};

pub(crate) const SET_INCIDENT_STATE: &str = "INSERT INTO incident_states (script_id, org_id, state, \
    quiet_since) VALUES ($1, $2, $3, $4) ON CONFLICT (script_id) DO UPDATE SET state = excluded.state, \
    quiet_since = excluded.quiet_since";
pub(crate) const INSERT_INCIDENT: &str = "INSERT INTO incidents (id, org_id, script_id, severity, opened_at, \
    evidence) VALUES ($1, $2, $3, $4, $5, $6)";
pub(crate) const RAISE_INCIDENT: &str =
    "UPDATE incidents SET severity = $3 WHERE org_id = $1 AND id = $2";
pub(crate) const ACKNOWLEDGE_INCIDENT: &str = "UPDATE incidents SET acknowledged_at = $3, acknowledged_by = $4, \
    next_notice_at = NULL WHERE org_id = $1 AND id = $2";
pub(crate) const RESOLVE_INCIDENT: &str = "UPDATE incidents SET resolved_at = $3, resolved_by = $4, \
    resolution = $5, next_notice_at = NULL WHERE org_id = $1 AND id = $2";
pub(crate) const KEEP_FOLLOW_UPS: &str =
    "UPDATE incidents SET follow_ups = $3, next_notice_at = $4 WHERE org_id = $1 AND id = $2";
pub(crate) const INSERT_EVENT: &str = "INSERT INTO incident_events (id, org_id, incident_id, occurred_at, kind, \
    user_id, rule_id, execution_id, message) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
pub(crate) const INSERT_HISTORY: &str = "INSERT INTO alert_history (id, org_id, script_id, rule_id, incident_id, \
    execution_id, transition, triggered_at, details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
/// The last success and, after it, the first that was none; of the last executions only, because who never was
/// well may have very many.
pub(crate) const LAST_GOOD: &str = "SELECT id, executed_at FROM (SELECT id, executed_at, status \
    FROM script_executions WHERE org_id = $1 AND script_id = $2 ORDER BY id DESC LIMIT 1000) AS latest \
    WHERE status = 'success' ORDER BY id DESC LIMIT 1";
pub(crate) const FIRST_BAD: &str = "SELECT id, executed_at FROM (SELECT id, executed_at, status \
    FROM script_executions WHERE org_id = $1 AND script_id = $2 AND id > $3 ORDER BY id DESC LIMIT 1000) AS latest \
    WHERE status IN ('failure', 'timeout', 'error') ORDER BY id LIMIT 1";
pub(crate) const FORGET_STATES: &str = "DELETE FROM alert_rule_states WHERE rule_id IN \
    (SELECT id FROM alert_rules WHERE org_id = $1 AND script_id = $2)";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[
    SET_INCIDENT_STATE,
    INSERT_INCIDENT,
    RAISE_INCIDENT,
    ACKNOWLEDGE_INCIDENT,
    RESOLVE_INCIDENT,
    KEEP_FOLLOW_UPS,
    INSERT_EVENT,
    INSERT_HISTORY,
    LAST_GOOD,
    FIRST_BAD,
    FORGET_STATES,
];

/// A rule that is enabled, with its state and the schedule of its script.
#[derive(FromRow)]
pub(crate) struct RuleRow {
    id: Uuid,
    pub(crate) org_id: Uuid,
    pub(crate) script_id: Uuid,
    name: String,
    severity: String,
    rule_definition: Json<Value>,
    state: Option<String>,
    script_is_enabled: bool,
    cron_expression: Option<String>,
    interval_seconds: Option<i64>,
    timezone: String,
    parent_state: Option<String>,
    parent_quiet_since: Option<DateTime<Utc>>,
}

impl RuleRow {
    /// How the script is doing that this one's depends on.
    fn parent(&self) -> Parent {
        let state = self.parent_state.as_deref();
        // One that does not read begins anew with the parent's next execution.
        match state.and_then(|text| IncidentState::from_json(text).ok()) {
            Some(state) if state.is_down() => Parent::Down,
            _ => Parent::Up {
                since: self.parent_quiet_since,
            },
        }
    }
}

#[derive(FromRow)]
pub(crate) struct IncidentRow {
    script_id: Uuid,
    state: String,
    quiet_since: Option<DateTime<Utc>>,
    incident_id: Option<Uuid>,
    severity: Option<String>,
    opened_at: Option<DateTime<Utc>>,
    follow_ups: Option<String>,
}

/// Asks for the enabled rules of scripts, and how their parents are doing: one that is deleted or paused, or has no
/// rules, has no incident.
pub(crate) fn push_rules<D>(query: &mut QueryBuilder<D>, scripts: &[ScriptId])
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
    &'static str: for<'q> Encode<'q, D> + Type<D>,
{
    query.push(
        "SELECT rules.id, rules.org_id, rules.script_id, rules.name, rules.severity, rules.rule_definition, \
         states.state, scripts.is_enabled AS script_is_enabled, scripts.cron_expression, \
         scripts.interval_seconds, scripts.timezone, parents.state AS parent_state, \
         parents.quiet_since AS parent_quiet_since FROM alert_rules AS rules \
         JOIN scripts ON scripts.id = rules.script_id AND NOT scripts.is_deleted \
         LEFT JOIN incident_states AS parents ON parents.script_id = scripts.parent_id \
         LEFT JOIN alert_rule_states AS states ON states.rule_id = rules.id AND states.location = ",
    );
    query.push_bind(DEFAULT_LOCATION);
    query.push(" WHERE rules.is_enabled AND rules.script_id IN (");
    push_ids(query, scripts);
    query.push(") ORDER BY rules.script_id, rules.id");
}

/// Asks for the incidents of scripts.
pub(crate) fn push_incidents<D>(query: &mut QueryBuilder<D>, scripts: &[ScriptId])
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
{
    query.push(
        "SELECT states.script_id, states.state, states.quiet_since, incidents.id AS incident_id, incidents.severity, \
         incidents.opened_at, incidents.follow_ups \
         FROM incident_states AS states LEFT JOIN incidents ON incidents.script_id = states.script_id \
         AND incidents.resolved_at IS NULL WHERE states.script_id IN (",
    );
    push_ids(query, scripts);
    query.push(")");
}

fn push_ids<D>(query: &mut QueryBuilder<D>, scripts: &[ScriptId])
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
{
    let mut ids = query.separated(", ");
    for script in scripts {
        ids.push_bind(script.as_uuid());
    }
}

/// Puts rows together, script by script. What does not read is said loudly and begins anew: else one row that
/// is corrupt would keep the executions of a batch from being recorded.
pub(crate) fn gather(
    org: impl Fn(ScriptId) -> OrgId,
    scripts: &[ScriptId],
    rules: Vec<RuleRow>,
    incidents: Vec<IncidentRow>,
    muting: &Muting,
    now: DateTime<Utc>,
) -> Vec<ScriptAlerts> {
    let mut all: Vec<ScriptAlerts> = scripts
        .iter()
        .map(|script| ScriptAlerts {
            org: org(*script),
            script: *script,
            schedule: None,
            rules: Vec::new(),
            incident: IncidentState::default(),
            quiet_since: None,
            parent: Parent::Up { since: None },
            open: None,
            orphan: None,
            follow_ups: FollowUps::default(),
            mutes: muting.of(org(*script), *script),
        })
        .collect();
    for row in incidents {
        let script = ScriptId::from_uuid(row.script_id);
        let Some(alerts) = all.iter_mut().find(|alerts| alerts.script == script) else {
            continue;
        };
        alerts.quiet_since = row.quiet_since;
        match IncidentState::from_json(&row.state) {
            Ok(state) => alerts.incident = state,
            Err(error) => complain(&row.script_id, &error),
        }
        let severity = row.severity.and_then(|text| text.parse().ok());
        let open = row.incident_id.map(|id| OpenIncident {
            id: IncidentId::from_uuid(id),
            severity: severity.unwrap_or(Severity::Warning),
            since: row.opened_at.unwrap_or(now),
        });
        match (open, alerts.incident.is_told()) {
            (Some(_), false) => alerts.orphan = open,
            (None, true) => {
                complain(&row.script_id, &IncidentIsGone);
                alerts.incident = IncidentState::default();
            }
            _ => {
                alerts.open = open;
                let stored = row.follow_ups.as_deref().map(FollowUps::from_json);
                alerts.follow_ups = stored
                    .and_then(|read| {
                        read.inspect_err(|error| complain(&row.script_id, error))
                            .ok()
                    })
                    .unwrap_or_default();
            }
        }
    }
    for row in rules {
        let script = ScriptId::from_uuid(row.script_id);
        let Some(alerts) = all.iter_mut().find(|alerts| alerts.script == script) else {
            continue;
        };
        alerts.org = OrgId::from_uuid(row.org_id);
        alerts.parent = row.parent();
        let definition = match RuleDefinition::read(&row.rule_definition.0) {
            Ok(definition) => definition,
            Err(error) => {
                complain(&row.id, &error);
                continue;
            }
        };
        if row.script_is_enabled {
            let cron = row.cron_expression.as_deref();
            let schedule = read_schedule(row.script_id, cron, row.interval_seconds, &row.timezone);
            alerts.schedule = schedule
                .inspect_err(|error| complain(&row.script_id, error))
                .ok();
        }
        let state = row.state.map_or_else(
            || RuleState::new(now),
            |text| {
                RuleState::from_json(&text).unwrap_or_else(|error| {
                    complain(&row.id, &error);
                    RuleState::new(now)
                })
            },
        );
        alerts.rules.push(RuleInUse {
            id: AlertRuleId::from_uuid(row.id),
            name: row.name,
            severity: row.severity.parse().unwrap_or(Severity::Warning),
            definition,
            state,
        });
    }
    all
}

/// The row of an incident is not there, and its state says that it goes on.
#[derive(Debug, thiserror::Error)]
#[error("there is no incident that goes on")]
struct IncidentIsGone;

fn complain(id: &Uuid, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(%id, error, "what is stored of an alert does not read");
}

/// `INSERT` of the states of rules, over those that are there.
pub(crate) fn push_states<D>(query: &mut QueryBuilder<D>, states: &[StateRow])
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
    String: for<'q> Encode<'q, D> + Type<D>,
    &'static str: for<'q> Encode<'q, D> + Type<D>,
    Option<DateTime<Utc>>: for<'q> Encode<'q, D> + Type<D>,
{
    query.push("INSERT INTO alert_rule_states (rule_id, location, state, next_tick_at) ");
    query.push_values(states, |mut values, row| {
        values
            .push_bind(row.rule.as_uuid())
            .push_bind(DEFAULT_LOCATION)
            .push_bind(row.state.clone())
            .push_bind(row.next_tick_at);
    });
    query.push(
        " ON CONFLICT (rule_id, location) DO UPDATE SET state = excluded.state, \
         next_tick_at = excluded.next_tick_at",
    );
}

pub(crate) fn corrupt_alert(id: &Uuid, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::corrupt("alert_rules", id, &error.to_string())
}

/// The alerting of scripts that are locked. `$org` gives the organization of one, `$times` those that are judged.
macro_rules! load_alerts {
    ($D:ident, $tx:ident, $org:expr, $scripts:expr, $now:expr) => {
        $crate::alerts::load_alerts!($D, $tx, $org, $scripts, $now, &($now..=$now))
    };
    ($D:ident, $tx:ident, $org:expr, $scripts:expr, $now:expr, $times:expr) => {{
        let mut rules = sqlx::QueryBuilder::<$D>::new("");
        $crate::alerts::write::push_rules(&mut rules, $scripts);
        let rules: Vec<$crate::alerts::write::RuleRow> = rules
            .build_query_as()
            .persistent(false)
            .fetch_all(&mut *$tx)
            .await?;
        let mut incidents = sqlx::QueryBuilder::<$D>::new("");
        $crate::alerts::write::push_incidents(&mut incidents, $scripts);
        let incidents: Vec<$crate::alerts::write::IncidentRow> = incidents
            .build_query_as()
            .persistent(false)
            .fetch_all(&mut *$tx)
            .await?;
        // Where there is no rule, there is nothing to be muted.
        let mut orgs: Vec<_> = rules.iter().map(|rule| rule.org_id).collect();
        orgs.sort_unstable();
        orgs.dedup();
        let muting = $crate::maintenance::load_mutes!(&mut *$tx, orgs, $scripts, $times);
        $crate::alerts::write::gather($org, $scripts, rules, incidents, &muting, $now)
    }};
}

/// Writes what changed.
macro_rules! write_alerts {
    ($D:ident, $tx:ident, $changes:expr) => {{
        use $crate::alerts::{evaluate::Touch, write};
        let changes = $crate::alerts::Changes::in_order($changes);
        for states in changes.states.chunks($crate::record::INSERT_ROWS) {
            let mut insert = sqlx::QueryBuilder::<$D>::new("");
            write::push_states(&mut insert, states);
            insert.build().persistent(false).execute(&mut *$tx).await?;
        }
        for row in &changes.incident_states {
            sqlx::query(write::SET_INCIDENT_STATE)
                .bind(row.script.as_uuid())
                .bind(row.org.as_uuid())
                .bind(&row.state)
                .bind(row.quiet_since)
                .execute(&mut *$tx)
                .await?;
        }
        // What ends goes before what begins: a script has one incident at a time.
        for touched in changes.touched {
            let query = match touched.what {
                Touch::Severity(severity) => sqlx::query(write::RAISE_INCIDENT)
                    .bind(touched.org.as_uuid())
                    .bind(touched.id.as_uuid())
                    .bind(severity.as_str()),
                Touch::Acknowledged(user) => sqlx::query(write::ACKNOWLEDGE_INCIDENT)
                    .bind(touched.org.as_uuid())
                    .bind(touched.id.as_uuid())
                    .bind(touched.at)
                    .bind(user.map(vedette_core::UserId::as_uuid)),
                Touch::Resolved(why, user) => sqlx::query(write::RESOLVE_INCIDENT)
                    .bind(touched.org.as_uuid())
                    .bind(touched.id.as_uuid())
                    .bind(touched.at)
                    .bind(user.map(vedette_core::UserId::as_uuid))
                    .bind($crate::alerts::incidents::resolution_text(why)),
            };
            query.execute(&mut *$tx).await?;
        }
        for opened in changes.opened {
            let (last_good, first_bad) =
                $crate::alerts::notices::find_runs!($tx, opened.org, opened.script);
            let mut evidence = opened.evidence;
            evidence["last_good_execution_id"] = serde_json::json!(last_good.map(|run| run.0));
            evidence["first_bad_execution_id"] = serde_json::json!(first_bad.map(|run| run.0));
            sqlx::query(write::INSERT_INCIDENT)
                .bind(opened.id.as_uuid())
                .bind(opened.org.as_uuid())
                .bind(opened.script.as_uuid())
                .bind(opened.severity.as_str())
                .bind(opened.at)
                .bind(sqlx::types::Json(evidence))
                .execute(&mut *$tx)
                .await?;
        }
        for row in changes.follow_ups {
            sqlx::query(write::KEEP_FOLLOW_UPS)
                .bind(row.org.as_uuid())
                .bind(row.incident.as_uuid())
                .bind(row.state)
                .bind(row.next_notice_at)
                .execute(&mut *$tx)
                .await?;
        }
        for event in changes.events {
            sqlx::query(write::INSERT_EVENT)
                .bind(event.id.as_uuid())
                .bind(event.org.as_uuid())
                .bind(event.incident.as_uuid())
                .bind(event.at)
                .bind(event.kind.as_str())
                .bind(event.user.map(vedette_core::UserId::as_uuid))
                .bind(event.rule.map(vedette_core::AlertRuleId::as_uuid))
                .bind(event.execution.map(vedette_core::ExecutionId::as_uuid))
                .bind(event.message)
                .execute(&mut *$tx)
                .await?;
        }
        for row in changes.history {
            sqlx::query(write::INSERT_HISTORY)
                .bind(row.id.as_uuid())
                .bind(row.org.as_uuid())
                .bind(row.script.as_uuid())
                .bind(row.rule.as_uuid())
                .bind(row.incident.map(vedette_core::IncidentId::as_uuid))
                .bind(row.execution.map(vedette_core::ExecutionId::as_uuid))
                .bind(row.transition.as_str())
                .bind(row.at)
                .bind(sqlx::types::Json(row.details))
                .execute(&mut *$tx)
                .await?;
        }
        $crate::alerts::notices::write_notices!($D, $tx, changes.notices);
    }};
}

/// Takes executions, at most one of each script, to the rules of their scripts, which are locked. Gives the scripts
/// that are to run again soon.
macro_rules! judge_executions {
    ($D:ident, $tx:ident, $org:expr, $executed:expr, $now:expr, $clock:expr) => {{
        use $crate::alerts::evaluate::{Cause, Changes};
        let mut executed: Vec<$crate::alerts::Executed> = $executed;
        let scripts: Vec<_> = executed.iter().map(|executed| executed.script).collect();
        let mut rechecks = Vec::new();
        if !scripts.is_empty() {
            let slots = executed.iter().map(|executed| executed.observation.at);
            let (first, last) = slots.fold(($now, $now), |(first, last), at| {
                (first.min(at), last.max(at))
            });
            let mut alerts =
                $crate::alerts::load_alerts!($D, $tx, $org, &scripts, $now, &(first..=last));
            let mut changes = Changes::default();
            for (alerts, executed) in alerts.iter_mut().zip(&mut executed) {
                let at = executed.observation.at;
                executed.observation.is_in_maintenance = alerts.mutes.is_in_maintenance(at);
                alerts.observe(Cause::time($now, $clock), executed, &mut changes);
            }
            rechecks.append(&mut changes.rechecks);
            $crate::alerts::write_alerts!($D, $tx, changes);
        }
        rechecks
    }};
}

/// Ends the incident of a script that is locked and that nobody looks at any more, and forgets where its rules
/// stood.
macro_rules! pause_alerts {
    ($D:ident, $tx:ident, $org:expr, $script:expr, $now:expr) => {{
        use $crate::alerts::evaluate::Cause;
        let scripts = [$script];
        let mut alerts = $crate::alerts::load_alerts!($D, $tx, |_| $org, &scripts, $now);
        let at = $crate::replaced::At($now);
        let mut changes = $crate::alerts::Changes::default();
        for alerts in &mut alerts {
            // One that is held too: else its rules would be in it for ever.
            if alerts.incident.is_down() {
                let event = vedette_core::alert::incident::Event::ScriptPaused;
                alerts.apply(event, Cause::time($now, &at), &mut changes);
            }
        }
        $crate::alerts::write_alerts!($D, $tx, changes);
        sqlx::query($crate::alerts::write::FORGET_STATES)
            .bind($org.as_uuid())
            .bind($script.as_uuid())
            .execute(&mut *$tx)
            .await?;
    }};
}

/// Says anew when time may change the rules of a script that is locked, because its schedule is another one; with
/// `$anew`, the script runs again, and its rules begin anew.
macro_rules! time_alerts {
    ($D:ident, $tx:ident, $org:expr, $script:expr, $now:expr, $anew:expr) => {{
        let scripts = [$script];
        let mut alerts = $crate::alerts::load_alerts!($D, $tx, |_| $org, &scripts, $now);
        let mut changes = $crate::alerts::Changes::default();
        for alerts in &mut alerts {
            alerts.look_again($now, $anew, &mut changes);
        }
        $crate::alerts::write_alerts!($D, $tx, changes);
    }};
}

pub(crate) use {judge_executions, load_alerts, pause_alerts, time_alerts, write_alerts};
