//! What an organization may have and use, as administrators of the installation set it.

pub(crate) mod get;
pub(crate) mod update;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vedette_core::{OrgId, OwnQuotas, Quota};

use crate::{
    ApiState,
    problem::{FieldError, Problem},
};

/// A number for each quota. 0 is any number, but of `least_interval_seconds` and `weight`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuotaNumbers {
    /// Scripts, those that are disabled included.
    #[schema(example = 500)]
    scripts: Option<u64>,
    /// Least distance of two runs of a script: 1 to 86,400. Scripts that exist keep their schedule.
    least_interval_seconds: Option<u64>,
    /// Runs at one time, on each node.
    concurrent_runs: Option<u64>,
    /// How much it gets of the places for runs where there are not enough for all: 1 to 1,000.
    weight: Option<u64>,
    /// Units of fuel that runs may use in a day (UTC).
    fuel_per_day: Option<u64>,
    /// Requests that runs may make in a day (UTC).
    fetches_per_day: Option<u64>,
    /// Bytes of uploaded components.
    stored_bytes: Option<u64>,
    /// Members.
    members: Option<u64>,
    /// Projects.
    projects: Option<u64>,
}

impl QuotaNumbers {
    fn of(value: impl Fn(Quota) -> Option<u64>) -> Self {
        Self {
            scripts: value(Quota::Scripts),
            least_interval_seconds: value(Quota::LeastIntervalSeconds),
            concurrent_runs: value(Quota::ConcurrentRuns),
            weight: value(Quota::Weight),
            fuel_per_day: value(Quota::FuelPerDay),
            fetches_per_day: value(Quota::FetchesPerDay),
            stored_bytes: value(Quota::StoredBytes),
            members: value(Quota::Members),
            projects: value(Quota::Projects),
        }
    }

    const fn get(&self, quota: Quota) -> Option<u64> {
        match quota {
            Quota::Scripts => self.scripts,
            Quota::LeastIntervalSeconds => self.least_interval_seconds,
            Quota::ConcurrentRuns => self.concurrent_runs,
            Quota::Weight => self.weight,
            Quota::FuelPerDay => self.fuel_per_day,
            Quota::FetchesPerDay => self.fetches_per_day,
            Quota::StoredBytes => self.stored_bytes,
            Quota::Members => self.members,
            Quota::Projects => self.projects,
        }
    }

    fn check(&self) -> Result<OwnQuotas, Problem> {
        let (mut own, mut errors) = (OwnQuotas::default(), Vec::new());
        for quota in Quota::ALL {
            let (least, most) = quota.range();
            let value = self.get(quota);
            if value.is_some_and(|value| !(least..=most).contains(&value)) {
                let detail =
                    format!("give {least} to {most}, or null for what the installation has");
                let pointer = format!("/{}", quota.as_str());
                errors.push(FieldError::new(pointer, detail));
            }
            own.set(quota, value);
        }
        if errors.is_empty() {
            Ok(own)
        } else {
            Err(Problem::invalid(errors))
        }
    }
}

/// The quotas of an organization.
#[derive(Serialize, ToSchema)]
pub(crate) struct QuotasView {
    /// What was set for it; null: as the installation has it.
    own: QuotaNumbers,
    /// What counts.
    in_force: QuotaNumbers,
}

async fn view(state: &ApiState, org: OrgId) -> Result<QuotasView, Problem> {
    let own = state.store.own_quotas(org).await?;
    let quotas = state.store.default_quotas().with(&own);
    Ok(QuotasView {
        own: QuotaNumbers::of(|quota| own.get(quota)),
        in_force: QuotaNumbers::of(|quota| Some(quotas.get(quota))),
    })
}
