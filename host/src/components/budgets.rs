//! Memory that the components of an organization may use at one time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vedette_core::OrgId;

const MIB: usize = 1024 * 1024;

/// A budget for each organization, so that one with many large components leaves the memory of the
/// server to others: its own runs wait.
pub(super) struct Budgets {
    mib: u32,
    organizations: Mutex<HashMap<OrgId, Weak<Semaphore>>>,
}

impl Budgets {
    pub(super) fn new(mib: u32) -> Self {
        Self {
            mib: mib.max(1),
            organizations: Mutex::default(),
        }
    }

    /// Waits for so much of the organization's budget, and holds it. A run that may have more than
    /// the whole budget waits for all of it.
    pub(super) async fn pay(&self, org: OrgId, bytes: usize) -> OwnedSemaphorePermit {
        let mib = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX);
        let budget = self.of(org);
        let paid = budget.acquire_many_owned(mib.min(self.mib)).await;
        paid.expect("never closed")
    }

    fn of(&self, org: OrgId) -> Arc<Semaphore> {
        let mut organizations = self
            .organizations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = organizations.get(&org).and_then(Weak::upgrade) {
            return budget;
        }
        // Nobody holds or waits for these.
        organizations.retain(|_, budget| budget.strong_count() > 0);
        let budget = Arc::new(Semaphore::new(self.mib as usize));
        organizations.insert(org, Arc::downgrade(&budget));
        budget
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn org(number: u8) -> OrgId {
        let id = format!("00000000-0000-0000-0000-0000000000{number:02x}");
        id.parse().unwrap()
    }

    #[tokio::test]
    async fn an_organization_waits_for_its_own_runs_only() {
        let budgets = Budgets::new(100);
        let first = budgets.pay(org(1), 60 * MIB).await;
        let soon = Duration::from_millis(50);
        let second = tokio::time::timeout(soon, budgets.pay(org(1), 60 * MIB)).await;
        assert!(second.is_err(), "the first holds 60 of 100");
        let other = tokio::time::timeout(soon, budgets.pay(org(2), 60 * MIB)).await;
        assert!(
            other.is_ok(),
            "another organization has a budget of its own"
        );
        drop(first);
        let huge = tokio::time::timeout(soon, budgets.pay(org(1), 6_000 * MIB)).await;
        assert!(huge.is_ok(), "more than there is means all of it");
    }
}
