//! The buckets of one process.

use super::{
    contract::{RATE, key, start, takes},
    *,
};

#[tokio::test]
async fn it_does_what_every_throttle_does() {
    contract::check(&LocalThrottle::default()).await;
}

#[tokio::test]
async fn a_full_bucket_takes_no_memory() {
    let throttle = LocalThrottle::default();
    assert!(takes(&throttle, 1).await && takes(&throttle, 1).await);
    for _ in 0..2 {
        assert!(!throttle.full_at().is_empty());
        throttle.give_back(&[(key(1), RATE)], start()).await;
    }
    assert!(throttle.full_at().is_empty());
}

#[tokio::test]
async fn memory_is_bounded_and_the_emptiest_stay() {
    let throttle = LocalThrottle::default();
    for _ in 0..3 {
        assert!(takes(&throttle, 0).await);
    }
    for number in 1..MOST_BUCKETS + 100 {
        assert!(takes(&throttle, number).await);
    }
    assert_eq!(throttle.full_at().len(), MOST_BUCKETS);
    assert!(!takes(&throttle, 0).await);
    let later = start() + TimeDelta::seconds(15);
    let last = [(key(usize::MAX), RATE)];
    throttle.take(&last, later).await.unwrap();
    assert_eq!(
        throttle.full_at().len(),
        2,
        "those that are full are forgotten"
    );
}
