//! Who gets the next place for a run: start-time fair queueing over organizations (Goyal, Vin, Cheng:
//! "Start-time Fair Queuing", 1996). Pure.
//!
//! Each organization has a tag: the virtual time at which its next run begins. The least tag is next, and a
//! run moves its organization's tag on by the time that it held a place, divided by the organization's weight.
//! What a run will take is not known when it begins, so that an estimate is charged, and corrected at the end.
//! Who comes back after a pause begins at the present virtual time: nobody saves up.
//!
//! The order alone is not enough, because a run that holds its place for a minute cannot be taken from it. So
//! nobody may have more than thrice what is free (Choudhury, Hahne: "Dynamic Queue Length Thresholds", 1998):
//! one organization alone gets three quarters of the places, two get three sevenths each, and there is a free
//! place for the next one.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    ops::Bound,
    time::Duration,
};

use vedette_core::OrgId;

#[cfg(test)]
mod tests;

/// An organization of weight 1 takes a place while it has less than this many times what is free.
const TIMES_FREE: usize = 3;
/// What the first run of an organization is taken for.
const FIRST_ESTIMATE: Duration = Duration::from_secs(1);
/// What a run is charged at least, so that tags move on.
const LEAST_CHARGE: Duration = Duration::from_micros(100);

/// What an organization may have of the places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// How much it gets where there is not enough for all; 0 counts as 1.
    pub(crate) weight: u32,
    /// Most places at one time.
    pub(crate) most: usize,
}

/// What a run was charged when it got its place; given back at its end.
#[derive(Debug)]
pub(crate) struct Charge {
    pub(crate) org: OrgId,
    weight: u32,
    cost: u64,
}

/// Things that wait for a place.
#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    places: usize,
    taken: usize,
    len: usize,
    /// Virtual time: the tag of the run that began last.
    now: u64,
    organizations: HashMap<OrgId, Organization<T>>,
    /// Those that have something waiting, by their tags.
    waiting: BTreeSet<(u64, OrgId)>,
}

#[derive(Debug)]
struct Organization<T> {
    /// First come, first served.
    queue: VecDeque<T>,
    running: usize,
    tag: u64,
    /// The virtual time when it began to wait. Corrections do not bring its tag below, or they would be savings.
    since: u64,
    /// It had its share at the last look, and does not count as waiting meanwhile.
    is_full: bool,
    /// What a run of it takes, as the last ones did.
    estimate: Duration,
}

impl<T> Organization<T> {
    const fn new(now: u64) -> Self {
        Self {
            queue: VecDeque::new(),
            running: 0,
            tag: now,
            since: now,
            is_full: false,
            estimate: FIRST_ESTIMATE,
        }
    }

    /// Begins to wait at `now`, without what it would have had before.
    fn begin(&mut self, now: u64) {
        self.tag = self.tag.max(now);
        self.since = now;
    }
}

/// Virtual nanoseconds of a time on a place.
fn cost(used: Duration, weight: u32) -> u64 {
    let nanoseconds = u64::try_from(used.max(LEAST_CHARGE).as_nanos()).unwrap_or(u64::MAX);
    // Ages are far below: 2^64 ns are five centuries.
    (nanoseconds / u64::from(weight)).min(u64::MAX >> 16)
}

impl<T> FairQueue<T> {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            places,
            taken: 0,
            len: 0,
            now: 0,
            organizations: HashMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    pub(crate) fn free_places(&self) -> usize {
        self.places.saturating_sub(self.taken)
    }

    /// How many things wait.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Waits behind what its organization has here already.
    pub(crate) fn push(&mut self, org: OrgId, item: T) {
        let now = self.now;
        let entry = self
            .organizations
            .entry(org)
            .or_insert_with(|| Organization::new(now));
        if entry.queue.is_empty() {
            entry.begin(now);
            self.waiting.insert((entry.tag, org));
        }
        entry.queue.push_back(item);
        self.len += 1;
    }

    /// The next that may begin, with its place; `None` while nobody may.
    pub(crate) fn next(&mut self, share: impl Fn(OrgId) -> Share) -> Option<(T, Charge)> {
        let free = self.free_places();
        if free == 0 {
            return None;
        }
        let mut after = Bound::Unbounded;
        loop {
            let &(tag, org) = self.waiting.range((after, Bound::Unbounded)).next()?;
            let entry = self.organizations.get_mut(&org)?;
            let share = share(org);
            let weight = share.weight.max(1);
            let most = free
                .saturating_mul(TIMES_FREE)
                .saturating_mul(usize::try_from(weight).unwrap_or(usize::MAX))
                .min(share.most);
            if entry.running >= most {
                entry.is_full = true;
                after = Bound::Excluded((tag, org));
                continue;
            }
            if std::mem::take(&mut entry.is_full) && tag < self.now {
                self.waiting.remove(&(tag, org));
                entry.begin(self.now);
                self.waiting.insert((entry.tag, org));
                after = Bound::Unbounded;
                continue;
            }
            let item = entry.queue.pop_front()?;
            let cost = cost(entry.estimate, weight);
            self.waiting.remove(&(tag, org));
            self.now = self.now.max(tag);
            self.taken += 1;
            self.len -= 1;
            entry.running += 1;
            entry.tag = tag.saturating_add(cost);
            if !entry.queue.is_empty() {
                self.waiting.insert((entry.tag, org));
            }
            return Some((item, Charge { org, weight, cost }));
        }
    }

    /// A run ended that had its place for `used`.
    pub(crate) fn end(&mut self, charge: &Charge, used: Duration) {
        self.correct(charge, cost(used, charge.weight));
        if let Some(entry) = self.organizations.get_mut(&charge.org) {
            entry.estimate = (entry.estimate * 3 + used) / 4;
        }
        if self.taken == 0 && self.waiting.is_empty() {
            // Nobody is there to be ahead of.
            self.organizations.clear();
            self.now = 0;
        }
    }

    /// The place was not needed.
    pub(crate) fn give_back(&mut self, charge: &Charge) {
        self.correct(charge, 0);
    }

    fn correct(&mut self, charge: &Charge, cost: u64) {
        self.taken = self.taken.saturating_sub(1);
        let Some(entry) = self.organizations.get_mut(&charge.org) else {
            return;
        };
        entry.running = entry.running.saturating_sub(1);
        let before = entry.tag;
        let tag = before.saturating_sub(charge.cost).saturating_add(cost);
        entry.tag = tag.max(entry.since);
        if self.waiting.remove(&(before, charge.org)) {
            self.waiting.insert((entry.tag, charge.org));
        }
    }

    /// Takes out what `is_over` tells, in no order, and forgets organizations that owe nothing.
    pub(crate) fn sweep(&mut self, is_over: impl Fn(&T) -> bool) -> Vec<T> {
        let mut over = Vec::new();
        for (org, entry) in &mut self.organizations {
            for item in std::mem::take(&mut entry.queue) {
                if is_over(&item) {
                    over.push(item);
                } else {
                    entry.queue.push_back(item);
                }
            }
            if entry.queue.is_empty() {
                self.waiting.remove(&(entry.tag, *org));
            }
        }
        self.len -= over.len();
        let now = self.now;
        self.organizations
            .retain(|_, org| !org.queue.is_empty() || org.running > 0 || org.tag > now);
        over
    }

    /// Takes out everything, in no order.
    pub(crate) fn take_all(&mut self) -> Vec<T> {
        self.sweep(|_| true)
    }
}
