//! What members may do, kept between requests: in memory, and for other nodes where there is a place for that.
//!
//! Nothing in here is ever invalidated, so that no invalidation can be lost or come too early. An entry
//! belongs to a version of its organization, and whatever changes what members may do gives the
//! organization a new one in its own transaction (the triggers of migration 0013). The version is read
//! with the caller's session, in the same statement and at each request: what was kept for another one is
//! not found. Entry and version are read in one statement too, so that there is one entry for a version,
//! whoever keeps it.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use moka::future::Cache;
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::{Access, OrgId, UserId};

use crate::{
    Store, StoreError,
    db::on_db,
    members::{AccessRow, access_of},
};

/// Members of whom something is kept; some 200 bytes each.
const MOST_ENTRIES: u64 = 20_000;
/// How long one is kept that nobody asks for, such as those of versions that have passed.
const KEPT_UNUSED: Duration = Duration::from_mins(15);

/// All rows of a member, or one without a role; none when there is no such organization.
const ACCESS_AT: &str = "SELECT organizations.access_version, user_roles.role_id, \
    user_roles.project_id, role_permissions.permission FROM organizations \
    LEFT JOIN user_roles ON user_roles.org_id = organizations.id AND user_roles.user_id = $2 \
    LEFT JOIN role_permissions ON role_permissions.role_id = user_roles.role_id \
    WHERE organizations.id = $1";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[ACCESS_AT];

/// A place where nodes keep things for each other. It may lose any of them, and take its time for
/// none: who asks goes on without. What it gives back is what was put there under the same key.
#[async_trait]
pub trait SharedCache: Send + Sync {
    /// What lies there.
    async fn get(&self, key: &str) -> Option<Vec<u8>>;

    /// Puts something there for some time.
    async fn put(&self, key: &str, bytes: &[u8], keep: Duration);
}

/// A member at a version of the organization's roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    org: OrgId,
    user: UserId,
    version: Uuid,
}

impl Key {
    fn name(&self) -> String {
        format!("access:{}:{}:{}", self.org, self.user, self.version)
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct AccessCache {
    local: Cache<Key, Access>,
    shared: Option<Arc<dyn SharedCache>>,
}

/// Its entries are nobody's to read in a log.
impl fmt::Debug for AccessCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessCache { … }")
    }
}

impl Default for AccessCache {
    fn default() -> Self {
        let local = Cache::builder()
            .max_capacity(MOST_ENTRIES)
            .time_to_idle(KEPT_UNUSED);
        Self {
            local: local.build(),
            shared: None,
        }
    }
}

#[derive(FromRow)]
struct VersionedRow {
    access_version: Uuid,
    role_id: Option<Uuid>,
    project_id: Option<Uuid>,
    permission: Option<String>,
}

impl Store {
    /// The same database, with a place where nodes keep for each other what members may do.
    pub fn with_shared_cache(mut self, shared: Arc<dyn SharedCache>) -> Self {
        self.access = AccessCache {
            shared: Some(shared),
            ..AccessCache::default()
        };
        self
    }

    /// What a user may do in an organization that has this version at the moment.
    pub(crate) async fn get_access_at(
        &self,
        org: OrgId,
        user: UserId,
        version: Uuid,
    ) -> Result<Access, StoreError> {
        let AccessCache { local, shared } = &self.access;
        let key = Key { org, user, version };
        if let Some(access) = local.get(&key).await {
            return Ok(access);
        }
        // The rows are kept there, and not what they come to: another version of this program may
        // see more in a role that is built in.
        if let Some(shared) = shared
            && let Some(bytes) = shared.get(&key.name()).await
            && let Ok(rows) = serde_json::from_slice::<Vec<AccessRow>>(&bytes)
        {
            let access = access_of(&rows);
            local.insert(key, access.clone()).await;
            return Ok(access);
        }
        let (version, rows) = self.read_access(org, user).await?;
        let access = access_of(&rows);
        if let Some(version) = version {
            // A newer one, where something has changed since.
            let key = Key { version, ..key };
            local.insert(key, access.clone()).await;
            if let Some(shared) = shared {
                let bytes = serde_json::to_vec(&rows).expect("ids and names have a form in JSON");
                shared.put(&key.name(), &bytes, KEPT_UNUSED).await;
            }
        }
        Ok(access)
    }

    async fn read_access(
        &self,
        org: OrgId,
        user: UserId,
    ) -> Result<(Option<Uuid>, Vec<AccessRow>), StoreError> {
        let rows: Vec<VersionedRow> = on_db!(self, pool => {
            sqlx::query_as(ACCESS_AT)
                .bind(org.as_uuid())
                .bind(user.as_uuid())
                .fetch_all(pool)
                .await?
        });
        let version = rows.first().map(|row| row.access_version);
        let rows = rows.into_iter().filter_map(|row| {
            Some(AccessRow {
                role_id: row.role_id?,
                project_id: row.project_id,
                permission: row.permission,
            })
        });
        Ok((version, rows.collect()))
    }
}
