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
    /// Takes an attempt out of a bucket, or says how long there is none.
    async fn take(&self, key: Key, rate: Rate, now: DateTime<Utc>) -> Result<(), TimeDelta>;

    /// Puts back an attempt that was taken.
    async fn give_back(&self, key: Key, rate: Rate, now: DateTime<Utc>);

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
    async fn take(&self, key: Key, rate: Rate, now: DateTime<Utc>) -> Result<(), TimeDelta> {
        let mut buckets = self.full_at();
        let empty = now + rate.every * rate.at_once;
        // No bucket is emptier than empty, also when the clock was put back.
        let stored = buckets.get(&key).copied().unwrap_or(now);
        let full_at = stored.clamp(now, empty) + rate.every;
        if full_at > empty {
            return Err(full_at - empty);
        }
        if buckets.len() >= MOST_BUCKETS && !buckets.contains_key(&key) {
            make_room(&mut buckets, now);
        }
        buckets.insert(key, full_at);
        Ok(())
    }

    async fn give_back(&self, key: Key, rate: Rate, now: DateTime<Utc>) {
        let mut buckets = self.full_at();
        if let Some(full_at) = buckets.get_mut(&key) {
            *full_at -= rate.every;
            if *full_at <= now {
                buckets.remove(&key);
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
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        at_once: 3,
        every: TimeDelta::seconds(10),
    };

    fn start() -> DateTime<Utc> {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    fn key(number: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    #[tokio::test]
    async fn a_bucket_empties_and_fills_up_again() {
        let throttle = LocalThrottle::default();
        let take = async |seconds| {
            let now = start() + TimeDelta::seconds(seconds);
            throttle.take(key(1), RATE, now).await
        };
        for _ in 0..3 {
            assert_eq!(take(0).await, Ok(()));
        }
        assert_eq!(take(0).await, Err(TimeDelta::seconds(10)));
        assert_eq!(
            take(9).await,
            Err(TimeDelta::seconds(1)),
            "being refused costs nothing"
        );
        assert_eq!(take(10).await, Ok(()));
        assert_eq!(take(10).await, Err(TimeDelta::seconds(10)));
        for _ in 0..3 {
            assert_eq!(take(1_000).await, Ok(()), "it is full, and not fuller");
        }
        assert!(take(1_000).await.is_err());
        assert_eq!(
            throttle.take(key(2), RATE, start()).await,
            Ok(()),
            "another key"
        );
    }

    #[tokio::test]
    async fn what_is_given_back_counts_again() {
        let throttle = LocalThrottle::default();
        let take = async || throttle.take(key(1), RATE, start()).await.is_ok();
        while take().await {}
        throttle.give_back(key(1), RATE, start()).await;
        assert!(take().await && !take().await);
        throttle.fill(key(1)).await;
        assert!(take().await && take().await && take().await && !take().await);
        for _ in 0..9 {
            throttle.give_back(key(1), RATE, start()).await;
        }
        assert!(
            throttle.full_at().is_empty(),
            "a full bucket takes no memory"
        );
    }

    #[tokio::test]
    async fn a_clock_that_was_put_back_locks_nobody_out_for_long() {
        let throttle = LocalThrottle::default();
        let later = start() + TimeDelta::days(1);
        throttle.take(key(1), RATE, later).await.unwrap();
        assert_eq!(
            throttle.take(key(1), RATE, start()).await,
            Err(TimeDelta::seconds(10))
        );
    }

    #[tokio::test]
    async fn memory_is_bounded_and_the_emptiest_stay() {
        let throttle = LocalThrottle::default();
        for _ in 0..3 {
            throttle.take(key(0), RATE, start()).await.unwrap();
        }
        for number in 1..MOST_BUCKETS + 100 {
            throttle.take(key(number), RATE, start()).await.unwrap();
        }
        assert_eq!(throttle.full_at().len(), MOST_BUCKETS);
        assert!(throttle.take(key(0), RATE, start()).await.is_err());
        let later = start() + TimeDelta::seconds(15);
        throttle.take(key(usize::MAX), RATE, later).await.unwrap();
        assert_eq!(
            throttle.full_at().len(),
            2,
            "those that are full are forgotten"
        );
    }
}
