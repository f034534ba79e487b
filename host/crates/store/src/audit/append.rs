//! Appending to a chain, at the end of the transaction that makes the change.

/// Goes one place on, and keeps all others who append to this chain waiting until the transaction
/// ends. `$2` stands for the hash before the first record.
pub(crate) const ADVANCE_HEAD: &str = "INSERT INTO audit_heads (chain_id, seq, hash) \
    VALUES ($1, 1, $2) ON CONFLICT (chain_id) DO UPDATE SET seq = audit_heads.seq + 1 \
    RETURNING seq, hash";
pub(crate) const INSERT_RECORD: &str = "INSERT INTO audit_log \
    (chain_id, seq, at, action, actor_id, target, record, hash) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
pub(crate) const SET_HEAD: &str = "UPDATE audit_heads SET hash = $2 WHERE chain_id = $1";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[ADVANCE_HEAD, INSERT_RECORD, SET_HEAD];

/// Records an event in a chain, in the transaction that makes it happen. It comes last, so that
/// others wait for a short time only; and the chain of an organization before the installation's,
/// so that no two transactions wait for each other.
macro_rules! audit {
    ($store:expr, $tx:ident, $chain:expr, $event:expr) => {{
        let chain = $crate::audit::ChainId::from($chain);
        let (seq, previous): (i64, Vec<u8>) = sqlx::query_as($crate::audit::ADVANCE_HEAD)
            .bind(chain.as_uuid())
            .bind(chain.genesis().as_slice())
            .fetch_one(&mut *$tx)
            .await?;
        let sealed = $crate::audit::Sealed::new(chain, seq, &previous, &$store.author(), $event);
        sqlx::query($crate::audit::INSERT_RECORD)
            .bind(chain.as_uuid())
            .bind(seq)
            .bind(sealed.at)
            .bind(sealed.action)
            .bind(sealed.actor_id)
            .bind(&sealed.target)
            .bind(&sealed.record)
            .bind(sealed.hash.as_slice())
            .execute(&mut *$tx)
            .await?;
        sqlx::query($crate::audit::SET_HEAD)
            .bind(chain.as_uuid())
            .bind(sealed.hash.as_slice())
            .execute(&mut *$tx)
            .await?;
    }};
}

pub(crate) use audit;
