//! Who changed what: a chain of records for each organization, and one for the installation.
//!
//! A change and its record are one transaction: [`Store::by`] names the author, and `audit!` appends.
//! `record` makes the chain, `verify` finds what was tampered with, `checkpoints` are signed
//! statements of what a chain was, and `snapshots` is what is kept of each noun.

mod action;
mod append;
mod author;
mod checkpoints;
mod read;
mod record;
mod snapshots;
mod verify;

pub use action::AuditAction;
pub(crate) use append::{ADVANCE_HEAD, INSERT_RECORD, SET_HEAD, audit};
pub use author::{Actor, Author};
pub use checkpoints::{Checkpoint, CheckpointKey, CheckpointKeyError};
pub use read::{AuditEntry, AuditFilter};
pub use record::{AuditRecord, ChainId};
pub(crate) use record::{Event, Sealed};
pub(crate) use snapshots::Snapshot;
pub use verify::{ChainReport, Tampering};

#[cfg(feature = "testing")]
pub(crate) fn all_sql() -> Vec<&'static str> {
    [append::ALL_SQL, checkpoints::ALL_SQL, read::ALL_SQL].concat()
}
