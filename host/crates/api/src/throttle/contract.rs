//! What every throttle does, wherever its buckets lie.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Key, Rate, Throttle};

pub(crate) const RATE: Rate = Rate {
    at_once: 3,
    every: TimeDelta::seconds(10),
};

/// One attempt at once.
const ONE: Rate = Rate {
    at_once: 1,
    every: TimeDelta::milliseconds(1_500),
};

pub(crate) fn start() -> DateTime<Utc> {
    "2026-11-24T12:00:00.123456Z".parse().unwrap()
}

pub(crate) fn key(number: usize) -> Key {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key
}

/// Whether a bucket has an attempt, which is taken.
pub(crate) async fn takes(throttle: &dyn Throttle, number: usize) -> bool {
    let taken = throttle.take(&[(key(number), RATE)], start()).await;
    taken.is_ok()
}

/// All of it, with buckets that nobody else uses.
pub(crate) async fn check(throttle: &dyn Throttle) {
    a_bucket_empties_and_fills_up_again(throttle).await;
    what_is_given_back_counts_again(throttle).await;
    of_several_all_give_or_none(throttle).await;
    a_clock_that_was_put_back_locks_nobody_out_for_long(throttle).await;
    a_long_series_is_exact(throttle).await;
}

async fn a_bucket_empties_and_fills_up_again(throttle: &dyn Throttle) {
    let take = async |seconds| {
        let now = start() + TimeDelta::seconds(seconds);
        throttle.take(&[(key(1), RATE)], now).await
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
    assert!(takes(throttle, 2).await, "another key");
}

async fn what_is_given_back_counts_again(throttle: &dyn Throttle) {
    let take = async || takes(throttle, 3).await;
    while take().await {}
    throttle.give_back(&[(key(3), RATE)], start()).await;
    assert!(take().await && !take().await);
    throttle.fill(key(3)).await;
    assert!(take().await && take().await && take().await && !take().await);
    for _ in 0..9 {
        throttle.give_back(&[(key(3), RATE)], start()).await;
    }
    assert!(take().await && take().await && take().await);
    assert!(!take().await, "it is never fuller than full");
}

async fn of_several_all_give_or_none(throttle: &dyn Throttle) {
    let both = [(key(4), RATE), (key(5), ONE)];
    let take = async || throttle.take(&both, start()).await;
    assert_eq!(take().await, Ok(()));
    for _ in 0..5 {
        assert_eq!(take().await, Err(ONE.every), "the second has none");
    }
    assert!(takes(throttle, 4).await && takes(throttle, 4).await);
    assert!(!takes(throttle, 4).await, "one was taken before");
    assert_eq!(take().await, Err(RATE.every), "the first is asked first");
    throttle.give_back(&both, start()).await;
    assert_eq!(take().await, Ok(()));
    assert_eq!(throttle.take(&[], start()).await, Ok(()));
}

async fn a_clock_that_was_put_back_locks_nobody_out_for_long(throttle: &dyn Throttle) {
    let later = start() + TimeDelta::days(1);
    throttle.take(&[(key(6), RATE)], later).await.unwrap();
    assert_eq!(
        throttle.take(&[(key(6), RATE)], start()).await,
        Err(TimeDelta::seconds(10))
    );
}

/// One is asked for each third of the time after which one more is there.
async fn a_long_series_is_exact(throttle: &dyn Throttle) {
    let rate = Rate {
        at_once: 4,
        every: TimeDelta::microseconds(20_001),
    };
    let mut taken = Vec::new();
    for step in 0..60 {
        let now = start() + TimeDelta::microseconds(6_667) * step;
        if throttle.take(&[(key(7), rate)], now).await.is_ok() {
            taken.push(step);
        }
    }
    // Four at once, one that came in the meantime, and then one each three steps.
    let expected: Vec<_> = (0..=4).chain((6..60).step_by(3)).collect();
    assert_eq!(taken, expected);
}
