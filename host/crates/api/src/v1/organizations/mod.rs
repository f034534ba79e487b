//! Organizations: the one that the session is for, and all that the caller belongs to.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod restore;
pub(crate) mod transfer;
pub(crate) mod update;
pub(crate) mod usage;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::script;
use vedette_store::Organization;

use crate::problem::Problem;

/// An organization that the caller belongs to.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrganizationView {
    id: Uuid,
    name: String,
    created_at: DateTime<Utc>,
    /// Nothing of it runs any more, and from then on an owner cannot bring it back. Null as a rule.
    delete_after: Option<DateTime<Utc>>,
}

impl From<Organization> for OrganizationView {
    fn from(organization: Organization) -> Self {
        Self {
            id: organization.id.as_uuid(),
            name: organization.name,
            created_at: organization.created_at,
            delete_after: organization.delete_after,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganizationBody {
    /// 1 to 200 characters.
    #[schema(example = "Shop team")]
    name: String,
}

impl OrganizationBody {
    fn check(self) -> Result<String, Problem> {
        script::check_name(&self.name).map_err(|error| Problem::invalid(vec![error.into()]))?;
        Ok(self.name)
    }
}
