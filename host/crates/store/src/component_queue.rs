//! Components that wait to be compiled: taking them up under a lease, keeping what came of it,
//! and what each organization has used.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;
use vedette_core::{ComponentRefusal, Digest, OrgId};

use crate::{
    Store, StoreError,
    components::read_digest,
    db::{in_tx, on_db},
};

/// How far quotas and fairness look back.
const LOOK_BACK: TimeDelta = TimeDelta::hours(1);

/// A component to be compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedComponent {
    /// Names its bytes.
    pub digest: Digest,
    /// Who uploaded it first.
    pub org_id: OrgId,
    /// Fences this claim against all others.
    pub lease_token: i64,
    /// How often it was taken up, this time included. Above one: the lease before ran out, so
    /// that its compiling may have ended a process.
    pub attempts: i64,
}

/// What came of a compiling.
#[derive(Debug, Clone)]
pub struct FinishedComponent {
    /// Names its bytes.
    pub digest: Digest,
    /// From the claim.
    pub lease_token: i64,
    /// Now.
    pub finished_at: DateTime<Utc>,
    /// What it took, also in vain.
    pub compile_ms: u64,
    /// The rest.
    pub result: Result<CompiledComponent, ComponentRefusal>,
}

/// A compiled form that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledComponent {
    /// Its size.
    pub native_bytes: u64,
    /// The engine that it is for; at most 200 characters.
    pub compiled_for: Option<String>,
}

/// What an organization has used of its quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ComponentUsage {
    /// Bytes of its components; those that earlier versions of scripts name are counted too.
    pub stored_bytes: u64,
    /// Components that wait or are being compiled.
    pub queued: u64,
    /// Compiling in the hour before.
    pub compile_ms_last_hour: u64,
}

/// Whoever used the least in the last hour comes first, so that nobody's queue holds up others.
const SELECT_WAITING: &str = "SELECT component_blobs.digest, component_blobs.queued_for_org, \
    component_blobs.lease_token, component_blobs.attempts FROM component_blobs \
    WHERE component_blobs.state IN ('pending', 'compiling') \
    AND (component_blobs.state = 'pending' OR component_blobs.leased_until <= $1) \
    AND EXISTS (SELECT 1 FROM components WHERE components.digest = component_blobs.digest) \
    AND NOT EXISTS (SELECT 1 FROM blocked_components AS blocked \
    WHERE blocked.digest = component_blobs.digest) \
    ORDER BY (SELECT COALESCE(SUM(used.compile_ms), 0) FROM component_compiles AS used \
    WHERE used.org_id = component_blobs.queued_for_org AND used.finished_at > $2), \
    component_blobs.created_at, component_blobs.digest LIMIT 1";
const LEASE: &str = "UPDATE component_blobs SET state = 'compiling', lease_owner = $2, \
    leased_until = $3, lease_token = lease_token + 1, attempts = attempts + 1 WHERE digest = $1";
const RELEASE: &str = "UPDATE component_blobs SET state = 'pending', lease_owner = NULL, \
    leased_until = NULL, attempts = attempts - 1 \
    WHERE digest = $1 AND lease_token = $2 AND state = 'compiling'";
const RELEASE_ALL: &str = "UPDATE component_blobs SET state = 'pending', lease_owner = NULL, \
    leased_until = NULL WHERE state = 'compiling'";
/// Only the first compiling is charged: that it has to be done again is not the uploader's doing.
const CHARGE_OWNERS: &str = "INSERT INTO component_compiles \
    (org_id, digest, finished_at, compile_ms) \
    SELECT owners.org_id, $1, $3, $4 FROM (SELECT components.org_id FROM components \
    WHERE components.digest = $1 UNION SELECT component_blobs.queued_for_org FROM component_blobs \
    WHERE component_blobs.digest = $1) AS owners WHERE EXISTS (SELECT 1 FROM component_blobs \
    WHERE component_blobs.digest = $1 AND component_blobs.lease_token = $2 \
    AND component_blobs.state = 'compiling' AND component_blobs.finished_at IS NULL) \
    ON CONFLICT DO NOTHING";
const FINISH: &str = "UPDATE component_blobs SET state = $3, error_class = $4, reason = $5, \
    compile_ms = $6, native_bytes = $7, compiled_for = $8, finished_at = $9, lease_owner = NULL, \
    leased_until = NULL, attempts = 0 \
    WHERE digest = $1 AND lease_token = $2 AND state = 'compiling'";
const REQUEUE: &str = "UPDATE component_blobs SET state = 'pending', native_bytes = NULL, \
    compiled_for = NULL WHERE digest = $1 AND state = 'ready'";
const GET_USAGE: &str = "SELECT \
    (SELECT CAST(COALESCE(SUM(blobs.size_bytes), 0) AS BIGINT) FROM components \
    JOIN component_blobs AS blobs ON blobs.digest = components.digest \
    WHERE components.org_id = $1), \
    (SELECT COUNT(*) FROM components \
    JOIN component_blobs AS blobs ON blobs.digest = components.digest \
    WHERE components.org_id = $1 AND components.deleted_at IS NULL \
    AND (blobs.state IN ('pending', 'compiling') OR components.visible_at > $2)), \
    (SELECT CAST(COALESCE(SUM(used.compile_ms), 0) AS BIGINT) FROM component_compiles AS used \
    WHERE used.org_id = $1 AND used.finished_at > $3)";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    SELECT_WAITING,
    LEASE,
    RELEASE,
    RELEASE_ALL,
    CHARGE_OWNERS,
    FINISH,
    REQUEUE,
    GET_USAGE,
];

#[derive(FromRow)]
struct WaitingRow {
    digest: Vec<u8>,
    queued_for_org: Uuid,
    lease_token: i64,
    attempts: i64,
}

/// Milliseconds and bytes are below 2^63 by far.
fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Store {
    /// Takes up the component that is to be compiled next. No other claim gets it before the
    /// lease is over, which must be longer than any compiling may take.
    pub async fn claim_component(
        &self,
        now: DateTime<Utc>,
        lease: TimeDelta,
        owner: &str,
    ) -> Result<Option<ClaimedComponent>, StoreError> {
        let select = format!("{SELECT_WAITING}{}", self.db.skip_locked_blobs());
        let row: Option<WaitingRow> = in_tx!(self, tx => {
            let row: Option<WaitingRow> = sqlx::query_as(AssertSqlSafe(select))
                .bind(now)
                .bind(now - LOOK_BACK)
                .fetch_optional(&mut *tx)
                .await?;
            if let Some(row) = &row {
                sqlx::query(LEASE)
                    .bind(&row.digest)
                    .bind(owner)
                    .bind(now + lease)
                    .execute(&mut *tx)
                    .await?;
            }
            row
        });
        row.map(|row| {
            Ok(ClaimedComponent {
                digest: read_digest("component_blobs", &row.digest)?,
                org_id: OrgId::from_uuid(row.queued_for_org),
                lease_token: row.lease_token + 1,
                attempts: row.attempts + 1,
            })
        })
        .transpose()
    }

    /// Keeps what came of a compiling. `false`: the claim is no longer the current one, and
    /// nothing was changed.
    pub async fn finish_component(&self, finished: &FinishedComponent) -> Result<bool, StoreError> {
        let digest = finished.digest.as_bytes().as_slice();
        let (state, refusal, compiled) = match &finished.result {
            Ok(compiled) => ("ready", None, Some(compiled)),
            Err(refusal) => ("refused", Some(refusal), None),
        };
        Ok(in_tx!(self, tx => {
            sqlx::query(CHARGE_OWNERS)
                .bind(digest)
                .bind(finished.lease_token)
                .bind(finished.finished_at)
                .bind(count(finished.compile_ms))
                .execute(&mut *tx)
                .await?;
            sqlx::query(FINISH)
                .bind(digest)
                .bind(finished.lease_token)
                .bind(state)
                .bind(refusal.map(|refusal| refusal.class.as_str()))
                .bind(refusal.map(|refusal| refusal.message.as_str()))
                .bind(count(finished.compile_ms))
                .bind(compiled.map(|compiled| count(compiled.native_bytes)))
                .bind(compiled.and_then(|compiled| compiled.compiled_for.as_deref()))
                .bind(finished.finished_at)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0
        }))
    }

    /// Gives a claim back that was not worked on. One that is not current is nothing to do.
    pub async fn release_component(
        &self,
        digest: Digest,
        lease_token: i64,
    ) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            sqlx::query(RELEASE)
                .bind(digest.as_bytes().as_slice())
                .bind(lease_token)
                .execute(&mut *tx)
                .await?;
        });
        Ok(())
    }

    /// Gives every claim back. Only for a process that knows that it is alone, at its start.
    pub async fn release_all_components(&self) -> Result<u64, StoreError> {
        Ok(in_tx!(self, tx => {
            sqlx::query(RELEASE_ALL).execute(&mut *tx).await?.rows_affected()
        }))
    }

    /// Queues a component again whose compiled form is lost or not to be used. `false`: it is not
    /// `ready`, and nothing was changed.
    pub async fn requeue_component(&self, digest: Digest) -> Result<bool, StoreError> {
        Ok(in_tx!(self, tx => {
            sqlx::query(REQUEUE)
                .bind(digest.as_bytes().as_slice())
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0
        }))
    }

    /// What an organization has used of its quotas: the same whether others have the same bytes
    /// or not.
    pub async fn component_usage(
        &self,
        org: OrgId,
        now: DateTime<Utc>,
    ) -> Result<ComponentUsage, StoreError> {
        let (stored, queued, compile_ms): (i64, i64, i64) = on_db!(self, pool => {
            sqlx::query_as(GET_USAGE)
                .bind(org.as_uuid())
                .bind(now)
                .bind(now - LOOK_BACK)
                .fetch_one(pool)
                .await?
        });
        let amount = |value: i64| u64::try_from(value).unwrap_or(0);
        Ok(ComponentUsage {
            stored_bytes: amount(stored),
            queued: amount(queued),
            compile_ms_last_hour: amount(compile_ms),
        })
    }
}
