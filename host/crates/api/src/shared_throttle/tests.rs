//! The buckets in Redis, on a real one, and two nodes that share them.

use super::*;
use crate::{
    testing::{TestRedis, any_redis},
    throttle::contract::{self, RATE, key, start, takes},
};

/// Redis alone, so that no bucket of this process answers in its place. Its keys differ from run to
/// run, because a server that is named may have those of the last one.
struct Alone(SharedBuckets, u64);

impl Alone {
    fn rename(&self, key: &Key) -> Key {
        let mut key = *key;
        key[24..].copy_from_slice(&self.1.to_be_bytes());
        key
    }

    fn renamed(&self, of: &[(Key, Rate)]) -> Vec<(Key, Rate)> {
        let of = of.iter();
        of.map(|(key, rate)| (self.rename(key), *rate)).collect()
    }
}

#[async_trait]
impl Throttle for Alone {
    async fn take(&self, of: &[(Key, Rate)], now: DateTime<Utc>) -> Result<(), TimeDelta> {
        let taken = self.0.take(&self.renamed(of), now).await;
        taken.expect("Redis answers")
    }

    async fn give_back(&self, of: &[(Key, Rate)], now: DateTime<Utc>) {
        let given = self.0.give_back(&self.renamed(of), now).await;
        given.expect("Redis answers");
    }

    async fn fill(&self, key: Key) {
        let filled = self.0.fill(&self.rename(&key)).await;
        filled.expect("Redis answers");
    }
}

async fn up(url: &str) -> RedisLink {
    let link = RedisLink::patient(url);
    link.connect().await;
    assert!(link.is_up());
    link
}

#[tokio::test]
async fn redis_does_what_every_throttle_does() {
    let Some((url, _server)) = any_redis() else {
        return;
    };
    let mut run = [0; 8];
    getrandom::fill(&mut run).unwrap();
    let alone = Alone(SharedBuckets(up(&url).await), u64::from_be_bytes(run));
    contract::check(&alone).await;
}

#[tokio::test]
async fn with_its_own_buckets_beside_it_does_too() {
    let Some(server) = TestRedis::start() else {
        return;
    };
    contract::check(&SharedThrottle::new(up(&server.url()).await)).await;
    let down = SharedThrottle::new(RedisLink::new(&server.url()).unwrap());
    contract::check(&down).await;
}

#[tokio::test]
async fn nodes_share_and_neither_gives_more_without_redis() {
    let Some(mut server) = TestRedis::start() else {
        return;
    };
    let one = SharedThrottle::new(up(&server.url()).await);
    let other = SharedThrottle::new(up(&server.url()).await);
    assert!(takes(&one, 1).await && takes(&other, 1).await && takes(&one, 1).await);
    assert!(!takes(&one, 1).await && !takes(&other, 1).await);
    // What was refused by the others' attempts counts on no node.
    other.give_back(&[(key(1), RATE)], start()).await;
    assert!(takes(&other, 1).await && !takes(&other, 1).await);
    one.fill(key(1)).await;
    assert!(takes(&one, 1).await, "also by the one that filled it");

    // Emptied, a node still knows what it has given.
    let all = async |throttle: &SharedThrottle, number| {
        let mut taken = 0;
        while takes(throttle, number).await {
            taken += 1;
        }
        taken
    };
    assert_eq!(all(&one, 2).await, 3);
    server.flush();
    assert_eq!(all(&one, 2).await, 0);
    assert_eq!(all(&other, 2).await, 3, "the other has given none of these");
    // Gone, each counts by itself, with what went through it before.
    assert_eq!(all(&one, 3).await, 3);
    assert!(takes(&other, 4).await);
    server.stop();
    assert_eq!(all(&one, 3).await, 0);
    assert_eq!(all(&other, 4).await, 2);
}

#[tokio::test]
async fn a_bucket_goes_when_it_is_full() {
    let Some(server) = TestRedis::start() else {
        return;
    };
    let link = up(&server.url()).await;
    let throttle = SharedThrottle::new(link.clone());
    assert!(takes(&throttle, 1).await && takes(&throttle, 1).await);
    let ms: Option<i64> = link
        .call(async |redis| {
            redis::cmd("PTTL")
                .arg(name(&key(1)))
                .query_async(redis)
                .await
        })
        .await;
    assert!((15_000..=20_000).contains(&ms.unwrap()), "{ms:?}");
    // What somebody else put there is no bucket, and stops nobody.
    let broken: Option<()> = link
        .call(async |redis| {
            let mut set = redis::cmd("SET");
            set.arg(name(&key(2))).arg("x").query_async(redis).await
        })
        .await;
    assert_eq!(broken, Some(()));
    assert!(takes(&throttle, 2).await);
}
