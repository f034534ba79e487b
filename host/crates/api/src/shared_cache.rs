//! A place in Redis where nodes keep things for each other.
//!
//! What lies there is sealed for its key: whoever can write to Redis can take an entry away, but can
//! neither make one nor move one to another key.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use vedette_store::SharedCache;

use crate::{RedisLink, SealBox};

pub(crate) struct RedisCache {
    link: RedisLink,
    seals: Arc<dyn SealBox>,
}

impl RedisCache {
    pub(crate) fn new(link: RedisLink, seals: Arc<dyn SealBox>) -> Self {
        Self { link, seals }
    }
}

#[async_trait]
impl SharedCache for RedisCache {
    async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let name = name(key);
        let get = async |redis: &mut _| redis::cmd("GET").arg(&name).query_async(redis).await;
        let sealed: Option<Vec<u8>> = self.link.call(get).await?;
        self.seals.open(name.as_bytes(), &sealed?).ok()
    }

    async fn put(&self, key: &str, bytes: &[u8], keep: Duration) {
        let name = name(key);
        let Ok(sealed) = self.seals.seal(name.as_bytes(), bytes) else {
            return;
        };
        let set = async |redis: &mut _| {
            let mut set = redis::cmd("SET");
            set.arg(&name).arg(&sealed).arg("EX").arg(keep.as_secs());
            set.query_async(redis).await
        };
        // If it is not heard, the next who asks reads the database.
        let _: Option<()> = self.link.call(set).await;
    }
}

fn name(key: &str) -> String {
    format!("vedette:cache:{key}")
}
