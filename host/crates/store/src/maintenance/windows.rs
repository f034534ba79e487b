//! Maintenance windows.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{AssertSqlSafe, FromRow, types::Json};
use uuid::Uuid;
use vedette_core::{
    MaintenanceWindowId, OrgId, ProjectId, Projects, ScriptId, UserId,
    silence::{Scope, WindowText},
};

use super::{KEPT_DAYS, MAX_WINDOWS, only_in};
use crate::{
    AuditAction, Page, PageRequest, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    members::LOCK_ORG,
    projects::{GET_PROJECT, PROJECT_OF_SCRIPT},
};

/// A maintenance window.
#[derive(Debug, Clone, PartialEq)]
pub struct MaintenanceWindow {
    /// Id.
    pub id: MaintenanceWindowId,
    /// What a user decides about it.
    pub content: WindowContent,
    /// Who made it.
    pub created_by: UserId,
    /// When made.
    pub created_at: DateTime<Utc>,
    /// When changed last.
    pub updated_at: DateTime<Utc>,
    /// Grows with each change.
    pub revision: i64,
}

/// What a user decides about a window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowContent {
    /// For people.
    pub name: String,
    /// What it covers.
    pub scope: Scope,
    /// When; it was read by [`vedette_core::silence::Window::parse`].
    pub definition: WindowText,
    /// As [`vedette_core::silence::Window::ends_at`] says.
    pub ends_at: DateTime<Utc>,
}

/// A window to be made.
#[derive(Debug, Clone)]
pub struct NewWindow {
    /// Id.
    pub id: MaintenanceWindowId,
    /// The organization.
    pub org_id: OrgId,
    /// What a user decides about it.
    pub content: WindowContent,
    /// Who makes it.
    pub created_by: UserId,
    /// Now.
    pub created_at: DateTime<Utc>,
}

/// What became of a new window.
#[derive(Debug, Clone)]
pub enum CreatedWindow {
    /// It is there.
    Done(Box<MaintenanceWindow>),
    /// The organization has no such script or project.
    NoScope,
    /// The organization has [`MAX_WINDOWS`] that are not over.
    TooMany,
}

/// What became of a change.
#[derive(Debug, Clone)]
pub enum UpdatedWindow {
    /// The window as it is now.
    Done(Box<MaintenanceWindow>),
    /// No such window in this organization.
    NotFound,
    /// The organization has no such script or project.
    NoScope,
    /// It was changed since the expected revision.
    Stale,
}

const COUNT_WINDOWS: &str =
    "SELECT COUNT(*) FROM maintenance_windows WHERE org_id = $1 AND ends_at > $2";
const FORGET_WINDOWS: &str = "DELETE FROM maintenance_windows WHERE org_id = $1 AND ends_at < $2";
const INSERT_WINDOW: &str = "INSERT INTO maintenance_windows (id, org_id, name, scope, project_id, \
    script_id, tag, definition, ends_at, created_by, created_at, updated_at, revision) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, 1)";
const GET_WINDOW: &str = "SELECT id, name, scope, project_id, script_id, tag, definition, ends_at, \
    created_by, created_at, updated_at, revision FROM maintenance_windows \
    WHERE org_id = $1 AND id = $2";
const LIST_WINDOWS: &str = "SELECT windows.id, windows.name, windows.scope, windows.project_id, \
    windows.script_id, windows.tag, windows.definition, windows.ends_at, windows.created_by, \
    windows.created_at, windows.updated_at, windows.revision FROM maintenance_windows AS windows \
    LEFT JOIN scripts ON scripts.id = windows.script_id WHERE windows.org_id = $1 AND windows.id < $2";
const LIST_ORDER: &str = " ORDER BY windows.id DESC LIMIT $3";
const UPDATE_WINDOW: &str = "UPDATE maintenance_windows SET name = $4, scope = $5, project_id = $6, \
    script_id = $7, tag = $8, definition = $9, ends_at = $10, updated_at = $11, \
    revision = revision + 1 WHERE org_id = $1 AND id = $2 AND revision = $3";
const DELETE_WINDOW: &str = "DELETE FROM maintenance_windows WHERE org_id = $1 AND id = $2 \
    RETURNING id, name, scope, project_id, script_id, tag, definition, ends_at, created_by, \
    created_at, updated_at, revision";
/// Of a script that is deleted, before the household takes the rest of it.
pub(crate) const DELETE_WINDOWS_OF_SCRIPT: &str =
    "DELETE FROM maintenance_windows WHERE org_id = $1 AND script_id = $2";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[
    COUNT_WINDOWS,
    FORGET_WINDOWS,
    INSERT_WINDOW,
    GET_WINDOW,
    LIST_WINDOWS,
    UPDATE_WINDOW,
    DELETE_WINDOW,
    DELETE_WINDOWS_OF_SCRIPT,
];

/// A scope as the database keeps it.
#[derive(Debug, FromRow)]
pub(super) struct ScopeColumns {
    scope: String,
    project_id: Option<Uuid>,
    script_id: Option<Uuid>,
    tag: Option<String>,
}

impl ScopeColumns {
    fn of(scope: &Scope) -> Self {
        let (scope, project_id, script_id, tag) = match scope {
            Scope::Organization => ("organization", None, None, None),
            Scope::Project { id } => ("project", Some(id.as_uuid()), None, None),
            Scope::Tag { name } => ("tag", None, None, Some(name.clone())),
            Scope::Script { id } => ("script", None, Some(id.as_uuid()), None),
        };
        Self {
            scope: scope.to_owned(),
            project_id,
            script_id,
            tag,
        }
    }

    /// `None`: the columns contradict each other.
    pub(super) fn read(self) -> Option<Scope> {
        match (
            self.scope.as_str(),
            self.project_id,
            self.script_id,
            self.tag,
        ) {
            ("organization", None, None, None) => Some(Scope::Organization),
            ("project", Some(id), None, None) => Some(Scope::Project {
                id: ProjectId::from_uuid(id),
            }),
            ("tag", None, None, Some(name)) => Some(Scope::Tag { name }),
            ("script", None, Some(id), None) => Some(Scope::Script {
                id: ScriptId::from_uuid(id),
            }),
            _ => None,
        }
    }
}

#[derive(FromRow)]
struct WindowRow {
    id: Uuid,
    name: String,
    #[sqlx(flatten)]
    scope: ScopeColumns,
    definition: Json<serde_json::Value>,
    ends_at: DateTime<Utc>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    revision: i64,
}

impl TryFrom<WindowRow> for MaintenanceWindow {
    type Error = StoreError;

    fn try_from(row: WindowRow) -> Result<Self, StoreError> {
        let corrupt = |what: &dyn std::fmt::Display| {
            StoreError::corrupt("maintenance_windows", &row.id, &what.to_string())
        };
        let scope = row.scope.read().ok_or_else(|| corrupt(&"scope"))?;
        let definition = serde_json::from_value(row.definition.0);
        Ok(Self {
            id: MaintenanceWindowId::from_uuid(row.id),
            content: WindowContent {
                name: row.name,
                scope,
                definition: definition.map_err(|error| corrupt(&error))?,
                ends_at: row.ends_at,
            },
            created_by: UserId::from_uuid(row.created_by),
            created_at: row.created_at,
            updated_at: row.updated_at,
            revision: row.revision,
        })
    }
}

/// Whether a scope names something of the organization, which stays until the transaction ends.
macro_rules! is_scope_there {
    ($store:expr, $tx:ident, $org:expr, $scope:expr) => {{
        let share = $store.db.share_rows();
        let named = match $scope {
            Scope::Project { id } => Some((GET_PROJECT, id.as_uuid())),
            Scope::Script { id } => Some((PROJECT_OF_SCRIPT, id.as_uuid())),
            Scope::Organization | Scope::Tag { .. } => None,
        };
        match named {
            None => true,
            Some((sql, id)) => sqlx::query(AssertSqlSafe(format!("{sql}{share}")))
                .bind($org.as_uuid())
                .bind(id)
                .fetch_optional(&mut *$tx)
                .await?
                .is_some(),
        }
    }};
}

impl Store {
    /// Makes a window.
    pub async fn create_maintenance_window(
        &self,
        new: NewWindow,
    ) -> Result<CreatedWindow, StoreError> {
        // Of two who make the last one, one waits and finds it made.
        let lock = format!("{LOCK_ORG}{}", self.db.lock_owner());
        let (org, now) = (new.org_id, new.created_at);
        let window = in_tx!(self, tx => {
            sqlx::query(AssertSqlSafe(lock)).bind(org.as_uuid()).execute(&mut *tx).await?;
            let forgotten = now - TimeDelta::days(KEPT_DAYS);
            sqlx::query(FORGET_WINDOWS)
                .bind(org.as_uuid())
                .bind(forgotten)
                .execute(&mut *tx)
                .await?;
            let count: i64 = sqlx::query_scalar(COUNT_WINDOWS)
                .bind(org.as_uuid())
                .bind(now)
                .fetch_one(&mut *tx)
                .await?;
            if count >= i64::from(MAX_WINDOWS) {
                return Ok(CreatedWindow::TooMany);
            }
            if !is_scope_there!(self, tx, org, new.content.scope) {
                return Ok(CreatedWindow::NoScope);
            }
            let columns = ScopeColumns::of(&new.content.scope);
            sqlx::query(INSERT_WINDOW)
                .bind(new.id.as_uuid())
                .bind(org.as_uuid())
                .bind(&new.content.name)
                .bind(columns.scope)
                .bind(columns.project_id)
                .bind(columns.script_id)
                .bind(columns.tag)
                .bind(Json(&new.content.definition))
                .bind(new.content.ends_at)
                .bind(new.created_by.as_uuid())
                .bind(now)
                .execute(&mut *tx)
                .await?;
            let window = MaintenanceWindow {
                id: new.id,
                content: new.content,
                created_by: new.created_by,
                created_at: now,
                updated_at: now,
                revision: 1,
            };
            let action = AuditAction::MaintenanceWindowCreate;
            audit!(self, tx, org, Event::made(action, window.id, window.snapshot()));
            window
        });
        Ok(CreatedWindow::Done(Box::new(window)))
    }

    /// One window of an organization.
    pub async fn get_maintenance_window(
        &self,
        org: OrgId,
        id: MaintenanceWindowId,
    ) -> Result<Option<MaintenanceWindow>, StoreError> {
        let row: Option<WindowRow> = on_db!(self, pool => {
            sqlx::query_as(GET_WINDOW)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(pool)
                .await?
        });
        row.map(MaintenanceWindow::try_from).transpose()
    }

    /// One page of the windows of an organization, newest first; of some projects only those that cover nothing else.
    pub async fn list_maintenance_windows(
        &self,
        org: OrgId,
        projects: &Projects,
        page: PageRequest,
    ) -> Result<Page<MaintenanceWindow>, StoreError> {
        let column = "COALESCE(windows.project_id, scripts.project_id)";
        let (filter, projects) = only_in(column, projects, 4);
        let sql = format!("{LIST_WINDOWS}{filter}{LIST_ORDER}");
        let rows: Vec<WindowRow> = on_db!(self, pool => {
            let mut query = sqlx::query_as(AssertSqlSafe(sql))
                .bind(org.as_uuid())
                .bind(page.before())
                .bind(page.fetch_limit());
            for project in projects {
                query = query.bind(project.as_uuid());
            }
            query.fetch_all(pool).await?
        });
        let windows = rows.into_iter().map(MaintenanceWindow::try_from);
        let items = windows.collect::<Result<_, _>>()?;
        Ok(page.page(items, |window: &MaintenanceWindow| window.id.as_uuid()))
    }

    /// Replaces what a user decides about a window. With `expected_revision`, only if it has that revision.
    pub async fn update_maintenance_window(
        &self,
        org: OrgId,
        id: MaintenanceWindowId,
        content: WindowContent,
        now: DateTime<Utc>,
        expected_revision: Option<i64>,
    ) -> Result<UpdatedWindow, StoreError> {
        let window = in_tx!(self, tx => {
            let row: Option<WindowRow> = sqlx::query_as(GET_WINDOW)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let Some(row) = row else { return Ok(UpdatedWindow::NotFound) };
            let old = MaintenanceWindow::try_from(row)?;
            if expected_revision.is_some_and(|expected| expected != old.revision) {
                return Ok(UpdatedWindow::Stale);
            }
            if !is_scope_there!(self, tx, org, content.scope) {
                return Ok(UpdatedWindow::NoScope);
            }
            let columns = ScopeColumns::of(&content.scope);
            let changed = sqlx::query(UPDATE_WINDOW)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(old.revision)
                .bind(&content.name)
                .bind(columns.scope)
                .bind(columns.project_id)
                .bind(columns.script_id)
                .bind(columns.tag)
                .bind(Json(&content.definition))
                .bind(content.ends_at)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if changed == 0 {
                return Ok(UpdatedWindow::Stale);
            }
            let window = MaintenanceWindow {
                content,
                updated_at: now,
                revision: old.revision + 1,
                ..old.clone()
            };
            let (before, after) = (old.snapshot(), window.snapshot());
            let action = AuditAction::MaintenanceWindowUpdate;
            audit!(self, tx, org, Event::changed(action, id, before, after));
            window
        });
        Ok(UpdatedWindow::Done(Box::new(window)))
    }

    /// Deletes a window, which ends at once. `false`: there was none.
    pub async fn delete_maintenance_window(
        &self,
        org: OrgId,
        id: MaintenanceWindowId,
    ) -> Result<bool, StoreError> {
        in_tx!(self, tx => {
            let deleted: Option<WindowRow> = sqlx::query_as(DELETE_WINDOW)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let Some(row) = deleted else { return Ok(false) };
            let before = MaintenanceWindow::try_from(row)?.snapshot();
            let action = AuditAction::MaintenanceWindowDelete;
            audit!(self, tx, org, Event::gone(action, id, before));
        });
        Ok(true)
    }
}
