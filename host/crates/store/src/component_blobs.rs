//! The bytes of uploaded components: once an installation, in pieces, and checked whenever they
//! are read.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};
use vedette_core::{ComponentState, Digest};

use crate::{
    Store, StoreError,
    components::read_digest,
    db::{in_tx, on_db},
};

/// Bytes of a piece: SQLite has one writer, and must not be kept for the whole of an upload.
pub const CHUNK_BYTES: usize = 1024 * 1024;
/// Pieces without a component are left by an upload that was broken off; after this time nobody
/// goes on with it.
const ORPHANS_KEPT: TimeDelta = TimeDelta::days(1);
/// Pieces that one transaction deletes.
const SWEEP_BATCH: i64 = 8;
/// Blobs that one look finds; the next look finds more.
const MAX_UNUSED: i64 = 100;
/// How long the compiling of the past is remembered: longer than quotas and fairness look back.
const COMPILES_KEPT: TimeDelta = TimeDelta::days(1);

/// A piece of a component.
#[derive(Debug, Clone, Copy)]
pub struct NewChunk<'a> {
    /// The component.
    pub digest: Digest,
    /// From 0.
    pub number: u32,
    /// [`CHUNK_BYTES`] of them; in the last piece fewer.
    pub bytes: &'a [u8],
    /// Now.
    pub created_at: DateTime<Utc>,
}

/// Bytes that are there already are written once more: they are the same by their digest. So an
/// upload takes as long for bytes that another organization has, and mends a damaged disk.
const PUT_CHUNK: &str = "INSERT INTO component_chunks (digest, number, created_at, bytes) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (digest, number) DO UPDATE \
    SET created_at = excluded.created_at, bytes = excluded.bytes";
const GET_SIZE: &str = "SELECT size_bytes FROM component_blobs WHERE digest = $1";
const GET_CHUNK: &str = "SELECT bytes FROM component_chunks WHERE digest = $1 AND number = $2";
pub(crate) const LOCK_BLOB: &str = "SELECT digest FROM component_blobs WHERE digest = $1";
/// One that is being compiled stays until that has ended: what it takes is to be charged.
pub(crate) const IS_UNUSED: &str = "SELECT COUNT(*) FROM component_blobs WHERE digest = $1 \
    AND (state <> 'compiling' OR leased_until <= $2) AND NOT EXISTS \
    (SELECT 1 FROM components WHERE components.digest = component_blobs.digest)";
pub(crate) const DELETE_CHUNKS: &str = "DELETE FROM component_chunks WHERE digest = $1";
pub(crate) const DELETE_BLOB: &str = "DELETE FROM component_blobs WHERE digest = $1";
/// By age, so that what an upload has just put again stays.
const SWEEP_CHUNKS: &str = "DELETE FROM component_chunks WHERE created_at < $1 \
    AND (digest, number) IN (SELECT old.digest, old.number FROM component_chunks AS old \
    WHERE old.created_at < $1 AND NOT EXISTS (SELECT 1 FROM component_blobs AS blobs \
    WHERE blobs.digest = old.digest) ORDER BY old.created_at LIMIT $2)";
const SWEEP_TOMBSTONES: &str = "DELETE FROM components WHERE deleted_at IS NOT NULL \
    AND NOT EXISTS (SELECT 1 FROM script_versions AS versions \
    WHERE versions.component_digest = components.digest AND versions.org_id = components.org_id)";
const LIST_UNUSED: &str = "SELECT digest FROM component_blobs \
    WHERE (state <> 'compiling' OR leased_until <= $1) AND NOT EXISTS \
    (SELECT 1 FROM components WHERE components.digest = component_blobs.digest) LIMIT $2";
const SWEEP_COMPILES: &str = "DELETE FROM component_compiles WHERE finished_at < $1";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    PUT_CHUNK,
    GET_SIZE,
    GET_CHUNK,
    LOCK_BLOB,
    IS_UNUSED,
    DELETE_CHUNKS,
    DELETE_BLOB,
    SWEEP_CHUNKS,
    SWEEP_TOMBSTONES,
    LIST_UNUSED,
    SWEEP_COMPILES,
];

pub(crate) fn read_state(digest: Digest, word: &str) -> Result<ComponentState, StoreError> {
    word.parse()
        .map_err(|error| StoreError::corrupt("component_blobs", &digest, &error))
}

/// In a transaction: deletes a blob with its bytes if no organization has it any more.
macro_rules! delete_if_unused {
    ($tx:ident, $lock:expr, $digest:expr, $now:expr) => {{
        let digest: &[u8] = $digest.as_bytes();
        // Locked first: an upload of the same bytes may be adding its record.
        ::sqlx::query(::sqlx::AssertSqlSafe($lock))
            .bind(digest)
            .execute(&mut *$tx)
            .await?;
        let unused: i64 = ::sqlx::query_scalar($crate::component_blobs::IS_UNUSED)
            .bind(digest)
            .bind($now)
            .fetch_one(&mut *$tx)
            .await?;
        if unused > 0 {
            for sql in [
                $crate::component_blobs::DELETE_CHUNKS,
                $crate::component_blobs::DELETE_BLOB,
            ] {
                ::sqlx::query(sql).bind(digest).execute(&mut *$tx).await?;
            }
        }
        unused > 0
    }};
}

pub(crate) use delete_if_unused;

impl Store {
    /// Keeps a piece of a component, in a transaction of its own. Nobody sees it before
    /// [`Store::create_component`]. Safe to repeat.
    pub async fn put_component_chunk(&self, chunk: NewChunk<'_>) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            sqlx::query(PUT_CHUNK)
                .bind(chunk.digest.as_bytes().as_slice())
                .bind(i64::from(chunk.number))
                .bind(chunk.created_at)
                .bind(chunk.bytes)
                .execute(&mut *tx)
                .await?;
        });
        Ok(())
    }

    /// The bytes of a component, of whatever organization. `None`: there is none of that digest.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the bytes are not those that the digest names: somebody or
    /// something changed them after they were uploaded, and they must not be used.
    pub async fn get_component_bytes(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(size) = self.component_size(digest).await? else {
            return Ok(None);
        };
        let corrupt = |what: &str| StoreError::corrupt("component_chunks", &digest, &what);
        let size = usize::try_from(size).map_err(|_| corrupt("the size is negative"))?;
        let mut bytes = Vec::new();
        let mut hash = Sha256::new();
        for number in 0_i64.. {
            if bytes.len() >= size {
                break;
            }
            let chunk: Option<Vec<u8>> = on_db!(self, pool => {
                sqlx::query_scalar(GET_CHUNK)
                    .bind(digest.as_bytes().as_slice())
                    .bind(number)
                    .fetch_optional(pool)
                    .await?
            });
            match chunk {
                Some(chunk) if !chunk.is_empty() => {
                    hash.update(&chunk);
                    bytes.extend_from_slice(&chunk);
                }
                // Deleted between the two looks.
                _ if self.component_size(digest).await?.is_none() => return Ok(None),
                _ => return Err(corrupt("a piece is missing")),
            }
        }
        if bytes.len() != size || hash.finalize().as_slice() != digest.as_bytes() {
            return Err(corrupt("the bytes are not those that were uploaded"));
        }
        Ok(Some(bytes))
    }

    async fn component_size(&self, digest: Digest) -> Result<Option<i64>, StoreError> {
        Ok(on_db!(self, pool => {
            sqlx::query_scalar(GET_SIZE)
                .bind(digest.as_bytes().as_slice())
                .fetch_optional(pool)
                .await?
        }))
    }

    /// Deletes some pieces that uploads broken off a day ago have left. Answers how many; zero:
    /// none are left. For the household, once an hour, until it answers zero.
    pub async fn sweep_component_chunks(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        Ok(in_tx!(self, tx => {
            sqlx::query(SWEEP_CHUNKS)
                .bind(now - ORPHANS_KEPT)
                .bind(SWEEP_BATCH)
                .execute(&mut *tx)
                .await?
                .rows_affected()
        }))
    }

    /// Deletes what is left of deleted components once the last script version that named them
    /// is gone: records, then bytes that nobody has. Answers how many. For the household, once an
    /// hour.
    pub async fn sweep_components(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut swept = in_tx!(self, tx => {
            sqlx::query(SWEEP_COMPILES).bind(now - COMPILES_KEPT).execute(&mut *tx).await?;
            sqlx::query(SWEEP_TOMBSTONES).execute(&mut *tx).await?.rows_affected()
        });
        let unused: Vec<Vec<u8>> = on_db!(self, pool => {
            sqlx::query_scalar(LIST_UNUSED).bind(now).bind(MAX_UNUSED).fetch_all(pool).await?
        });
        for digest in unused {
            let digest = read_digest("component_blobs", &digest)?;
            let lock = format!("{LOCK_BLOB}{}", self.db.lock_rows());
            let deleted = in_tx!(self, tx => delete_if_unused!(tx, lock, digest, now));
            swept += u64::from(deleted);
        }
        Ok(swept)
    }
}
