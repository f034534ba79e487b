//! Roles: the built-in ones, and those that an organization makes for itself.

pub(crate) mod add_permissions;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod update;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{Permission, PermissionSet, script};
use vedette_store::{Role, RoleContent};

use crate::{
    auth::Member,
    problem::{FieldError, Problem},
};

const MAX_DESCRIPTION_CHARS: usize = 1_000;
/// A role's name is a column of 64 characters.
const MAX_NAME_CHARS: usize = 64;

/// A named set of permissions.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoleView {
    id: Uuid,
    name: String,
    description: String,
    /// Every organization has it, and nobody can change it.
    is_built_in: bool,
    permissions: Vec<&'static str>,
    created_at: DateTime<Utc>,
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        Self {
            id: role.id.as_uuid(),
            name: role.name,
            description: role.description,
            is_built_in: role.is_built_in,
            permissions: role.permissions.iter().map(Permission::as_str).collect(),
            created_at: role.created_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleBody {
    /// Unique in the organization without regard to case; 1 to 64 characters.
    #[schema(example = "on call")]
    name: String,
    #[serde(default)]
    description: String,
    /// Of `GET /permissions`; none that the caller does not have.
    #[schema(example = json!(["script:read", "script:run"]))]
    permissions: Vec<String>,
}

impl RoleBody {
    /// Checks everything and reports all that is wrong together.
    fn check(self, caller: &Member) -> Result<RoleContent, Problem> {
        let mut errors = Vec::new();
        if script::check_name(&self.name).is_err() || self.name.chars().count() > MAX_NAME_CHARS {
            let detail =
                format!("must have 1 to {MAX_NAME_CHARS} characters, no control characters");
            errors.push(FieldError::new("/name", detail));
        }
        if self.description.chars().count() > MAX_DESCRIPTION_CHARS
            || self.description.chars().any(char::is_control)
        {
            let detail = format!(
                "must have up to {MAX_DESCRIPTION_CHARS} characters, no control characters"
            );
            errors.push(FieldError::new("/description", detail));
        }
        let permissions = read_permissions(&self.permissions, &mut errors);
        if !errors.is_empty() {
            return Err(Problem::invalid(errors));
        }
        refuse_beyond(caller, permissions)?;
        Ok(RoleContent {
            name: self.name,
            description: self.description,
            permissions,
        })
    }
}

pub(crate) fn read_permissions(names: &[String], errors: &mut Vec<FieldError>) -> PermissionSet {
    let mut set = Vec::new();
    for (place, name) in names.iter().enumerate() {
        match name.parse() {
            Ok(permission) => set.push(permission),
            Err(error) => {
                let detail = format!("{error}; see GET /api/v1/permissions");
                errors.push(FieldError::new(format!("/permissions/{place}"), detail));
            }
        }
    }
    set.into_iter().collect()
}

/// Nobody makes a role that allows more than they may themselves.
fn refuse_beyond(caller: &Member, permissions: PermissionSet) -> Result<(), Problem> {
    let held = caller.access.everywhere();
    match permissions.iter().find(|one| !held.contains(*one)) {
        None => Ok(()),
        Some(missing) => Err(Problem::forbidden(format!(
            "you do not have the permission `{missing}`, so that you cannot give it"
        ))),
    }
}
