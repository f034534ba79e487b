//! Reading chains: a page of one, and all of it.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::UserId;

use super::{AuditRecord, ChainId};
use crate::{Page, PageRequest, Store, StoreError, db::on_db};

/// A record with its hash.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// The record.
    pub record: AuditRecord,
    /// The text of it that was hashed.
    pub text: String,
    /// SHA-256 of the hash before and the text, in hexadecimal digits.
    pub hash: String,
}

/// Which records are looked for: those that fit all that is given.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// This action, or with a dot at the end all of a noun.
    pub action: Option<String>,
    /// By this user, or a key of theirs.
    pub actor: Option<UserId>,
    /// Of this thing.
    pub target: Option<String>,
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
}

const LIST_RECORDS: &str = "SELECT chain_id, seq, record, hash FROM audit_log \
    WHERE chain_id = $1 AND seq < $2 \
    AND (action = $3 OR $3 IS NULL OR (SUBSTR($3, LENGTH($3), 1) = '.' \
    AND SUBSTR(action, 1, LENGTH($3)) = $3)) \
    AND (actor_id = $4 OR $4 IS NULL) AND (target = $5 OR $5 IS NULL) \
    AND (at >= $6 OR $6 IS NULL) AND (at < $7 OR $7 IS NULL) ORDER BY seq DESC LIMIT $8";
const READ_CHAIN: &str = "SELECT chain_id, seq, record, hash, at, action, actor_id, target \
    FROM audit_log WHERE chain_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const GET_HEAD: &str = "SELECT seq, hash FROM audit_heads WHERE chain_id = $1";
const LIST_CHAINS: &str = "SELECT chain_id FROM audit_heads \
    UNION SELECT chain_id FROM audit_log UNION SELECT chain_id FROM audit_checkpoints";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[LIST_RECORDS, READ_CHAIN, GET_HEAD, LIST_CHAINS];

#[derive(FromRow)]
struct EntryRow {
    chain_id: Uuid,
    seq: i64,
    record: String,
    hash: Vec<u8>,
}

impl TryFrom<EntryRow> for AuditEntry {
    type Error = StoreError;

    fn try_from(row: EntryRow) -> Result<Self, StoreError> {
        let record = serde_json::from_str(&row.record).map_err(|error| {
            let id = format!("{} {}", row.chain_id, row.seq);
            StoreError::corrupt("audit_log", &id, &error)
        })?;
        Ok(Self {
            record,
            text: row.record,
            hash: hex::encode(&row.hash),
        })
    }
}

/// A record with the columns that are made from it.
#[derive(FromRow)]
pub(super) struct ChainRow {
    pub(super) chain_id: Uuid,
    pub(super) seq: i64,
    pub(super) record: String,
    pub(super) hash: Vec<u8>,
    pub(super) at: DateTime<Utc>,
    pub(super) action: String,
    pub(super) actor_id: Option<Uuid>,
    pub(super) target: Option<String>,
}

impl Store {
    /// One page of a chain, newest first.
    pub async fn list_audit(
        &self,
        chain: ChainId,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditEntry>, StoreError> {
        // The place in the chain, in the shape that cursors have.
        let before = i64::try_from(page.before().as_u128()).unwrap_or(i64::MAX);
        let rows: Vec<EntryRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_RECORDS)
                .bind(chain.as_uuid())
                .bind(before)
                .bind(&filter.action)
                .bind(filter.actor.map(UserId::as_uuid))
                .bind(&filter.target)
                .bind(filter.since)
                .bind(filter.until)
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?
        });
        let items = rows
            .into_iter()
            .map(AuditEntry::try_from)
            .collect::<Result<_, _>>()?;
        Ok(page.page(items, |entry: &AuditEntry| place(entry.record.seq)))
    }

    /// The records of a chain behind a place, as many as `limit`, the oldest first.
    pub async fn read_audit(
        &self,
        chain: ChainId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = self.read_chain(chain, after, limit).await?;
        rows.into_iter()
            .map(|row| {
                EntryRow {
                    chain_id: row.chain_id,
                    seq: row.seq,
                    record: row.record,
                    hash: row.hash,
                }
                .try_into()
            })
            .collect()
    }

    pub(super) async fn read_chain(
        &self,
        chain: ChainId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ChainRow>, StoreError> {
        Ok(on_db!(self, pool => {
            sqlx::query_as(READ_CHAIN)
                .bind(chain.as_uuid())
                .bind(after)
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        }))
    }

    /// The place and the hash of the last record of a chain.
    pub(super) async fn audit_head(
        &self,
        chain: ChainId,
    ) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        Ok(on_db!(self, pool => {
            sqlx::query_as(GET_HEAD).bind(chain.as_uuid()).fetch_optional(pool).await?
        }))
    }

    /// All chains of which there is anything.
    pub async fn list_audit_chains(&self) -> Result<Vec<ChainId>, StoreError> {
        let mut ids: Vec<Uuid> =
            on_db!(self, pool => sqlx::query_scalar(LIST_CHAINS).fetch_all(pool).await?);
        ids.sort();
        Ok(ids.into_iter().map(ChainId::from_uuid).collect())
    }
}

fn place(seq: i64) -> Uuid {
    Uuid::from_u128(u128::from(seq.unsigned_abs()))
}
