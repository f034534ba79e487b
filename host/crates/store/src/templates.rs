//! Script templates: shipped with the program, the same for every organization.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, types::Json};
use uuid::Uuid;
use vedette_core::TemplateId;

use crate::{
    Page, PageRequest, Store, StoreError,
    db::{in_tx, on_db},
};

/// A template as it is shipped.
#[derive(Debug, Clone)]
pub struct NewTemplate {
    /// Used if the slug is new.
    pub id: TemplateId,
    /// Names the template for ever.
    pub slug: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// JSON Schema of the parameters.
    pub parameter_schema: Value,
    /// JavaScript source.
    pub script_body: String,
}

/// A template as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Id.
    pub id: TemplateId,
    /// Names the template for ever.
    pub slug: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// JSON Schema of the parameters.
    pub parameter_schema: Value,
    /// JavaScript source.
    pub script_body: String,
}

const UPSERT_TEMPLATE: &str = "INSERT INTO script_templates \
    (id, slug, name, description, parameter_schema, script_body, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (slug) DO UPDATE SET name = excluded.name, \
    description = excluded.description, parameter_schema = excluded.parameter_schema, \
    script_body = excluded.script_body, updated_at = excluded.updated_at";
const LIST_TEMPLATES: &str = "SELECT id, slug, name, description, parameter_schema, script_body \
    FROM script_templates WHERE id < $1 ORDER BY id DESC LIMIT $2";
const GET_TEMPLATE: &str = "SELECT id, slug, name, description, parameter_schema, script_body \
    FROM script_templates WHERE id = $1";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[UPSERT_TEMPLATE, LIST_TEMPLATES, GET_TEMPLATE];

#[derive(FromRow)]
struct TemplateRow {
    id: Uuid,
    slug: String,
    name: String,
    description: String,
    parameter_schema: Json<Value>,
    script_body: String,
}

impl From<TemplateRow> for Template {
    fn from(row: TemplateRow) -> Self {
        Self {
            id: TemplateId::from_uuid(row.id),
            slug: row.slug,
            name: row.name,
            description: row.description,
            parameter_schema: row.parameter_schema.0,
            script_body: row.script_body,
        }
    }
}

impl Store {
    /// Keeps a template as it is shipped now; its id stays what it was.
    pub async fn upsert_template(
        &self,
        template: &NewTemplate,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            sqlx::query(UPSERT_TEMPLATE)
                .bind(template.id.as_uuid())
                .bind(&template.slug)
                .bind(&template.name)
                .bind(&template.description)
                .bind(Json(&template.parameter_schema))
                .bind(&template.script_body)
                .bind(now)
                .execute(&mut *tx)
                .await?;
        });
        Ok(())
    }

    /// One page of templates.
    pub async fn list_templates(&self, page: PageRequest) -> Result<Page<Template>, StoreError> {
        let rows: Vec<TemplateRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_TEMPLATES)
                .bind(page.before())
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?
        });
        let items = rows.into_iter().map(Template::from).collect();
        Ok(page.page(items, |template| template.id.as_uuid()))
    }

    /// One template.
    pub async fn get_template(&self, id: TemplateId) -> Result<Option<Template>, StoreError> {
        let row: Option<TemplateRow> = on_db!(self, pool => {
            sqlx::query_as(GET_TEMPLATE).bind(id.as_uuid()).fetch_optional(pool).await?
        });
        Ok(row.map(Template::from))
    }
}
