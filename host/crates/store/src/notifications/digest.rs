//! Gathering what is due for one channel at the same time: an outage that takes many scripts down is told in a few
//! messages. What a digest tells leaves the queue with it, and shares its fate.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{Database, Encode, FromRow, QueryBuilder, Type, types::Json};
use uuid::Uuid;
use vedette_core::{NotificationId, alert::Severity};

use super::claim::MAX_CLAIMS_OF_CHANNEL;
use crate::{
    Store, StoreError,
    db::{in_tx, on_db},
    replaced::At,
};

/// So many that are due at the same time for one channel go there as a digest.
pub const LEAST_OF_DIGEST: u32 = 10;
/// Most that one digest tells: as many as the formats of channels name one by one.
pub const MOST_OF_DIGEST: u32 = 100;
/// Longest message of one of them, in characters. Formats cut them shorter.
const ITEM_MESSAGE: usize = 300;

/// What was never taken up and waits for nothing that was told before it, directly or by a digest.
const IS_FRESH: &str = "fresh.status = 'pending' AND fresh.lease_token = 0 AND fresh.incident_id IS NOT NULL \
    AND NOT EXISTS (SELECT 1 FROM notifications AS earlier LEFT JOIN notifications AS digests \
    ON digests.id = earlier.digest_id WHERE earlier.incident_id = fresh.incident_id \
    AND earlier.channel_id = fresh.channel_id AND earlier.position < fresh.position \
    AND (earlier.status = 'pending' OR digests.status = 'pending'))";
const INSERT_DIGEST: &str = "INSERT INTO notifications (id, org_id, channel_id, event, position, payload, \
    created_at, status, attempts, next_attempt_at, lease_token) \
    VALUES ($1, $2, $3, 'digest', 1, $4, $5, 'pending', 0, $6, 0)";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[INSERT_DIGEST];

/// One that a digest tells.
#[derive(Debug, FromRow)]
struct GatheredRow {
    id: Uuid,
    org_id: Uuid,
    payload: Json<Value>,
    created_at: DateTime<Utc>,
}

impl GatheredRow {
    fn severity(&self) -> Severity {
        let severity = self.payload.0["severity"].as_str();
        let severity = severity.and_then(|severity| severity.parse().ok());
        severity.unwrap_or(Severity::Warning)
    }

    fn item(&self) -> Value {
        let payload = &self.payload.0;
        let message = payload["message"].as_str().unwrap_or_default();
        json!({
            "incident": payload["incident"],
            "event": payload["event"],
            "severity": payload["severity"],
            "project": payload["project"],
            "script": payload["script"],
            "message": message.chars().take(ITEM_MESSAGE).collect::<String>(),
        })
    }
}

/// All that a digest tells, of those that it gathers: the worst first, and then the oldest.
fn digest_of(id: NotificationId, rows: &mut [GatheredRow], now: DateTime<Utc>) -> Value {
    rows.sort_by_key(|row| (std::cmp::Reverse(row.severity()), row.created_at, row.id));
    let severity = rows
        .first()
        .map_or(Severity::Warning, GatheredRow::severity);
    json!({
        "id": id,
        "event": "digest",
        "severity": severity,
        "organization": rows.first().map(|row| &row.payload.0["organization"]),
        "project": "",
        "script": "",
        "rule": null,
        "incident": null,
        "occurred_at": now,
        "started_at": null,
        "ended_at": null,
        "resolution": null,
        "message": "",
        "failing_step": null,
        "requests": [],
        "last_good": null,
        "first_bad": null,
        "link": null,
        "items": rows.iter().map(GatheredRow::item).collect::<Vec<_>>(),
    })
}

/// Asks for the channels that have enough for a digest. Where several wait already, the next one gathers more.
fn push_crowded<D>(query: &mut QueryBuilder<D>, now: DateTime<Utc>, one_by_one: &[&str])
where
    D: Database,
    String: for<'q> Encode<'q, D> + Type<D>,
    i64: for<'q> Encode<'q, D> + Type<D>,
    DateTime<Utc>: for<'q> Encode<'q, D> + Type<D>,
{
    query
        .push(
            "SELECT fresh.channel_id FROM notifications AS fresh JOIN notification_channels AS channels \
             ON channels.id = fresh.channel_id AND channels.is_enabled",
        );
    if !one_by_one.is_empty() {
        query.push(" AND channels.type NOT IN (");
        let mut kinds = query.separated(", ");
        for kind in one_by_one {
            kinds.push_bind((*kind).to_owned());
        }
        query.push(")");
    }
    query
        .push(" WHERE fresh.next_attempt_at <= ")
        .push_bind(now)
        .push(" AND ")
        .push(IS_FRESH)
        .push(" GROUP BY fresh.channel_id HAVING COUNT(*) >= ")
        .push_bind(i64::from(LEAST_OF_DIGEST))
        .push(
            " AND (SELECT COUNT(*) FROM notifications AS digests WHERE digests.channel_id = fresh.channel_id \
             AND digests.status = 'pending' AND digests.event = 'digest') < ",
        )
        .push_bind(i64::from(MAX_CLAIMS_OF_CHANNEL));
}

/// Asks for those of a channel that go into its next digest, the ones that wait longest.
fn push_next<D>(query: &mut QueryBuilder<D>, now: DateTime<Utc>, channel: Uuid)
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
    i64: for<'q> Encode<'q, D> + Type<D>,
    DateTime<Utc>: for<'q> Encode<'q, D> + Type<D>,
{
    query
        .push("SELECT fresh.id FROM notifications AS fresh WHERE fresh.channel_id = ")
        .push_bind(channel)
        .push(" AND fresh.next_attempt_at <= ")
        .push_bind(now)
        .push(" AND ")
        .push(IS_FRESH)
        .push(" ORDER BY fresh.next_attempt_at, fresh.id LIMIT ")
        .push_bind(i64::from(MOST_OF_DIGEST));
}

/// Takes these out of the queue, for a digest.
fn push_gather<D>(query: &mut QueryBuilder<D>, digest: NotificationId, ids: &[Uuid])
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
{
    query
        .push("UPDATE notifications SET status = 'digested', next_attempt_at = NULL, digest_id = ")
        .push_bind(digest.as_uuid())
        .push(" WHERE id IN (");
    let mut places = query.separated(", ");
    for id in ids {
        places.push_bind(*id);
    }
    query.push(
        ") AND status = 'pending' AND lease_token = 0 RETURNING id, org_id, payload, created_at",
    );
}

impl Store {
    /// Gathers what is due: of each channel that has [`LEAST_OF_DIGEST`] or more that were never taken up, they
    /// become digests of at most [`MOST_OF_DIGEST`] each, which are due at once. Not of channels of the kinds
    /// `one_by_one`, and not where as many wait as may be under way. Answers how many digests there are more.
    pub async fn gather_digests(
        &self,
        now: DateTime<Utc>,
        one_by_one: &[&str],
    ) -> Result<u64, StoreError> {
        let crowded: Vec<Uuid> = on_db!(self, pool => {
            let mut select = QueryBuilder::new("");
            push_crowded(&mut select, now, one_by_one);
            select.build_query_scalar().persistent(false).fetch_all(pool).await?
        });
        if crowded.is_empty() {
            return Ok(0);
        }
        let lock = self.db.lock_claims();
        Ok(in_tx!(self, D, tx => {
            sqlx::query(lock).execute(&mut *tx).await?;
            let mut made = 0;
            for channel in crowded {
                for _ in 0..MAX_CLAIMS_OF_CHANNEL {
                    let mut select = QueryBuilder::<D>::new("");
                    push_next(&mut select, now, channel);
                    let ids: Vec<Uuid> =
                        select.build_query_scalar().persistent(false).fetch_all(&mut *tx).await?;
                    if ids.len() < LEAST_OF_DIGEST as usize {
                        break;
                    }
                    let id = NotificationId::generate(&At(now));
                    let mut update = QueryBuilder::<D>::new("");
                    push_gather(&mut update, id, &ids);
                    let mut rows: Vec<GatheredRow> =
                        update.build_query_as().persistent(false).fetch_all(&mut *tx).await?;
                    let payload = digest_of(id, &mut rows, now);
                    let Some(oldest) = rows.iter().min_by_key(|row| row.created_at) else {
                        break;
                    };
                    sqlx::query(INSERT_DIGEST)
                        .bind(id.as_uuid())
                        .bind(oldest.org_id)
                        .bind(channel)
                        .bind(Json(payload))
                        .bind(now)
                        .bind(oldest.created_at)
                        .execute(&mut *tx)
                        .await?;
                    made += 1;
                }
            }
            made
        }))
    }
}
