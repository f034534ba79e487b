//! How many runs by hand may wait or run at once: each holds its script's inputs in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use vedette_core::OrgId;

/// Runs by hand in the whole process, those that wait for a place included.
const MOST: usize = 256;
/// Runs by hand of one organization, so that it leaves room for others.
const MOST_OF_ORGANIZATION: usize = 32;

/// Counts the runs by hand. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct ManualRuns {
    counts: Arc<Mutex<HashMap<OrgId, usize>>>,
}

/// The right to a run; given back when it is dropped.
pub(crate) struct Ticket {
    runs: ManualRuns,
    org: OrgId,
}

impl ManualRuns {
    /// `None` when there are too many already.
    pub(crate) fn admit(&self, org: OrgId) -> Option<Ticket> {
        let mut counts = self.counts();
        let of_org = counts.get(&org).copied().unwrap_or(0);
        if of_org >= MOST_OF_ORGANIZATION || counts.values().sum::<usize>() >= MOST {
            return None;
        }
        counts.insert(org, of_org + 1);
        drop(counts);
        Some(Ticket {
            runs: self.clone(),
            org,
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<OrgId, usize>> {
        self.counts.lock().expect("no holder of this lock panics")
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.runs.counts();
        if let Some(count) = counts.get_mut(&self.org) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.org);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_for_one_and_for_all() {
        let clock = vedette_core::SystemClock;
        let runs = ManualRuns::default();
        let mut held = Vec::new();
        for _ in 0..MOST / MOST_OF_ORGANIZATION {
            let org = OrgId::generate(&clock);
            held.extend((0..MOST_OF_ORGANIZATION).map(|_| runs.admit(org).unwrap()));
            assert!(runs.admit(org).is_none());
        }
        assert_eq!(held.len(), MOST);
        let late = OrgId::generate(&clock);
        assert!(runs.admit(late).is_none());
        held.pop();
        let ticket = runs.admit(late);
        assert!(ticket.is_some() && runs.admit(late).is_none());
        drop((held, ticket));
        assert!(runs.counts().is_empty(), "nothing is kept of who has none");
    }
}
