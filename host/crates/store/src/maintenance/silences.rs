//! Silences.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{AssertSqlSafe, FromRow, types::Json};
use uuid::Uuid;
use vedette_core::{
    OrgId, ProjectId, Projects, SilenceId, UserId,
    silence::{Interval, MatcherText},
};

use super::{KEPT_DAYS, MAX_SILENCES, only_in};
use crate::{
    AuditAction, Page, PageRequest, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    members::LOCK_ORG,
    projects::GET_PROJECT,
};

/// A silence.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSilence {
    /// Id.
    pub id: SilenceId,
    /// What a user decides about it.
    pub content: SilenceContent,
    /// Who made it.
    pub created_by: UserId,
    /// When made.
    pub created_at: DateTime<Utc>,
    /// When changed last.
    pub updated_at: DateTime<Utc>,
    /// Grows with each change.
    pub revision: i64,
}

/// What a user decides about a silence. It was read by [`vedette_core::silence::Silence::parse`].
#[derive(Debug, Clone, PartialEq)]
pub struct SilenceContent {
    /// Which alerts.
    pub matchers: Vec<MatcherText>,
    /// The project that they keep to, because one of them names its id; `None`: they may go beyond.
    pub project_id: Option<ProjectId>,
    /// When.
    pub interval: Interval,
    /// For people.
    pub comment: String,
}

/// A silence to be made.
#[derive(Debug, Clone)]
pub struct NewSilence {
    /// Id.
    pub id: SilenceId,
    /// The organization.
    pub org_id: OrgId,
    /// What a user decides about it.
    pub content: SilenceContent,
    /// Who makes it.
    pub created_by: UserId,
    /// Now.
    pub created_at: DateTime<Utc>,
}

/// What became of a new silence.
#[derive(Debug, Clone)]
pub enum CreatedSilence {
    /// It is there.
    Done(StoredSilence),
    /// The organization has no such project.
    NoProject,
    /// The organization has [`MAX_SILENCES`] that are not over.
    TooMany,
}

/// What became of a change.
#[derive(Debug, Clone)]
pub enum UpdatedSilence {
    /// The silence as it is now.
    Done(StoredSilence),
    /// No such silence in this organization.
    NotFound,
    /// The organization has no such project.
    NoProject,
    /// It was changed since the expected revision.
    Stale,
}

const COUNT_SILENCES: &str = "SELECT COUNT(*) FROM silences WHERE org_id = $1 AND ends_at > $2";
const FORGET_SILENCES: &str = "DELETE FROM silences WHERE org_id = $1 AND ends_at < $2";
const INSERT_SILENCE: &str = "INSERT INTO silences (id, org_id, project_id, matchers, starts_at, \
    ends_at, comment, created_by, created_at, updated_at, revision) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, 1)";
const GET_SILENCE: &str = "SELECT id, project_id, matchers, starts_at, ends_at, comment, created_by, \
    created_at, updated_at, revision FROM silences WHERE org_id = $1 AND id = $2";
const LIST_SILENCES: &str = "SELECT id, project_id, matchers, starts_at, ends_at, comment, created_by, \
    created_at, updated_at, revision FROM silences WHERE org_id = $1 AND id < $2";
const LIST_ORDER: &str = " ORDER BY id DESC LIMIT $3";
const UPDATE_SILENCE: &str = "UPDATE silences SET project_id = $4, matchers = $5, starts_at = $6, \
    ends_at = $7, comment = $8, updated_at = $9, revision = revision + 1 \
    WHERE org_id = $1 AND id = $2 AND revision = $3";
const DELETE_SILENCE: &str = "DELETE FROM silences WHERE org_id = $1 AND id = $2 \
    RETURNING id, project_id, matchers, starts_at, ends_at, comment, created_by, created_at, \
    updated_at, revision";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[
    COUNT_SILENCES,
    FORGET_SILENCES,
    INSERT_SILENCE,
    GET_SILENCE,
    LIST_SILENCES,
    UPDATE_SILENCE,
    DELETE_SILENCE,
];

#[derive(FromRow)]
struct SilenceRow {
    id: Uuid,
    project_id: Option<Uuid>,
    matchers: Json<serde_json::Value>,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    comment: String,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    revision: i64,
}

impl TryFrom<SilenceRow> for StoredSilence {
    type Error = StoreError;

    fn try_from(row: SilenceRow) -> Result<Self, StoreError> {
        let matchers = serde_json::from_value(row.matchers.0);
        Ok(Self {
            id: SilenceId::from_uuid(row.id),
            content: SilenceContent {
                matchers: matchers
                    .map_err(|error| StoreError::corrupt("silences", &row.id, &error))?,
                project_id: row.project_id.map(ProjectId::from_uuid),
                interval: Interval {
                    from: row.starts_at,
                    until: row.ends_at,
                },
                comment: row.comment,
            },
            created_by: UserId::from_uuid(row.created_by),
            created_at: row.created_at,
            updated_at: row.updated_at,
            revision: row.revision,
        })
    }
}

/// Whether the project that a silence keeps to is one of the organization, which stays until the transaction ends.
macro_rules! is_project_there {
    ($store:expr, $tx:ident, $org:expr, $project:expr) => {{
        let lock = format!("{GET_PROJECT}{}", $store.db.share_rows());
        match $project {
            None => true,
            Some(project) => sqlx::query(AssertSqlSafe(lock))
                .bind($org.as_uuid())
                .bind(project.as_uuid())
                .fetch_optional(&mut *$tx)
                .await?
                .is_some(),
        }
    }};
}

impl Store {
    /// Makes a silence.
    pub async fn create_silence(&self, new: NewSilence) -> Result<CreatedSilence, StoreError> {
        // Of two who make the last one, one waits and finds it made.
        let lock = format!("{LOCK_ORG}{}", self.db.lock_owner());
        let (org, now) = (new.org_id, new.created_at);
        let silence = in_tx!(self, tx => {
            sqlx::query(AssertSqlSafe(lock)).bind(org.as_uuid()).execute(&mut *tx).await?;
            let forgotten = now - TimeDelta::days(KEPT_DAYS);
            sqlx::query(FORGET_SILENCES)
                .bind(org.as_uuid())
                .bind(forgotten)
                .execute(&mut *tx)
                .await?;
            let count: i64 = sqlx::query_scalar(COUNT_SILENCES)
                .bind(org.as_uuid())
                .bind(now)
                .fetch_one(&mut *tx)
                .await?;
            if count >= i64::from(MAX_SILENCES) {
                return Ok(CreatedSilence::TooMany);
            }
            let content = &new.content;
            if !is_project_there!(self, tx, org, content.project_id) {
                return Ok(CreatedSilence::NoProject);
            }
            sqlx::query(INSERT_SILENCE)
                .bind(new.id.as_uuid())
                .bind(org.as_uuid())
                .bind(content.project_id.map(ProjectId::as_uuid))
                .bind(Json(&content.matchers))
                .bind(content.interval.from)
                .bind(content.interval.until)
                .bind(&content.comment)
                .bind(new.created_by.as_uuid())
                .bind(now)
                .execute(&mut *tx)
                .await?;
            let silence = StoredSilence {
                id: new.id,
                content: new.content,
                created_by: new.created_by,
                created_at: now,
                updated_at: now,
                revision: 1,
            };
            let action = AuditAction::SilenceCreate;
            audit!(self, tx, org, Event::made(action, silence.id, silence.snapshot()));
            silence
        });
        Ok(CreatedSilence::Done(silence))
    }

    /// One silence of an organization.
    pub async fn get_silence(
        &self,
        org: OrgId,
        id: SilenceId,
    ) -> Result<Option<StoredSilence>, StoreError> {
        let row: Option<SilenceRow> = on_db!(self, pool => {
            sqlx::query_as(GET_SILENCE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(pool)
                .await?
        });
        row.map(StoredSilence::try_from).transpose()
    }

    /// One page of the silences of an organization, newest first; of some projects only those that keep to them.
    pub async fn list_silences(
        &self,
        org: OrgId,
        projects: &Projects,
        page: PageRequest,
    ) -> Result<Page<StoredSilence>, StoreError> {
        let (filter, projects) = only_in("project_id", projects, 4);
        let sql = format!("{LIST_SILENCES}{filter}{LIST_ORDER}");
        let rows: Vec<SilenceRow> = on_db!(self, pool => {
            let mut query = sqlx::query_as(AssertSqlSafe(sql))
                .bind(org.as_uuid())
                .bind(page.before())
                .bind(page.fetch_limit());
            for project in projects {
                query = query.bind(project.as_uuid());
            }
            query.fetch_all(pool).await?
        });
        let silences = rows.into_iter().map(StoredSilence::try_from);
        let items = silences.collect::<Result<_, _>>()?;
        Ok(page.page(items, |silence: &StoredSilence| silence.id.as_uuid()))
    }

    /// Replaces what a user decides about a silence. With `expected_revision`, only if it has that revision.
    pub async fn update_silence(
        &self,
        org: OrgId,
        id: SilenceId,
        content: SilenceContent,
        now: DateTime<Utc>,
        expected_revision: Option<i64>,
    ) -> Result<UpdatedSilence, StoreError> {
        let silence = in_tx!(self, tx => {
            let row: Option<SilenceRow> = sqlx::query_as(GET_SILENCE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let Some(row) = row else { return Ok(UpdatedSilence::NotFound) };
            let old = StoredSilence::try_from(row)?;
            if expected_revision.is_some_and(|expected| expected != old.revision) {
                return Ok(UpdatedSilence::Stale);
            }
            if !is_project_there!(self, tx, org, content.project_id) {
                return Ok(UpdatedSilence::NoProject);
            }
            let changed = sqlx::query(UPDATE_SILENCE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(old.revision)
                .bind(content.project_id.map(ProjectId::as_uuid))
                .bind(Json(&content.matchers))
                .bind(content.interval.from)
                .bind(content.interval.until)
                .bind(&content.comment)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if changed == 0 {
                return Ok(UpdatedSilence::Stale);
            }
            let silence = StoredSilence {
                content,
                updated_at: now,
                revision: old.revision + 1,
                ..old.clone()
            };
            let (before, after) = (old.snapshot(), silence.snapshot());
            audit!(self, tx, org, Event::changed(AuditAction::SilenceUpdate, id, before, after));
            silence
        });
        Ok(UpdatedSilence::Done(silence))
    }

    /// Deletes a silence, which ends at once. `false`: there was none.
    pub async fn delete_silence(&self, org: OrgId, id: SilenceId) -> Result<bool, StoreError> {
        in_tx!(self, tx => {
            let deleted: Option<SilenceRow> = sqlx::query_as(DELETE_SILENCE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let Some(row) = deleted else { return Ok(false) };
            let before = StoredSilence::try_from(row)?.snapshot();
            audit!(self, tx, org, Event::gone(AuditAction::SilenceDelete, id, before));
        });
        Ok(true)
    }
}
