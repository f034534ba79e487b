//! Whom a variable is for.

use uuid::Uuid;
use vedette_core::{OrgId, ProjectId, ScriptId};

const FIND_ORGANIZATION: &str = "SELECT id FROM organizations WHERE id = $1 AND id = $2";
const FIND_PROJECT: &str = "SELECT id FROM projects WHERE org_id = $1 AND id = $2";
const FIND_SCRIPT: &str = "SELECT id FROM scripts WHERE org_id = $1 AND id = $2 AND NOT is_deleted";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[FIND_ORGANIZATION, FIND_PROJECT, FIND_SCRIPT];

/// Whom a variable is for, from wide to narrow: of two with one name, the narrower one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VariableLevel {
    /// All scripts of the organization.
    Organization,
    /// The scripts of a project.
    Project(ProjectId),
    /// One script.
    Script(ScriptId),
}

impl VariableLevel {
    pub(crate) fn of_columns(project: Option<Uuid>, script: Option<Uuid>) -> Self {
        match (project, script) {
            (_, Some(script)) => Self::Script(ScriptId::from_uuid(script)),
            (Some(project), None) => Self::Project(ProjectId::from_uuid(project)),
            (None, None) => Self::Organization,
        }
    }

    /// The values of `project_id` and `script_id`.
    pub(crate) fn columns(self) -> (Option<Uuid>, Option<Uuid>) {
        match self {
            Self::Organization => (None, None),
            Self::Project(project) => (Some(project.as_uuid()), None),
            Self::Script(script) => (None, Some(script.as_uuid())),
        }
    }

    /// What [`Self::find_owner`] looks for.
    pub(crate) fn owner(self, org: OrgId) -> Uuid {
        match self {
            Self::Organization => org.as_uuid(),
            Self::Project(project) => project.as_uuid(),
            Self::Script(script) => script.as_uuid(),
        }
    }

    /// Finds the owner, by the organization and the owner's id.
    pub(crate) fn find_owner(self) -> &'static str {
        match self {
            Self::Organization => FIND_ORGANIZATION,
            Self::Project(_) => FIND_PROJECT,
            Self::Script(_) => FIND_SCRIPT,
        }
    }
}
