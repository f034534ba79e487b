//! The keys that an organization's components are signed with, and whether they must be.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::{ComponentKeyId, OrgId, UserId};

use crate::{
    AuditAction, Page, PageRequest, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
};

/// A public key (Ed25519, RFC 8032).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentKey {
    /// Id.
    pub id: ComponentKeyId,
    /// For people.
    pub name: String,
    /// The key.
    pub public_key: [u8; 32],
    /// Who brought it.
    pub created_by: UserId,
    /// When.
    pub created_at: DateTime<Utc>,
    /// From then on it is good no more; `None`: it has no end.
    pub expires_at: Option<DateTime<Utc>>,
    /// Since then it is good no more.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A key to be kept.
#[derive(Debug, Clone)]
pub struct NewComponentKey {
    /// Id.
    pub id: ComponentKeyId,
    /// The organization.
    pub org_id: OrgId,
    /// For people.
    pub name: String,
    /// The key.
    pub public_key: [u8; 32],
    /// Who brings it.
    pub created_by: UserId,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// From then on it is good no more.
    pub expires_at: Option<DateTime<Utc>>,
    /// Keys that the organization may have, revoked and expired ones not counted.
    pub most: u32,
}

const COUNT_KEYS: &str = "SELECT COUNT(*) FROM component_keys WHERE org_id = $1 \
    AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";
const INSERT_KEY: &str = "INSERT INTO component_keys \
    (id, org_id, name, public_key, created_by, created_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const LIST_KEYS: &str = "SELECT id, name, public_key, created_by, created_at, expires_at, \
    revoked_at FROM component_keys WHERE org_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
const LIST_VALID_KEYS: &str = "SELECT id, name, public_key, created_by, created_at, expires_at, \
    revoked_at FROM component_keys WHERE org_id = $1 AND revoked_at IS NULL \
    AND (expires_at IS NULL OR expires_at > $2) ORDER BY id DESC";
const REVOKE_KEY: &str = "UPDATE component_keys SET revoked_at = COALESCE(revoked_at, $3) \
    WHERE org_id = $1 AND id = $2";
const GET_POLICY: &str = "SELECT requires_component_signature FROM organizations WHERE id = $1";
const SET_POLICY: &str = "UPDATE organizations SET requires_component_signature = $2 WHERE id = $1";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    COUNT_KEYS,
    INSERT_KEY,
    LIST_KEYS,
    LIST_VALID_KEYS,
    REVOKE_KEY,
    GET_POLICY,
    SET_POLICY,
];

#[derive(FromRow)]
struct KeyRow {
    id: Uuid,
    name: String,
    public_key: Vec<u8>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

impl TryFrom<KeyRow> for ComponentKey {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        let length = row.public_key.len();
        let public_key = row.public_key.try_into().map_err(|_| {
            StoreError::corrupt(
                "component_keys",
                &row.id,
                &format!("a key of {length} bytes"),
            )
        })?;
        Ok(Self {
            id: ComponentKeyId::from_uuid(row.id),
            name: row.name,
            public_key,
            created_by: UserId::from_uuid(row.created_by),
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        })
    }
}

impl Store {
    /// Keeps a key. `None`: the organization has as many as it may.
    pub async fn create_component_key(
        &self,
        new: NewComponentKey,
    ) -> Result<Option<ComponentKey>, StoreError> {
        let key = in_tx!(self, tx => {
            let keys: i64 = sqlx::query_scalar(COUNT_KEYS)
                .bind(new.org_id.as_uuid())
                .bind(new.created_at)
                .fetch_one(&mut *tx)
                .await?;
            if keys >= i64::from(new.most) {
                return Ok(None);
            }
            sqlx::query(INSERT_KEY)
                .bind(new.id.as_uuid())
                .bind(new.org_id.as_uuid())
                .bind(&new.name)
                .bind(new.public_key.as_slice())
                .bind(new.created_by.as_uuid())
                .bind(new.created_at)
                .bind(new.expires_at)
                .execute(&mut *tx)
                .await?;
            let key = ComponentKey {
                id: new.id,
                name: new.name,
                public_key: new.public_key,
                created_by: new.created_by,
                created_at: new.created_at,
                expires_at: new.expires_at,
                revoked_at: None,
            };
            let made = Event::made(AuditAction::ComponentKeyCreate, key.id, key.snapshot());
            audit!(self, tx, new.org_id, made);
            key
        });
        Ok(Some(key))
    }

    /// One page of an organization's keys, newest first, the revoked and expired ones too.
    pub async fn list_component_keys(
        &self,
        org: OrgId,
        page: PageRequest,
    ) -> Result<Page<ComponentKey>, StoreError> {
        let rows: Vec<KeyRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_KEYS)
                .bind(org.as_uuid())
                .bind(page.before())
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?
        });
        let items = rows
            .into_iter()
            .map(ComponentKey::try_from)
            .collect::<Result<_, _>>()?;
        Ok(page.page(items, |key: &ComponentKey| key.id.as_uuid()))
    }

    /// The keys of an organization that are good at `now`, newest first.
    pub async fn list_valid_component_keys(
        &self,
        org: OrgId,
        now: DateTime<Utc>,
    ) -> Result<Vec<ComponentKey>, StoreError> {
        let rows: Vec<KeyRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_VALID_KEYS)
                .bind(org.as_uuid())
                .bind(now)
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(ComponentKey::try_from).collect()
    }

    /// Revokes a key: what it has signed counts as unsigned from now on. `false`: there is no
    /// such key. One that is revoked stays so since its first time.
    pub async fn revoke_component_key(
        &self,
        org: OrgId,
        id: ComponentKeyId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        Ok(in_tx!(self, tx => {
            let revoked = sqlx::query(REVOKE_KEY)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if revoked {
                audit!(self, tx, org, Event::of(AuditAction::ComponentKeyRevoke, id));
            }
            revoked
        }))
    }

    /// Whether an organization takes only signed components.
    pub async fn requires_component_signature(&self, org: OrgId) -> Result<bool, StoreError> {
        let required: Option<bool> = on_db!(self, pool => {
            sqlx::query_scalar(GET_POLICY).bind(org.as_uuid()).fetch_optional(pool).await?
        });
        Ok(required.unwrap_or(false))
    }

    /// Decides whether an organization takes only signed components.
    pub async fn set_requires_component_signature(
        &self,
        org: OrgId,
        required: bool,
    ) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            let old: Option<bool> =
                sqlx::query_scalar(GET_POLICY).bind(org.as_uuid()).fetch_optional(&mut *tx).await?;
            sqlx::query(SET_POLICY).bind(org.as_uuid()).bind(required).execute(&mut *tx).await?;
            let before = json!({ "requires_signature": old });
            let after = json!({ "requires_signature": required });
            let action = AuditAction::ComponentPolicyUpdate;
            audit!(self, tx, org, Event::changed(action, org, before, after));
        });
        Ok(())
    }
}
