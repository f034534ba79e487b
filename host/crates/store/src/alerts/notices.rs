//! What is to be told of incidents, as rows of the outbox: written in the transaction that changes the incident, so
//! that nothing is told that did not happen, and nothing happens that is not told.

use std::collections::BTreeMap;

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
pub(crate) const FIND_TOLD: &str = "SELECT channel_id, position, event, payload FROM notifications \
    WHERE org_id = $1 AND incident_id = $2 ORDER BY channel_id, position";
pub(crate) const FIND_USERNAME: &str = "SELECT username FROM users WHERE id = $1";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[FIND_NAMES, FIND_TOLD, FIND_USERNAME];

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
    /// Goes to all channels that `Down` went to.
    Acknowledged,
    /// Goes to all channels that `Down` went to.
    Up(Resolution),
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

#[derive(Debug, Default, FromRow)]
pub(crate) struct Names {
    organization: String,
    project: String,
    script: String,
}

/// A notification of the same incident.
#[derive(Debug, FromRow)]
pub(crate) struct ToldRow {
    channel_id: Uuid,
    position: i64,
    event: String,
    payload: Json<Value>,
}

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
    fn observed(&self) -> (Option<&str>, &Value, &Value) {
        let evidence = self.evidence.as_ref().unwrap_or(&Value::Null);
        (
            evidence["message"].as_str(),
            &evidence["failing_step"]["name"],
            &evidence["requests"],
        )
    }

    /// The rows of `Down`.
    pub(crate) fn down(
        &self,
        down: &Down,
        names: &Names,
        (last_good, first_bad): (Option<Run>, Option<Run>),
        channels: Vec<Uuid>,
    ) -> Vec<NewNotification> {
        let (message, failing_step, requests) = self.observed();
        let run = |run: Option<Run>| run.map(|(id, at)| json!({ "id": id, "at": at }));
        let payload = json!({
            "event": "down",
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
        let rows = channels.into_iter().map(|channel| {
            let id = self.new_id();
            let mut payload = payload.clone();
            payload["id"] = json!(id);
            NewNotification {
                id,
                channel: ChannelId::from_uuid(channel),
                event: "down",
                position: 1,
                payload,
            }
        });
        rows.collect()
    }

    /// The rows of what follows, for each channel that got `Down`, after all that it got already. What does not
    /// change is as `Down` told it.
    pub(crate) fn follow(
        &self,
        told: Vec<ToldRow>,
        username: Option<&str>,
    ) -> Vec<NewNotification> {
        let mut channels: BTreeMap<Uuid, (Option<Value>, i64)> = BTreeMap::new();
        for row in told {
            let (down, position) = channels.entry(row.channel_id).or_default();
            *position = row.position.max(*position);
            if row.event == "down" {
                *down = Some(row.payload.0);
            }
        }
        let told = channels.into_iter();
        let told = told.filter_map(|(channel, (down, last))| Some((channel, down?, last)));
        told.map(|(channel, payload, last)| {
            let id = self.new_id();
            NewNotification {
                id,
                channel: ChannelId::from_uuid(channel),
                event: self.event(),
                position: last + 1,
                payload: self.following(payload, id, username),
            }
        })
        .collect()
    }

    const fn event(&self) -> &'static str {
        match self.what {
            Tell::Down(_) => "down",
            Tell::Acknowledged => "acknowledged",
            Tell::Up(_) => "up",
        }
    }

    fn following(&self, mut payload: Value, id: NotificationId, username: Option<&str>) -> Value {
        let somebody = username.unwrap_or("Somebody");
        payload["id"] = json!(id);
        payload["event"] = json!(self.event());
        payload["occurred_at"] = json!(self.at);
        match self.what {
            Tell::Down(_) => {}
            Tell::Acknowledged => payload["message"] = json!(format!("{somebody} sees to it.")),
            Tell::Up(why) => {
                let (message, _, requests) = self.observed();
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
            "SELECT channels.id FROM notification_channels AS channels \
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

/// Writes what is to be told. Whoever does holds the slot of the script, so that places are given out in order.
macro_rules! write_notices {
    ($D:ident, $tx:ident, $notices:expr) => {{
        use $crate::alerts::notices::{
            FIND_NAMES, FIND_TOLD, FIND_USERNAME, Names, NoticeRow, Tell, ToldRow, find_runs,
            push_rows, push_targets,
        };
        let notices: Vec<NoticeRow> = $notices;
        for notice in notices {
            let rows = match &notice.what {
                Tell::Down(down) => {
                    let mut targets = sqlx::QueryBuilder::<$D>::new("");
                    push_targets(&mut targets, &notice, down);
                    let channels: Vec<uuid::Uuid> = targets
                        .build_query_scalar()
                        .persistent(false)
                        .fetch_all(&mut *$tx)
                        .await?;
                    if channels.is_empty() {
                        continue;
                    }
                    let names: Option<Names> = sqlx::query_as(FIND_NAMES)
                        .bind(notice.org.as_uuid())
                        .bind(notice.script.as_uuid())
                        .fetch_optional(&mut *$tx)
                        .await?;
                    let runs = find_runs!($tx, notice.org, notice.script);
                    notice.down(down, &names.unwrap_or_default(), runs, channels)
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

pub(crate) use {find_runs, write_notices};
