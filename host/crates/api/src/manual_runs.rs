//! How many runs by hand may wait or run at once: each holds its script's inputs in memory.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::Notify;
use vedette_core::OrgId;

/// Runs by hand in the whole process, those that wait for a place included.
const MOST: usize = 256;
/// Runs by hand of one organization, so that it leaves room for others.
const MOST_OF_ORGANIZATION: usize = 32;

/// Counts the runs by hand. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct ManualRuns {
    counts: Arc<Mutex<HashMap<OrgId, usize>>>,
    /// Told whenever the last one has ended.
    ended: Arc<Notify>,
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

    /// Waits until none is left, its outcome stored.
    pub(crate) async fn all_ended(&self) {
        loop {
            let mut ended = pin!(self.ended.notified());
            // Before the look, so that an end right after it is not missed.
            ended.as_mut().enable();
            if self.counts().is_empty() {
                return;
            }
            ended.await;
        }
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
        if counts.is_empty() {
            self.runs.ended.notify_waiters();
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

    #[tokio::test]
    async fn the_end_of_the_last_one_is_told() {
        let runs = ManualRuns::default();
        runs.all_ended().await;
        let org = OrgId::generate(&vedette_core::SystemClock);
        let tickets = [runs.admit(org), runs.admit(org)];
        let waiting = tokio::spawn(async move { runs.all_ended().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(tickets);
        waiting.await.unwrap();
    }
}
