//! The audit log: who changed what.

pub(crate) mod export;
pub(crate) mod list;
mod query;

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::UserId;
use vedette_store::{Actor, AuditEntry};

/// Who acted.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActorView {
    /// `user`, `api_key`, `system` (the installation itself) or `anonymous`.
    kind: &'static str,
    /// The user, or whose key it was.
    user_id: Option<Uuid>,
    /// The user's name at that time.
    username: Option<String>,
    /// The key.
    key_id: Option<Uuid>,
}

impl From<Actor> for ActorView {
    fn from(actor: Actor) -> Self {
        let user_id = actor.user().map(UserId::as_uuid);
        let (kind, username, key_id) = match actor {
            Actor::System => ("system", None, None),
            Actor::Anonymous => ("anonymous", None, None),
            Actor::User { name, .. } => ("user", Some(name), None),
            Actor::ApiKey { name, key_id, .. } => ("api_key", Some(name), Some(key_id.as_uuid())),
        };
        Self {
            kind,
            user_id,
            username,
            key_id,
        }
    }
}

/// A record of the audit log.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditEntryView {
    /// Its place in the chain, from 1, without gaps.
    seq: i64,
    at: DateTime<Utc>,
    actor: ActorView,
    /// The client's address.
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
    /// `x-request-id` of the request.
    request_id: Option<String>,
    /// Such as `script.update`; docs/audit.md lists them.
    action: String,
    /// The id or the digest of the thing.
    target: Option<String>,
    /// What it was; of a change, only what is not the same after it.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// What it is since, likewise.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
    /// SHA-256 of the hash before and this record, in hexadecimal digits.
    hash: String,
}

impl From<AuditEntry> for AuditEntryView {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { record, hash, .. } = entry;
        Self {
            seq: record.seq,
            at: record.at,
            actor: record.actor.into(),
            address: record.address,
            request_id: record.request_id,
            action: record.action,
            target: record.target,
            before: record.before,
            after: record.after,
            hash,
        }
    }
}
