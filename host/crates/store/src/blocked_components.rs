//! Components that are forbidden in the whole installation, whoever has them. These statements
//! name no organization: only administrators of the installation and nodes come here.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::{Digest, UserId};

use crate::{
    AuditAction, ChainId, Store, StoreError,
    audit::{Event, audit},
    components::read_digest,
    db::{in_tx, on_db},
};

/// A component that nobody may run. Nobody need have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedComponent {
    /// Names its bytes.
    pub digest: Digest,
    /// In a sentence, for those who have it.
    pub reason: String,
    /// The administrator.
    pub blocked_by: UserId,
    /// Since when.
    pub blocked_at: DateTime<Utc>,
}

const BLOCK: &str = "INSERT INTO blocked_components (digest, reason, blocked_by, blocked_at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (digest) DO UPDATE SET reason = excluded.reason, \
    blocked_by = excluded.blocked_by";
const UNBLOCK: &str = "DELETE FROM blocked_components WHERE digest = $1";
const LIST_BLOCKED: &str = "SELECT digest, reason, blocked_by, blocked_at FROM blocked_components \
    ORDER BY blocked_at DESC, digest";
const BLOCKED_DIGESTS: &str = "SELECT digest FROM blocked_components";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[BLOCK, UNBLOCK, LIST_BLOCKED, BLOCKED_DIGESTS];

#[derive(FromRow)]
struct BlockedRow {
    digest: Vec<u8>,
    reason: String,
    blocked_by: Uuid,
    blocked_at: DateTime<Utc>,
}

impl Store {
    /// Forbids a component everywhere. One that is forbidden stays so since its first time, with
    /// the new reason.
    pub async fn block_component(&self, blocked: &BlockedComponent) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            sqlx::query(BLOCK)
                .bind(blocked.digest.as_bytes().as_slice())
                .bind(&blocked.reason)
                .bind(blocked.blocked_by.as_uuid())
                .bind(blocked.blocked_at)
                .execute(&mut *tx)
                .await?;
            let after = json!({ "reason": blocked.reason });
            let made = Event::made(AuditAction::ComponentBlock, blocked.digest, after);
            audit!(self, tx, ChainId::INSTALLATION, made);
        });
        Ok(())
    }

    /// Allows a component again. `false`: it was not forbidden.
    pub async fn unblock_component(&self, digest: Digest) -> Result<bool, StoreError> {
        Ok(in_tx!(self, tx => {
            let unblocked = sqlx::query(UNBLOCK)
                .bind(digest.as_bytes().as_slice())
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if unblocked {
                let gone = Event::of(AuditAction::ComponentUnblock, digest);
                audit!(self, tx, ChainId::INSTALLATION, gone);
            }
            unblocked
        }))
    }

    /// All that are forbidden, newest first.
    pub async fn list_blocked_components(&self) -> Result<Vec<BlockedComponent>, StoreError> {
        let rows: Vec<BlockedRow> =
            on_db!(self, pool => sqlx::query_as(LIST_BLOCKED).fetch_all(pool).await?);
        rows.into_iter()
            .map(|row| {
                Ok(BlockedComponent {
                    digest: read_digest("blocked_components", &row.digest)?,
                    reason: row.reason,
                    blocked_by: UserId::from_uuid(row.blocked_by),
                    blocked_at: row.blocked_at,
                })
            })
            .collect()
    }

    /// The digests of all that are forbidden: for nodes, which ask each second.
    pub async fn blocked_digests(&self) -> Result<Vec<Digest>, StoreError> {
        let rows: Vec<Vec<u8>> =
            on_db!(self, pool => sqlx::query_scalar(BLOCKED_DIGESTS).fetch_all(pool).await?);
        rows.iter()
            .map(|digest| read_digest("blocked_components", digest))
            .collect()
    }
}
