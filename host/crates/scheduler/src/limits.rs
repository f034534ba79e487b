//! The quotas of organizations as far as runs are concerned, as the database had them a moment ago.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use vedette_core::{OrgId, OwnQuotas, Quota, Quotas, quota::end_of_day};
use vedette_store::{Store, StoreError};

use crate::fair_queue::Share;

#[derive(Debug)]
pub(crate) struct Limits {
    defaults: Quotas,
    own: HashMap<OrgId, OwnQuotas>,
    /// Those that have used up a quota of the day that ends then.
    used_up: HashMap<OrgId, (Quota, DateTime<Utc>)>,
}

impl Limits {
    pub(crate) fn new(defaults: Quotas) -> Self {
        Self {
            defaults,
            own: HashMap::new(),
            used_up: HashMap::new(),
        }
    }

    pub(crate) async fn read(store: &Store, now: DateTime<Utc>) -> Result<Self, StoreError> {
        let mut limits = Self {
            own: store.list_own_quotas().await?,
            ..Self::new(store.default_quotas())
        };
        let of_a_day = [Quota::FuelPerDay, Quota::FetchesPerDay];
        let has_own = |own: &OwnQuotas| of_a_day.iter().any(|quota| own.get(*quota).is_some());
        let is_limited = of_a_day
            .iter()
            .any(|quota| limits.defaults.limit(*quota).is_some());
        if is_limited || limits.own.values().any(has_own) {
            for (org, used, quotas) in store.list_day_usage(now).await? {
                if let Some(quota) = quotas.used_up(used) {
                    limits.used_up.insert(org, (quota, end_of_day(now)));
                }
            }
        }
        Ok(limits)
    }

    /// What an organization may have of the places.
    pub(crate) fn share(&self, org: OrgId) -> Share {
        let own = self.own.get(&org).copied().unwrap_or_default();
        let quotas = self.defaults.with(&own);
        let most = quotas.limit(Quota::ConcurrentRuns);
        Share {
            weight: u32::try_from(quotas.get(Quota::Weight)).unwrap_or(u32::MAX),
            most: most.map_or(usize::MAX, |most| {
                usize::try_from(most).unwrap_or(usize::MAX)
            }),
        }
    }

    /// The quota that an organization has used up, of the day of `now`.
    pub(crate) fn used_up(&self, org: OrgId, now: DateTime<Utc>) -> Option<Quota> {
        let (quota, until) = self.used_up.get(&org)?;
        (now < *until).then_some(*quota)
    }
}
