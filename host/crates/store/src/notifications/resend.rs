//! Sending dead letters again.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;
use vedette_core::{NotificationId, OrgId};

use crate::{
    AuditAction, Store, StoreError,
    audit::{Event, audit},
    db::in_tx,
};

const FIND_FATE: &str = "SELECT status, incident_id, channel_id, position FROM notifications WHERE org_id = $1 AND id = $2";
const FIND_LATER: &str = "SELECT id FROM notifications WHERE org_id = $1 AND incident_id = $2 \
    AND channel_id = $3 AND position > $4 AND status <> 'dead' LIMIT 1";
const REVIVE: &str = "UPDATE notifications SET status = 'pending', attempts = 0, \
    first_attempt_at = NULL, next_attempt_at = $3 WHERE org_id = $1 AND status = 'dead' AND (id = $2 \
    OR (incident_id = $4 AND channel_id = $5 AND position > $6))";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[FIND_FATE, FIND_LATER, REVIVE];

/// What became of sending again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resent {
    /// So many are sent again: it, and the dead ones of the same incident to the same channel that came after it, so
    /// that what is heard last is how it is.
    Done(u64),
    /// No such notification in this organization.
    NotFound,
    /// It is no dead letter.
    NotDead,
    /// One of the same incident that came after it was delivered there, or waits: what would be heard last is not how
    /// it is.
    Overtaken,
}

impl Store {
    /// Sends a dead letter again, with the same id, as if for the first time.
    pub async fn resend_notification(
        &self,
        org: OrgId,
        id: NotificationId,
        now: DateTime<Utc>,
    ) -> Result<Resent, StoreError> {
        let lock = format!("{FIND_FATE}{}", self.db.lock_rows());
        Ok(in_tx!(self, tx => {
            let found: Option<(String, Option<Uuid>, Uuid, i64)> =
                sqlx::query_as(AssertSqlSafe(lock))
                    .bind(org.as_uuid())
                    .bind(id.as_uuid())
                    .fetch_optional(&mut *tx)
                    .await?;
            let Some((status, incident, channel, position)) = found else {
                return Ok(Resent::NotFound);
            };
            if status != "dead" {
                return Ok(Resent::NotDead);
            }
            let later: Option<Uuid> = sqlx::query_scalar(FIND_LATER)
                .bind(org.as_uuid())
                .bind(incident)
                .bind(channel)
                .bind(position)
                .fetch_optional(&mut *tx)
                .await?;
            if later.is_some() {
                return Ok(Resent::Overtaken);
            }
            let revived = sqlx::query(REVIVE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(now)
                .bind(incident)
                .bind(channel)
                .bind(position)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let done = Event::made(AuditAction::NotificationResend, id, json!({ "sent_again": revived }));
            audit!(self, tx, org, done);
            Resent::Done(revived)
        }))
    }
}
