//! Projects: groups of scripts.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod update;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::script;
use vedette_store::Project;

use crate::problem::Problem;

/// A group of scripts.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProjectView {
    id: Uuid,
    name: String,
    created_at: DateTime<Utc>,
}

impl From<Project> for ProjectView {
    fn from(project: Project) -> Self {
        Self {
            id: project.id.as_uuid(),
            name: project.name,
            created_at: project.created_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectBody {
    /// Unique in the organization without regard to case; 1 to 200 characters.
    #[schema(example = "shop")]
    name: String,
}

impl ProjectBody {
    fn check(self) -> Result<String, Problem> {
        script::check_name(&self.name).map_err(|error| Problem::invalid(vec![error.into()]))?;
        Ok(self.name)
    }
}
