//! Scripts: what they are, and reading them. `change` writes them, `parents` says which may depend on which.

mod change;
mod parents;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, FromRow, types::Json};
use uuid::Uuid;
use vedette_core::{
    OrgId, Program, ProjectId, Projects, ScriptId, ScriptVersionId, TemplateId, UserId,
    slot::DEFAULT_LOCATION,
};

use crate::{
    Page, PageRequest, Store, StoreError,
    alerts::{Conditions, bind_some},
    db::on_db,
    versions::read_program,
};
pub use parents::ParentError;

/// A script with its current version.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// Id.
    pub id: ScriptId,
    /// The organization that owns it.
    pub org_id: OrgId,
    /// The project it is in.
    pub project_id: ProjectId,
    /// Who made it.
    pub owner_id: UserId,
    /// The template it was made from.
    pub template_id: Option<TemplateId>,
    /// The script that its target depends on.
    pub parent_id: Option<ScriptId>,
    /// For people.
    pub name: String,
    /// Words that people find it by, and maintenance windows and silences too.
    pub tags: Vec<String>,
    /// Whether it is scheduled.
    pub is_enabled: bool,
    /// Exactly one of this and the interval is set.
    pub cron_expression: Option<String>,
    /// Seconds.
    pub interval_seconds: Option<u32>,
    /// IANA name; the zone in which the cron expression is read.
    pub timezone: String,
    /// What it runs.
    pub program: Program,
    /// The immutable version of this program.
    pub version_id: ScriptVersionId,
    /// Counts from 1.
    pub version_number: i64,
    /// Given to each run.
    pub parameters: Map<String, Value>,
    /// Given to each run.
    pub env_vars: BTreeMap<String, String>,
    /// Time limit of a run.
    pub timeout_seconds: u32,
    /// Grows with each change.
    pub revision: i64,
    /// The next slot; `None` when nothing is due.
    pub next_run_at: Option<DateTime<Utc>>,
    /// When made.
    pub created_at: DateTime<Utc>,
    /// When changed last.
    pub updated_at: DateTime<Utc>,
}

/// What a user decides about a script.
#[derive(Debug, Clone)]
pub struct ScriptChange {
    /// The project it is in.
    pub project_id: ProjectId,
    /// The script that its target depends on.
    pub parent_id: Option<ScriptId>,
    /// For people.
    pub name: String,
    /// Distinct words.
    pub tags: Vec<String>,
    /// The template that the source is from.
    pub template_id: Option<TemplateId>,
    /// Whether it is scheduled.
    pub is_enabled: bool,
    /// Exactly one of this and the interval.
    pub cron_expression: Option<String>,
    /// Seconds.
    pub interval_seconds: Option<u32>,
    /// IANA name.
    pub timezone: String,
    /// What it runs; another program makes a new version.
    pub program: Program,
    /// Given to each run.
    pub parameters: Map<String, Value>,
    /// Given to each run.
    pub env_vars: BTreeMap<String, String>,
    /// Time limit of a run.
    pub timeout_seconds: u32,
    /// Id of the new version, if there is to be one.
    pub version_id: ScriptVersionId,
    /// Who decides.
    pub changed_by: UserId,
    /// When.
    pub changed_at: DateTime<Utc>,
}

/// A script to be made.
#[derive(Debug, Clone)]
pub struct NewScript {
    /// Id.
    pub id: ScriptId,
    /// The organization that will own it.
    pub org_id: OrgId,
    /// Whether it begins with the default rules of its project.
    pub has_default_rules: bool,
    /// The rest.
    pub content: ScriptChange,
}

/// What became of a change.
#[derive(Debug, Clone)]
pub enum Updated {
    /// The script as it is now.
    Done(Box<Script>),
    /// No such script in this organization.
    NotFound,
    /// The script was changed since the expected revision.
    Stale,
}

const GET_SCRIPT: &str = "SELECT scripts.id, scripts.org_id, project_id, owner_id, template_id, \
    name, is_enabled, cron_expression, interval_seconds, timezone, script_body, language, \
    component_digest, version_id, version_number, parameters, env_vars, timeout_seconds, revision, \
    created_at, updated_at, CASE WHEN is_enabled THEN slots.scheduled_at END AS next_run_at, \
    tags, (SELECT parents.id FROM scripts AS parents WHERE parents.id = scripts.parent_id \
    AND NOT parents.is_deleted) AS parent_id FROM scripts LEFT JOIN slots ON slots.script_id = scripts.id AND slots.org_id = scripts.org_id \
    AND slots.location = $3 WHERE scripts.org_id = $1 AND scripts.id = $2 AND NOT is_deleted";
const LIST_SCRIPTS: &str = "SELECT scripts.id, scripts.org_id, project_id, owner_id, template_id, \
    name, is_enabled, cron_expression, interval_seconds, timezone, script_body, language, \
    component_digest, version_id, version_number, parameters, env_vars, timeout_seconds, revision, \
    created_at, updated_at, CASE WHEN is_enabled THEN slots.scheduled_at END AS next_run_at, \
    tags, (SELECT parents.id FROM scripts AS parents WHERE parents.id = scripts.parent_id \
    AND NOT parents.is_deleted) AS parent_id FROM scripts LEFT JOIN slots ON slots.script_id = scripts.id AND slots.org_id = scripts.org_id \
    AND slots.location = $3 WHERE scripts.org_id = $1 AND scripts.id < $2 AND NOT is_deleted";
const LIST_ORDER: &str = " ORDER BY scripts.id DESC LIMIT $4";
/// The slot is locked before the script is touched, as recording a run does it: else a run that
/// ends in this moment would be followed by a slot of the old schedule.
pub(crate) const LOCK_SLOT: &str = "SELECT scheduled_at, is_recheck, leased_until, counts_from FROM slots \
    WHERE org_id = $1 AND script_id = $2 AND location = $3";
#[cfg(feature = "testing")]
pub(crate) fn all_sql() -> Vec<&'static str> {
    let read = &[GET_SCRIPT, LIST_SCRIPTS, LOCK_SLOT];
    [read, change::ALL_SQL, parents::ALL_SQL].concat()
}

#[derive(FromRow)]
struct ScriptRow {
    id: Uuid,
    org_id: Uuid,
    project_id: Uuid,
    owner_id: Uuid,
    template_id: Option<Uuid>,
    /// One that was deleted is none.
    parent_id: Option<Uuid>,
    name: String,
    tags: Json<Vec<String>>,
    is_enabled: bool,
    cron_expression: Option<String>,
    interval_seconds: Option<i64>,
    timezone: String,
    script_body: String,
    language: String,
    component_digest: Option<Vec<u8>>,
    version_id: Uuid,
    version_number: i64,
    parameters: Json<Map<String, Value>>,
    env_vars: Json<BTreeMap<String, String>>,
    timeout_seconds: i64,
    revision: i64,
    next_run_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A count of seconds as the database keeps it.
pub(crate) fn read_seconds(script: Uuid, seconds: i64) -> Result<u32, StoreError> {
    u32::try_from(seconds)
        .map_err(|_| StoreError::corrupt("scripts", &script, &format!("{seconds} seconds")))
}

impl TryFrom<ScriptRow> for Script {
    type Error = StoreError;

    fn try_from(row: ScriptRow) -> Result<Self, StoreError> {
        let seconds = |seconds| read_seconds(row.id, seconds);
        let digest = row.component_digest.as_deref();
        Ok(Self {
            id: ScriptId::from_uuid(row.id),
            org_id: OrgId::from_uuid(row.org_id),
            project_id: ProjectId::from_uuid(row.project_id),
            owner_id: UserId::from_uuid(row.owner_id),
            template_id: row.template_id.map(TemplateId::from_uuid),
            parent_id: row.parent_id.map(ScriptId::from_uuid),
            tags: row.tags.0,
            is_enabled: row.is_enabled,
            interval_seconds: row.interval_seconds.map(seconds).transpose()?,
            timeout_seconds: seconds(row.timeout_seconds)?,
            name: row.name,
            cron_expression: row.cron_expression,
            timezone: row.timezone,
            program: read_program("scripts", row.id, row.script_body, &row.language, digest)?,
            version_id: ScriptVersionId::from_uuid(row.version_id),
            version_number: row.version_number,
            parameters: row.parameters.0,
            env_vars: row.env_vars.0,
            revision: row.revision,
            next_run_at: row.next_run_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Store {
    /// One script of an organization.
    pub async fn get_script(&self, org: OrgId, id: ScriptId) -> Result<Option<Script>, StoreError> {
        let row: Option<ScriptRow> = on_db!(self, pool => {
            sqlx::query_as(GET_SCRIPT)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(DEFAULT_LOCATION)
                .fetch_optional(pool)
                .await?
        });
        row.map(Script::try_from).transpose()
    }

    /// One page of the scripts in some projects of an organization, newest first; with `tag`, of those that have it.
    pub async fn list_scripts(
        &self,
        org: OrgId,
        projects: &Projects,
        tag: Option<&str>,
        page: PageRequest,
    ) -> Result<Page<Script>, StoreError> {
        let id = |script: &Script| script.id.as_uuid();
        let mut conditions = Conditions::after(4);
        let Some(projects) = conditions.in_projects(projects) else {
            return Ok(page.page(Vec::new(), id));
        };
        let tag = conditions.add(self.db.has_tag(), tag);
        if tag.is_some() {
            conditions.sql.push(')');
        }
        let sql = format!("{LIST_SCRIPTS}{}{LIST_ORDER}", conditions.sql);
        let rows: Vec<ScriptRow> = on_db!(self, pool => {
            let mut query = sqlx::query_as(AssertSqlSafe(sql))
                .bind(org.as_uuid())
                .bind(page.before())
                .bind(DEFAULT_LOCATION)
                .bind(page.fetch_limit());
            for project in projects {
                query = query.bind(project.as_uuid());
            }
            query = bind_some!(query, tag);
            query.fetch_all(pool).await?
        });
        let items = rows
            .into_iter()
            .map(Script::try_from)
            .collect::<Result<_, _>>()?;
        Ok(page.page(items, id))
    }
}
