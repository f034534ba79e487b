//! Maintenance windows: time in which nobody is told about the scripts that they cover.

mod body;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod preview;
pub(crate) mod update;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{
    MaintenanceWindowId,
    silence::{Interval, Scope, Window},
};
use vedette_store::MaintenanceWindow;

use crate::{
    ApiState,
    auth::{May, Need},
    problem::{FieldError, Problem},
};

/// Intervals that are shown of a window.
const SHOWN: usize = 3;

/// A maintenance window.
#[derive(Serialize, ToSchema)]
pub(crate) struct MaintenanceWindowView {
    id: Uuid,
    name: String,
    /// What it covers.
    #[schema(value_type = Object)]
    scope: Value,
    /// When, as it was given.
    #[schema(value_type = Object)]
    window: Value,
    /// Whether it is active now.
    is_active: bool,
    /// When the present time in it ends; null: it is not active, or no end is in sight.
    active_until: Option<DateTime<Utc>>,
    /// The next times that it will be active, at most three.
    next: Vec<IntervalView>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// Counts all changes; its `ETag` goes with `If-Match`.
    revision: i64,
}

/// From the first instant to the one after the last.
#[derive(Serialize, ToSchema)]
pub(crate) struct IntervalView {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl From<Interval> for IntervalView {
    fn from(interval: Interval) -> Self {
        Self {
            from: interval.from,
            until: interval.until,
        }
    }
}

/// How a window looks from now on.
struct Outlook {
    is_active: bool,
    active_until: Option<DateTime<Utc>>,
    next: Vec<IntervalView>,
}

impl Outlook {
    fn of(window: &Window, now: DateTime<Utc>, most: usize) -> Self {
        let is_active = window.is_active(now);
        let mut coming = window.coming(now, most + usize::from(is_active));
        let has_present = coming.first().is_some_and(|first| first.from == now);
        let active_until = has_present.then(|| coming.remove(0).until);
        Self {
            is_active,
            active_until,
            next: coming.into_iter().map(Into::into).collect(),
        }
    }

    /// Whether it is active never more.
    fn is_over(&self) -> bool {
        !self.is_active && self.next.is_empty()
    }
}

impl MaintenanceWindowView {
    fn of(window: MaintenanceWindow, now: DateTime<Utc>) -> Self {
        let content = window.content;
        // One that does not read any more is never active.
        let outlook = Window::parse(&content.definition).ok();
        let outlook = outlook.map(|window| Outlook::of(&window, now, SHOWN));
        let json = |value: Result<Value, _>| value.expect("all keys are texts");
        Self {
            id: window.id.as_uuid(),
            name: content.name,
            scope: json(serde_json::to_value(content.scope)),
            window: json(serde_json::to_value(content.definition)),
            is_active: outlook.as_ref().is_some_and(|outlook| outlook.is_active),
            active_until: outlook.as_ref().and_then(|outlook| outlook.active_until),
            next: outlook.map(|outlook| outlook.next).unwrap_or_default(),
            created_by: window.created_by.as_uuid(),
            created_at: window.created_at,
            updated_at: window.updated_at,
            revision: window.revision,
        }
    }
}

/// Lets the caller have a window with this scope. One of the organization or of a tag concerns all projects, so that a
/// role for one project is not enough.
async fn check_scope<P: Need>(
    state: &ApiState,
    caller: &May<P>,
    scope: &Scope,
) -> Result<(), Problem> {
    let (project, what) = match scope {
        Scope::Organization | Scope::Tag { .. } => {
            return caller.check_everywhere("name a project or a script");
        }
        Scope::Project { id } => {
            let project = state.store.get_project(caller.org_id, *id).await?;
            (project.map(|project| project.id), "project")
        }
        Scope::Script { id } => {
            let project = state.store.project_of_script(caller.org_id, *id).await?;
            (project, "script")
        }
    };
    // One in a project that the caller does not see is not there either.
    let project = project.filter(|project| caller.sees(*project));
    let unknown = || Problem::invalid(vec![unknown_scope(what)]);
    caller.check_in(project.ok_or_else(unknown)?)
}

fn unknown_scope(what: &str) -> FieldError {
    FieldError::new("/scope/id", format!("there is no such {what} here"))
}

/// A window that the caller may go on with.
async fn find_window<P: Need>(
    state: &ApiState,
    caller: &May<P>,
    id: MaintenanceWindowId,
) -> Result<MaintenanceWindow, Problem> {
    let window = state.store.get_maintenance_window(caller.org_id, id);
    let window = window.await?.ok_or_else(Problem::not_found)?;
    let project = match &window.content.scope {
        Scope::Organization | Scope::Tag { .. } => None,
        Scope::Project { id } => Some(*id),
        Scope::Script { id } => {
            let project = state.store.project_of_script(caller.org_id, *id).await?;
            Some(project.ok_or_else(Problem::not_found)?)
        }
    };
    match project {
        Some(project) => caller.check_in(project)?,
        None => caller.check_whole()?,
    }
    Ok(window)
}
