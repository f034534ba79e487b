//! What is to be told of incidents, as rows of the outbox: written in the transaction that changes the incident, so
//! that nothing is told that did not happen, and nothing happens that is not told.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{Database, Encode, FromRow, QueryBuilder, Type, types::Json};
use uuid::Uuid;
use vedette_core::{
    AlertRuleId, ChannelId, ExecutionId, IncidentId, NotificationId, OrgId, ScriptId, UserId,
    alert::{Severity, incident::Resolution, rule::RuleDefinition},
};

use super::incidents::resolution_text;
use crate::replaced::At;

pub(crate) const FIND_NAMES: &str = "SELECT organizations.name AS organization, projects.name AS project, \
    scripts.name AS script FROM scripts JOIN organizations ON organizations.id = scripts.org_id \
    JOIN projects ON projects.id = scripts.project_id WHERE scripts.org_id = $1 AND scripts.id = $2";
/// The first that each channel was told of an incident, and the place of the last.
pub(crate) const FIND_TOLD: &str = "SELECT told.channel_id, told.payload, (SELECT MAX(later.position) \
    FROM notifications AS later WHERE later.incident_id = told.incident_id \
    AND later.channel_id = told.channel_id) AS last FROM notifications AS told \
    WHERE told.org_id = $1 AND told.incident_id = $2 AND told.position = 1 ORDER BY told.channel_id";
pub(crate) const FIND_EVIDENCE: &str =
    "SELECT evidence FROM incidents WHERE org_id = $1 AND id = $2";
pub(crate) const FIND_RUN: &str =
    "SELECT id, executed_at FROM script_executions WHERE org_id = $1 AND id = $2";
pub(crate) const FIND_USERNAME: &str = "SELECT username FROM users WHERE id = $1";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[
    FIND_NAMES,
    FIND_TOLD,
    FIND_EVIDENCE,
    FIND_RUN,
    FIND_USERNAME,
];

/// Something happened to an incident that people are told of.
#[derive(Debug)]
pub(crate) struct NoticeRow {
    pub(crate) org: OrgId,
    pub(crate) script: ScriptId,
    pub(crate) incident: IncidentId,
    /// When it happened.
    pub(crate) at: DateTime<Utc>,
    pub(crate) now: DateTime<Utc>,
    /// By which execution, and what it met.
    pub(crate) execution: Option<ExecutionId>,
    pub(crate) evidence: Option<Value>,
    /// By whom.
    pub(crate) user: Option<UserId>,
    pub(crate) what: Tell,
}

#[derive(Debug)]
pub(crate) enum Tell {
    /// Goes to the channels of rules, those that were told of the incident before excepted.
    Down(Down),
    /// Goes to all channels that were told of the incident.
    Acknowledged,
    /// Goes to the channels of these rules that were told of the incident and wait for nothing of it.
    Reminder(Vec<AlertRuleId>),
    /// Goes to the channels of steps, also to those that were told of the incident before.
    Escalated(Escalated),
    /// Goes to all channels that were told of the incident.
    Up(Resolution),
}

#[derive(Debug)]
pub(crate) struct Escalated {
    /// Rules and minutes.
    pub(crate) steps: Vec<(AlertRuleId, u32)>,
    /// As it would be told now.
    pub(crate) down: Down,
}

#[derive(Debug)]
pub(crate) struct Down {
    pub(crate) rules: Vec<AlertRuleId>,
    /// The name of the worst of them.
    pub(crate) rule: Option<String>,
    pub(crate) severity: Severity,
    pub(crate) started_at: DateTime<Utc>,
    /// What is said when there is no execution that says something.
    pub(crate) message: Option<String>,
}

/// What is said of a rule that fires without an execution.
pub(crate) fn message_of_time(rule: &RuleDefinition) -> String {
    match rule {
        RuleDefinition::NoData { intervals } => {
            format!("There was no verdict for {intervals} intervals of the schedule.")
        }
        RuleDefinition::CertificateExpiry { days } => {
            format!("The certificate ends in {days} days or fewer.")
        }
        _ => String::new(),
    }
}

/// A run, and when it was.
pub(crate) type Run = (Uuid, DateTime<Utc>);
/// What was met, the last run that was well, and the first one after it that was not.
pub(crate) type Seen = (Value, Option<Run>, Option<Run>);

#[derive(Debug, Default, FromRow)]
pub(crate) struct Names {
    organization: String,
    project: String,
    script: String,
}

/// What a channel was told first of the same incident.
#[derive(Debug, FromRow)]
pub(crate) struct ToldRow {
    channel_id: Uuid,
    payload: Json<Value>,
    /// The place of what it was told last.
    last: i64,
}

/// A channel, and the place of what it was told last of the incident; 0: it was told nothing.
pub(crate) type Target = (Uuid, i64);

/// A row of the outbox.
#[derive(Debug)]
pub(crate) struct NewNotification {
    id: NotificationId,
    channel: ChannelId,
    event: &'static str,
    position: i64,
    payload: Value,
}

impl NoticeRow {
    fn new_id(&self) -> NotificationId {
        NotificationId::generate(&At(self.now))
    }

    /// What the execution said, where it failed, and its requests.
    fn observed(evidence: &Value) -> (Option<&str>, &Value, &Value) {
        (
            evidence["message"].as_str(),
            &evidence["failing_step"]["name"],
            &evidence["requests"],
        )
    }

    /// The rows of what says all of it.
    pub(crate) fn tell_all(
        &self,
        down: &Down,
        names: &Names,
        (evidence, last_good, first_bad): Seen,
        channels: Vec<Target>,
    ) -> Vec<NewNotification> {
        let (message, failing_step, requests) = Self::observed(&evidence);
        let run = |run: Option<Run>| run.map(|(id, at)| json!({ "id": id, "at": at }));
        let payload = json!({
            "event": self.event(),
            "severity": down.severity,
            "organization": names.organization,
            "project": names.project,
            "script": names.script,
            "rule": down.rule,
            "incident": self.incident,
            "occurred_at": self.at,
            "started_at": down.started_at,
            "ended_at": null,
            "resolution": null,
            "message": message.or(down.message.as_deref()).unwrap_or_default(),
            "failing_step": failing_step,
            "requests": list(requests),
            "last_good": run(last_good),
            "first_bad": run(first_bad),
            "link": null,
        });
        let rows = channels.into_iter().map(|(channel, last)| {
            let id = self.new_id();
            let mut payload = payload.clone();
            payload["id"] = json!(id);
            NewNotification {
                id,
                channel: ChannelId::from_uuid(channel),
                event: self.event(),
                position: last + 1,
                payload,
            }
        });
        rows.collect()
    }

    /// The rows of what follows, for each channel that was told, after all that it got already. What does not change
    /// is as it was told first.
    pub(crate) fn follow(
        &self,
        told: Vec<ToldRow>,
        username: Option<&str>,
    ) -> Vec<NewNotification> {
        let rows = told.into_iter().map(|told| {
            let id = self.new_id();
            NewNotification {
                id,
                channel: ChannelId::from_uuid(told.channel_id),
                event: self.event(),
                position: told.last + 1,
                payload: self.following(told.payload.0, id, username),
            }
        });
        rows.collect()
    }

    const fn event(&self) -> &'static str {
        match self.what {
            Tell::Down(_) => "down",
            Tell::Acknowledged => "acknowledged",
            Tell::Reminder(_) => "reminder",
            Tell::Escalated(_) => "escalated",
            Tell::Up(_) => "up",
        }
    }

    fn following(&self, mut payload: Value, id: NotificationId, username: Option<&str>) -> Value {
        let somebody = username.unwrap_or("Somebody");
        payload["id"] = json!(id);
        payload["event"] = json!(self.event());
        payload["occurred_at"] = json!(self.at);
        match self.what {
            Tell::Down(_) | Tell::Reminder(_) | Tell::Escalated(_) => {}
            Tell::Acknowledged => payload["message"] = json!(format!("{somebody} sees to it.")),
            Tell::Up(why) => {
                let (message, _, requests) =
                    Self::observed(self.evidence.as_ref().unwrap_or(&Value::Null));
                payload["ended_at"] = json!(self.at);
                payload["resolution"] = json!(resolution_text(why));
                payload["failing_step"] = Value::Null;
                payload["requests"] = json!(list(requests));
                payload["message"] = match why {
                    Resolution::Recovered => json!(message.unwrap_or_default()),
                    Resolution::RuleRemoved => json!(
                        "The last rule that fired was deleted, disabled or made another one. Whether the target is \
                         well is not known."
                    ),
                    Resolution::ScriptPaused => json!(
                        "The script was paused or deleted. Whether the target is well is not known."
                    ),
                    Resolution::Person => json!(format!("{somebody} said that it is over.")),
                };
            }
        }
        payload
    }
}

fn list(requests: &Value) -> &[Value] {
    requests.as_array().map_or(&[], Vec::as_slice)
}

/// Asks for the enabled channels of rules that were not told of the incident yet.
pub(crate) fn push_targets<D>(query: &mut QueryBuilder<D>, notice: &NoticeRow, down: &Down)
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
{
    query
        .push(
            "SELECT channels.id, CAST(0 AS BIGINT) FROM notification_channels AS channels \
             WHERE channels.is_enabled AND channels.org_id = ",
        )
        .push_bind(notice.org.as_uuid())
        .push(
            " AND EXISTS (SELECT 1 FROM alert_rule_channels AS attached \
             WHERE attached.channel_id = channels.id AND attached.rule_id IN (",
        );
    let mut rules = query.separated(", ");
    for rule in &down.rules {
        rules.push_bind(rule.as_uuid());
    }
    query
        .push(
            ")) AND NOT EXISTS (SELECT 1 FROM notifications AS told \
             WHERE told.channel_id = channels.id AND told.incident_id = ",
        )
        .push_bind(notice.incident.as_uuid())
        .push(") ORDER BY channels.id");
}

/// `INSERT` into the outbox, to be sent from now on.
pub(crate) fn push_rows<D>(
    query: &mut QueryBuilder<D>,
    notice: &NoticeRow,
    rows: Vec<NewNotification>,
) where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
    &'static str: for<'q> Encode<'q, D> + Type<D>,
    i64: for<'q> Encode<'q, D> + Type<D>,
    DateTime<Utc>: for<'q> Encode<'q, D> + Type<D>,
    Json<Value>: for<'q> Encode<'q, D> + Type<D>,
{
    query.push(
        "INSERT INTO notifications (id, org_id, script_id, incident_id, channel_id, event, position, \
         payload, created_at, status, attempts, next_attempt_at, lease_token) ",
    );
    query.push_values(rows, |mut values, row| {
        values
            .push_bind(row.id.as_uuid())
            .push_bind(notice.org.as_uuid())
            .push_bind(notice.script.as_uuid())
            .push_bind(notice.incident.as_uuid())
            .push_bind(row.channel.as_uuid())
            .push_bind(row.event)
            .push_bind(row.position)
            .push_bind(Json(row.payload))
            .push_bind(notice.now)
            .push("'pending', 0")
            .push_bind(notice.now)
            .push("0");
    });
}

/// The last run of a script that was well, and the first one after it that was not.
macro_rules! find_runs {
    ($tx:ident, $org:expr, $script:expr) => {{
        let last_good: Option<$crate::alerts::notices::Run> =
            sqlx::query_as($crate::alerts::write::LAST_GOOD)
                .bind($org.as_uuid())
                .bind($script.as_uuid())
                .fetch_optional(&mut *$tx)
                .await?;
        let first_bad: Option<$crate::alerts::notices::Run> =
            sqlx::query_as($crate::alerts::write::FIRST_BAD)
                .bind($org.as_uuid())
                .bind($script.as_uuid())
                .bind(last_good.map(|run| run.0).unwrap_or_default())
                .fetch_optional(&mut *$tx)
                .await?;
        (last_good, first_bad)
    }};
}

/// What an incident began with. Its runs may not be kept any more.
macro_rules! find_evidence {
    ($tx:ident, $notice:expr) => {{
        let evidence: Option<sqlx::types::Json<serde_json::Value>> =
            sqlx::query_scalar($crate::alerts::notices::FIND_EVIDENCE)
                .bind($notice.org.as_uuid())
                .bind($notice.incident.as_uuid())
                .fetch_optional(&mut *$tx)
                .await?;
        let evidence = evidence.map(|evidence| evidence.0).unwrap_or_default();
        let mut runs: [Option<$crate::alerts::notices::Run>; 2] = [None, None];
        let names = ["last_good_execution_id", "first_bad_execution_id"];
        for (run, name) in runs.iter_mut().zip(names) {
            let id = evidence[name].as_str();
            let id = id.and_then(|id| id.parse::<uuid::Uuid>().ok());
            *run = sqlx::query_as($crate::alerts::notices::FIND_RUN)
                .bind($notice.org.as_uuid())
                .bind(id.unwrap_or_default())
                .fetch_optional(&mut *$tx)
                .await?;
        }
        (evidence, runs[0], runs[1])
    }};
}

/// The rows of a notice that says all of it, to the channels that `$targets` asks for. What was `$seen` is read only
/// if there are any.
macro_rules! tell_all {
    ($tx:ident, $notice:expr, $down:expr, $targets:expr, $seen:expr) => {{
        let channels: Vec<$crate::alerts::notices::Target> = $targets
            .build_query_as()
            .persistent(false)
            .fetch_all(&mut *$tx)
            .await?;
        if channels.is_empty() {
            continue;
        }
        let names: Option<$crate::alerts::notices::Names> =
            sqlx::query_as($crate::alerts::notices::FIND_NAMES)
                .bind($notice.org.as_uuid())
                .bind($notice.script.as_uuid())
                .fetch_optional(&mut *$tx)
                .await?;
        let seen: $crate::alerts::notices::Seen = $seen;
        $notice.tell_all($down, &names.unwrap_or_default(), seen, channels)
    }};
}

/// Writes what is to be told. Whoever does holds the slot of the script, so that places are given out in order.
macro_rules! write_notices {
    ($D:ident, $tx:ident, $notices:expr) => {{
        use $crate::alerts::{
            follow_ups::{push_escalated, push_reminded},
            notices::{
                FIND_TOLD, FIND_USERNAME, NoticeRow, Tell, ToldRow, find_evidence, find_runs,
                push_rows, push_targets, tell_all,
            },
        };
        let notices: Vec<NoticeRow> = $notices;
        for notice in notices {
            let mut targets = sqlx::QueryBuilder::<$D>::new("");
            let rows = match &notice.what {
                Tell::Down(down) => {
                    push_targets(&mut targets, &notice, down);
                    tell_all!($tx, notice, down, targets, {
                        let runs = find_runs!($tx, notice.org, notice.script);
                        (notice.evidence.clone().unwrap_or_default(), runs.0, runs.1)
                    })
                }
                Tell::Escalated(escalated) => {
                    push_escalated(&mut targets, &notice, escalated);
                    let down = &escalated.down;
                    tell_all!($tx, notice, down, targets, find_evidence!($tx, notice))
                }
                Tell::Reminder(rules) => {
                    push_reminded(&mut targets, &notice, rules);
                    let told: Vec<ToldRow> = targets
                        .build_query_as()
                        .persistent(false)
                        .fetch_all(&mut *$tx)
                        .await?;
                    notice.follow(told, None)
                }
                Tell::Acknowledged | Tell::Up(_) => {
                    let told: Vec<ToldRow> = sqlx::query_as(FIND_TOLD)
                        .bind(notice.org.as_uuid())
                        .bind(notice.incident.as_uuid())
                        .fetch_all(&mut *$tx)
                        .await?;
                    let username: Option<String> = match notice.user {
                        None => None,
                        Some(user) => {
                            sqlx::query_scalar(FIND_USERNAME)
                                .bind(user.as_uuid())
                                .fetch_optional(&mut *$tx)
                                .await?
                        }
                    };
                    notice.follow(told, username.as_deref())
                }
            };
            if !rows.is_empty() {
                let mut insert = sqlx::QueryBuilder::<$D>::new("");
                push_rows(&mut insert, &notice, rows);
                insert.build().persistent(false).execute(&mut *$tx).await?;
            }
        }
    }};
}

pub(crate) use {find_evidence, find_runs, tell_all, write_notices};
