//! What an organization may have and use. In all of them but the least interval and the weight, 0 is any number.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

/// Where an installation is silent: 10,000 scripts.
const SCRIPTS: u64 = 10_000;
const LEAST_INTERVAL_SECONDS: u64 = 10;
const STORED_BYTES: u64 = 1024 * 1024 * 1024;
const MEMBERS: u64 = 1_000;
const PROJECTS: u64 = 200;
/// The largest number that a database keeps, and no weight is beyond a thousand.
const LARGEST: u64 = i64::MAX as u64;
const LARGEST_WEIGHT: u64 = 1_000;
/// A day, in seconds: whatever is rarer needs no rule.
const LARGEST_INTERVAL: u64 = 86_400;

/// The name of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// Scripts, those that are disabled included.
    Scripts,
    /// Least distance of two runs of a script, in seconds.
    LeastIntervalSeconds,
    /// Runs at one time, on each node.
    ConcurrentRuns,
    /// What it gets of the places for runs where there are not enough for all, beside the others.
    Weight,
    /// Units of fuel of a day in UTC.
    FuelPerDay,
    /// Requests of runs in a day in UTC.
    FetchesPerDay,
    /// Bytes of uploaded components.
    StoredBytes,
    /// Members.
    Members,
    /// Projects.
    Projects,
}

impl Quota {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Scripts,
        Self::LeastIntervalSeconds,
        Self::ConcurrentRuns,
        Self::Weight,
        Self::FuelPerDay,
        Self::FetchesPerDay,
        Self::StoredBytes,
        Self::Members,
        Self::Projects,
    ];

    /// The spelling in settings, SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scripts => "scripts",
            Self::LeastIntervalSeconds => "least_interval_seconds",
            Self::ConcurrentRuns => "concurrent_runs",
            Self::Weight => "weight",
            Self::FuelPerDay => "fuel_per_day",
            Self::FetchesPerDay => "fetches_per_day",
            Self::StoredBytes => "stored_bytes",
            Self::Members => "members",
            Self::Projects => "projects",
        }
    }

    /// The smallest and the largest value.
    pub const fn range(self) -> (u64, u64) {
        match self {
            Self::LeastIntervalSeconds => (1, LARGEST_INTERVAL),
            Self::Weight => (1, LARGEST_WEIGHT),
            _ => (0, LARGEST),
        }
    }
}

/// A value of each quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas([u64; Quota::ALL.len()]);

impl Quotas {
    /// The value of one.
    pub const fn get(&self, quota: Quota) -> u64 {
        self.0[quota as usize]
    }

    /// Sets one, to the nearest value that it may have.
    pub fn set(&mut self, quota: Quota, value: u64) {
        let (least, most) = quota.range();
        self.0[quota as usize] = value.clamp(least, most);
    }

    /// The limit of a quota that counts; `None`: any number.
    pub fn limit(&self, quota: Quota) -> Option<u64> {
        Some(self.get(quota)).filter(|limit| *limit > 0)
    }

    /// These, with what an organization has of its own.
    pub fn with(mut self, own: &OwnQuotas) -> Self {
        for quota in Quota::ALL {
            if let Some(value) = own.get(quota) {
                self.set(quota, value);
            }
        }
        self
    }

    /// Of the quotas of a day, the first that is used up.
    pub fn used_up(&self, used: DayUsage) -> Option<Quota> {
        let is_over = |quota, used| self.limit(quota).is_some_and(|limit| used >= limit);
        [
            (Quota::FuelPerDay, used.fuel),
            (Quota::FetchesPerDay, used.fetches),
        ]
        .into_iter()
        .find_map(|(quota, used)| is_over(quota, used).then_some(quota))
    }
}

impl Default for Quotas {
    fn default() -> Self {
        let mut quotas = Self([0; Quota::ALL.len()]);
        quotas.set(Quota::Scripts, SCRIPTS);
        quotas.set(Quota::LeastIntervalSeconds, LEAST_INTERVAL_SECONDS);
        quotas.set(Quota::Weight, 1);
        quotas.set(Quota::StoredBytes, STORED_BYTES);
        quotas.set(Quota::Members, MEMBERS);
        quotas.set(Quota::Projects, PROJECTS);
        quotas
    }
}

/// What differs from the installation's for one organization; `None`: as the installation has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnQuotas([Option<u64>; Quota::ALL.len()]);

impl OwnQuotas {
    /// One of them.
    pub const fn get(&self, quota: Quota) -> Option<u64> {
        self.0[quota as usize]
    }

    /// Sets one.
    pub const fn set(&mut self, quota: Quota, value: Option<u64>) {
        self.0[quota as usize] = value;
    }
}

/// What the runs of a day used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayUsage {
    /// Units of fuel.
    pub fuel: u64,
    /// Requests.
    pub fetches: u64,
}

/// The day that a time counts for.
pub fn day_of(time: DateTime<Utc>) -> NaiveDate {
    time.date_naive()
}

/// When the quotas of a day begin anew.
pub fn end_of_day(time: DateTime<Utc>) -> DateTime<Utc> {
    let next = day_of(time).checked_add_days(Days::new(1));
    next.map_or(DateTime::<Utc>::MAX_UTC, |day| {
        day.and_time(NaiveTime::MIN).and_utc()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quota_has_a_place_of_its_own() {
        let mut quotas = Quotas::default();
        for (number, quota) in (7..).zip(Quota::ALL) {
            quotas.set(quota, number);
        }
        for (number, quota) in (7..).zip(Quota::ALL) {
            assert_eq!(quotas.get(quota), number, "{}", quota.as_str());
            let name = serde_json::to_value(quota).unwrap();
            assert_eq!(name, quota.as_str());
        }
    }

    #[test]
    fn what_an_organization_has_goes_over_the_default() {
        let mut own = OwnQuotas::default();
        own.set(Quota::Scripts, Some(3));
        own.set(Quota::Weight, Some(0));
        own.set(Quota::Members, Some(0));
        let quotas = Quotas::default().with(&own);
        assert_eq!(quotas.limit(Quota::Scripts), Some(3));
        assert_eq!(quotas.get(Quota::Weight), 1, "nobody is without a weight");
        assert_eq!(quotas.limit(Quota::Members), None, "any number");
        assert_eq!(quotas.limit(Quota::Projects), Some(PROJECTS));
    }

    #[test]
    fn a_quota_is_used_up_when_all_of_it_is() {
        let mut quotas = Quotas::default();
        let used = |fuel, fetches| DayUsage { fuel, fetches };
        assert_eq!(quotas.used_up(used(u64::MAX, u64::MAX)), None);
        quotas.set(Quota::FuelPerDay, 10);
        quotas.set(Quota::FetchesPerDay, 5);
        assert_eq!(quotas.used_up(used(9, 4)), None);
        assert_eq!(quotas.used_up(used(10, 4)), Some(Quota::FuelPerDay));
        assert_eq!(quotas.used_up(used(0, 6)), Some(Quota::FetchesPerDay));
    }

    #[test]
    fn a_day_ends_at_midnight() {
        let time: DateTime<Utc> = "2026-12-31T23:59:59.9Z".parse().unwrap();
        assert_eq!(end_of_day(time).to_rfc3339(), "2027-01-01T00:00:00+00:00");
        let midnight = end_of_day(time);
        assert!(end_of_day(midnight) > midnight);
        assert_ne!(day_of(time), day_of(midnight));
    }
}
