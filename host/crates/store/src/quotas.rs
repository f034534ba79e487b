//! Quotas of organizations, and what they have used of them.
//!
//! What may be had only so often is counted in the transaction that makes one more of it, with the organization's
//! row locked. What runs use is counted in the transaction that records them.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{Database, Encode, FromRow, QueryBuilder, Type};
use uuid::Uuid;
use vedette_core::{
    DayUsage, OrgId, Outcome, OwnQuotas, Quota, Quotas, UserId,
    quota::{day_of, end_of_day},
};

use crate::{
    AuditAction, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    members::LOCK_ORG,
};

/// What an organization has and has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Scripts that are not deleted.
    pub scripts: u64,
    /// Bytes of components, those included that versions of scripts still need.
    pub stored_bytes: u64,
    /// Members.
    pub members: u64,
    /// Projects.
    pub projects: u64,
    /// What the runs of the day used.
    pub day: DayUsage,
}

pub(crate) const OWN_QUOTAS: &str = "SELECT org_id, scripts, least_interval_seconds, concurrent_runs, \
    weight, fuel_per_day, fetches_per_day, stored_bytes, members, projects \
    FROM organization_quotas WHERE org_id = $1";
const LIST_OWN_QUOTAS: &str = "SELECT org_id, scripts, least_interval_seconds, concurrent_runs, \
    weight, fuel_per_day, fetches_per_day, stored_bytes, members, projects FROM organization_quotas";
const SET_OWN_QUOTAS: &str = "INSERT INTO organization_quotas (org_id, scripts, \
    least_interval_seconds, concurrent_runs, weight, fuel_per_day, fetches_per_day, stored_bytes, \
    members, projects, set_by, set_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
    ON CONFLICT (org_id) DO UPDATE SET scripts = excluded.scripts, \
    least_interval_seconds = excluded.least_interval_seconds, \
    concurrent_runs = excluded.concurrent_runs, weight = excluded.weight, \
    fuel_per_day = excluded.fuel_per_day, fetches_per_day = excluded.fetches_per_day, \
    stored_bytes = excluded.stored_bytes, members = excluded.members, projects = excluded.projects, \
    set_by = excluded.set_by, set_at = excluded.set_at";
pub(crate) const COUNT_SCRIPTS: &str =
    "SELECT COUNT(*) FROM scripts WHERE org_id = $1 AND NOT is_deleted";
pub(crate) const COUNT_MEMBERS: &str = "SELECT COUNT(*) FROM memberships WHERE org_id = $1";
const GET_USAGE: &str = "SELECT \
    (SELECT COUNT(*) FROM scripts WHERE org_id = $1 AND NOT is_deleted) AS scripts, \
    (SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM components \
    JOIN component_blobs ON component_blobs.digest = components.digest \
    WHERE org_id = $1) AS stored_bytes, \
    (SELECT COUNT(*) FROM memberships WHERE org_id = $1) AS members, \
    (SELECT COUNT(*) FROM projects WHERE org_id = $1) AS projects";
const GET_DAY: &str =
    "SELECT fuel_used, fetches FROM organization_usage WHERE org_id = $1 AND day = $2";
const LIST_DAY: &str = "SELECT organization_usage.org_id, fuel_used, fetches, fuel_per_day, \
    fetches_per_day FROM organization_usage LEFT JOIN organization_quotas \
    ON organization_quotas.org_id = organization_usage.org_id WHERE day = $1";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    OWN_QUOTAS,
    LIST_OWN_QUOTAS,
    SET_OWN_QUOTAS,
    COUNT_SCRIPTS,
    COUNT_MEMBERS,
    GET_USAGE,
    GET_DAY,
    LIST_DAY,
];

#[derive(FromRow)]
pub(crate) struct OwnRow {
    org_id: Uuid,
    scripts: Option<i64>,
    least_interval_seconds: Option<i64>,
    concurrent_runs: Option<i64>,
    weight: Option<i64>,
    fuel_per_day: Option<i64>,
    fetches_per_day: Option<i64>,
    stored_bytes: Option<i64>,
    members: Option<i64>,
    projects: Option<i64>,
}

impl From<OwnRow> for OwnQuotas {
    fn from(row: OwnRow) -> Self {
        let mut own = Self::default();
        for quota in Quota::ALL {
            let value = match quota {
                Quota::Scripts => row.scripts,
                Quota::LeastIntervalSeconds => row.least_interval_seconds,
                Quota::ConcurrentRuns => row.concurrent_runs,
                Quota::Weight => row.weight,
                Quota::FuelPerDay => row.fuel_per_day,
                Quota::FetchesPerDay => row.fetches_per_day,
                Quota::StoredBytes => row.stored_bytes,
                Quota::Members => row.members,
                Quota::Projects => row.projects,
            };
            own.set(quota, value.map(amount));
        }
        own
    }
}

/// What is kept is never negative.
fn amount(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn column(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Ends the transaction with [`StoreError::QuotaExceeded`] when the organization has as many as it may. Locks
/// its row, so that of two who make the last one, one waits and finds it made.
macro_rules! check_quota {
    ($store:expr, $tx:ident, $org:expr, $quota:expr, $count:expr) => {{
        let own: Option<$crate::quotas::OwnRow> = sqlx::query_as($crate::quotas::OWN_QUOTAS)
            .bind($org)
            .fetch_optional(&mut *$tx)
            .await?;
        let own = own.map(vedette_core::OwnQuotas::from).unwrap_or_default();
        if let Some(limit) = $store.quotas.with(&own).limit($quota) {
            let lock = format!("{}{}", $crate::members::LOCK_ORG, $store.db.lock_owner());
            sqlx::query(sqlx::AssertSqlSafe(lock))
                .bind($org)
                .execute(&mut *$tx)
                .await?;
            let count: i64 = sqlx::query_scalar($count)
                .bind($org)
                .fetch_one(&mut *$tx)
                .await?;
            if u64::try_from(count).is_ok_and(|count| count >= limit) {
                return Err(StoreError::QuotaExceeded {
                    quota: $quota,
                    limit,
                });
            }
        }
    }};
}

pub(crate) use check_quota;

/// What a batch of executions used, by organization and day. In one order, so that two nodes never wait for
/// each other.
pub(crate) type UsedByDay = BTreeMap<(Uuid, NaiveDate), DayUsage>;

/// What executions used: of each its organization, its time, and what came of it.
pub(crate) fn used_by_day<'a>(
    executions: impl IntoIterator<Item = (OrgId, DateTime<Utc>, &'a Outcome)>,
) -> UsedByDay {
    let mut used = UsedByDay::new();
    for (org, executed_at, outcome) in executions {
        let fetches = outcome.requests.len() as u64;
        if outcome.fuel_used > 0 || fetches > 0 {
            let day = used
                .entry((org.as_uuid(), day_of(executed_at)))
                .or_default();
            day.fuel = day.fuel.saturating_add(outcome.fuel_used);
            day.fetches = day.fetches.saturating_add(fetches);
        }
    }
    used
}

/// Counts what executions used, in the transaction that records them.
macro_rules! add_usage {
    ($D:ident, $tx:ident, $executions:expr) => {
        let used = $crate::quotas::used_by_day($executions);
        if !used.is_empty() {
            let mut insert = sqlx::QueryBuilder::<$D>::new("");
            $crate::quotas::push_usage(&mut insert, used);
            insert.build().persistent(false).execute(&mut *$tx).await?;
        }
    };
}

pub(crate) use add_usage;

/// `INSERT` that adds to what was used before.
pub(crate) fn push_usage<D>(query: &mut QueryBuilder<D>, used: UsedByDay)
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
    NaiveDate: for<'q> Encode<'q, D> + Type<D>,
    i64: for<'q> Encode<'q, D> + Type<D>,
{
    query.push("INSERT INTO organization_usage (org_id, day, fuel_used, fetches) ");
    query.push_values(used, |mut values, ((org, day), used)| {
        values
            .push_bind(org)
            .push_bind(day)
            .push_bind(column(used.fuel))
            .push_bind(column(used.fetches));
    });
    query.push(
        " ON CONFLICT (org_id, day) DO UPDATE SET \
         fuel_used = organization_usage.fuel_used + excluded.fuel_used, \
         fetches = organization_usage.fetches + excluded.fetches",
    );
}

#[derive(FromRow)]
struct DayRow {
    org_id: Uuid,
    fuel_used: i64,
    fetches: i64,
    fuel_per_day: Option<i64>,
    fetches_per_day: Option<i64>,
}

#[derive(FromRow)]
struct UsageRow {
    scripts: i64,
    stored_bytes: i64,
    members: i64,
    projects: i64,
}

impl Store {
    /// The same database, with the quotas of organizations that have none of their own.
    pub fn with_quotas(self, quotas: Quotas) -> Self {
        Self { quotas, ..self }
    }

    /// The quotas of organizations that have none of their own.
    pub const fn default_quotas(&self) -> Quotas {
        self.quotas
    }

    /// What counts for an organization.
    pub async fn quotas_of(&self, org: OrgId) -> Result<Quotas, StoreError> {
        let own = self.own_quotas(org).await?;
        Ok(self.quotas.with(&own))
    }

    /// What an organization has of its own.
    pub async fn own_quotas(&self, org: OrgId) -> Result<OwnQuotas, StoreError> {
        let row: Option<OwnRow> = on_db!(self, pool => {
            sqlx::query_as(OWN_QUOTAS).bind(org.as_uuid()).fetch_optional(pool).await?
        });
        Ok(row.map(OwnQuotas::from).unwrap_or_default())
    }

    /// All that have quotas of their own.
    pub async fn list_own_quotas(&self) -> Result<HashMap<OrgId, OwnQuotas>, StoreError> {
        let rows: Vec<OwnRow> =
            on_db!(self, pool => sqlx::query_as(LIST_OWN_QUOTAS).fetch_all(pool).await?);
        let own = rows
            .into_iter()
            .map(|row| (OrgId::from_uuid(row.org_id), row.into()));
        Ok(own.collect())
    }

    /// Gives an organization quotas of its own. Nothing is deleted that is beyond them. `false`: there is no
    /// such organization.
    pub async fn set_own_quotas(
        &self,
        org: OrgId,
        own: &OwnQuotas,
        by: UserId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let value = |quota| own.get(quota).map(column);
        in_tx!(self, tx => {
            let found: Option<Uuid> = sqlx::query_scalar(LOCK_ORG)
                .bind(org.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            if found.is_none() {
                return Ok(false);
            }
            let old: Option<OwnRow> =
                sqlx::query_as(OWN_QUOTAS).bind(org.as_uuid()).fetch_optional(&mut *tx).await?;
            let old = old.map(OwnQuotas::from).unwrap_or_default();
            sqlx::query(SET_OWN_QUOTAS)
                .bind(org.as_uuid())
                .bind(value(Quota::Scripts))
                .bind(value(Quota::LeastIntervalSeconds))
                .bind(value(Quota::ConcurrentRuns))
                .bind(value(Quota::Weight))
                .bind(value(Quota::FuelPerDay))
                .bind(value(Quota::FetchesPerDay))
                .bind(value(Quota::StoredBytes))
                .bind(value(Quota::Members))
                .bind(value(Quota::Projects))
                .bind(by.as_uuid())
                .bind(now)
                .execute(&mut *tx)
                .await?;
            let (before, after) = (old.snapshot(), own.snapshot());
            audit!(self, tx, org, Event::changed(AuditAction::QuotasUpdate, org, before, after));
        });
        Ok(true)
    }

    /// What an organization has, and has used on the day of `now`.
    pub async fn usage(&self, org: OrgId, now: DateTime<Utc>) -> Result<Usage, StoreError> {
        let day = self.day_usage(org, now).await?;
        let row: UsageRow = on_db!(self, pool => {
            sqlx::query_as(GET_USAGE).bind(org.as_uuid()).fetch_one(pool).await?
        });
        Ok(Usage {
            scripts: amount(row.scripts),
            stored_bytes: amount(row.stored_bytes),
            members: amount(row.members),
            projects: amount(row.projects),
            day,
        })
    }

    /// The quota of the day that an organization has used up, if it has, and when it begins anew.
    pub async fn used_up(
        &self,
        org: OrgId,
        now: DateTime<Utc>,
    ) -> Result<Option<(Quota, u64, DateTime<Utc>)>, StoreError> {
        let quotas = self.quotas_of(org).await?;
        let used = self.day_usage(org, now).await?;
        let quota = quotas.used_up(used);
        Ok(quota.map(|quota| (quota, quotas.get(quota), end_of_day(now))))
    }

    async fn day_usage(&self, org: OrgId, now: DateTime<Utc>) -> Result<DayUsage, StoreError> {
        let used: Option<(i64, i64)> = on_db!(self, pool => {
            sqlx::query_as(GET_DAY)
                .bind(org.as_uuid())
                .bind(day_of(now))
                .fetch_optional(pool)
                .await?
        });
        Ok(
            used.map_or_else(DayUsage::default, |(fuel, fetches)| DayUsage {
                fuel: amount(fuel),
                fetches: amount(fetches),
            }),
        )
    }

    /// The organizations that have used something on the day of `now`, with their quotas of a day.
    pub async fn list_day_usage(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Vec<(OrgId, DayUsage, Quotas)>, StoreError> {
        let rows: Vec<DayRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_DAY).bind(day_of(now)).fetch_all(pool).await?
        });
        let usage = rows.into_iter().map(|row| {
            let mut own = OwnQuotas::default();
            own.set(Quota::FuelPerDay, row.fuel_per_day.map(amount));
            own.set(Quota::FetchesPerDay, row.fetches_per_day.map(amount));
            let used = DayUsage {
                fuel: amount(row.fuel_used),
                fetches: amount(row.fetches),
            };
            (OrgId::from_uuid(row.org_id), used, self.quotas.with(&own))
        });
        Ok(usage.collect())
    }
}
