//! Variables of the organization, a project or a script. The value of a secret comes in and never
//! goes out.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
mod level;
pub(crate) mod list;
pub(crate) mod update;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{VariableKind, variable::MAX_LEVEL_BYTES};
use vedette_store::{NewValue, Variable, VariableLevel};

use crate::problem::{FieldError, Problem};

/// A variable. Of a secret, the value is not shown, to nobody.
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
    /// `plain` or `secret`.
    kind: &'static str,
    /// It has a value.
    is_set: bool,
    /// Of a plain one; left out otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
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
        Self {
            id: variable.id.as_uuid(),
            level,
            project_id,
            script_id,
            name: variable.name,
            kind: variable.kind.as_str(),
            is_set: true,
            value: variable.value,
            description: variable.description,
            created_by: variable.created_by.as_uuid(),
            created_at: variable.created_at,
            updated_at: variable.updated_at,
            revision: variable.revision,
        }
    }
}

/// A value as its kind is kept.
fn new_value(kind: VariableKind, value: String) -> NewValue {
    match kind {
        VariableKind::Plain => NewValue::Plain(value),
        VariableKind::Secret => NewValue::Secret(SecretString::from(value)),
    }
}

/// The values of a level would have more bytes than they may.
fn too_large() -> Problem {
    let detail = format!(
        "all values of one level together have at most {} KiB",
        MAX_LEVEL_BYTES / 1024
    );
    Problem::invalid(vec![FieldError::new("/value", detail)])
}
