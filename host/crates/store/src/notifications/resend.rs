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

const FIND_FATE: &str = "SELECT status, digest_id FROM notifications WHERE org_id = $1 AND id = $2";
/// It, and what came after it of the same incidents to the same channel, by itself or in a digest, and so on.
macro_rules! with_later {
    ($then:literal) => {
        concat!(
            "WITH RECURSIVE later (id) AS (SELECT id FROM notifications WHERE org_id = $1 AND id = $2 \
             UNION SELECT COALESCE(next.digest_id, next.id) FROM later JOIN notifications AS told \
             ON told.id = later.id OR told.digest_id = later.id JOIN notifications AS next \
             ON next.incident_id = told.incident_id AND next.channel_id = told.channel_id \
             AND next.position > told.position) ",
            $then
        )
    };
}
/// A digest that is not kept any more was told long ago.
const FIND_OVERTAKING: &str = with_later!(
    "SELECT later.id FROM later LEFT JOIN notifications AS found ON found.id = later.id \
     WHERE found.id IS NULL OR found.status <> 'dead' LIMIT 1"
);
const REVIVE: &str = with_later!(
    "UPDATE notifications SET status = 'pending', attempts = 0, first_attempt_at = NULL, \
     next_attempt_at = $3 WHERE org_id = $1 AND status = 'dead' AND id IN (SELECT id FROM later)"
);

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[FIND_FATE, FIND_OVERTAKING, REVIVE];

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
    /// Sends a dead letter again, with the same id, as if for the first time. Of what a digest tells, the digest is sent.
    pub async fn resend_notification(
        &self,
        org: OrgId,
        id: NotificationId,
        now: DateTime<Utc>,
    ) -> Result<Resent, StoreError> {
        let lock = format!("{FIND_FATE}{}", self.db.lock_rows());
        let resent = in_tx!(self, tx => {
            let mut id = id.as_uuid();
            let mut status = None;
            // Twice: of what a digest tells, the fate is that of the digest.
            for _ in 0..2 {
                let found: Option<(String, Option<Uuid>)> =
                    sqlx::query_as(AssertSqlSafe(lock.as_str()))
                        .bind(org.as_uuid())
                        .bind(id)
                        .fetch_optional(&mut *tx)
                        .await?;
                let Some((found, digest)) = found else { break };
                status = Some(found);
                let Some(digest) = digest else { break };
                id = digest;
            }
            match status.as_deref() {
                None => return Ok(Resent::NotFound),
                Some("dead") => {}
                Some(_) => return Ok(Resent::NotDead),
            }
            let overtaking: Option<Uuid> = sqlx::query_scalar(FIND_OVERTAKING)
                .bind(org.as_uuid())
                .bind(id)
                .fetch_optional(&mut *tx)
                .await?;
            if overtaking.is_some() {
                return Ok(Resent::Overtaken);
            }
            let revived = sqlx::query(REVIVE)
                .bind(org.as_uuid())
                .bind(id)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let done = Event::made(AuditAction::NotificationResend, id, json!({ "sent_again": revived }));
            audit!(self, tx, org, done);
            Resent::Done(revived)
        });
        self.outbox.notify_one();
        Ok(resent)
    }
}
