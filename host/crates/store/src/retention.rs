//! Deleting what has had its time, in batches that hold no lock for long.

use chrono::{DateTime, Utc};

use crate::{Store, StoreError, db::in_tx};

const DELETE_EXECUTIONS: &str = "DELETE FROM script_executions WHERE id IN \
    (SELECT id FROM script_executions WHERE executed_at < $1 AND status <> 'running' \
    ORDER BY executed_at LIMIT $2)";
const DELETE_SESSIONS: &str = "DELETE FROM sessions WHERE expires_at < $1";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[DELETE_EXECUTIONS, DELETE_SESSIONS];

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

    /// Deletes sessions that ended before `now`. Answers how many.
    pub async fn delete_expired_sessions(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        Ok(in_tx!(self, tx => {
            sqlx::query(DELETE_SESSIONS).bind(now).execute(&mut *tx).await?.rows_affected()
        }))
    }
}
