//! Script templates.

pub(crate) mod get;
pub(crate) mod list;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_store::Template;

/// A template to make scripts from.
#[derive(Serialize, ToSchema)]
pub(crate) struct TemplateView {
    id: Uuid,
    #[schema(example = "http-status")]
    slug: String,
    name: String,
    description: String,
    /// JSON Schema of the parameters.
    #[schema(value_type = Object)]
    parameter_schema: Value,
    script_body: String,
}

impl From<Template> for TemplateView {
    fn from(template: Template) -> Self {
        Self {
            id: template.id.as_uuid(),
            slug: template.slug,
            name: template.name,
            description: template.description,
            parameter_schema: template.parameter_schema,
            script_body: template.script_body,
        }
    }
}
