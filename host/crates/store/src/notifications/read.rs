//! Reading the outbox, and deleting what is old.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, FromRow, types::Json};
use uuid::Uuid;
use vedette_core::{ChannelId, IncidentId, NotificationId, OrgId, ProjectId, Projects, ScriptId};

use super::{
    AttemptOutcome, DeliveryAttempt, NewNotification, NotificationDetail, NotificationFilter,
    NotificationStatus, StoredNotification,
};
use crate::{
    AuditAction, Page, PageRequest, Store, StoreError,
    alerts::{Conditions, bind_some},
    audit::{Event, audit},
    db::{in_tx, on_db},
};

/// Attempts that are shown with a notification.
const SHOWN_ATTEMPTS: i64 = 100;

const GET_NOTIFICATION: &str = "SELECT notes.id, notes.script_id, notes.incident_id, \
    notes.channel_id, notes.event, notes.payload, notes.created_at, notes.status, notes.attempts, \
    notes.next_attempt_at, notes.delivered_at, notes.last_error, notes.digest_id, scripts.project_id \
    FROM notifications AS notes LEFT JOIN scripts ON scripts.id = notes.script_id \
    WHERE notes.org_id = $1 AND notes.id = $2";
const LIST_NOTIFICATIONS: &str = "SELECT notes.id, notes.script_id, notes.incident_id, \
    notes.channel_id, notes.event, notes.payload, notes.created_at, notes.status, notes.attempts, \
    notes.next_attempt_at, notes.delivered_at, notes.last_error, notes.digest_id FROM notifications AS notes \
    LEFT JOIN scripts ON scripts.id = notes.script_id WHERE notes.org_id = $1 AND notes.id < $2";
const LIST_ORDER: &str = " ORDER BY notes.id DESC LIMIT $3";
const LIST_ATTEMPTS: &str = "SELECT attempted_at, outcome, status, duration_ms, error, excerpt \
    FROM delivery_attempts WHERE notification_id = $1 ORDER BY lease_token DESC LIMIT $2";
const INSERT_NOTIFICATION: &str = "INSERT INTO notifications (id, org_id, channel_id, event, position, payload, \
    created_at, status, attempts, next_attempt_at, lease_token) \
    SELECT $1, org_id, id, $4, 1, $5, $6, 'pending', 0, $6, 0 FROM notification_channels \
    WHERE org_id = $2 AND id = $3";
/// The first ones of incidents that go on stay: who was told is known by them.
const DELETE_OLD: &str = "DELETE FROM notifications WHERE id IN (SELECT old.id \
    FROM notifications AS old WHERE old.created_at < $1 AND old.status <> 'pending' \
    AND (old.position > 1 OR NOT EXISTS (SELECT 1 FROM incidents WHERE incidents.id = old.incident_id \
    AND incidents.resolved_at IS NULL)) ORDER BY old.created_at LIMIT $2)";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[
    GET_NOTIFICATION,
    LIST_NOTIFICATIONS,
    LIST_ATTEMPTS,
    INSERT_NOTIFICATION,
    DELETE_OLD,
];

#[derive(FromRow)]
struct NotificationRow {
    id: Uuid,
    script_id: Option<Uuid>,
    incident_id: Option<Uuid>,
    channel_id: Uuid,
    event: String,
    payload: Json<Value>,
    created_at: DateTime<Utc>,
    status: String,
    attempts: i64,
    next_attempt_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    last_error: Option<String>,
    digest_id: Option<Uuid>,
}

#[derive(FromRow)]
struct DetailRow {
    #[sqlx(flatten)]
    notification: NotificationRow,
    project_id: Option<Uuid>,
}

impl TryFrom<NotificationRow> for StoredNotification {
    type Error = StoreError;

    fn try_from(row: NotificationRow) -> Result<Self, StoreError> {
        let mut known = NotificationStatus::ALL.iter().copied();
        let status = known.find(|status| status.as_str() == row.status);
        Ok(Self {
            id: NotificationId::from_uuid(row.id),
            script_id: row.script_id.map(ScriptId::from_uuid),
            incident_id: row.incident_id.map(IncidentId::from_uuid),
            channel_id: ChannelId::from_uuid(row.channel_id),
            event: row.event,
            payload: row.payload.0,
            created_at: row.created_at,
            status: status
                .ok_or_else(|| StoreError::corrupt("notifications", &row.id, &row.status))?,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            next_attempt_at: row.next_attempt_at,
            delivered_at: row.delivered_at,
            last_error: row.last_error,
            digest_id: row.digest_id.map(NotificationId::from_uuid),
        })
    }
}

#[derive(FromRow)]
struct AttemptRow {
    attempted_at: DateTime<Utc>,
    outcome: String,
    status: Option<i64>,
    duration_ms: i64,
    error: Option<String>,
    excerpt: Option<String>,
}

impl AttemptRow {
    fn attempt(self, notification: NotificationId) -> Result<DeliveryAttempt, StoreError> {
        let mut known = AttemptOutcome::ALL.iter().copied();
        let outcome = known.find(|outcome| outcome.as_str() == self.outcome);
        let corrupt = || StoreError::corrupt("delivery_attempts", &notification, &self.outcome);
        Ok(DeliveryAttempt {
            attempted_at: self.attempted_at,
            outcome: outcome.ok_or_else(corrupt)?,
            status: self.status.and_then(|status| u16::try_from(status).ok()),
            duration: Duration::from_millis(u64::try_from(self.duration_ms).unwrap_or(0)),
            error: self.error,
            excerpt: self.excerpt,
        })
    }
}

impl Store {
    /// One page of the notifications of an organization, newest first. With some projects only, those about their
    /// scripts; those about none, or about a script that is gone, are seen by those who see all.
    pub async fn list_notifications(
        &self,
        org: OrgId,
        projects: &Projects,
        filter: NotificationFilter,
        page: PageRequest,
    ) -> Result<Page<StoredNotification>, StoreError> {
        let id = |notification: &StoredNotification| notification.id.as_uuid();
        let mut conditions = Conditions::after(3);
        let incident = conditions.add("notes.incident_id =", filter.incident);
        let channel = conditions.add("notes.channel_id =", filter.channel);
        let status = conditions.add("notes.status =", filter.status);
        let Some(projects) = conditions.in_projects(projects) else {
            return Ok(page.page(Vec::new(), id));
        };
        let sql = format!("{LIST_NOTIFICATIONS}{}{LIST_ORDER}", conditions.sql);
        let rows: Vec<NotificationRow> = on_db!(self, pool => {
            let mut query = sqlx::query_as(AssertSqlSafe(sql))
                .bind(org.as_uuid())
                .bind(page.before())
                .bind(page.fetch_limit());
            query = bind_some!(query, incident.map(IncidentId::as_uuid));
            query = bind_some!(query, channel.map(ChannelId::as_uuid));
            query = bind_some!(query, status.map(NotificationStatus::as_str));
            for project in projects {
                query = query.bind(project.as_uuid());
            }
            query.fetch_all(pool).await?
        });
        let items = rows.into_iter().map(StoredNotification::try_from);
        Ok(page.page(items.collect::<Result<_, _>>()?, id))
    }

    /// One notification of an organization, with the attempts to deliver it.
    pub async fn get_notification(
        &self,
        org: OrgId,
        id: NotificationId,
    ) -> Result<Option<NotificationDetail>, StoreError> {
        let (row, attempts): (Option<DetailRow>, Vec<AttemptRow>) = on_db!(self, pool => {
            let row: Option<DetailRow> = sqlx::query_as(GET_NOTIFICATION)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(pool)
                .await?;
            if row.is_none() {
                return Ok(None);
            }
            let attempts = sqlx::query_as(LIST_ATTEMPTS)
                .bind(id.as_uuid())
                .bind(SHOWN_ATTEMPTS)
                .fetch_all(pool)
                .await?;
            (row, attempts)
        });
        let attempts = attempts.into_iter().rev().map(|row| row.attempt(id));
        let attempts = attempts.collect::<Result<_, _>>()?;
        row.map(|row| {
            Ok(NotificationDetail {
                notification: row.notification.try_into()?,
                project_id: row.project_id.map(ProjectId::from_uuid),
                attempts,
            })
        })
        .transpose()
    }

    /// Puts a notification into the outbox with which somebody tries a channel. `false`: no such channel in this
    /// organization.
    pub async fn create_notification(&self, new: &NewNotification) -> Result<bool, StoreError> {
        let is_made = in_tx!(self, tx => {
            let inserted = sqlx::query(INSERT_NOTIFICATION)
                .bind(new.id.as_uuid())
                .bind(new.org_id.as_uuid())
                .bind(new.channel_id.as_uuid())
                .bind(&new.event)
                .bind(Json(&new.payload))
                .bind(new.created_at)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if inserted > 0 {
                let after = json!({ "notification_id": new.id });
                let made = Event::made(AuditAction::ChannelTest, new.channel_id, after);
                audit!(self, tx, new.org_id, made);
            }
            inserted > 0
        });
        self.outbox.notify_one();
        Ok(is_made)
    }

    /// Deletes up to `limit` notifications from before `cutoff` that are delivered or dead, with their attempts.
    /// Answers how many.
    pub async fn delete_notifications_before(
        &self,
        cutoff: DateTime<Utc>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        Ok(in_tx!(self, tx => {
            sqlx::query(DELETE_OLD)
                .bind(cutoff)
                .bind(i64::from(limit))
                .execute(&mut *tx)
                .await?
                .rows_affected()
        }))
    }
}
