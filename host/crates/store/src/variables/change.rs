//! Making and changing variables, within the limits of their level.

use secrecy::ExposeSecret as _;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;
use vedette_core::{
    OrgId, VariableId,
    variable::{MAX_LEVEL_BYTES, MAX_VARIABLES},
};

use super::{
    CreatedVariable, GET_VARIABLE, NewValue, NewVariable, Place, UpdatedVariable, Variable,
    VariableChange, VariableLevel, VariableRow, value_error,
};
use crate::{
    AuditAction, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::in_tx,
    error::conflict,
    vault::{DataKey, KeyRow, NEWEST_KEY, OVERHEAD, Vault, current_data_key},
};

/// How many others there are on a level, and the bytes of their values. `$5` is what encryption
/// adds to each.
const WEIGH_LEVEL: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(OCTET_LENGTH(value)), 0) \
    + COALESCE(SUM(OCTET_LENGTH(ciphertext)), 0) - COUNT(ciphertext) * $5 AS BIGINT) \
    FROM variables WHERE org_id = $1 AND project_id IS NOT DISTINCT FROM $2 \
    AND script_id IS NOT DISTINCT FROM $3 AND id <> $4";
const INSERT_VARIABLE: &str = "INSERT INTO variables (id, org_id, project_id, script_id, name, \
    kind, value, ciphertext, key_version, description, created_by, created_at, updated_at, \
    revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, 1)";
const SET_VALUE: &str = "UPDATE variables SET value = $4, ciphertext = $5, key_version = $6 \
    WHERE org_id = $1 AND id = $2 AND kind = $3";
const TOUCH_VARIABLE: &str = "UPDATE variables SET description = $4, updated_at = $5, \
    revision = revision + 1 WHERE org_id = $1 AND id = $2 AND revision = $3";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[WEIGH_LEVEL, INSERT_VARIABLE, SET_VALUE, TOUCH_VARIABLE];

/// A secret under an old key.
#[derive(FromRow)]
pub(crate) struct ReencryptRow {
    pub(crate) id: Uuid,
    project_id: Option<Uuid>,
    script_id: Option<Uuid>,
    name: String,
    ciphertext: Vec<u8>,
    pub(crate) revision: i64,
    #[sqlx(flatten)]
    pub(crate) key: KeyRow,
}

impl ReencryptRow {
    /// Its value under a newer key.
    pub(crate) fn reencrypt(&self, vault: &Vault, newer: &DataKey) -> Result<Vec<u8>, StoreError> {
        let place = Place {
            level: VariableLevel::of_columns(self.project_id, self.script_id),
            name: &self.name,
        };
        let older = self.key.open(vault)?;
        let value = older.open(place, &self.ciphertext);
        let value = value.map_err(|error| value_error(self.id, error))?;
        newer
            .seal(place, value.expose_secret())
            .map_err(StoreError::Vault)
    }
}

/// The columns `value`, `ciphertext` and `key_version`.
type ValueColumns = (Option<String>, Option<Vec<u8>>, Option<i64>);

/// The columns of a value; `$key` makes the key, which only a secret needs.
macro_rules! value_columns {
    ($value:expr, $place:expr, $key:expr) => {{
        let columns: ValueColumns = match $value {
            NewValue::Plain(text) => (Some(text.clone()), None, None),
            NewValue::Secret(text) => {
                let key: DataKey = $key;
                let sealed = key.seal($place, text.expose_secret())?;
                (None, Some(sealed), Some(key.version()))
            }
        };
        columns
    }};
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
            Self::Secret(text) => text.expose_secret().len(),
        };
        signed(length)
    }
}

/// A length as SQL counts it.
fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

impl Store {
    /// Makes a variable, and for the first secret of an organization its key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the level has one of this name; [`StoreError::Vault`] when a
    /// secret cannot be encrypted.
    pub async fn create_variable(&self, new: NewVariable) -> Result<CreatedVariable, StoreError> {
        let newest = format!("{NEWEST_KEY}{}", self.db.share_rows());
        let (org, level) = (new.org_id, new.level);
        let (project, script) = level.columns();
        let place = Place {
            level,
            name: &new.name,
        };
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
            let (value, ciphertext, key_version) = value_columns!(
                &new.value,
                place,
                current_data_key!(self, tx, newest, org, new.created_at)
            );
            sqlx::query(INSERT_VARIABLE)
                .bind(new.id.as_uuid())
                .bind(org.as_uuid())
                .bind(project)
                .bind(script)
                .bind(&new.name)
                .bind(new.value.kind().as_str())
                .bind(value)
                .bind(ciphertext)
                .bind(key_version)
                .bind(&new.description)
                .bind(new.created_by.as_uuid())
                .bind(new.created_at)
                .execute(&mut *tx)
                .await
                .map_err(|error| conflict(error, "name"))?;
            let variable = Variable {
                id: new.id,
                level,
                name: new.name,
                kind,
                value: match new.value {
                    NewValue::Plain(text) => Some(text),
                    NewValue::Secret(_) => None,
                },
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
    /// [`StoreError::Vault`] when a secret cannot be encrypted.
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
            if let Some(new) = &change.value {
                let (_, has_room) = weigh_level!(tx, org, old.level, id, new);
                if !has_room {
                    return Ok(UpdatedVariable::TooLarge);
                }
                let place = Place { level: old.level, name: &old.name };
                let (value, ciphertext, key_version) = value_columns!(
                    new,
                    place,
                    current_data_key!(self, tx, newest, org, change.changed_at)
                );
                sqlx::query(SET_VALUE)
                    .bind(org.as_uuid())
                    .bind(id.as_uuid())
                    .bind(new.kind().as_str())
                    .bind(value)
                    .bind(ciphertext)
                    .bind(key_version)
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
