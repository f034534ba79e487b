//! When rules fired and recovered.

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, types::Json};
use uuid::Uuid;
use vedette_core::{
    AlertHistoryId, AlertRuleId, ExecutionId, IncidentId, OrgId, ProjectId, Projects, ScriptId,
};

use crate::{Page, PageRequest, Store, StoreError, db::on_db};

/// What a rule did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertTransition {
    /// It fired.
    Fired,
    /// It recovered.
    Recovered,
}

impl AlertTransition {
    /// The spelling in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Recovered => "recovered",
        }
    }

    fn read(text: &str) -> Self {
        // Of two words, the CHECK of the column lets in no third.
        if text == "fired" {
            Self::Fired
        } else {
            Self::Recovered
        }
    }
}

impl fmt::Display for AlertTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A time at which a rule fired or recovered.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// Id.
    pub id: AlertHistoryId,
    /// The script.
    pub script_id: ScriptId,
    /// The rule, which may be gone by now.
    pub rule_id: AlertRuleId,
    /// The incident that it was part of, if somebody was to be told.
    pub incident_id: Option<IncidentId>,
    /// The execution that brought it; `None`: time did.
    pub execution_id: Option<ExecutionId>,
    /// What it did.
    pub transition: AlertTransition,
    /// The slot of the execution, or the time.
    pub triggered_at: DateTime<Utc>,
    /// The rule as it was, and what it saw.
    pub details: Value,
}

/// Which entries are asked for; all that is set must hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct HistoryFilter {
    /// Of one script.
    pub script: Option<ScriptId>,
    /// Of one rule.
    pub rule: Option<AlertRuleId>,
    /// Of one incident.
    pub incident: Option<IncidentId>,
    /// At or after this.
    pub from: Option<DateTime<Utc>>,
    /// Before this.
    pub until: Option<DateTime<Utc>>,
}

const LIST_HISTORY: &str = "SELECT history.id, history.script_id, history.rule_id, history.incident_id, \
    history.execution_id, history.transition, history.triggered_at, history.details \
    FROM alert_history AS history JOIN scripts ON scripts.id = history.script_id AND NOT scripts.is_deleted \
    WHERE history.org_id = $1 AND history.id < $2";
const HISTORY_ORDER: &str = " ORDER BY history.id DESC LIMIT $3";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[LIST_HISTORY];

#[derive(FromRow)]
struct HistoryRow {
    id: Uuid,
    script_id: Uuid,
    rule_id: Uuid,
    incident_id: Option<Uuid>,
    execution_id: Option<Uuid>,
    transition: String,
    triggered_at: DateTime<Utc>,
    details: Json<Value>,
}

impl From<HistoryRow> for HistoryEntry {
    fn from(row: HistoryRow) -> Self {
        Self {
            id: AlertHistoryId::from_uuid(row.id),
            script_id: ScriptId::from_uuid(row.script_id),
            rule_id: AlertRuleId::from_uuid(row.rule_id),
            incident_id: row.incident_id.map(IncidentId::from_uuid),
            execution_id: row.execution_id.map(ExecutionId::from_uuid),
            transition: AlertTransition::read(&row.transition),
            triggered_at: row.triggered_at,
            details: row.details.0,
        }
    }
}

/// What is asked of a list, as far as it is asked: a condition that is not there is no part of the text, because
/// PostgreSQL wants to know the type of each place.
pub(crate) struct Conditions {
    pub(crate) sql: String,
    places: usize,
}

impl Conditions {
    /// The next place is the one after this.
    pub(crate) const fn after(places: usize) -> Self {
        Self {
            sql: String::new(),
            places,
        }
    }

    fn place(&mut self) -> usize {
        self.places += 1;
        self.places
    }

    /// Asks it of a value, if there is one, which is to be bound next.
    pub(crate) fn add<T>(&mut self, condition: &str, value: Option<T>) -> Option<T> {
        if value.is_some() {
            let place = self.place();
            self.sql = format!("{} AND {condition} ${place}", self.sql);
        }
        value
    }

    /// Asks that the script is in one of these projects, which are to be bound next. `None`: there is none.
    pub(crate) fn in_projects<'a>(&mut self, projects: &'a Projects) -> Option<&'a [ProjectId]> {
        match projects {
            Projects::All => Some(&[]),
            Projects::Only(projects) if projects.is_empty() => None,
            Projects::Only(projects) => {
                let places: Vec<_> = projects
                    .iter()
                    .map(|_| format!("${}", self.place()))
                    .collect();
                self.sql = format!(
                    "{} AND scripts.project_id IN ({})",
                    self.sql,
                    places.join(", ")
                );
                Some(projects)
            }
        }
    }
}

/// Binds a value that is there.
macro_rules! bind_some {
    ($query:expr, $value:expr) => {
        match $value {
            Some(value) => $query.bind(value),
            None => $query,
        }
    };
}

pub(crate) use bind_some;

impl Store {
    /// One page of when the rules of scripts in some projects fired and recovered, newest first.
    pub async fn list_alert_history(
        &self,
        org: OrgId,
        projects: &Projects,
        filter: HistoryFilter,
        page: PageRequest,
    ) -> Result<Page<HistoryEntry>, StoreError> {
        let id = |entry: &HistoryEntry| entry.id.as_uuid();
        let mut conditions = Conditions::after(3);
        let script = conditions.add("history.script_id =", filter.script);
        let rule = conditions.add("history.rule_id =", filter.rule);
        let incident = conditions.add("history.incident_id =", filter.incident);
        let from = conditions.add("history.triggered_at >=", filter.from);
        let until = conditions.add("history.triggered_at <", filter.until);
        let Some(projects) = conditions.in_projects(projects) else {
            return Ok(page.page(Vec::new(), id));
        };
        let sql = format!("{LIST_HISTORY}{}{HISTORY_ORDER}", conditions.sql);
        let rows: Vec<HistoryRow> = on_db!(self, pool => {
            let mut query = sqlx::query_as(AssertSqlSafe(sql))
                .bind(org.as_uuid())
                .bind(page.before())
                .bind(page.fetch_limit());
            for id in [
                script.map(ScriptId::as_uuid),
                rule.map(AlertRuleId::as_uuid),
                incident.map(IncidentId::as_uuid),
            ] {
                query = bind_some!(query, id);
            }
            for time in [from, until] {
                query = bind_some!(query, time);
            }
            for project in projects {
                query = query.bind(project.as_uuid());
            }
            query.fetch_all(pool).await?
        });
        let items = rows.into_iter().map(HistoryEntry::from).collect();
        Ok(page.page(items, id))
    }
}
