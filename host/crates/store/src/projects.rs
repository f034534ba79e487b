//! Projects: groups of scripts in an organization.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;
use vedette_core::{ExecutionId, OrgId, ProjectId, Projects, ScriptId};

use crate::{
    AuditAction, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    error::conflict,
    members::LOCK_ORG,
    roles::Deleted,
};

/// A group of scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Id.
    pub id: ProjectId,
    /// Unique in the organization without regard to case.
    pub name: String,
    /// When made.
    pub created_at: DateTime<Utc>,
}

const COUNT_PROJECTS: &str = "SELECT COUNT(*) FROM projects WHERE org_id = $1";
pub(crate) const INSERT_PROJECT: &str =
    "INSERT INTO projects (id, org_id, name, created_at) VALUES ($1, $2, $3, $4)";
const LIST_PROJECTS: &str =
    "SELECT id, name, created_at FROM projects WHERE org_id = $1 ORDER BY id";
const RENAME_PROJECT: &str = "UPDATE projects SET name = $3 WHERE org_id = $1 AND id = $2";
pub(crate) const GET_PROJECT: &str =
    "SELECT id, name, created_at FROM projects WHERE org_id = $1 AND id = $2";
/// Scripts that are being deleted count: their rows need it until they are gone.
const COUNT_SCRIPTS_IN: &str = "SELECT COUNT(*) FROM scripts WHERE org_id = $1 AND project_id = $2";
const DEFAULT_PROJECT: &str = "SELECT id FROM projects WHERE org_id = $1 ORDER BY id LIMIT 1";
pub(crate) const PROJECT_OF_SCRIPT: &str =
    "SELECT project_id FROM scripts WHERE org_id = $1 AND id = $2 AND NOT is_deleted";
const PROJECT_OF_EXECUTION: &str = "SELECT scripts.project_id FROM script_executions \
    JOIN scripts ON scripts.id = script_executions.script_id AND NOT scripts.is_deleted \
    WHERE script_executions.org_id = $1 AND script_executions.id = $2";
const DELETE_PROJECT: &str = "DELETE FROM projects WHERE org_id = $1 AND id = $2";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    COUNT_PROJECTS,
    INSERT_PROJECT,
    LIST_PROJECTS,
    RENAME_PROJECT,
    GET_PROJECT,
    COUNT_SCRIPTS_IN,
    DEFAULT_PROJECT,
    PROJECT_OF_SCRIPT,
    PROJECT_OF_EXECUTION,
    DELETE_PROJECT,
];

#[derive(FromRow)]
struct ProjectRow {
    id: Uuid,
    name: String,
    created_at: DateTime<Utc>,
}

impl From<ProjectRow> for Project {
    fn from(row: ProjectRow) -> Self {
        Self {
            id: ProjectId::from_uuid(row.id),
            name: row.name,
            created_at: row.created_at,
        }
    }
}

/// A project, read in a transaction that is going to change it.
macro_rules! lock_project {
    ($store:ident, $tx:ident, $org:expr, $id:expr) => {{
        let lock = format!("{GET_PROJECT}{}", $store.db.lock_rows());
        let found: Option<ProjectRow> = sqlx::query_as(AssertSqlSafe(lock))
            .bind($org.as_uuid())
            .bind($id.as_uuid())
            .fetch_optional(&mut *$tx)
            .await?;
        found.map(Project::from)
    }};
}

impl Store {
    /// Makes a project. `false`: the organization has `most` already.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for `name`.
    pub async fn create_project(
        &self,
        org: OrgId,
        project: &Project,
        most: u32,
    ) -> Result<bool, StoreError> {
        Ok(in_tx!(self, tx => {
            let projects: i64 =
                sqlx::query_scalar(COUNT_PROJECTS).bind(org.as_uuid()).fetch_one(&mut *tx).await?;
            let fits = projects < i64::from(most);
            if fits {
                sqlx::query(INSERT_PROJECT)
                    .bind(project.id.as_uuid())
                    .bind(org.as_uuid())
                    .bind(&project.name)
                    .bind(project.created_at)
                    .execute(&mut *tx)
                    .await
                    .map_err(|error| conflict(error, "name"))?;
                let made = Event::made(AuditAction::ProjectCreate, project.id, project.snapshot());
                audit!(self, tx, org, made);
            }
            fits
        }))
    }

    /// Those projects of an organization that are among `visible`, the oldest first.
    pub async fn list_projects(
        &self,
        org: OrgId,
        visible: &Projects,
    ) -> Result<Vec<Project>, StoreError> {
        let rows: Vec<ProjectRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_PROJECTS).bind(org.as_uuid()).fetch_all(pool).await?
        });
        let projects = rows.into_iter().map(Project::from);
        Ok(match visible {
            Projects::All => projects.collect(),
            Projects::Only(ids) => projects.filter(|one| ids.contains(&one.id)).collect(),
        })
    }

    /// One project.
    pub async fn get_project(
        &self,
        org: OrgId,
        id: ProjectId,
    ) -> Result<Option<Project>, StoreError> {
        let row: Option<ProjectRow> = on_db!(self, pool => {
            sqlx::query_as(GET_PROJECT)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(pool)
                .await?
        });
        Ok(row.map(Project::from))
    }

    /// Renames a project. `false`: there is none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for `name`.
    pub async fn rename_project(
        &self,
        org: OrgId,
        id: ProjectId,
        name: &str,
    ) -> Result<bool, StoreError> {
        in_tx!(self, tx => {
            let Some(old) = lock_project!(self, tx, org, id) else {
                return Ok(false);
            };
            sqlx::query(RENAME_PROJECT)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(name)
                .execute(&mut *tx)
                .await
                .map_err(|error| conflict(error, "name"))?;
            let before = old.snapshot();
            let after = Project { name: name.to_owned(), ..old }.snapshot();
            audit!(self, tx, org, Event::changed(AuditAction::ProjectUpdate, id, before, after));
        });
        Ok(true)
    }

    /// Deletes a project that has no scripts.
    pub async fn delete_project(&self, org: OrgId, id: ProjectId) -> Result<Deleted, StoreError> {
        let lock_org = format!("{LOCK_ORG}{}", self.db.lock_owner());
        Ok(in_tx!(self, tx => {
            // The grants that go with it change the organization: who changes members takes that
            // first, too.
            sqlx::query(AssertSqlSafe(lock_org)).bind(org.as_uuid()).execute(&mut *tx).await?;
            let Some(old) = lock_project!(self, tx, org, id) else {
                return Ok(Deleted::NotFound);
            };
            let scripts: i64 = sqlx::query_scalar(COUNT_SCRIPTS_IN)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_one(&mut *tx)
                .await?;
            if scripts > 0 {
                return Ok(Deleted::InUse);
            }
            sqlx::query(DELETE_PROJECT)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .execute(&mut *tx)
                .await?;
            audit!(self, tx, org, Event::gone(AuditAction::ProjectDelete, id, old.snapshot()));
            Deleted::Done
        }))
    }

    /// The project that scripts belong to when none is named.
    pub async fn default_project(&self, org: OrgId) -> Result<Option<ProjectId>, StoreError> {
        let id: Option<Uuid> = on_db!(self, pool => {
            sqlx::query_scalar(DEFAULT_PROJECT).bind(org.as_uuid()).fetch_optional(pool).await?
        });
        Ok(id.map(ProjectId::from_uuid))
    }

    /// The project that a script is in.
    pub async fn project_of_script(
        &self,
        org: OrgId,
        id: ScriptId,
    ) -> Result<Option<ProjectId>, StoreError> {
        let project: Option<Uuid> = on_db!(self, pool => {
            sqlx::query_scalar(PROJECT_OF_SCRIPT)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(pool)
                .await?
        });
        Ok(project.map(ProjectId::from_uuid))
    }

    /// The project that the script of an execution is in.
    pub async fn project_of_execution(
        &self,
        org: OrgId,
        id: ExecutionId,
    ) -> Result<Option<ProjectId>, StoreError> {
        let project: Option<Uuid> = on_db!(self, pool => {
            sqlx::query_scalar(PROJECT_OF_EXECUTION)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(pool)
                .await?
        });
        Ok(project.map(ProjectId::from_uuid))
    }
}
