//! Deleting what has had its time, in batches that hold no lock for long.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Store, StoreError, db::in_tx};

const DELETE_EXECUTIONS: &str = "DELETE FROM script_executions WHERE id IN \
    (SELECT id FROM script_executions WHERE executed_at < $1 AND status <> 'running' \
    ORDER BY executed_at LIMIT $2)";
const DELETE_SESSIONS: &str = "DELETE FROM sessions WHERE expires_at < $1";

/// With their timelines.
const DELETE_INCIDENTS: &str = "DELETE FROM incidents WHERE id IN \
    (SELECT id FROM incidents WHERE id < $1 AND resolved_at < $2 ORDER BY id LIMIT $3)";
const DELETE_HISTORY: &str = "DELETE FROM alert_history WHERE id IN \
    (SELECT id FROM alert_history WHERE id < $1 ORDER BY id LIMIT $2)";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    DELETE_EXECUTIONS,
    DELETE_SESSIONS,
    DELETE_INCIDENTS,
    DELETE_HISTORY,
];

/// No id of this time or later is smaller: the first 48 bits are milliseconds (RFC 9562 section 5.7). That finds
/// what is old by the primary key.
fn first_id(time: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(time.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(u128::from(millis) << 80)
}

impl Store {
    /// Deletes up to `limit` executions from before `cutoff`, with their logs. Answers how many.
    pub async fn delete_executions_before(
        &self,
        cutoff: DateTime<Utc>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        Ok(in_tx!(self, tx => {
            sqlx::query(DELETE_EXECUTIONS)
                .bind(cutoff)
                .bind(i64::from(limit))
                .execute(&mut *tx)
                .await?
                .rows_affected()
        }))
    }

    /// Deletes up to `limit` incidents that were over before `cutoff`, with their timelines. Answers how many.
    pub async fn delete_incidents_before(
        &self,
        cutoff: DateTime<Utc>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        Ok(in_tx!(self, tx => {
            sqlx::query(DELETE_INCIDENTS)
                .bind(first_id(cutoff))
                .bind(cutoff)
                .bind(i64::from(limit))
                .execute(&mut *tx)
                .await?
                .rows_affected()
        }))
    }

    /// Deletes up to `limit` entries of the alert history from before `cutoff`. Answers how many.
    pub async fn delete_alert_history_before(
        &self,
        cutoff: DateTime<Utc>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        Ok(in_tx!(self, tx => {
            sqlx::query(DELETE_HISTORY)
                .bind(first_id(cutoff))
                .bind(i64::from(limit))
                .execute(&mut *tx)
                .await?
                .rows_affected()
        }))
    }

    /// Deletes sessions that ended before `now`. Answers how many.
    pub async fn delete_expired_sessions(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        Ok(in_tx!(self, tx => {
            sqlx::query(DELETE_SESSIONS).bind(now).execute(&mut *tx).await?.rows_affected()
        }))
    }
}
