//! Taking up notifications under a lease, and keeping what came of each attempt.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::{FromRow, QueryBuilder, types::Json};
use uuid::Uuid;
use vedette_core::{ChannelId, IncidentId, NotificationId, OrgId};

use crate::{
    AuditAction, Store, StoreError,
    audit::{Event, audit},
    db::{in_tx, on_db},
};

/// Most notifications of one channel that are under way at one time, on all nodes: whoever does not answer holds up
/// nobody else.
pub const MAX_CLAIMS_OF_CHANNEL: u32 = 4;
/// Rows that one claim looks at. Those of channels that have all they may are passed over before, so that what many
/// rows of a few channels hide is seen by the next claim.
const LOOK_AT: i64 = 512;
/// Longest time that one attempt is said to have taken.
const MOST_MS: i64 = i64::MAX;

/// Whether there is anything to do, without the write lock.
const HAS_DUE: &str = "SELECT 1 FROM notifications WHERE status = 'pending' \
    AND next_attempt_at <= $1 AND (leased_until IS NULL OR leased_until <= $1) LIMIT 1";
/// Of those that are due, the first ones of each channel that has places left: `$2` places, `$3` rows to look at,
/// `$4` rows at most. Those of one incident go to a channel one after the
/// other, also those that a digest tells.
const SELECT_DUE: &str = "SELECT due.id, due.channel_id, channels.is_enabled FROM (SELECT eligible.id, \
    eligible.channel_id, eligible.next_attempt_at, eligible.claims, ROW_NUMBER() OVER \
    (PARTITION BY eligible.channel_id ORDER BY eligible.next_attempt_at, eligible.id) AS place \
    FROM (SELECT waiting.id, waiting.channel_id, waiting.next_attempt_at, \
    COALESCE(held.claims, 0) AS claims FROM notifications AS waiting LEFT JOIN \
    (SELECT channel_id, COUNT(*) AS claims FROM notifications WHERE leased_until > $1 \
    GROUP BY channel_id) AS held ON held.channel_id = waiting.channel_id \
    WHERE waiting.status = 'pending' AND waiting.next_attempt_at <= $1 \
    AND (waiting.leased_until IS NULL OR waiting.leased_until <= $1) \
    AND COALESCE(held.claims, 0) < $2 AND NOT EXISTS (SELECT 1 FROM notifications AS told \
    JOIN notifications AS earlier ON earlier.incident_id = told.incident_id \
    AND earlier.channel_id = told.channel_id AND earlier.position < told.position \
    LEFT JOIN notifications AS digests ON digests.id = earlier.digest_id \
    WHERE (told.id = waiting.id OR told.digest_id = waiting.id) \
    AND (earlier.status = 'pending' OR digests.status = 'pending')) \
    ORDER BY waiting.next_attempt_at, waiting.id LIMIT $3) AS eligible) AS due \
    LEFT JOIN notification_channels AS channels ON channels.id = due.channel_id \
    WHERE due.place + due.claims <= $2 ORDER BY due.next_attempt_at, due.id LIMIT $4";
/// All that waits for a channel, but for what is under way.
const KILL: &str = "UPDATE notifications SET status = 'dead', next_attempt_at = NULL, \
    lease_owner = NULL, leased_until = NULL, last_error = $2 WHERE channel_id = $1 \
    AND status = 'pending' AND (leased_until IS NULL OR leased_until <= $3)";
const RELEASE: &str = "UPDATE notifications SET lease_owner = NULL, leased_until = NULL, \
    attempts = attempts - 1 WHERE id = $1 AND lease_token = $2 AND status = 'pending' \
    AND leased_until IS NOT NULL";
const RELEASE_ALL: &str = "UPDATE notifications SET lease_owner = NULL, leased_until = NULL \
    WHERE leased_until IS NOT NULL";
const FINISH: &str = "UPDATE notifications SET status = $3, next_attempt_at = $4, \
    delivered_at = $5, last_error = $6, lease_owner = NULL, leased_until = NULL \
    WHERE id = $1 AND lease_token = $2 AND status = 'pending' AND leased_until IS NOT NULL \
    RETURNING org_id, channel_id";
const INSERT_ATTEMPT: &str = "INSERT INTO delivery_attempts (notification_id, lease_token, \
    attempted_at, outcome, status, duration_ms, error, excerpt) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const DISABLE_CHANNEL: &str = "UPDATE notification_channels SET is_enabled = (1 = 0), \
    disabled_reason = $3, updated_at = $4, revision = revision + 1, owner_is_told = (1 = 0) \
    WHERE org_id = $1 AND id = $2 AND is_enabled";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[
    HAS_DUE,
    SELECT_DUE,
    KILL,
    RELEASE,
    RELEASE_ALL,
    FINISH,
    INSERT_ATTEMPT,
    DISABLE_CHANNEL,
];

/// A notification to be delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedNotification {
    /// Its id.
    pub id: NotificationId,
    /// The organization.
    pub org_id: OrgId,
    /// Where it goes.
    pub channel_id: ChannelId,
    /// What it is about.
    pub incident_id: Option<IncidentId>,
    /// All that is told.
    pub payload: Value,
    /// Fences this claim against all others.
    pub lease_token: i64,
    /// How often it was taken up in this round, this time included.
    pub attempts: u32,
    /// When it was for the first time.
    pub first_attempt_at: DateTime<Utc>,
}

/// What came of an attempt, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The other side has taken it.
    Delivered,
    /// It has not, and may later.
    Retry,
    /// Nobody listens there any more.
    Gone,
    /// It has not, and will not.
    Refused,
}

impl AttemptOutcome {
    /// Every outcome.
    pub const ALL: &[Self] = &[Self::Delivered, Self::Retry, Self::Gone, Self::Refused];

    /// The spelling in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry => "retry",
            Self::Gone => "gone",
            Self::Refused => "refused",
        }
    }
}

/// An attempt to deliver a notification. It holds nothing that is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// When it was made.
    pub attempted_at: DateTime<Utc>,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// The status code of the answer, if there was one.
    pub status: Option<u16>,
    /// How long it took; kept in whole milliseconds.
    pub duration: Duration,
    /// Why it was in vain.
    pub error: Option<String>,
    /// The beginning of the answer.
    pub excerpt: Option<String>,
}

/// What becomes of a notification after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterAttempt {
    /// It was delivered.
    Delivered,
    /// It is tried again at this time.
    Again(DateTime<Utc>),
    /// It is not tried any more.
    Dead,
    /// Neither it nor any other: the channel is disabled, for this reason.
    DisableChannel(String),
}

#[derive(FromRow)]
struct DueRow {
    id: Uuid,
    channel_id: Uuid,
    /// `None`: the channel is gone.
    is_enabled: Option<bool>,
}

impl DueRow {
    /// Why it goes nowhere.
    const fn obstacle(&self) -> Option<&'static str> {
        match self.is_enabled {
            Some(true) => None,
            Some(false) => Some("the channel is disabled"),
            None => Some("the channel was deleted"),
        }
    }
}

#[derive(FromRow)]
struct ClaimedRow {
    id: Uuid,
    org_id: Uuid,
    channel_id: Uuid,
    incident_id: Option<Uuid>,
    payload: Json<Value>,
    lease_token: i64,
    attempts: i64,
    first_attempt_at: DateTime<Utc>,
}

impl From<ClaimedRow> for ClaimedNotification {
    fn from(row: ClaimedRow) -> Self {
        Self {
            id: NotificationId::from_uuid(row.id),
            org_id: OrgId::from_uuid(row.org_id),
            channel_id: ChannelId::from_uuid(row.channel_id),
            incident_id: row.incident_id.map(IncidentId::from_uuid),
            payload: row.payload.0,
            lease_token: row.lease_token,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            first_attempt_at: row.first_attempt_at,
        }
    }
}

impl Store {
    /// Takes up some of the notifications that are due, the ones that wait longest first, of each channel at most
    /// [`MAX_CLAIMS_OF_CHANNEL`] at one time. No other claim gets them before the lease is over, which must be longer
    /// than an attempt may take. Of one incident and channel, none is taken up before those that came earlier are
    /// delivered or dead. Those whose channel is disabled or gone become dead letters instead.
    ///
    /// None: nothing is due, or all that is belongs to channels that have as many as they may.
    pub async fn claim_notifications(
        &self,
        now: DateTime<Utc>,
        lease: TimeDelta,
        limit: u32,
        owner: &str,
    ) -> Result<Vec<ClaimedNotification>, StoreError> {
        let has_due: Option<i32> = on_db!(self, pool => {
            sqlx::query_scalar(HAS_DUE).bind(now).fetch_optional(pool).await?
        });
        if has_due.is_none() || limit == 0 {
            return Ok(Vec::new());
        }
        let lock = self.db.lock_claims();
        let (rows, order): (Vec<ClaimedRow>, Vec<Uuid>) = in_tx!(self, D, tx => {
            sqlx::query(lock).execute(&mut *tx).await?;
            let mut claims = Vec::new();
            // What goes dead makes place for what is behind it.
            while claims.is_empty() {
                let due: Vec<DueRow> = sqlx::query_as(SELECT_DUE)
                    .bind(now)
                    .bind(i64::from(MAX_CLAIMS_OF_CHANNEL))
                    .bind(LOOK_AT)
                    .bind(i64::from(limit))
                    .fetch_all(&mut *tx)
                    .await?;
                if due.is_empty() {
                    break;
                }
                let mut closed = BTreeMap::new();
                for row in due {
                    match row.obstacle() {
                        None => claims.push(row.id),
                        Some(why) => drop(closed.insert(row.channel_id, why)),
                    }
                }
                for (channel, why) in closed {
                    sqlx::query(KILL).bind(channel).bind(why).bind(now).execute(&mut *tx).await?;
                }
            }
            if claims.is_empty() {
                (Vec::new(), claims)
            } else {
                let mut update = QueryBuilder::<D>::new("UPDATE notifications SET lease_owner = ");
                update.push_bind(owner).push(", leased_until = ").push_bind(now + lease);
                update.push(
                    ", lease_token = lease_token + 1, attempts = attempts + 1, \
                     first_attempt_at = COALESCE(first_attempt_at, ",
                );
                update.push_bind(now).push(") WHERE id IN (");
                let mut ids = update.separated(", ");
                for id in &claims {
                    ids.push_bind(*id);
                }
                // One whose lease is over may have been recorded meanwhile.
                update.push(") AND status = 'pending' AND (leased_until IS NULL OR leased_until <= ");
                update.push_bind(now).push(
                    ") RETURNING id, org_id, channel_id, incident_id, payload, lease_token, \
                     attempts, first_attempt_at",
                );
                let rows: Vec<ClaimedRow> =
                    update.build_query_as().persistent(false).fetch_all(&mut *tx).await?;
                (rows, claims)
            }
        });
        // Rows come back in any order.
        let place = |row: &ClaimedRow| order.iter().position(|id| *id == row.id);
        let mut rows = rows;
        rows.sort_by_key(place);
        Ok(rows.into_iter().map(ClaimedNotification::from).collect())
    }

    /// Gives a claim back of which nothing was sent. One that is not current is nothing to do.
    pub async fn release_notification(
        &self,
        id: NotificationId,
        lease_token: i64,
    ) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            sqlx::query(RELEASE).bind(id.as_uuid()).bind(lease_token).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Gives every claim back. Only for a process that knows that it is alone, at its start.
    pub async fn release_all_notifications(&self) -> Result<u64, StoreError> {
        Ok(in_tx!(self, tx => {
            sqlx::query(RELEASE_ALL).execute(&mut *tx).await?.rows_affected()
        }))
    }

    /// Keeps what came of an attempt. `false`: the claim is no longer the current one, and nothing was changed.
    pub async fn record_attempt(
        &self,
        id: NotificationId,
        lease_token: i64,
        attempt: &DeliveryAttempt,
        next: &AfterAttempt,
    ) -> Result<bool, StoreError> {
        let ended_at = attempt.attempted_at
            + TimeDelta::from_std(attempt.duration).unwrap_or(TimeDelta::zero());
        let ended_at = vedette_core::clock::whole_micros(ended_at);
        let (status, again, delivered_at) = match next {
            AfterAttempt::Delivered => ("delivered", None, Some(ended_at)),
            AfterAttempt::Again(at) => ("pending", Some(*at), None),
            AfterAttempt::Dead | AfterAttempt::DisableChannel(_) => ("dead", None, None),
        };
        in_tx!(self, tx => {
            let found: Option<(Uuid, Uuid)> = sqlx::query_as(FINISH)
                .bind(id.as_uuid())
                .bind(lease_token)
                .bind(status)
                .bind(again)
                .bind(delivered_at)
                .bind(&attempt.error)
                .fetch_optional(&mut *tx)
                .await?;
            let Some((org, channel)) = found else {
                return Ok(false);
            };
            sqlx::query(INSERT_ATTEMPT)
                .bind(id.as_uuid())
                .bind(lease_token)
                .bind(attempt.attempted_at)
                .bind(attempt.outcome.as_str())
                .bind(attempt.status.map(i64::from))
                .bind(i64::try_from(attempt.duration.as_millis()).unwrap_or(MOST_MS))
                .bind(&attempt.error)
                .bind(&attempt.excerpt)
                .execute(&mut *tx)
                .await?;
            if let AfterAttempt::DisableChannel(reason) = next {
                let disabled = sqlx::query(DISABLE_CHANNEL)
                    .bind(org)
                    .bind(channel)
                    .bind(reason)
                    .bind(ended_at)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
                if disabled > 0 {
                    let before = json!({ "is_enabled": true, "disabled_reason": null });
                    let after = json!({ "is_enabled": false, "disabled_reason": reason });
                    let action = AuditAction::ChannelUpdate;
                    let changed = Event::changed(action, channel, before, after);
                    audit!(self, tx, OrgId::from_uuid(org), changed);
                }
            }
        });
        Ok(true)
    }
}
