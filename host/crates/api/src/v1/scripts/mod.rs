//! Scripts.

mod body;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod executions;
pub(crate) mod get;
pub(crate) mod list;
mod program;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod update;
pub(crate) mod versions;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{Program, ScriptId, TemplateId};
use vedette_store::Script;

use crate::v1::revision::{Expected, etag, if_match};

/// A script with its current version.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScriptView {
    id: Uuid,
    project_id: Uuid,
    owner_id: Uuid,
    template_id: Option<Uuid>,
    /// The script that the target depends on.
    parent_script_id: Option<Uuid>,
    name: String,
    tags: Vec<String>,
    is_enabled: bool,
    cron_expression: Option<String>,
    interval_seconds: Option<u32>,
    /// The IANA zone in which the cron expression is read.
    timezone: String,
    /// `script` or `component`.
    kind: &'static str,
    /// Null for a component.
    script_body: Option<String>,
    /// What `script_body` is written in: `javascript` or `typescript`. Null for a component.
    language: Option<&'static str>,
    /// The digest of the component that is run. Null for a script.
    component: Option<String>,
    /// Counts the changes of `script_body`, `language` and `component`.
    version: i64,
    version_id: Uuid,
    #[schema(value_type = Object)]
    parameters: Map<String, Value>,
    env_vars: BTreeMap<String, String>,
    timeout_seconds: u32,
    /// Counts all changes; its `ETag` goes with `If-Match`.
    revision: i64,
    next_run_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Script> for ScriptView {
    fn from(script: Script) -> Self {
        let kind = script.program.kind().as_str();
        let (script_body, language, component) = match script.program {
            Program::Source { text, language } => (Some(text), Some(language.as_str()), None),
            Program::Component(digest) => (None, None, Some(digest.to_string())),
        };
        Self {
            id: script.id.as_uuid(),
            project_id: script.project_id.as_uuid(),
            owner_id: script.owner_id.as_uuid(),
            template_id: script.template_id.map(TemplateId::as_uuid),
            parent_script_id: script.parent_id.map(ScriptId::as_uuid),
            name: script.name,
            tags: script.tags,
            is_enabled: script.is_enabled,
            cron_expression: script.cron_expression,
            interval_seconds: script.interval_seconds,
            timezone: script.timezone,
            kind,
            script_body,
            language,
            component,
            version: script.version_number,
            version_id: script.version_id.as_uuid(),
            parameters: script.parameters,
            env_vars: script.env_vars,
            timeout_seconds: script.timeout_seconds,
            revision: script.revision,
            next_run_at: script.next_run_at,
            created_at: script.created_at,
            updated_at: script.updated_at,
        }
    }
}
