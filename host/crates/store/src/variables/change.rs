//! Making and changing variables, within the limits of their level.

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::AssertSqlSafe;
use uuid::Uuid;
use vedette_core::{
    AllowedHost, OrgId, VariableId, VariableKind,
    variable::{MAX_LEVEL_BYTES, MAX_VARIABLES},
};

use super::{
    CreatedVariable, GET_VARIABLE, NewValue, NewVariable, UpdatedVariable, Variable,
    VariableChange, VariableRow,
    columns::{EncryptedRow, GET_ENCRYPTED, value_columns},
};
use crate::{
    AuditAction, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::in_tx,
    error::conflict,
    vault::{NEWEST_KEY, OVERHEAD, current_data_key},
};

/// How many others there are on a level, and the bytes of their values. `$5` is what encryption
/// adds to each.
const WEIGH_LEVEL: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(OCTET_LENGTH(value)), 0) \
    + COALESCE(SUM(OCTET_LENGTH(ciphertext)), 0) - COUNT(ciphertext) * $5 AS BIGINT) \
    FROM variables WHERE org_id = $1 AND project_id IS NOT DISTINCT FROM $2 \
    AND script_id IS NOT DISTINCT FROM $3 AND id <> $4";
const INSERT_VARIABLE: &str = "INSERT INTO variables (id, org_id, project_id, script_id, name, \
    kind, value, ciphertext, key_version, allowed_hosts, description, created_by, created_at, \
    updated_at, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, 1)";
const SET_VALUE: &str = "UPDATE variables SET value = $4, ciphertext = $5, key_version = $6, \
    allowed_hosts = $7 WHERE org_id = $1 AND id = $2 AND kind = $3";
const TOUCH_VARIABLE: &str = "UPDATE variables SET description = $4, updated_at = $5, \
    revision = revision + 1 WHERE org_id = $1 AND id = $2 AND revision = $3";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[WEIGH_LEVEL, INSERT_VARIABLE, SET_VALUE, TOUCH_VARIABLE];

/// What a change makes of the value.
enum Content {
    Stays,
    New(NewValue),
    /// For hosts that are taken over, all or some, so that they must be those that the present value
    /// opens with: else they could have been changed by other hands.
    Resealed {
        /// `None`: the present one.
        value: Option<SecretString>,
        allowed_hosts: Vec<AllowedHost>,
    },
}

/// Why a change must not be.
enum Refusal {
    NotSealed,
    NeedsValue,
}

impl From<Refusal> for UpdatedVariable {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotSealed => Self::NotSealed,
            Refusal::NeedsValue => Self::NeedsValue,
        }
    }
}

impl VariableChange {
    /// Decides what becomes of the value, or why the change must not be.
    fn content(&self, old: &Variable) -> Result<Content, Refusal> {
        let new = match (old.kind, &self.value, &self.allowed_hosts) {
            (VariableKind::Sealed, ..) => return self.sealed_content(old),
            (_, _, Some(_)) => return Err(Refusal::NotSealed),
            (_, None, None) => return Ok(Content::Stays),
            (VariableKind::Plain, Some(text), None) => {
                NewValue::Plain(text.expose_secret().to_owned())
            }
            (VariableKind::Secret, Some(text), None) => NewValue::Secret(text.clone()),
        };
        Ok(Content::New(new))
    }

    fn sealed_content(&self, old: &Variable) -> Result<Content, Refusal> {
        let present = old.allowed_hosts.as_deref().unwrap_or_default();
        match (self.value.clone(), self.allowed_hosts.clone()) {
            (None, None) => Ok(Content::Stays),
            (Some(value), Some(allowed_hosts)) => Ok(Content::New(NewValue::Sealed {
                value,
                allowed_hosts,
            })),
            (Some(value), None) => Ok(Content::Resealed {
                value: Some(value),
                allowed_hosts: present.to_vec(),
            }),
            (None, Some(allowed_hosts)) => {
                if allowed_hosts.iter().any(|host| !present.contains(host)) {
                    return Err(Refusal::NeedsValue);
                }
                Ok(Content::Resealed {
                    value: None,
                    allowed_hosts,
                })
            }
        }
    }
}

/// Finds the owner of a level and keeps others from changing the level until the transaction
/// ends, so that two cannot both take its last room. Answers whether the owner is there.
macro_rules! lock_level {
    ($store:expr, $tx:ident, $org:expr, $level:expr) => {{
        let lock = format!("{}{}", $level.find_owner(), $store.db.lock_owner());
        let owner: Option<(Uuid,)> = sqlx::query_as(AssertSqlSafe(lock))
            .bind($org.as_uuid())
            .bind($level.owner($org))
            .fetch_optional(&mut *$tx)
            .await?;
        owner.is_some()
    }};
}

/// How many other variables a level has, and whether it has room for a value.
macro_rules! weigh_level {
    ($tx:ident, $org:expr, $level:expr, $id:expr, $value:expr) => {{
        let (project, script) = $level.columns();
        let (others, bytes): (i64, i64) = sqlx::query_as(WEIGH_LEVEL)
            .bind($org.as_uuid())
            .bind(project)
            .bind(script)
            .bind($id.as_uuid())
            .bind(signed(OVERHEAD))
            .fetch_one(&mut *$tx)
            .await?;
        (
            others,
            bytes.saturating_add($value.bytes()) <= signed(MAX_LEVEL_BYTES),
        )
    }};
}

impl NewValue {
    fn bytes(&self) -> i64 {
        let length = match self {
            Self::Plain(text) => text.len(),
            Self::Secret(text) | Self::Sealed { value: text, .. } => text.expose_secret().len(),
        };
        signed(length)
    }
}

/// A length as SQL counts it.
fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

impl Store {
    /// Makes a variable, and for the first of an organization that is encrypted its key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the level has one of this name; [`StoreError::Vault`] when the
    /// value cannot be encrypted.
    pub async fn create_variable(&self, new: NewVariable) -> Result<CreatedVariable, StoreError> {
        let newest = format!("{NEWEST_KEY}{}", self.db.share_rows());
        let (org, level) = (new.org_id, new.level);
        let (project, script) = level.columns();
        let kind = new.value.kind();
        let variable = in_tx!(self, tx => {
            if !lock_level!(self, tx, org, level) {
                return Ok(CreatedVariable::NoOwner);
            }
            let (others, has_room) = weigh_level!(tx, org, level, new.id, new.value);
            if others >= i64::from(MAX_VARIABLES) {
                return Ok(CreatedVariable::TooMany);
            }
            if !has_room {
                return Ok(CreatedVariable::TooLarge);
            }
            let columns = value_columns!(
                &new.value,
                level,
                &new.name,
                current_data_key!(self, tx, newest, org, new.created_at)
            );
            sqlx::query(INSERT_VARIABLE)
                .bind(new.id.as_uuid())
                .bind(org.as_uuid())
                .bind(project)
                .bind(script)
                .bind(&new.name)
                .bind(kind.as_str())
                .bind(columns.value)
                .bind(columns.ciphertext)
                .bind(columns.key_version)
                .bind(columns.allowed_hosts)
                .bind(&new.description)
                .bind(new.created_by.as_uuid())
                .bind(new.created_at)
                .execute(&mut *tx)
                .await
                .map_err(|error| conflict(error, "name"))?;
            let (value, allowed_hosts) = match new.value {
                NewValue::Plain(text) => (Some(text), None),
                NewValue::Secret(_) => (None, None),
                NewValue::Sealed { allowed_hosts, .. } => (None, Some(allowed_hosts)),
            };
            let variable = Variable {
                id: new.id,
                level,
                name: new.name,
                kind,
                value,
                allowed_hosts,
                description: new.description,
                created_by: new.created_by,
                created_at: new.created_at,
                updated_at: new.created_at,
                revision: 1,
            };
            let action = AuditAction::VariableCreate;
            audit!(self, tx, org, Event::made(action, variable.id, variable.snapshot()));
            variable
        });
        Ok(CreatedVariable::Done(variable))
    }

    /// Changes a variable. With `expected_revision`, only if it has that revision.
    ///
    /// # Errors
    /// [`StoreError::Vault`] when the value cannot be encrypted; [`StoreError::Corrupt`] when hosts
    /// are to stay, all or some, that are not those of the present value.
    pub async fn update_variable(
        &self,
        org: OrgId,
        id: VariableId,
        change: VariableChange,
        expected_revision: Option<i64>,
    ) -> Result<UpdatedVariable, StoreError> {
        let newest = format!("{NEWEST_KEY}{}", self.db.share_rows());
        let updated: Variable = in_tx!(self, tx => {
            let row: Option<VariableRow> = sqlx::query_as(GET_VARIABLE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let Some(row) = row else { return Ok(UpdatedVariable::NotFound) };
            let old = Variable::try_from(row)?;
            if expected_revision.is_some_and(|expected| expected != old.revision) {
                return Ok(UpdatedVariable::Stale);
            }
            if !lock_level!(self, tx, org, old.level) {
                return Ok(UpdatedVariable::NotFound);
            }
            // It counts only if nobody changes the variable before the next statement.
            let content = match change.content(&old) {
                Ok(content) => content,
                Err(refusal) => return Ok(refusal.into()),
            };
            let touched = sqlx::query(TOUCH_VARIABLE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(old.revision)
                .bind(&change.description)
                .bind(change.changed_at)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if touched == 0 {
                return Ok(UpdatedVariable::Stale);
            }
            let new = match content {
                Content::Stays => None,
                Content::New(new) => Some(new),
                Content::Resealed { value, allowed_hosts } => {
                    let row: EncryptedRow = sqlx::query_as(GET_ENCRYPTED)
                        .bind(org.as_uuid())
                        .bind(id.as_uuid())
                        .fetch_one(&mut *tx)
                        .await?;
                    let present = row.open(&self.vault)?;
                    let value = value.unwrap_or(present);
                    Some(NewValue::Sealed { value, allowed_hosts })
                }
            };
            if let Some(new) = new {
                let (_, has_room) = weigh_level!(tx, org, old.level, id, new);
                if change.value.is_some() && !has_room {
                    return Ok(UpdatedVariable::TooLarge);
                }
                let columns = value_columns!(
                    &new,
                    old.level,
                    &old.name,
                    current_data_key!(self, tx, newest, org, change.changed_at)
                );
                sqlx::query(SET_VALUE)
                    .bind(org.as_uuid())
                    .bind(id.as_uuid())
                    .bind(new.kind().as_str())
                    .bind(columns.value)
                    .bind(columns.ciphertext)
                    .bind(columns.key_version)
                    .bind(columns.allowed_hosts)
                    .execute(&mut *tx)
                    .await?;
            }
            let row: VariableRow = sqlx::query_as(GET_VARIABLE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_one(&mut *tx)
                .await?;
            let updated = Variable::try_from(row)?;
            let (before, after) = (old.snapshot(), updated.snapshot());
            audit!(self, tx, org, Event::changed(AuditAction::VariableUpdate, id, before, after));
            updated
        });
        Ok(UpdatedVariable::Done(updated))
    }
}
