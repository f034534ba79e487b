//! What keeps notifications about scripts back, read inside of the transactions that judge them.

use std::{
    collections::HashMap,
    ops::RangeInclusive,
    sync::{Arc, LazyLock, Mutex},
};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Database, Encode, FromRow, QueryBuilder, Type};
use uuid::Uuid;
use vedette_core::{
    OrgId, ProjectId, ScriptId,
    alert::{Severity, rule::RuleDefinition},
    silence::{AlertLabels, Interval, MatcherText, Scope, ScriptLabels, Silence, Window, merge},
};

use super::windows::ScopeColumns;

/// A window or a silence that is not over. What people wrote is read as text: JSON that does not read must not keep
/// executions from being recorded.
#[derive(FromRow)]
pub(crate) struct MuteRow {
    id: Uuid,
    org_id: Uuid,
    /// Of a window.
    #[sqlx(flatten)]
    scope: ScopeColumns,
    definition: Option<String>,
    /// Of a silence.
    matchers: Option<String>,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
}

/// What a script is known by.
#[derive(FromRow)]
pub(crate) struct LabelRow {
    id: Uuid,
    name: String,
    project_id: Uuid,
    project_name: String,
    tags: String,
}

/// Asks for the windows and silences of organizations that end after `since`. Most have none.
pub(crate) fn push_mutes<D>(query: &mut QueryBuilder<D>, orgs: &[Uuid], since: DateTime<Utc>)
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
    DateTime<Utc>: for<'q> Encode<'q, D> + Type<D>,
{
    let windows = "SELECT id, org_id, scope, project_id, script_id, tag, CAST(definition AS TEXT) AS definition, \
                   NULL AS matchers, NULL AS starts_at, NULL AS ends_at FROM maintenance_windows";
    let silences = " UNION ALL SELECT id, org_id, 'matchers', NULL, NULL, NULL, NULL, CAST(matchers AS TEXT), \
                    starts_at, ends_at FROM silences";
    for select in [windows, silences] {
        query.push(select).push(" WHERE org_id IN (");
        let mut ids = query.separated(", ");
        for org in orgs {
            ids.push_bind(*org);
        }
        query.push(") AND ends_at > ").push_bind(since);
    }
}

/// Asks what scripts are known by.
pub(crate) fn push_labels<D>(query: &mut QueryBuilder<D>, scripts: &[ScriptId])
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
{
    query.push(
        "SELECT scripts.id, scripts.name, scripts.project_id, projects.name AS project_name, \
         CAST(scripts.tags AS TEXT) AS tags FROM scripts JOIN projects ON projects.id = scripts.project_id WHERE scripts.id IN (",
    );
    let mut ids = query.separated(", ");
    for script in scripts {
        ids.push_bind(script.as_uuid());
    }
    query.push(")");
}

/// The windows and silences of a time, of several organizations.
#[derive(Debug, Default)]
pub(crate) struct Muting {
    windows: Vec<(OrgId, Scope, Vec<Interval>)>,
    silences: Vec<(OrgId, Arc<Silence>)>,
    labels: HashMap<ScriptId, Labels>,
}

#[derive(Debug, Clone)]
struct Labels {
    script: ScriptId,
    name: String,
    project: ProjectId,
    project_name: String,
    tags: Vec<String>,
}

impl Labels {
    fn of_script(&self) -> ScriptLabels<'_> {
        ScriptLabels {
            script_id: self.script,
            script_name: &self.name,
            project_id: self.project,
            project_name: &self.project_name,
            tags: &self.tags,
        }
    }
}

impl Muting {
    /// Reads rows, as far as these times go. One that does not read is said loudly, and mutes nothing.
    pub(crate) fn read(
        rows: Vec<MuteRow>,
        labels: Vec<LabelRow>,
        times: &RangeInclusive<DateTime<Utc>>,
    ) -> Self {
        let mut muting = Self::default();
        for row in rows {
            let (id, is_window) = (row.id, row.definition.is_some());
            if let Err(error) = muting.add(row, times) {
                let table = if is_window {
                    "maintenance_windows"
                } else {
                    "silences"
                };
                tracing::error!(%id, table, error, "what is stored of a mute does not read, and mutes nothing");
            }
        }
        muting.labels = labels.into_iter().map(LabelRow::labels).collect();
        muting
    }

    fn add(&mut self, row: MuteRow, times: &RangeInclusive<DateTime<Utc>>) -> Result<(), String> {
        let org = OrgId::from_uuid(row.org_id);
        if let Some(definition) = row.definition {
            let scope = row.scope.read().ok_or("the scope does not fit its kind")?;
            let window = read_window(&definition)?;
            let (first, last) = (*times.start(), *times.end());
            // The last instant is in it.
            let active = window.active_within(first, last + TimeDelta::nanoseconds(1));
            if !active.is_empty() {
                self.windows.push((org, scope, active));
            }
        } else {
            let (Some(matchers), Some(from), Some(until)) =
                (row.matchers, row.starts_at, row.ends_at)
            else {
                return Err("matchers or times are missing".to_owned());
            };
            let matchers: Vec<MatcherText> =
                serde_json::from_str(&matchers).map_err(|error| error.to_string())?;
            let silence = Silence::parse(from, until, &matchers);
            let silence = silence.map_err(|errors| format!("{errors:?}"))?;
            if from <= *times.end() {
                self.silences.push((org, Arc::new(silence)));
            }
        }
        Ok(())
    }

    /// What of it is about a script.
    pub(crate) fn of(&self, org: OrgId, script: ScriptId) -> Mutes {
        let Some(labels) = self.labels.get(&script) else {
            return Mutes::default();
        };
        let known = labels.of_script();
        let windows = self.windows.iter();
        let covering = windows.filter(|(owner, scope, _)| *owner == org && scope.covers(&known));
        let silences = self.silences.iter().filter(|(owner, _)| *owner == org);
        Mutes {
            maintenance: merge(covering.flat_map(|(.., active)| active.clone()).collect()),
            silences: silences.map(|(_, silence)| Arc::clone(silence)).collect(),
            labels: Some(labels.clone()),
        }
    }
}

/// Windows by their text: to read one may take milliseconds, and nobody else writes to SQLite meanwhile.
static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Window>>>> = LazyLock::new(Mutex::default);
/// More of them than that are forgotten, and read again.
const MOST_KNOWN: usize = 10_000;

fn read_window(definition: &str) -> Result<Arc<Window>, String> {
    let known = || KNOWN.lock().expect("no holder of this lock panics");
    if let Some(window) = known().get(definition) {
        return Ok(Arc::clone(window));
    }
    let text = serde_json::from_str(definition).map_err(|error| error.to_string())?;
    let window = Window::parse(&text).map_err(|errors| format!("{errors:?}"))?;
    let window = Arc::new(window);
    let mut known = known();
    if known.len() >= MOST_KNOWN {
        known.clear();
    }
    known.insert(definition.to_owned(), Arc::clone(&window));
    Ok(window)
}

impl LabelRow {
    fn labels(self) -> (ScriptId, Labels) {
        let script = ScriptId::from_uuid(self.id);
        let tags = serde_json::from_str(&self.tags).unwrap_or_else(|error| {
            tracing::error!(%script, %error, "the tags of a script do not read");
            Vec::new()
        });
        let labels = Labels {
            script,
            name: self.name,
            project: ProjectId::from_uuid(self.project_id),
            project_name: self.project_name,
            tags,
        };
        (script, labels)
    }
}

/// What keeps notifications about one script back, in the times that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Mutes {
    maintenance: Vec<Interval>,
    silences: Vec<Arc<Silence>>,
    labels: Option<Labels>,
}

impl Mutes {
    /// Whether a maintenance window covers the script.
    pub(crate) fn is_in_maintenance(&self, at: DateTime<Utc>) -> bool {
        self.maintenance.iter().any(|active| active.contains(at))
    }

    /// Whether nobody is to be told of a rule.
    pub(crate) fn is_muted(
        &self,
        at: DateTime<Utc>,
        severity: Severity,
        rule: &RuleDefinition,
    ) -> bool {
        if self.is_in_maintenance(at) {
            return true;
        }
        let Some(labels) = &self.labels else {
            return false;
        };
        let alert = AlertLabels {
            script: labels.of_script(),
            severity: severity.as_str(),
            rule_type: rule.kind(),
        };
        let mut silences = self.silences.iter();
        silences.any(|silence| silence.silences(&alert, at))
    }
}

/// What mutes scripts of organizations in some times. `$executor` is asked twice at most.
macro_rules! load_mutes {
    ($executor:expr, $orgs:expr, $scripts:expr, $times:expr) => {{
        use $crate::maintenance::mutes;
        let orgs: Vec<uuid::Uuid> = $orgs;
        let times: &std::ops::RangeInclusive<chrono::DateTime<chrono::Utc>> = $times;
        let mut rows: Vec<mutes::MuteRow> = Vec::new();
        if !orgs.is_empty() {
            let mut query = sqlx::QueryBuilder::new("");
            mutes::push_mutes(&mut query, &orgs, *times.start());
            rows = query
                .build_query_as()
                .persistent(false)
                .fetch_all($executor)
                .await?;
        }
        if rows.is_empty() {
            mutes::Muting::default()
        } else {
            let mut query = sqlx::QueryBuilder::new("");
            mutes::push_labels(&mut query, $scripts);
            let labels: Vec<mutes::LabelRow> = query
                .build_query_as()
                .persistent(false)
                .fetch_all($executor)
                .await?;
            mutes::Muting::read(rows, labels, times)
        }
    }};
}

pub(crate) use load_mutes;
