//! What an organization asks of its components.

pub(crate) mod get;
pub(crate) mod update;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the organization asks of its components.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComponentPolicy {
    /// Whether a component must be signed by one of the organization's keys: to be uploaded, and to
    /// be given to a script. False at first.
    requires_signature: bool,
}
