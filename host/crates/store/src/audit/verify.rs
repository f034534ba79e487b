//! Reading a chain from its beginning and finding what was tampered with.

use std::{collections::BTreeMap, fmt};

use super::{AuditRecord, ChainId, Checkpoint, CheckpointKey, read::ChainRow, record::chained};
use crate::{Store, StoreError};

/// Records that are read at a time.
const BATCH: u32 = 1_000;
/// Findings of a chain that are kept; the first ones say what happened.
const MOST_FINDINGS: usize = 100;

/// Something that shows that a chain is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tampering {
    /// Records are missing before this one.
    Gap {
        /// Its place.
        seq: i64,
    },
    /// The record, or its hash, or the one before, was changed, put in, or came from elsewhere.
    Altered {
        /// Its place.
        seq: i64,
    },
    /// The columns by which records are found do not say what the record says.
    Columns {
        /// Its place.
        seq: i64,
    },
    /// The chain ends with another record than the last that was written.
    Head {
        /// The last that was written; `None`: nothing is known of it.
        expected: Option<i64>,
        /// The last that is there.
        found: i64,
    },
    /// A checkpoint states another record at this place, or the chain ends before it.
    Checkpoint {
        /// The place.
        seq: i64,
    },
    /// A checkpoint has no signature of a key of this installation.
    Signature {
        /// The place that it is for.
        seq: i64,
    },
}

impl fmt::Display for Tampering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap { seq } => write!(f, "records are missing before {seq}"),
            Self::Altered { seq } => write!(
                f,
                "record {seq} does not fit its hash and the record before: it was changed, put in, or moved"
            ),
            Self::Columns { seq } => write!(f, "the columns beside record {seq} were changed"),
            Self::Head { expected, found } => {
                let expected = expected.map_or_else(|| "none".to_owned(), |seq| seq.to_string());
                write!(
                    f,
                    "the chain ends with {found}, but the last record that was written is {expected}"
                )
            }
            Self::Checkpoint { seq } => write!(
                f,
                "a signed checkpoint states another record at {seq}: the chain was cut off, or written anew"
            ),
            Self::Signature { seq } => {
                write!(
                    f,
                    "the checkpoint for {seq} is not signed by a key of this installation"
                )
            }
        }
    }
}

/// What came of reading a chain.
#[derive(Debug, Clone)]
pub struct ChainReport {
    /// The chain.
    pub chain: ChainId,
    /// Its records.
    pub records: u64,
    /// Checkpoints that it was compared with.
    pub checkpoints: usize,
    /// What was found, at most a hundred. None: the chain is as it was written, up to its last
    /// checkpoint for certain.
    pub findings: Vec<Tampering>,
}

/// Reads a chain record by record.
struct Verifier {
    report: ChainReport,
    previous: Vec<u8>,
    last: i64,
    /// Hashes that are stated, by their places.
    stated: BTreeMap<i64, Vec<String>>,
}

impl Verifier {
    fn new(chain: ChainId, keys: &[CheckpointKey], checkpoints: &[Checkpoint]) -> Self {
        let mut verifier = Self {
            report: ChainReport {
                chain,
                records: 0,
                checkpoints: 0,
                findings: Vec::new(),
            },
            previous: chain.genesis().to_vec(),
            last: 0,
            stated: BTreeMap::new(),
        };
        for checkpoint in checkpoints.iter().filter(|one| one.chain == chain) {
            let seq = checkpoint.seq;
            if keys.iter().any(|key| key.has_signed(checkpoint)) {
                let stated = verifier.stated.entry(seq).or_default();
                // Most are there twice: in the database and elsewhere.
                if !stated.contains(&checkpoint.hash) {
                    stated.push(checkpoint.hash.clone());
                    verifier.report.checkpoints += 1;
                }
            } else {
                verifier.find(Tampering::Signature { seq });
            }
        }
        verifier
    }

    fn find(&mut self, finding: Tampering) {
        if self.report.findings.len() < MOST_FINDINGS {
            self.report.findings.push(finding);
        }
    }

    fn read(&mut self, row: &ChainRow) {
        let seq = row.seq;
        if seq != self.last + 1 {
            self.find(Tampering::Gap { seq });
        }
        if chained(&self.previous, &row.record).as_slice() != row.hash {
            self.find(Tampering::Altered { seq });
        }
        if !has_its_columns(self.report.chain, row) {
            self.find(Tampering::Columns { seq });
        }
        let hash = hex::encode(&row.hash);
        let stated = self.stated.remove(&seq).unwrap_or_default();
        if stated.iter().any(|stated| *stated != hash) {
            self.find(Tampering::Checkpoint { seq });
        }
        self.previous.clone_from(&row.hash);
        self.last = seq;
        self.report.records += 1;
    }

    fn finish(mut self, head: Option<&(i64, Vec<u8>)>) -> ChainReport {
        let expected = head.map(|(seq, _)| *seq);
        let is_head = match head {
            Some((seq, hash)) => *seq == self.last && *hash == self.previous,
            None => self.last == 0,
        };
        if !is_head {
            let found = self.last;
            self.find(Tampering::Head { expected, found });
        }
        for seq in std::mem::take(&mut self.stated).into_keys() {
            self.find(Tampering::Checkpoint { seq });
        }
        self.report
    }
}

/// Whether what stands beside a record is what it says.
fn has_its_columns(chain: ChainId, row: &ChainRow) -> bool {
    let Ok(record) = serde_json::from_str::<AuditRecord>(&row.record) else {
        return false;
    };
    record.chain == chain
        && record.seq == row.seq
        && record.at == row.at
        && record.action == row.action
        && record.actor.user().map(vedette_core::UserId::as_uuid) == row.actor_id
        && record.target == row.target
}

impl Store {
    /// Reads a chain from its beginning, and compares it with its hashes, with the checkpoints in
    /// the database, and with `elsewhere`, those of any chain that were kept in another place. Only
    /// they can show that the end of a chain is missing or that all of it was written anew.
    pub async fn verify_audit(
        &self,
        chain: ChainId,
        keys: &[CheckpointKey],
        elsewhere: &[Checkpoint],
    ) -> Result<ChainReport, StoreError> {
        let mut checkpoints = self.list_checkpoints(chain).await?;
        checkpoints.extend_from_slice(elsewhere);
        let mut verifier = Verifier::new(chain, keys, &checkpoints);
        // Also what was put in before the beginning.
        let mut after = i64::MIN;
        loop {
            let rows = self.read_chain(chain, after, BATCH).await?;
            for row in &rows {
                verifier.read(row);
                after = row.seq;
            }
            if !rows.is_empty() {
                continue;
            }
            // Records that came meanwhile are read too.
            let head = self.audit_head(chain).await?;
            let has_more = head.as_ref().is_some_and(|(seq, _)| *seq > verifier.last)
                && !self.read_chain(chain, after, 1).await?.is_empty();
            if !has_more {
                return Ok(verifier.finish(head.as_ref()));
            }
        }
    }
}
