//! Variables of the organization, a project or a script. The value of one that is encrypted comes in
//! and never goes out.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
mod level;
pub(crate) mod list;
pub(crate) mod update;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::variable::MAX_LEVEL_BYTES;
use vedette_store::{Variable, VariableLevel};

use crate::problem::{FieldError, Problem};

/// A variable. Of one that is secret or sealed, the value is not shown, to nobody.
#[derive(Serialize, ToSchema)]
pub(crate) struct VariableView {
    id: Uuid,
    /// `organization`, `project` or `script`.
    level: &'static str,
    /// Of the level `project`.
    project_id: Option<Uuid>,
    /// Of the level `script`.
    script_id: Option<Uuid>,
    name: String,
    /// `plain`, `secret` or `sealed`.
    kind: &'static str,
    /// It has a value.
    is_set: bool,
    /// Of a plain one; left out otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// Of a sealed one, the hosts that its value may be sent to; left out otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_hosts: Option<Vec<String>>,
    description: Option<String>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// Counts all changes; its `ETag` goes with `If-Match`.
    revision: i64,
}

impl From<Variable> for VariableView {
    fn from(variable: Variable) -> Self {
        let (level, project_id, script_id) = match variable.level {
            VariableLevel::Organization => ("organization", None, None),
            VariableLevel::Project(project) => ("project", Some(project.as_uuid()), None),
            VariableLevel::Script(script) => ("script", None, Some(script.as_uuid())),
        };
        let allowed_hosts = variable.allowed_hosts.map(Vec::into_iter);
        Self {
            id: variable.id.as_uuid(),
            level,
            project_id,
            script_id,
            name: variable.name,
            kind: variable.kind.as_str(),
            is_set: true,
            value: variable.value,
            allowed_hosts: allowed_hosts.map(|hosts| hosts.map(String::from).collect()),
            description: variable.description,
            created_by: variable.created_by.as_uuid(),
            created_at: variable.created_at,
            updated_at: variable.updated_at,
            revision: variable.revision,
        }
    }
}

/// Hosts of a variable that has none.
fn not_sealed() -> FieldError {
    let detail = "only a variable of the kind `sealed` has hosts";
    FieldError::new("/allowed_hosts", detail)
}

/// The values of a level would have more bytes than they may.
fn too_large() -> Problem {
    let detail = format!(
        "all values of one level together have at most {} KiB",
        MAX_LEVEL_BYTES / 1024
    );
    Problem::invalid(vec![FieldError::new("/value", detail)])
}
