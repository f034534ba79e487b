//! Stretches of time: their union and their length.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A stretch of time: `from` is in it, `until` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Interval {
    /// The first instant in it.
    pub from: DateTime<Utc>,
    /// The first instant after it; with one that is not after `from`, nothing is in it.
    pub until: DateTime<Utc>,
}

impl Interval {
    /// Whether the instant lies in it.
    pub fn contains(&self, instant: DateTime<Utc>) -> bool {
        self.from <= instant && instant < self.until
    }

    /// What both have in common; `None` when that is nothing.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let from = self.from.max(other.from);
        let until = self.until.min(other.until);
        (from < until).then_some(Self { from, until })
    }
}

/// The union, in order of time: no two of the result overlap or touch, and none is empty.
pub fn merge(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.retain(|interval| interval.from < interval.until);
    intervals.sort_unstable();
    let mut merged: Vec<Interval> = Vec::new();
    for interval in intervals {
        match merged.last_mut() {
            Some(last) if interval.from <= last.until => {
                last.until = last.until.max(interval.until);
            }
            _ => merged.push(interval),
        }
    }
    merged
}

/// The length of the union: what lies in two intervals counts once.
pub fn total(intervals: Vec<Interval>) -> TimeDelta {
    let merged = merge(intervals);
    merged.iter().map(|one| one.until - one.from).sum()
}
