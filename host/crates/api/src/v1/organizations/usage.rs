//! `GET /api/v1/organization/usage`

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use vedette_core::{Quota, quota::end_of_day};

use crate::{
    ApiState,
    auth::{May, need},
    problem::Problem,
};

/// What the organization may have and use, and what it has and has used.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsageView {
    quotas: Vec<QuotaUsage>,
    /// When the quotas of a day begin anew.
    day_ends_at: DateTime<Utc>,
}

/// One quota.
#[derive(Serialize, ToSchema)]
pub(crate) struct QuotaUsage {
    #[schema(example = "scripts")]
    name: &'static str,
    /// Null: any number.
    limit: Option<u64>,
    /// Null where there is nothing to count: `least_interval_seconds`, `weight` and `concurrent_runs`.
    used: Option<u64>,
    /// There is nothing left of it.
    is_used_up: bool,
}

/// What the organization uses of its quotas
#[utoipa::path(get, path = "/api/v1/organization/usage", tag = "organizations",
    security(("bearer" = [])),
    responses((status = 200, body = UsageView), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(crate) async fn get_usage(
    State(state): State<ApiState>,
    caller: May<need::OrganizationRead>,
) -> Result<Json<UsageView>, Problem> {
    let now = state.clock.now();
    let quotas = state.store.quotas_of(caller.org_id).await?;
    let usage = state.store.usage(caller.org_id, now).await?;
    let quotas = Quota::ALL.map(|quota| {
        let used = match quota {
            Quota::Scripts => Some(usage.scripts),
            Quota::StoredBytes => Some(usage.stored_bytes),
            Quota::Members => Some(usage.members),
            Quota::Projects => Some(usage.projects),
            Quota::FuelPerDay => Some(usage.day.fuel),
            Quota::FetchesPerDay => Some(usage.day.fetches),
            Quota::LeastIntervalSeconds | Quota::ConcurrentRuns | Quota::Weight => None,
        };
        let limit = quotas.limit(quota);
        QuotaUsage {
            name: quota.as_str(),
            limit,
            used,
            is_used_up: limit.zip(used).is_some_and(|(limit, used)| used >= limit),
        }
    });
    Ok(Json(UsageView {
        quotas: quotas.into(),
        day_ends_at: end_of_day(now),
    }))
}
