//! Recordings of executions: a few for each script, the newest.

use vedette_core::{ExecutionId, OrgId, ScriptId, Status};

use crate::{Store, StoreError, db::on_db};

/// Recordings that are kept of one script.
pub(crate) const KEPT: i64 = 10;

pub(crate) const INSERT_RECORDING: &str = "INSERT INTO script_recordings \
    (execution_id, org_id, script_id, recording) SELECT id, org_id, script_id, $3 \
    FROM script_executions WHERE org_id = $1 AND id = $2";
pub(crate) const TRIM_RECORDINGS: &str = "DELETE FROM script_recordings WHERE org_id = $1 \
    AND script_id = (SELECT script_id FROM script_executions WHERE org_id = $1 AND id = $2) \
    AND execution_id NOT IN (SELECT newest.execution_id FROM script_recordings AS newest \
    WHERE newest.script_id = script_recordings.script_id \
    ORDER BY newest.execution_id DESC LIMIT $3)";
const GET_RECORDING: &str = "SELECT recording FROM script_recordings \
    WHERE org_id = $1 AND execution_id = $2 \
    AND EXISTS (SELECT 1 FROM scripts WHERE scripts.id = script_id AND NOT is_deleted)";
const STATUS_BEFORE: &str = "SELECT status FROM script_executions \
    WHERE org_id = $1 AND script_id = $2 AND id < $3 ORDER BY id DESC LIMIT 1";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    INSERT_RECORDING,
    TRIM_RECORDINGS,
    GET_RECORDING,
    STATUS_BEFORE,
];

/// Keeps the recording of an outcome, if it has one, in the transaction of its execution.
macro_rules! keep_recording {
    ($tx:ident, $org:expr, $execution:expr, $outcome:expr) => {
        if let Some(recording) = &$outcome.recording {
            ::sqlx::query($crate::recordings::INSERT_RECORDING)
                .bind($org.as_uuid())
                .bind($execution.as_uuid())
                .bind(recording.as_str())
                .execute(&mut *$tx)
                .await?;
            ::sqlx::query($crate::recordings::TRIM_RECORDINGS)
                .bind($org.as_uuid())
                .bind($execution.as_uuid())
                .bind($crate::recordings::KEPT)
                .execute(&mut *$tx)
                .await?;
        }
    };
}

pub(crate) use keep_recording;

impl Store {
    /// The recording of an execution of an organization, if one was kept.
    pub async fn get_recording(
        &self,
        org: OrgId,
        id: ExecutionId,
    ) -> Result<Option<String>, StoreError> {
        Ok(on_db!(self, pool => {
            sqlx::query_scalar(GET_RECORDING)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(pool)
                .await?
        }))
    }

    /// Whether the newest execution of a script before `id` was no success. `false`: there is none.
    pub async fn is_after_failure(
        &self,
        org: OrgId,
        script: ScriptId,
        id: ExecutionId,
    ) -> Result<bool, StoreError> {
        let status: Option<String> = on_db!(self, pool => {
            sqlx::query_scalar(STATUS_BEFORE)
                .bind(org.as_uuid())
                .bind(script.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(pool)
                .await?
        });
        Ok(status.is_some_and(|status| status != Status::Success.as_str()))
    }
}
