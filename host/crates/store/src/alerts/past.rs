//! Past executions as rules see them, for a rule that is tried before it is saved.

use std::{fmt::Display, ops::Range, str::FromStr as _};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::{FromRow, types::Json};
use uuid::Uuid;
use vedette_core::{
    ErrorClass, OrgId, ScriptId, Status,
    alert::observation::{Observation, Seen},
    slot::DEFAULT_LOCATION,
};

use crate::{Store, StoreError, db::on_db, maintenance::load_mutes};

/// Rows that are read at a time: the requests of each are read with it, and only an end is kept of them.
const BATCH: u32 = 1_000;

const PAST: &str = "SELECT id, scheduled_at, location, status, error_class, latency_ms, requests \
    FROM script_executions WHERE org_id = $1 AND script_id = $2 AND location = $3 AND NOT is_recheck \
    AND scheduled_at >= $4 AND scheduled_at < $5 ORDER BY scheduled_at DESC LIMIT $6";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[PAST];

/// What was seen in a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// One for each slot that has ended, newest first.
    pub observations: Vec<Observation>,
    /// There are older ones in that time, which were too many.
    pub is_cut: bool,
}

#[derive(FromRow)]
struct PastRow {
    id: Uuid,
    scheduled_at: DateTime<Utc>,
    location: String,
    status: String,
    error_class: Option<String>,
    latency_ms: Option<f64>,
    requests: Json<Vec<PastRequest>>,
}

/// All that a rule looks at of a request.
#[derive(Deserialize)]
struct PastRequest {
    #[serde(default)]
    certificate_expires_at: Option<DateTime<Utc>>,
}

impl TryFrom<PastRow> for Observation {
    type Error = StoreError;

    fn try_from(row: PastRow) -> Result<Self, StoreError> {
        let corrupt = |error: &dyn Display| {
            StoreError::corrupt("script_executions", &row.id, &error.to_string())
        };
        let status = Status::from_str(&row.status).map_err(|error| corrupt(&error))?;
        let class = row.error_class.as_deref().map(ErrorClass::from_str);
        let class = class.transpose().map_err(|error| corrupt(&error))?;
        let ends = row.requests.0.iter();
        Ok(Self {
            at: row.scheduled_at,
            seen: Seen::of(status, class),
            latency_ms: row.latency_ms.filter(|latency| latency.is_finite()),
            certificate_expires_at: ends.filter_map(|one| one.certificate_expires_at).min(),
            is_recheck: false,
            is_in_maintenance: false,
            location: row.location,
        })
    }
}

impl Store {
    /// What the slots of a script within a time have shown, at most `most` of them, the newest. Neither runs
    /// by hand, which have no slot, nor rechecks, which answered the rules of then, are among them. Whether they were in
    /// maintenance goes by the windows that there are now.
    pub async fn past_observations(
        &self,
        org: OrgId,
        script: ScriptId,
        time: Range<DateTime<Utc>>,
        most: u32,
    ) -> Result<Past, StoreError> {
        let mut observations: Vec<Observation> = Vec::new();
        let mut before = time.end;
        // One more than asked for tells whether there are more.
        let mut left = most.saturating_add(1);
        while left > 0 {
            let batch = left.min(BATCH);
            let rows: Vec<PastRow> = on_db!(self, pool => {
                sqlx::query_as(PAST)
                    .bind(org.as_uuid())
                    .bind(script.as_uuid())
                    .bind(DEFAULT_LOCATION)
                    .bind(time.start)
                    .bind(before)
                    .bind(i64::from(batch))
                    .fetch_all(pool)
                    .await?
            });
            let is_last = rows.len() < batch as usize;
            for row in rows {
                observations.push(row.try_into()?);
            }
            if is_last {
                break;
            }
            before = observations.last().map_or(before, |oldest| oldest.at);
            left -= batch;
        }
        let is_cut = observations.len() > most as usize;
        observations.truncate(most as usize);
        let (orgs, scripts) = (vec![org.as_uuid()], [script]);
        let muting = on_db!(self, pool => {
            load_mutes!(pool, orgs, &scripts, &(time.start..=time.end))
        });
        let mutes = muting.of(org, script);
        for observation in &mut observations {
            observation.is_in_maintenance = mutes.is_in_maintenance(observation.at);
        }
        Ok(Past {
            observations,
            is_cut,
        })
    }
}
