//! How often something may be tried: a bucket of attempts for each key, which fills up again in time.
//!
//! A bucket is one time, that at which it will be full again: the generic cell rate algorithm (ITU-T
//! I.371). So that it fits a shared store as well as this process, it lies behind [`Throttle`].

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

/// Names a bucket: a digest, so that all have one size and none holds a name.
pub(crate) type Key = [u8; 32];

/// Buckets that are not full at one time. Each attempt at a password costs a hash, two at once, so
/// that honest hardware does not make so many.
const MOST_BUCKETS: usize = 65_536;

/// The size of a bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// Attempts that a full bucket has.
    pub(crate) at_once: i32,
    /// Time after which one more is there.
    pub(crate) every: TimeDelta,
}

/// Keeps the buckets.
#[async_trait]
pub(crate) trait Throttle: Send + Sync {
    /// Takes an attempt out of each of some buckets. If one has none it takes none, and says how
    /// long that one has none.
    async fn take(&self, of: &[(Key, Rate)], now: DateTime<Utc>) -> Result<(), TimeDelta>;

    /// Puts back attempts that were taken.
    async fn give_back(&self, of: &[(Key, Rate)], now: DateTime<Utc>);

    /// Fills a bucket.
    async fn fill(&self, key: Key);
}

/// The buckets of one process.
#[derive(Default)]
pub(crate) struct LocalThrottle {
    /// When each will be full; one that is not here is.
    full_at: Mutex<HashMap<Key, DateTime<Utc>>>,
}

impl LocalThrottle {
    fn full_at(&self) -> MutexGuard<'_, HashMap<Key, DateTime<Utc>>> {
        self.full_at.lock().expect("no holder of this lock panics")
    }
}

#[async_trait]
impl Throttle for LocalThrottle {
    async fn take(&self, of: &[(Key, Rate)], now: DateTime<Utc>) -> Result<(), TimeDelta> {
        let mut buckets = self.full_at();
        let mut taken = Vec::with_capacity(of.len());
        for (key, rate) in of {
            let empty = now + rate.every * rate.at_once;
            // No bucket is emptier than empty, also when the clock was put back.
            let stored = buckets.get(key).copied().unwrap_or(now);
            let full_at = stored.clamp(now, empty) + rate.every;
            if full_at > empty {
                return Err(full_at - empty);
            }
            taken.push((*key, full_at));
        }
        for (key, full_at) in taken {
            if buckets.len() >= MOST_BUCKETS && !buckets.contains_key(&key) {
                make_room(&mut buckets, now);
            }
            buckets.insert(key, full_at);
        }
        Ok(())
    }

    async fn give_back(&self, of: &[(Key, Rate)], now: DateTime<Utc>) {
        let mut buckets = self.full_at();
        for (key, rate) in of {
            if let Some(full_at) = buckets.get_mut(key) {
                *full_at -= rate.every;
                if *full_at <= now {
                    buckets.remove(key);
                }
            }
        }
    }

    async fn fill(&self, key: Key) {
        self.full_at().remove(&key);
    }
}

/// Forgets the buckets that are full by now; if there are none, the one that is so first, which
/// gives away the least.
fn make_room(buckets: &mut HashMap<Key, DateTime<Utc>>, now: DateTime<Utc>) {
    buckets.retain(|_, full_at| *full_at > now);
    if buckets.len() >= MOST_BUCKETS {
        let first = buckets.iter().min_by_key(|(_, full_at)| **full_at);
        if let Some(key) = first.map(|(key, _)| *key) {
            buckets.remove(&key);
        }
    }
}

#[cfg(test)]
pub(crate) mod contract;
#[cfg(test)]
mod tests;
