//! Components: uploaded Wasm monitors.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{Capability, Producer};
use vedette_store::{Component, ComponentSignature};

/// A tool that made a component, by the component's own account.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProducerView {
    /// `language`, `processed-by` or `sdk`.
    field: String,
    name: String,
    version: String,
}

impl From<Producer> for ProducerView {
    fn from(producer: Producer) -> Self {
        Self {
            field: producer.field,
            name: producer.name,
            version: producer.version,
        }
    }
}

/// A signature over a component, verified when it was uploaded.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignatureView {
    key_id: Uuid,
    key_name: String,
    /// Whether the key is neither revoked nor over.
    is_valid: bool,
    created_at: DateTime<Utc>,
}

impl SignatureView {
    fn new(signature: ComponentSignature, now: DateTime<Utc>) -> Self {
        Self {
            is_valid: signature.is_valid(now),
            key_id: signature.key_id.as_uuid(),
            key_name: signature.key_name,
            created_at: signature.created_at,
        }
    }
}

/// A component of the organization.
#[derive(Serialize, ToSchema)]
pub(crate) struct ComponentView {
    /// SHA-256 of the bytes, 64 hexadecimal digits.
    digest: String,
    name: Option<String>,
    /// `pending`, `compiling`, `ready`, `refused` or `blocked`.
    state: &'static str,
    /// Set exactly for `refused`.
    error_class: Option<&'static str>,
    /// Why it is refused or blocked.
    reason: Option<String>,
    size_bytes: u64,
    /// Interfaces with their versions.
    imports: Vec<String>,
    exports: Vec<String>,
    /// Who made it, by its own account.
    producers: Vec<ProducerView>,
    /// What it can do, by what it imports: `http`, `env`, `params`, `log`, `clocks`, `random`,
    /// `empty_filesystem`, `no_sockets`.
    capabilities: Vec<&'static str>,
    /// Functions in all its modules.
    functions: u32,
    /// Memory that it has from the start.
    memory_bytes: u64,
    signatures: Vec<SignatureView>,
    uploaded_by: Uuid,
    created_at: DateTime<Utc>,
}

impl ComponentView {
    fn new(component: Component, now: DateTime<Utc>) -> Self {
        let error_class = component
            .refusal
            .as_ref()
            .map(|refusal| refusal.class.as_str());
        let refused = component.refusal.map(|refusal| refusal.message);
        let facts = component.facts;
        let signatures = component.signatures.into_iter();
        Self {
            digest: component.digest.to_string(),
            name: component.name,
            state: component.state.as_str(),
            error_class,
            reason: component.blocked_reason.or(refused),
            size_bytes: facts.size_bytes,
            imports: facts.imports,
            exports: facts.exports,
            producers: facts.producers.into_iter().map(Into::into).collect(),
            capabilities: facts
                .capabilities
                .into_iter()
                .map(Capability::as_str)
                .collect(),
            functions: facts.functions,
            memory_bytes: facts.memory_bytes,
            signatures: signatures.map(|one| SignatureView::new(one, now)).collect(),
            uploaded_by: component.uploaded_by.as_uuid(),
            created_at: component.created_at,
        }
    }
}
