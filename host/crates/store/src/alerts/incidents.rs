//! Incidents, as people see them and what they do about them.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, types::Json};
use uuid::Uuid;
use vedette_core::{
    AlertRuleId, Clock, ExecutionId, IncidentEventId, IncidentId, OrgId, Projects, ScriptId,
    UserId,
    alert::{
        Severity,
        incident::{Event as IncidentChange, Resolution},
    },
    slot::DEFAULT_LOCATION,
};

use super::{
    Changes,
    evaluate::{Cause, EventRow},
    history::{Conditions, bind_some},
    load_alerts, write_alerts,
};
use crate::{
    AuditAction, Page, PageRequest, Store, StoreError,
    audit::{Event, audit},
    db::{in_tx, on_db},
    scripts::LOCK_SLOT,
};

/// How far an incident is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncidentStage {
    /// It goes on.
    Open,
    /// It goes on, and somebody sees to it.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl IncidentStage {
    /// Every stage.
    pub const ALL: &[Self] = &[Self::Open, Self::Acknowledged, Self::Resolved];

    /// The spelling in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }

    const fn condition(self) -> &'static str {
        match self {
            Self::Open => {
                " AND incidents.resolved_at IS NULL AND incidents.acknowledged_at IS NULL"
            }
            Self::Acknowledged => {
                " AND incidents.resolved_at IS NULL AND incidents.acknowledged_at IS NOT NULL"
            }
            Self::Resolved => " AND incidents.resolved_at IS NOT NULL",
        }
    }
}

/// A time during which a script was not well.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Id.
    pub id: IncidentId,
    /// The script.
    pub script_id: ScriptId,
    /// The highest of the rules that fired.
    pub severity: Severity,
    /// When it began.
    pub opened_at: DateTime<Utc>,
    /// When somebody said that they see to it.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// Who.
    pub acknowledged_by: Option<UserId>,
    /// When it was over.
    pub resolved_at: Option<DateTime<Utc>>,
    /// `recovered`, `rule_removed`, `script_paused` or `person`. Only the first says that the target is well.
    pub resolution: Option<String>,
    /// Who said that it is over, if somebody did.
    pub resolved_by: Option<UserId>,
    /// What was seen when it began.
    pub evidence: Value,
}

impl Incident {
    /// How far it is.
    pub const fn stage(&self) -> IncidentStage {
        match (self.resolved_at, self.acknowledged_at) {
            (Some(_), _) => IncidentStage::Resolved,
            (None, Some(_)) => IncidentStage::Acknowledged,
            (None, None) => IncidentStage::Open,
        }
    }
}

/// What happened in an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncidentEventKind {
    /// It began.
    Opened,
    /// A rule fired.
    RuleFired,
    /// A rule recovered, and another one still fires.
    RuleRecovered,
    /// Somebody sees to it.
    Acknowledged,
    /// Somebody said something.
    Comment,
    /// It was over.
    Resolved,
}

impl IncidentEventKind {
    const ALL: &[Self] = &[
        Self::Opened,
        Self::RuleFired,
        Self::RuleRecovered,
        Self::Acknowledged,
        Self::Comment,
        Self::Resolved,
    ];

    /// The spelling in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::RuleFired => "rule_fired",
            Self::RuleRecovered => "rule_recovered",
            Self::Acknowledged => "acknowledged",
            Self::Comment => "comment",
            Self::Resolved => "resolved",
        }
    }
}

/// One entry of the timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentEvent {
    /// Id.
    pub id: IncidentEventId,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// What.
    pub kind: IncidentEventKind,
    /// Who did it; `None`: an execution or time did.
    pub user_id: Option<UserId>,
    /// The rule that it is about.
    pub rule_id: Option<AlertRuleId>,
    /// The execution that brought it.
    pub execution_id: Option<ExecutionId>,
    /// What somebody said.
    pub message: Option<String>,
}

/// An incident with its timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentDetail {
    /// The incident.
    pub incident: Incident,
    /// The first 1,000 entries, oldest first.
    pub events: Vec<IncidentEvent>,
}

/// Most entries of a timeline.
pub(crate) const MAX_EVENTS: u32 = 1_000;

/// Which incidents are asked for; all that is set must hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct IncidentFilter {
    /// Of one script.
    pub script: Option<ScriptId>,
    /// How far they are.
    pub stage: Option<IncidentStage>,
}

/// What somebody does about an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncidentAction {
    /// Sees to it.
    Acknowledge,
    /// Says that it is over. The rules that fire do so no more until they recover and fire again.
    Resolve,
    /// Says something.
    Comment(String),
}

/// What became of that.
#[derive(Debug, Clone)]
pub enum ChangedIncident {
    /// The incident as it is now.
    Done(Box<IncidentDetail>),
    /// No such incident in this organization.
    NotFound,
    /// It is over, or somebody sees to it already.
    NotNow,
    /// Its timeline is full.
    Full,
}

/// The spelling in JSON and SQL.
pub(crate) const fn resolution_text(why: Resolution) -> &'static str {
    match why {
        Resolution::Recovered => "recovered",
        Resolution::RuleRemoved => "rule_removed",
        Resolution::ScriptPaused => "script_paused",
        Resolution::Person => "person",
    }
}

const GET_INCIDENT: &str = "SELECT incidents.id, incidents.script_id, severity, opened_at, acknowledged_at, \
    acknowledged_by, resolved_at, resolution, resolved_by, evidence FROM incidents \
    JOIN scripts ON scripts.id = incidents.script_id AND NOT scripts.is_deleted \
    WHERE incidents.org_id = $1 AND incidents.id = $2";
const LIST_INCIDENTS: &str = "SELECT incidents.id, incidents.script_id, severity, opened_at, acknowledged_at, \
    acknowledged_by, resolved_at, resolution, resolved_by, evidence FROM incidents \
    JOIN scripts ON scripts.id = incidents.script_id AND NOT scripts.is_deleted \
    WHERE incidents.org_id = $1 AND incidents.id < $2";
const INCIDENT_ORDER: &str = " ORDER BY incidents.id DESC LIMIT $3";
const LIST_EVENTS: &str = "SELECT id, occurred_at, kind, user_id, rule_id, execution_id, message \
    FROM incident_events WHERE org_id = $1 AND incident_id = $2 ORDER BY id LIMIT $3";
const COUNT_EVENTS: &str =
    "SELECT COUNT(*) FROM incident_events WHERE org_id = $1 AND incident_id = $2";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[GET_INCIDENT, LIST_INCIDENTS, LIST_EVENTS, COUNT_EVENTS];

#[derive(FromRow)]
struct IncidentRow {
    id: Uuid,
    script_id: Uuid,
    severity: String,
    opened_at: DateTime<Utc>,
    acknowledged_at: Option<DateTime<Utc>>,
    acknowledged_by: Option<Uuid>,
    resolved_at: Option<DateTime<Utc>>,
    resolution: Option<String>,
    resolved_by: Option<Uuid>,
    evidence: Json<Value>,
}

impl TryFrom<IncidentRow> for Incident {
    type Error = StoreError;

    fn try_from(row: IncidentRow) -> Result<Self, StoreError> {
        let severity = row.severity.parse();
        Ok(Self {
            id: IncidentId::from_uuid(row.id),
            script_id: ScriptId::from_uuid(row.script_id),
            severity: severity
                .map_err(|error| StoreError::corrupt("incidents", &row.id, &error))?,
            opened_at: row.opened_at,
            acknowledged_at: row.acknowledged_at,
            acknowledged_by: row.acknowledged_by.map(UserId::from_uuid),
            resolved_at: row.resolved_at,
            resolution: row.resolution,
            resolved_by: row.resolved_by.map(UserId::from_uuid),
            evidence: row.evidence.0,
        })
    }
}

#[derive(FromRow)]
struct IncidentEventRow {
    id: Uuid,
    occurred_at: DateTime<Utc>,
    kind: String,
    user_id: Option<Uuid>,
    rule_id: Option<Uuid>,
    execution_id: Option<Uuid>,
    message: Option<String>,
}

impl TryFrom<IncidentEventRow> for IncidentEvent {
    type Error = StoreError;

    fn try_from(row: IncidentEventRow) -> Result<Self, StoreError> {
        let mut kinds = IncidentEventKind::ALL.iter();
        let kind = kinds.find(|kind| kind.as_str() == row.kind).copied();
        let kind =
            kind.ok_or_else(|| StoreError::corrupt("incident_events", &row.id, &row.kind))?;
        Ok(Self {
            id: IncidentEventId::from_uuid(row.id),
            occurred_at: row.occurred_at,
            kind,
            user_id: row.user_id.map(UserId::from_uuid),
            rule_id: row.rule_id.map(AlertRuleId::from_uuid),
            execution_id: row.execution_id.map(ExecutionId::from_uuid),
            message: row.message,
        })
    }
}

/// An incident with its timeline.
macro_rules! read_incident {
    ($from:expr, $org:expr, $id:expr) => {{
        let row: Option<IncidentRow> = sqlx::query_as(GET_INCIDENT)
            .bind($org.as_uuid())
            .bind($id.as_uuid())
            .fetch_optional($from)
            .await?;
        match row {
            None => None,
            Some(row) => {
                let events: Vec<IncidentEventRow> = sqlx::query_as(LIST_EVENTS)
                    .bind($org.as_uuid())
                    .bind($id.as_uuid())
                    .bind(i64::from(MAX_EVENTS))
                    .fetch_all($from)
                    .await?;
                let events = events.into_iter().map(IncidentEvent::try_from);
                Some(IncidentDetail {
                    incident: Incident::try_from(row)?,
                    events: events.collect::<Result<_, _>>()?,
                })
            }
        }
    }};
}

impl Store {
    /// One page of the incidents of scripts in some projects, newest first.
    pub async fn list_incidents(
        &self,
        org: OrgId,
        projects: &Projects,
        filter: IncidentFilter,
        page: PageRequest,
    ) -> Result<Page<Incident>, StoreError> {
        let id = |incident: &Incident| incident.id.as_uuid();
        let mut conditions = Conditions::after(3);
        let script = conditions.add("incidents.script_id =", filter.script);
        let Some(projects) = conditions.in_projects(projects) else {
            return Ok(page.page(Vec::new(), id));
        };
        let stage = filter.stage.map_or("", IncidentStage::condition);
        let sql = format!("{LIST_INCIDENTS}{stage}{}{INCIDENT_ORDER}", conditions.sql);
        let rows: Vec<IncidentRow> = on_db!(self, pool => {
            let mut query = sqlx::query_as(AssertSqlSafe(sql))
                .bind(org.as_uuid())
                .bind(page.before())
                .bind(page.fetch_limit());
            query = bind_some!(query, script.map(ScriptId::as_uuid));
            for project in projects {
                query = query.bind(project.as_uuid());
            }
            query.fetch_all(pool).await?
        });
        let items = rows
            .into_iter()
            .map(Incident::try_from)
            .collect::<Result<_, _>>()?;
        Ok(page.page(items, id))
    }

    /// One incident of an organization, with its timeline.
    pub async fn get_incident(
        &self,
        org: OrgId,
        id: IncidentId,
    ) -> Result<Option<IncidentDetail>, StoreError> {
        Ok(on_db!(self, pool => read_incident!(pool, org, id)))
    }

    /// Does what somebody wants to do about an incident.
    pub async fn change_incident(
        &self,
        org: OrgId,
        id: IncidentId,
        action: &IncidentAction,
        user: UserId,
        clock: &dyn Clock,
    ) -> Result<ChangedIncident, StoreError> {
        let lock_slot = format!("{LOCK_SLOT}{}", self.db.lock_slots());
        let now = clock.now();
        let detail = in_tx!(self, D, tx => {
            let Some(found) = read_incident!(&mut *tx, org, id) else {
                return Ok(ChangedIncident::NotFound);
            };
            let script = found.incident.script_id;
            sqlx::query(AssertSqlSafe(lock_slot))
                .bind(org.as_uuid())
                .bind(script.as_uuid())
                .bind(DEFAULT_LOCATION)
                .execute(&mut *tx)
                .await?;
            let (count,): (i64,) = sqlx::query_as(COUNT_EVENTS)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_one(&mut *tx)
                .await?;
            let is_comment = matches!(action, IncidentAction::Comment(_));
            if is_comment && count >= i64::from(MAX_EVENTS) {
                return Ok(ChangedIncident::Full);
            }
            let mut alerts = load_alerts!(D, tx, |_| org, &[script], now);
            let mut changes = Changes::default();
            if let Some(alerts) = alerts.first_mut() {
                let is_this = alerts.open.is_some_and(|open| open.id == id);
                let cause = Cause {
                    user: Some(user),
                    comment: match action {
                        IncidentAction::Comment(text) => Some(text),
                        IncidentAction::Acknowledge | IncidentAction::Resolve => None,
                    },
                    ..Cause::time(now, clock)
                };
                match (action, is_this) {
                    (IncidentAction::Acknowledge, true) => {
                        alerts.apply(IncidentChange::Acknowledge, cause, &mut changes);
                    }
                    (IncidentAction::Resolve, true) => {
                        alerts.apply(IncidentChange::Resolve, cause, &mut changes);
                    }
                    (IncidentAction::Comment(_), true) => {
                        alerts.apply(IncidentChange::Comment, cause, &mut changes);
                    }
                    // What is over may be talked about.
                    (IncidentAction::Comment(text), false) => changes.events.push(EventRow {
                        id: IncidentEventId::generate(clock),
                        org,
                        incident: id,
                        at: now,
                        kind: IncidentEventKind::Comment,
                        user: Some(user),
                        rule: None,
                        execution: None,
                        message: Some(text.clone()),
                    }),
                    (IncidentAction::Acknowledge | IncidentAction::Resolve, false) => {}
                }
            }
            if changes.events.is_empty() {
                return Ok(ChangedIncident::NotNow);
            }
            write_alerts!(D, tx, changes);
            let action = match action {
                IncidentAction::Acknowledge => AuditAction::IncidentAcknowledge,
                IncidentAction::Resolve => AuditAction::IncidentResolve,
                IncidentAction::Comment(_) => AuditAction::IncidentComment,
            };
            audit!(self, tx, org, Event::of(action, id));
            read_incident!(&mut *tx, org, id)
        });
        self.outbox.notify_one();
        Ok(detail.map_or(ChangedIncident::NotFound, |detail| {
            ChangedIncident::Done(Box::new(detail))
        }))
    }
}
