//! Deleting a script: it is gone at once, and its executions follow in small transactions, because
//! nobody else writes to SQLite during one.

use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;
use vedette_core::{OrgId, ScriptId, slot::DEFAULT_LOCATION};

use crate::{
    AuditAction, Store, StoreError,
    alerts::pause_alerts,
    audit::{Event, audit},
    db::{in_tx, on_db},
    maintenance::DELETE_WINDOWS_OF_SCRIPT,
    scripts::LOCK_SLOT,
    variables::DELETE_OF_SCRIPT,
};

/// Executions of one transaction: each may have a thousand lines of log.
const PURGE_BATCH: u32 = 100;
/// Transactions that a deletion itself makes, so that its caller does not wait for long. The rest
/// is left to the household.
const FIRST_STEPS: usize = 10;
/// Deleted scripts that one look finds; the next look finds more.
const MAX_DELETED: u32 = 1_000;

const GET_NAME: &str = "SELECT name FROM scripts WHERE org_id = $1 AND id = $2";
const HIDE_SCRIPT: &str = "UPDATE scripts SET is_deleted = (1 = 1), is_enabled = (1 = 0), \
    revision = revision + 1 WHERE org_id = $1 AND id = $2 AND NOT is_deleted";
const DELETE_SLOTS: &str = "DELETE FROM slots WHERE org_id = $1 AND script_id = $2";
const DELETE_EXECUTIONS_OF: &str = "DELETE FROM script_executions WHERE id IN \
    (SELECT id FROM script_executions WHERE script_id = $2 AND org_id = $1 \
    AND EXISTS (SELECT 1 FROM scripts WHERE scripts.id = $2 AND scripts.is_deleted) \
    ORDER BY id LIMIT $3)";
const DELETE_SCRIPT: &str = "DELETE FROM scripts WHERE org_id = $1 AND id = $2 AND is_deleted";
const LIST_DELETED: &str = "SELECT org_id, id FROM scripts WHERE is_deleted ORDER BY id LIMIT $1";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    GET_NAME,
    HIDE_SCRIPT,
    DELETE_SLOTS,
    DELETE_EXECUTIONS_OF,
    DELETE_SCRIPT,
    LIST_DELETED,
];

impl Store {
    /// Deletes a script with all that belongs to it. `false`: there was none.
    ///
    /// Nobody sees or runs it from here on. Of a script with many executions, rows are left for
    /// [`Store::purge_script`].
    pub async fn delete_script(&self, org: OrgId, id: ScriptId) -> Result<bool, StoreError> {
        if !self.hide_script(org, id).await? {
            return Ok(false);
        }
        for _ in 0..FIRST_STEPS {
            match self.purge_script(org, id).await {
                Ok(false) => {}
                Ok(true) => break,
                // The script is deleted all the same.
                Err(error) => {
                    tracing::warn!(
                        script.id = %id,
                        error = &error as &dyn std::error::Error,
                        "a deleted script has rows left, to be deleted later"
                    );
                    break;
                }
            }
        }
        Ok(true)
    }

    async fn hide_script(&self, org: OrgId, id: ScriptId) -> Result<bool, StoreError> {
        let lock_slot = format!("{LOCK_SLOT}{}", self.db.lock_slots());
        let at = self.author().at;
        Ok(in_tx!(self, D, tx => {
            sqlx::query(AssertSqlSafe(lock_slot))
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(DEFAULT_LOCATION)
                .execute(&mut *tx)
                .await?;
            let name: Option<String> = sqlx::query_scalar(GET_NAME)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let before = json!({ "name": name });
            // Whoever was told that it is down is told that nobody looks any more.
            pause_alerts!(D, tx, org, id, at);
            let hidden = sqlx::query(HIDE_SCRIPT)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            // Without a slot, nothing is claimed and no outcome is taken.
            sqlx::query(DELETE_SLOTS)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .execute(&mut *tx)
                .await?;
            // Its secrets are not left to the household, and nobody is to find windows of what is gone.
            for delete in [DELETE_OF_SCRIPT, DELETE_WINDOWS_OF_SCRIPT] {
                sqlx::query(delete)
                    .bind(org.as_uuid())
                    .bind(id.as_uuid())
                    .execute(&mut *tx)
                    .await?;
            }
            if hidden > 0 {
                audit!(self, tx, org, Event::gone(AuditAction::ScriptDelete, id, before));
            }
            hidden > 0
        }))
    }

    /// Deletes some executions of a deleted script with their logs, and with the last of them the
    /// script. Answers whether it is gone.
    pub async fn purge_script(&self, org: OrgId, id: ScriptId) -> Result<bool, StoreError> {
        Ok(in_tx!(self, tx => {
            let deleted = sqlx::query(DELETE_EXECUTIONS_OF)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(i64::from(PURGE_BATCH))
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let is_last = deleted < u64::from(PURGE_BATCH);
            if is_last {
                sqlx::query(DELETE_SCRIPT)
                    .bind(org.as_uuid())
                    .bind(id.as_uuid())
                    .execute(&mut *tx)
                    .await?;
            }
            is_last
        }))
    }

    /// Deleted scripts that have rows left, of all organizations: for the household.
    pub async fn list_deleted_scripts(&self) -> Result<Vec<(OrgId, ScriptId)>, StoreError> {
        let rows: Vec<(Uuid, Uuid)> = on_db!(self, pool => {
            sqlx::query_as(LIST_DELETED)
                .bind(i64::from(MAX_DELETED))
                .fetch_all(pool)
                .await?
        });
        let ids = rows.into_iter();
        Ok(ids
            .map(|(org, id)| (OrgId::from_uuid(org), ScriptId::from_uuid(id)))
            .collect())
    }
}
