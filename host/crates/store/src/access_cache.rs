//! What members may do, kept in memory between requests.
//!
//! Nothing in here is ever invalidated, so that no invalidation can be lost or come too early. An entry
//! belongs to a version of its organization, and whatever changes what members may do gives the
//! organization a new one in its own transaction (the triggers of migration 0013). The version is read
//! with the caller's session, in the same statement and at each request: what was kept for another one is
//! not found.

use std::time::Duration;

use moka::future::Cache;
use uuid::Uuid;
use vedette_core::{Access, OrgId, UserId};

use crate::{Store, StoreError};

/// Members of whom something is kept; some 200 bytes each.
const MOST_ENTRIES: u64 = 20_000;
/// How long one is kept that nobody asks for, such as those of versions that have passed.
const KEPT_UNUSED: Duration = Duration::from_mins(15);

/// A member at a version of the organization's roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    org: OrgId,
    user: UserId,
    version: Uuid,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct AccessCache(Cache<Key, Access>);

impl Default for AccessCache {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(MOST_ENTRIES)
            .time_to_idle(KEPT_UNUSED);
        Self(cache.build())
    }
}

impl Store {
    /// What a user may do in an organization that has this version at the moment.
    ///
    /// What is read may be newer than the version: then that version has passed, and nobody asks for
    /// it again. It cannot be older, because it is read later.
    pub(crate) async fn get_access_at(
        &self,
        org: OrgId,
        user: UserId,
        version: Uuid,
    ) -> Result<Access, StoreError> {
        let AccessCache(cache) = &self.access;
        let key = Key { org, user, version };
        if let Some(access) = cache.get(&key).await {
            return Ok(access);
        }
        let access = self.get_access(org, user).await?;
        cache.insert(key, access.clone()).await;
        Ok(access)
    }
}
