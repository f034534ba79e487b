//! What a chain is made of: a record, as the text that is hashed, and the hash of the one before.

use std::{fmt, net::IpAddr};

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use vedette_core::OrgId;

use super::{Actor, AuditAction, Author};

/// Names a chain: the organization that it is about, or the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(Uuid);

impl ChainId {
    /// The chain of what concerns no single organization: accounts, and what administrators do.
    pub const INSTALLATION: Self = Self(Uuid::nil());

    /// Takes up an id that was stored before.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The plain UUID, for SQL.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// What stands for the hash before the first record, so that no chain can pass for another.
    pub(crate) fn genesis(self) -> [u8; 32] {
        Sha256::new()
            .chain_update("vedette audit chain 1\n")
            .chain_update(self.0.as_bytes())
            .finalize()
            .into()
    }
}

impl From<OrgId> for ChainId {
    fn from(org: OrgId) -> Self {
        Self(org.as_uuid())
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::INSTALLATION => f.write_str("installation"),
            Self(org) => org.fmt(f),
        }
    }
}

/// A record of a chain: who did what, from where, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// The chain.
    pub chain: ChainId,
    /// Its place in it, from 1.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Actor,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The request by which it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What was done, by the name of an [`AuditAction`] of this version or another.
    pub action: String,
    /// To which thing: its id, or its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What it was. Of a change, only what is not the same after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is now, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Of what is before or after, as many bytes are kept as they are; what is larger, by its digest.
const MOST_SNAPSHOT_BYTES: usize = 16 * 1024;

/// Something that happened, to be recorded.
#[derive(Debug)]
pub(crate) struct Event {
    action: AuditAction,
    target: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
}

impl Event {
    /// Something was done to a thing that stays as it is.
    pub(crate) fn of(action: AuditAction, target: impl fmt::Display) -> Self {
        Self {
            action,
            target: Some(target.to_string()),
            before: None,
            after: None,
        }
    }

    /// A thing came into being.
    pub(crate) fn made(action: AuditAction, target: impl fmt::Display, after: Value) -> Self {
        Self {
            after: Some(bounded(after)),
            ..Self::of(action, target)
        }
    }

    /// A thing is gone.
    pub(crate) fn gone(action: AuditAction, target: impl fmt::Display, before: Value) -> Self {
        Self {
            before: Some(bounded(before)),
            ..Self::of(action, target)
        }
    }

    /// A thing is another than before.
    pub(crate) fn changed(
        action: AuditAction,
        target: impl fmt::Display,
        before: Value,
        after: Value,
    ) -> Self {
        let (before, after) = differences(before, after);
        Self {
            before: Some(bounded(before)),
            after: Some(bounded(after)),
            ..Self::of(action, target)
        }
    }
}

/// Only what is not the same in both.
fn differences(before: Value, after: Value) -> (Value, Value) {
    match (before, after) {
        (Value::Object(mut before), Value::Object(mut after)) => {
            let is_same = |name: &String, value: &Value, other: &Map<String, Value>| {
                other.get(name).is_some_and(|other| other == value)
            };
            let same: Vec<String> = before
                .iter()
                .filter(|(name, value)| is_same(name, value, &after))
                .map(|(name, _)| name.clone())
                .collect();
            for name in same {
                before.remove(&name);
                after.remove(&name);
            }
            (Value::Object(before), Value::Object(after))
        }
        different => different,
    }
}

fn bounded(value: Value) -> Value {
    let text = value.to_string();
    if text.len() <= MOST_SNAPSHOT_BYTES {
        return value;
    }
    let digest: [u8; 32] = Sha256::digest(&text).into();
    json!({ "bytes": text.len(), "sha256": hex::encode(digest) })
}

/// A record as it lies in the database.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) at: DateTime<Utc>,
    pub(crate) action: &'static str,
    pub(crate) actor_id: Option<Uuid>,
    pub(crate) target: Option<String>,
    pub(crate) record: String,
    pub(crate) hash: [u8; 32],
}

impl Sealed {
    /// Puts an event at a place of a chain, behind the record of this hash.
    pub(crate) fn new(
        chain: ChainId,
        seq: i64,
        previous: &[u8],
        author: &Author,
        event: Event,
    ) -> Self {
        // As exact as both databases keep it.
        let at = author.at.trunc_subsecs(6);
        let record = AuditRecord {
            chain,
            seq,
            at,
            actor: author.actor.clone(),
            address: author.address,
            request_id: author.request_id.clone(),
            action: event.action.as_str().to_owned(),
            target: event.target,
            before: event.before,
            after: event.after,
        };
        let text = serde_json::to_string(&record).expect("names of fields are text");
        Self {
            at,
            action: event.action.as_str(),
            actor_id: author.actor.user().map(vedette_core::UserId::as_uuid),
            target: record.target,
            hash: chained(previous, &text),
            record: text,
        }
    }
}

/// The hash of a record behind the one of another hash.
pub(crate) fn chained(previous: &[u8], record: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update(previous)
        .chain_update(record)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_what_changed() {
        let before = json!({ "name": "a", "size": 1, "gone": true });
        let after = json!({ "name": "b", "size": 1, "new": null });
        let event = Event::changed(AuditAction::ProjectUpdate, "id", before, after);
        assert_eq!(event.before, Some(json!({ "name": "a", "gone": true })));
        assert_eq!(event.after, Some(json!({ "name": "b", "new": null })));
    }

    #[test]
    fn what_is_large_is_kept_by_its_digest() {
        let text = "x".repeat(MOST_SNAPSHOT_BYTES);
        let event = Event::made(AuditAction::ProjectCreate, "id", json!({ "name": text }));
        let after = event.after.unwrap();
        assert_eq!(after["bytes"], MOST_SNAPSHOT_BYTES + 11);
        assert_eq!(after["sha256"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn a_record_is_one_line_whatever_names_are() {
        let author = Author {
            actor: Actor::User {
                id: vedette_core::UserId::from_uuid(Uuid::max()),
                name: "a\r\nb\u{1b}[31m\u{2028}".to_owned(),
            },
            ..Author::system(DateTime::UNIX_EPOCH)
        };
        let event = Event::of(AuditAction::ProjectUpdate, "x\ny");
        let sealed = Sealed::new(ChainId::INSTALLATION, 1, &[], &author, event);
        assert!(
            !sealed.record.contains(|c: char| c.is_control()),
            "{}",
            sealed.record
        );
        let read: AuditRecord = serde_json::from_str(&sealed.record).unwrap();
        assert_eq!(read.actor, author.actor);
    }

    #[test]
    fn no_chain_passes_for_another() {
        let org = ChainId::from_uuid(Uuid::max());
        assert_ne!(org.genesis(), ChainId::INSTALLATION.genesis());
    }
}
