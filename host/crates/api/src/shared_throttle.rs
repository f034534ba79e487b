//! Buckets that all nodes share, in Redis, and each node's own beside them.
//!
//! Both count, always, and both have to agree. So a Redis that is down or was emptied switches nothing
//! off: what went through this node is known here. Each node for itself then gives as much as all
//! together did.

use std::sync::LazyLock;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use redis::Script;

use crate::{
    RedisLink,
    throttle::{Key, LocalThrottle, Rate, Throttle},
};

/// The same arithmetic as in `throttle.rs`, in microseconds, which Lua's numbers hold exactly. Of
/// several buckets all give an attempt, or none. Arguments: the time, and of each bucket the time of
/// an attempt and the attempts at once. Answers 0, or how long there is none.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local now = tonumber(ARGV[1])
        local full_at = {}
        for i, key in ipairs(KEYS) do
            local every = tonumber(ARGV[2 * i])
            local empty = now + every * tonumber(ARGV[2 * i + 1])
            local stored = tonumber(redis.call('GET', key) or now) or now
            full_at[i] = math.min(math.max(stored, now), empty) + every
            if full_at[i] > empty then
                return full_at[i] - empty
            end
        end
        for i, key in ipairs(KEYS) do
            local ms = math.ceil((full_at[i] - now) / 1000)
            redis.call('SET', key, string.format('%.0f', full_at[i]), 'PX', ms)
        end
        return 0
        ",
    )
});

/// Puts an attempt back into each bucket; arguments as above.
static GIVE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local now = tonumber(ARGV[1])
        for i, key in ipairs(KEYS) do
            local full_at = tonumber(redis.call('GET', key) or now) or now
            full_at = full_at - tonumber(ARGV[2 * i])
            if full_at > now then
                local ms = math.ceil((full_at - now) / 1000)
                redis.call('SET', key, string.format('%.0f', full_at), 'PX', ms)
            else
                redis.call('DEL', key)
            end
        end
        return 0
        ",
    )
});

/// The buckets in Redis alone.
struct SharedBuckets(RedisLink);

impl SharedBuckets {
    /// Runs a script; `None` when Redis does not answer.
    async fn run(&self, script: &Script, of: &[(Key, Rate)], now: DateTime<Utc>) -> Option<i64> {
        let mut invocation = script.arg(now.timestamp_micros());
        for (key, rate) in of {
            invocation.key(name(key));
            // Faster than one a microsecond is as good as any number.
            invocation.arg(rate.every.num_microseconds().unwrap_or(i64::MAX).max(1));
            invocation.arg(rate.at_once);
        }
        let link = &self.0;
        link.call(async |redis| invocation.invoke_async(redis).await)
            .await
    }

    async fn take(&self, of: &[(Key, Rate)], now: DateTime<Utc>) -> Option<Result<(), TimeDelta>> {
        let wait = self.run(&TAKE, of, now).await?;
        Some(if wait <= 0 {
            Ok(())
        } else {
            Err(TimeDelta::microseconds(wait))
        })
    }

    async fn give_back(&self, of: &[(Key, Rate)], now: DateTime<Utc>) -> Option<()> {
        self.run(&GIVE_BACK, of, now).await.map(drop)
    }

    async fn fill(&self, key: &Key) -> Option<()> {
        let name = name(key);
        self.0
            .call(async |redis| redis::cmd("DEL").arg(&name).query_async(redis).await)
            .await
    }
}

fn name(key: &Key) -> String {
    format!("vedette:bucket:{}", BASE64URL_NOPAD.encode(key))
}

/// The buckets of Redis and those of this node.
pub(crate) struct SharedThrottle {
    shared: SharedBuckets,
    own: LocalThrottle,
}

impl SharedThrottle {
    pub(crate) fn new(link: RedisLink) -> Self {
        Self {
            shared: SharedBuckets(link),
            own: LocalThrottle::default(),
        }
    }
}

#[async_trait]
impl Throttle for SharedThrottle {
    async fn take(&self, of: &[(Key, Rate)], now: DateTime<Utc>) -> Result<(), TimeDelta> {
        // Who is refused here costs Redis nothing.
        self.own.take(of, now).await?;
        if let Some(Err(wait)) = self.shared.take(of, now).await {
            self.own.give_back(of, now).await;
            return Err(wait);
        }
        Ok(())
    }

    async fn give_back(&self, of: &[(Key, Rate)], now: DateTime<Utc>) {
        self.own.give_back(of, now).await;
        // If it is not heard, an attempt too many counts.
        let _ = self.shared.give_back(of, now).await;
    }

    async fn fill(&self, key: Key) {
        self.own.fill(key).await;
        let _ = self.shared.fill(&key).await;
    }
}

#[cfg(test)]
mod tests;
