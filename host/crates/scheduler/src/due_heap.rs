//! Things that fall due, in the order of their times. Pure.

use std::{cmp::Reverse, collections::BinaryHeap};

use chrono::{DateTime, Utc};

#[cfg(test)]
mod tests;

/// Hands out what is due, earliest first, and in the order of arrival at the same time.
#[derive(Debug)]
pub(crate) struct DueHeap<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    arrivals: u64,
}

impl<T> DueHeap<T> {
    pub(crate) const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            arrivals: 0,
        }
    }

    /// Adds what falls due at `due_at`, which may be over already.
    pub(crate) fn push(&mut self, due_at: DateTime<Utc>, item: T) {
        self.heap.push(Reverse(Entry {
            due_at,
            arrival: self.arrivals,
            item,
        }));
        self.arrivals += 1;
    }

    /// When the next thing falls due.
    pub(crate) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.heap.peek().map(|Reverse(entry)| entry.due_at)
    }

    /// Takes out the first thing that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: DateTime<Utc>) -> Option<T> {
        self.next_due().filter(|due_at| *due_at <= now)?;
        self.heap.pop().map(|Reverse(entry)| entry.item)
    }

    /// Takes out everything, due or not, in no order.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = T> {
        std::mem::take(&mut self.heap)
            .into_iter()
            .map(|Reverse(entry)| entry.item)
    }
}

#[derive(Debug)]
struct Entry<T> {
    due_at: DateTime<Utc>,
    arrival: u64,
    item: T,
}

impl<T> Entry<T> {
    const fn key(&self) -> (DateTime<Utc>, u64) {
        (self.due_at, self.arrival)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
