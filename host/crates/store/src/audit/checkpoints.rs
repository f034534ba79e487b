//! Signed statements of what a chain was at a time. Hashes alone do not show that the tail of a chain
//! was cut off, or that all of it was written anew: a checkpoint that lies elsewhere does.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::ChainId;
use crate::{
    Store, StoreError,
    db::{in_tx, on_db},
};

/// A chain that has grown gets a checkpoint after this time, or after this many records.
const LONGEST: TimeDelta = TimeDelta::hours(1);
const MOST_RECORDS: i64 = 1_000;
/// Chains that get one in a go.
const BATCH: i64 = 500;

/// What a chain was at a time, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The chain.
    pub chain: ChainId,
    /// Its last record then.
    pub seq: i64,
    /// The hash of that, in hexadecimal digits.
    pub hash: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The key that signs.
    pub key_id: String,
    /// Ed25519 (RFC 8032), in hexadecimal digits.
    pub signature: String,
}

impl Checkpoint {
    /// What is signed.
    fn message(&self) -> String {
        let Self {
            chain, seq, hash, ..
        } = self;
        format!(
            "vedette audit checkpoint 1\n{chain}\n{seq}\n{hash}\n{}",
            self.at.timestamp_micros()
        )
    }
}

/// The seed of a key is not 32 bytes that make one.
#[derive(Debug, thiserror::Error)]
#[error("the key `{0}` for checkpoints is not valid")]
pub struct CheckpointKeyError(String);

/// A key that signs checkpoints, and knows its own again.
pub struct CheckpointKey {
    id: String,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for CheckpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CheckpointKey").field(&self.id).finish()
    }
}

impl CheckpointKey {
    /// Takes up a key by its seed (RFC 8032 section 5.1.5).
    ///
    /// # Errors
    /// [`CheckpointKeyError`].
    pub fn new(id: String, seed: &[u8; 32]) -> Result<Self, CheckpointKeyError> {
        match Ed25519KeyPair::from_seed_unchecked(seed) {
            Ok(pair) => Ok(Self { id, pair }),
            Err(_) => Err(CheckpointKeyError(id)),
        }
    }

    /// States what a chain is.
    fn sign(&self, chain: ChainId, seq: i64, hash: &[u8], at: DateTime<Utc>) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            chain,
            seq,
            hash: hex::encode(hash),
            at: at.trunc_subsecs(6),
            key_id: self.id.clone(),
            signature: String::new(),
        };
        let signature = self.pair.sign(checkpoint.message().as_bytes());
        checkpoint.signature = hex::encode(signature.as_ref());
        checkpoint
    }

    /// Whether a checkpoint was signed by this key.
    pub fn has_signed(&self, checkpoint: &Checkpoint) -> bool {
        let Ok(signature) = hex::decode(&checkpoint.signature) else {
            return false;
        };
        let public = UnparsedPublicKey::new(&ED25519, self.pair.public_key().as_ref());
        let message = checkpoint.message();
        checkpoint.key_id == self.id && public.verify(message.as_bytes(), &signature).is_ok()
    }
}

/// Chains that have grown since their last checkpoint: by enough, or for long enough.
const LIST_DUE: &str = "SELECT heads.chain_id, heads.seq, heads.hash FROM audit_heads AS heads \
    LEFT JOIN (SELECT chain_id, MAX(seq) AS seq, MAX(at) AS at FROM audit_checkpoints \
    GROUP BY chain_id) AS latest ON latest.chain_id = heads.chain_id \
    WHERE latest.seq IS NULL OR heads.seq >= latest.seq + $1 \
    OR (heads.seq > latest.seq AND latest.at <= $2) ORDER BY heads.chain_id LIMIT $3";
const INSERT_CHECKPOINT: &str = "INSERT INTO audit_checkpoints \
    (chain_id, seq, hash, at, key_id, signature) VALUES ($1, $2, $3, $4, $5, $6) \
    ON CONFLICT (chain_id, seq) DO NOTHING";
const LIST_CHECKPOINTS: &str = "SELECT chain_id, seq, hash, at, key_id, signature \
    FROM audit_checkpoints WHERE chain_id = $1 ORDER BY seq";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[LIST_DUE, INSERT_CHECKPOINT, LIST_CHECKPOINTS];

#[derive(FromRow)]
struct HeadRow {
    chain_id: Uuid,
    seq: i64,
    hash: Vec<u8>,
}

#[derive(FromRow)]
struct CheckpointRow {
    #[sqlx(flatten)]
    head: HeadRow,
    at: DateTime<Utc>,
    key_id: String,
    signature: Vec<u8>,
}

impl From<CheckpointRow> for Checkpoint {
    fn from(row: CheckpointRow) -> Self {
        Self {
            chain: ChainId::from_uuid(row.head.chain_id),
            seq: row.head.seq,
            hash: hex::encode(&row.head.hash),
            at: row.at,
            key_id: row.key_id,
            signature: hex::encode(&row.signature),
        }
    }
}

impl Store {
    /// Signs a checkpoint of each chain that needs one by now. They are not kept yet: they first go
    /// elsewhere. With `all`, each chain that has grown gets one.
    pub async fn sign_checkpoints(
        &self,
        key: &CheckpointKey,
        all: bool,
        now: DateTime<Utc>,
    ) -> Result<Vec<Checkpoint>, StoreError> {
        let most = if all { 1 } else { MOST_RECORDS };
        let rows: Vec<HeadRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_DUE)
                .bind(most)
                .bind(now - LONGEST)
                .bind(BATCH)
                .fetch_all(pool)
                .await?
        });
        let sign =
            |row: HeadRow| key.sign(ChainId::from_uuid(row.chain_id), row.seq, &row.hash, now);
        Ok(rows.into_iter().map(sign).collect())
    }

    /// Keeps checkpoints. Of two for the same place, which two nodes may have made, the first stays.
    pub async fn put_checkpoints(&self, checkpoints: &[Checkpoint]) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            for checkpoint in checkpoints {
                sqlx::query(INSERT_CHECKPOINT)
                    .bind(checkpoint.chain.as_uuid())
                    .bind(checkpoint.seq)
                    .bind(hex::decode(&checkpoint.hash).unwrap_or_default())
                    .bind(checkpoint.at)
                    .bind(&checkpoint.key_id)
                    .bind(hex::decode(&checkpoint.signature).unwrap_or_default())
                    .execute(&mut *tx)
                    .await?;
            }
        });
        Ok(())
    }

    /// The checkpoints of a chain that the database has, the oldest first.
    pub async fn list_checkpoints(&self, chain: ChainId) -> Result<Vec<Checkpoint>, StoreError> {
        let rows: Vec<CheckpointRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_CHECKPOINTS).bind(chain.as_uuid()).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(Checkpoint::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_known_by_its_key_and_by_no_other() {
        let key = CheckpointKey::new("1".to_owned(), &[1; 32]).unwrap();
        let at = "2026-11-24T12:00:00.123456789Z".parse().unwrap();
        let signed = key.sign(ChainId::INSTALLATION, 7, &[2; 32], at);
        assert!(key.has_signed(&signed));
        let line = serde_json::to_string(&signed).unwrap();
        let read: Checkpoint = serde_json::from_str(&line).unwrap();
        assert!(key.has_signed(&read), "{line}");
        let other = CheckpointKey::new("1".to_owned(), &[3; 32]).unwrap();
        assert!(!other.has_signed(&signed));
        let org = ChainId::from_uuid(Uuid::max());
        let forged: [fn(&mut Checkpoint); 5] = [
            |one| one.seq = 8,
            |one| one.hash = hex::encode([3; 32]),
            |one| one.at += TimeDelta::seconds(1),
            |one| one.signature = String::new(),
            |one| one.signature.push('é'),
        ];
        for forge in forged {
            let mut forged = signed.clone();
            forge(&mut forged);
            assert!(!key.has_signed(&forged), "{forged:?}");
        }
        let moved = Checkpoint {
            chain: org,
            ..signed
        };
        assert!(!key.has_signed(&moved));
    }
}
