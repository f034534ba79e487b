//! Components as organizations see them: a record of their own for each, over bytes that may be
//! others' too. Nothing here tells one organization what another has.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow, types::Json};
use uuid::Uuid;
use vedette_core::{
    ComponentFacts, ComponentId, ComponentKeyId, ComponentRefusal, ComponentState, Digest, OrgId,
    UserId,
};

use crate::{
    AuditAction, Page, PageRequest, Store, StoreError,
    audit::{Event, audit},
    component_blobs::{LOCK_BLOB, delete_if_unused, read_state},
    db::{in_tx, on_db},
};

/// A component of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Orders the lists.
    pub id: ComponentId,
    /// Names its bytes.
    pub digest: Digest,
    /// For people.
    pub name: Option<String>,
    /// Who uploaded it.
    pub uploaded_by: UserId,
    /// When.
    pub created_at: DateTime<Utc>,
    /// How it stands for this organization.
    pub state: ComponentState,
    /// Set exactly for `Refused`.
    pub refusal: Option<ComponentRefusal>,
    /// Set exactly for `Blocked`: what the administrator says.
    pub blocked_reason: Option<String>,
    /// Read off its bytes.
    pub facts: ComponentFacts,
    /// Of the organization's keys, oldest first.
    pub signatures: Vec<ComponentSignature>,
}

impl Component {
    /// Whether a key that is good at that time has signed it.
    pub fn is_signed(&self, now: DateTime<Utc>) -> bool {
        self.signatures
            .iter()
            .any(|signature| signature.is_valid(now))
    }
}

/// A signature that was verified at the upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentSignature {
    /// By this key.
    pub key_id: ComponentKeyId,
    /// The key's name.
    pub key_name: String,
    /// When it was brought.
    pub created_at: DateTime<Utc>,
    /// When the key ends; `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the key was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl ComponentSignature {
    /// Whether its key is neither revoked nor over.
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// An upload whose pieces are stored.
#[derive(Debug, Clone)]
pub struct NewComponent {
    /// Id of the record.
    pub id: ComponentId,
    /// The organization.
    pub org_id: OrgId,
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// For people.
    pub name: Option<String>,
    /// Who uploaded it.
    pub uploaded_by: UserId,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// As the admission read them.
    pub facts: ComponentFacts,
    /// A signature that was verified.
    pub signature: Option<NewSignature>,
}

/// A verified signature.
#[derive(Debug, Clone, Copy)]
pub struct NewSignature {
    /// By this key.
    pub key_id: ComponentKeyId,
    /// Ed25519.
    pub signature: [u8; 64],
}

/// What an upload came to.
#[derive(Debug, Clone)]
pub struct CreatedComponent {
    /// The component, as it is now.
    pub component: Component,
    /// `false`: the organization had it before.
    pub is_new: bool,
}

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedComponent {
    /// It is gone.
    Done,
    /// The organization has no such component.
    NotFound,
    /// A script runs it.
    InUse,
}

const INSERT_BLOB: &str = "INSERT INTO component_blobs (digest, size_bytes, state, facts, \
    queued_for_org, lease_token, attempts, created_at) VALUES ($1, $2, 'pending', $3, $4, 0, 0, $5) \
    ON CONFLICT (digest) DO NOTHING";
const STORED_BYTES: &str = "SELECT CAST(COALESCE(SUM(LENGTH(bytes)), 0) AS BIGINT) \
    FROM component_chunks WHERE digest = $1";
const GET_BLOB: &str =
    "SELECT size_bytes, state, compile_ms FROM component_blobs WHERE digest = $1";
/// Changes nothing where the organization has it; one that was deleted comes back.
const PUT_RECORD: &str = "INSERT INTO components \
    (id, org_id, digest, name, uploaded_by, created_at, visible_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
    ON CONFLICT (org_id, digest) DO UPDATE SET id = excluded.id, name = excluded.name, \
    uploaded_by = excluded.uploaded_by, created_at = excluded.created_at, \
    visible_at = excluded.visible_at, deleted_at = NULL WHERE components.deleted_at IS NOT NULL";
pub(crate) const CHARGE: &str = "INSERT INTO component_compiles \
    (org_id, digest, finished_at, compile_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const PUT_SIGNATURE: &str = "INSERT INTO component_signatures \
    (org_id, digest, key_id, signature, created_at) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (org_id, digest, key_id) DO NOTHING";
const GET_COMPONENT: &str = "SELECT components.id, components.digest, components.name, \
    components.uploaded_by, components.created_at, components.visible_at, blobs.state, \
    blobs.error_class, blobs.reason, blobs.facts, blocked.reason AS blocked_reason \
    FROM components JOIN component_blobs AS blobs ON blobs.digest = components.digest \
    LEFT JOIN blocked_components AS blocked ON blocked.digest = components.digest \
    WHERE components.org_id = $1 AND components.digest = $2 AND components.deleted_at IS NULL";
const LIST_COMPONENTS: &str = "SELECT components.id, components.digest, components.name, \
    components.uploaded_by, components.created_at, components.visible_at, blobs.state, \
    blobs.error_class, blobs.reason, blobs.facts, blocked.reason AS blocked_reason \
    FROM components JOIN component_blobs AS blobs ON blobs.digest = components.digest \
    LEFT JOIN blocked_components AS blocked ON blocked.digest = components.digest \
    WHERE components.org_id = $1 AND components.id < $2 AND components.deleted_at IS NULL \
    ORDER BY components.id DESC LIMIT $3";
/// Of the same page as `LIST_COMPONENTS`.
const LIST_SIGNATURES: &str = "SELECT signatures.digest, signatures.key_id, keys.name, \
    signatures.created_at, keys.expires_at, keys.revoked_at \
    FROM component_signatures AS signatures JOIN component_keys AS keys \
    ON keys.id = signatures.key_id AND keys.org_id = signatures.org_id \
    WHERE signatures.org_id = $1 AND signatures.digest IN (SELECT components.digest \
    FROM components WHERE components.org_id = $1 AND components.id < $2 \
    AND components.deleted_at IS NULL ORDER BY components.id DESC LIMIT $3) \
    ORDER BY signatures.created_at, signatures.key_id";
const GET_SIGNATURES: &str = "SELECT signatures.digest, signatures.key_id, keys.name, \
    signatures.created_at, keys.expires_at, keys.revoked_at \
    FROM component_signatures AS signatures JOIN component_keys AS keys \
    ON keys.id = signatures.key_id AND keys.org_id = signatures.org_id \
    WHERE signatures.org_id = $1 AND signatures.digest = $2 \
    ORDER BY signatures.created_at, signatures.key_id";
pub(crate) const LOCK_COMPONENT: &str = "SELECT CAST(1 AS BIGINT) FROM components \
    WHERE org_id = $1 AND digest = $2 AND deleted_at IS NULL";
const IS_RUN: &str = "SELECT COUNT(*) FROM scripts \
    WHERE org_id = $1 AND component_digest = $2 AND NOT is_deleted";
const IS_NAMED: &str =
    "SELECT COUNT(*) FROM script_versions WHERE org_id = $1 AND component_digest = $2";
const BURY_RECORD: &str = "UPDATE components SET deleted_at = $3 WHERE org_id = $1 AND digest = $2";
const DELETE_RECORD: &str = "DELETE FROM components WHERE org_id = $1 AND digest = $2";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[
    INSERT_BLOB,
    STORED_BYTES,
    GET_BLOB,
    PUT_RECORD,
    CHARGE,
    PUT_SIGNATURE,
    GET_COMPONENT,
    LIST_COMPONENTS,
    LIST_SIGNATURES,
    GET_SIGNATURES,
    LOCK_COMPONENT,
    IS_RUN,
    IS_NAMED,
    BURY_RECORD,
    DELETE_RECORD,
];

#[derive(FromRow)]
struct ComponentRow {
    id: Uuid,
    digest: Vec<u8>,
    name: Option<String>,
    uploaded_by: Uuid,
    created_at: DateTime<Utc>,
    visible_at: DateTime<Utc>,
    state: String,
    error_class: Option<String>,
    reason: Option<String>,
    facts: Json<ComponentFacts>,
    blocked_reason: Option<String>,
}

#[derive(FromRow)]
struct SignatureRow {
    digest: Vec<u8>,
    key_id: Uuid,
    name: String,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

#[derive(FromRow)]
struct BlobRow {
    size_bytes: i64,
    state: String,
    compile_ms: Option<i64>,
}

/// A digest as the database keeps it.
pub(crate) fn read_digest(table: &'static str, bytes: &[u8]) -> Result<Digest, StoreError> {
    let bytes = bytes.try_into().map_err(|_| {
        StoreError::corrupt(table, &"?", &format!("a digest of {} bytes", bytes.len()))
    })?;
    Ok(Digest::new(bytes))
}

impl ComponentRow {
    fn into_component(
        self,
        signatures: &[SignatureRow],
        now: DateTime<Utc>,
    ) -> Result<Component, StoreError> {
        let digest = read_digest("components", &self.digest)?;
        let state = match read_state(digest, &self.state)? {
            _ if self.blocked_reason.is_some() => ComponentState::Blocked,
            // At its upload every component waits, those that others have among them.
            _ if now <= self.created_at && now < self.visible_at => ComponentState::Pending,
            ComponentState::Compiling if now <= self.created_at => ComponentState::Pending,
            _ if now < self.visible_at => ComponentState::Compiling,
            state => state,
        };
        let refusal = match (state, self.error_class) {
            (ComponentState::Refused, Some(class)) => Some(ComponentRefusal {
                class: class
                    .parse()
                    .map_err(|error| StoreError::corrupt("component_blobs", &digest, &error))?,
                message: self.reason.unwrap_or_default(),
            }),
            _ => None,
        };
        let signatures = signatures
            .iter()
            .filter(|row| row.digest == self.digest)
            .map(|row| ComponentSignature {
                key_id: ComponentKeyId::from_uuid(row.key_id),
                key_name: row.name.clone(),
                created_at: row.created_at,
                expires_at: row.expires_at,
                revoked_at: row.revoked_at,
            });
        Ok(Component {
            id: ComponentId::from_uuid(self.id),
            digest,
            name: self.name,
            uploaded_by: UserId::from_uuid(self.uploaded_by),
            created_at: self.created_at,
            state,
            refusal,
            blocked_reason: self.blocked_reason,
            facts: self.facts.0,
            signatures: signatures.collect(),
        })
    }
}

impl BlobRow {
    /// For how long an organization that uploads these bytes now must not see what became of
    /// them: as if they were compiled for it too. `None`: it will see that itself.
    fn hidden_for_ms(&self) -> Option<i64> {
        let is_finished = matches!(self.state.as_str(), "ready" | "refused");
        is_finished.then(|| self.compile_ms.unwrap_or(0).max(1))
    }
}

impl Store {
    /// Makes an organization's record of a component whose pieces are stored, and queues it for
    /// compiling if nobody had it. One that the organization deleted comes back; one that it has
    /// is left as it is, but for another signature.
    ///
    /// # Errors
    /// [`StoreError::ChunksMissing`] when the pieces are not all there: put them again.
    pub async fn create_component(
        &self,
        new: &NewComponent,
    ) -> Result<CreatedComponent, StoreError> {
        let digest = new.digest.as_bytes().as_slice();
        let size = i64::try_from(new.facts.size_bytes).unwrap_or(i64::MAX);
        let hold_blob = format!("{GET_BLOB}{}", self.db.share_rows());
        let is_new = in_tx!(self, tx => {
            // First, because it waits for a deletion of the same bytes that is under way.
            sqlx::query(INSERT_BLOB)
                .bind(digest)
                .bind(size)
                .bind(Json(&new.facts))
                .bind(new.org_id.as_uuid())
                .bind(new.created_at)
                .execute(&mut *tx)
                .await?;
            // Held, so that none can begin before the record is there.
            let blob: Option<BlobRow> = sqlx::query_as(AssertSqlSafe(hold_blob))
                .bind(digest)
                .fetch_optional(&mut *tx)
                .await?;
            let stored: i64 =
                sqlx::query_scalar(STORED_BYTES).bind(digest).fetch_one(&mut *tx).await?;
            let Some(blob) = blob.filter(|blob| blob.size_bytes == stored && stored == size) else {
                return Err(StoreError::ChunksMissing);
            };
            let hidden_for_ms = blob.hidden_for_ms();
            let hidden_for = hidden_for_ms.and_then(TimeDelta::try_milliseconds);
            let visible_at = new.created_at + hidden_for.unwrap_or_default();
            let is_new = sqlx::query(PUT_RECORD)
                .bind(new.id.as_uuid())
                .bind(new.org_id.as_uuid())
                .bind(digest)
                .bind(&new.name)
                .bind(new.uploaded_by.as_uuid())
                .bind(new.created_at)
                .bind(visible_at)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if let Some(compile_ms) = hidden_for_ms.filter(|_| is_new) {
                sqlx::query(CHARGE)
                    .bind(new.org_id.as_uuid())
                    .bind(digest)
                    .bind(visible_at)
                    .bind(compile_ms)
                    .execute(&mut *tx)
                    .await?;
            }
            if let Some(signature) = &new.signature {
                sqlx::query(PUT_SIGNATURE)
                    .bind(new.org_id.as_uuid())
                    .bind(digest)
                    .bind(signature.key_id.as_uuid())
                    .bind(signature.signature.as_slice())
                    .bind(new.created_at)
                    .execute(&mut *tx)
                    .await?;
            }
            if is_new || new.signature.is_some() {
                let after = json!({
                    "name": new.name,
                    "size_bytes": size,
                    "signed_by": new.signature.as_ref().map(|signature| signature.key_id),
                });
                let action = AuditAction::ComponentCreate;
                audit!(self, tx, new.org_id, Event::made(action, new.digest, after));
            }
            is_new
        });
        let component = self
            .get_component(new.org_id, new.digest, new.created_at)
            .await?;
        Ok(CreatedComponent {
            component: component.ok_or(StoreError::ChunksMissing)?,
            is_new,
        })
    }

    /// One component of an organization, as it stands at `now`.
    pub async fn get_component(
        &self,
        org: OrgId,
        digest: Digest,
        now: DateTime<Utc>,
    ) -> Result<Option<Component>, StoreError> {
        let bytes = digest.as_bytes().as_slice();
        let row: Option<ComponentRow> = on_db!(self, pool => {
            sqlx::query_as(GET_COMPONENT)
                .bind(org.as_uuid())
                .bind(bytes)
                .fetch_optional(pool)
                .await?
        });
        let Some(row) = row else { return Ok(None) };
        let signatures: Vec<SignatureRow> = on_db!(self, pool => {
            sqlx::query_as(GET_SIGNATURES)
                .bind(org.as_uuid())
                .bind(bytes)
                .fetch_all(pool)
                .await?
        });
        row.into_component(&signatures, now).map(Some)
    }

    /// One page of an organization's components, newest first, as they stand at `now`.
    pub async fn list_components(
        &self,
        org: OrgId,
        page: PageRequest,
        now: DateTime<Utc>,
    ) -> Result<Page<Component>, StoreError> {
        let rows: Vec<ComponentRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_COMPONENTS)
                .bind(org.as_uuid())
                .bind(page.before())
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?
        });
        let signatures: Vec<SignatureRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_SIGNATURES)
                .bind(org.as_uuid())
                .bind(page.before())
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?
        });
        let items = rows
            .into_iter()
            .map(|row| row.into_component(&signatures, now))
            .collect::<Result<_, _>>()?;
        Ok(page.page(items, |component: &Component| component.id.as_uuid()))
    }

    /// Deletes a component of an organization, unless a script runs it. Its bytes go when nobody
    /// has them any more; while earlier versions of scripts name it, a hidden row of it stays.
    pub async fn delete_component(
        &self,
        org: OrgId,
        digest: Digest,
        now: DateTime<Utc>,
    ) -> Result<DeletedComponent, StoreError> {
        let bytes = digest.as_bytes().as_slice();
        let lock_component = format!("{LOCK_COMPONENT}{}", self.db.lock_rows());
        let lock_blob = format!("{LOCK_BLOB}{}", self.db.lock_rows());
        Ok(in_tx!(self, tx => {
            let found: Option<(i64,)> = sqlx::query_as(AssertSqlSafe(lock_component))
                .bind(org.as_uuid())
                .bind(bytes)
                .fetch_optional(&mut *tx)
                .await?;
            if found.is_none() {
                return Ok(DeletedComponent::NotFound);
            }
            let scripts: i64 = sqlx::query_scalar(IS_RUN)
                .bind(org.as_uuid())
                .bind(bytes)
                .fetch_one(&mut *tx)
                .await?;
            if scripts > 0 {
                return Ok(DeletedComponent::InUse);
            }
            let versions: i64 = sqlx::query_scalar(IS_NAMED)
                .bind(org.as_uuid())
                .bind(bytes)
                .fetch_one(&mut *tx)
                .await?;
            if versions > 0 {
                sqlx::query(BURY_RECORD)
                    .bind(org.as_uuid())
                    .bind(bytes)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
            } else {
                sqlx::query(DELETE_RECORD)
                    .bind(org.as_uuid())
                    .bind(bytes)
                    .execute(&mut *tx)
                    .await?;
                let _ = delete_if_unused!(tx, lock_blob, digest, now);
            }
            audit!(self, tx, org, Event::of(AuditAction::ComponentDelete, digest));
            DeletedComponent::Done
        }))
    }
}
