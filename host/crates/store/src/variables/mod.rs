//! Variables of an organization, a project or a script. The values of secrets come in here and
//! leave for runs only (`environment`); what is listed and read has none.

mod change;
mod columns;
mod environment;
mod level;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::{AllowedHost, OrgId, UserId, VariableId, VariableKind};

use crate::{
    AuditAction, Page, PageRequest, Store, StoreError,
    audit::{Event, Snapshot as _, audit},
    db::{in_tx, on_db},
    vault::{Place, VaultError},
};

pub(crate) use columns::EncryptedRow;
pub(crate) use environment::{EnvironmentRow, Opened, Owners, push_environments};
pub use level::VariableLevel;

/// A variable. Of one that is encrypted, the value is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Id.
    pub id: VariableId,
    /// Whom it is for.
    pub level: VariableLevel,
    /// Its name in the run; there is one of a name on each level.
    pub name: String,
    /// How it is kept.
    pub kind: VariableKind,
    /// Exactly of a plain one.
    pub value: Option<String>,
    /// Exactly of a sealed one: where its value may be sent.
    pub allowed_hosts: Option<Vec<AllowedHost>>,
    /// For people.
    pub description: Option<String>,
    /// Who made it.
    pub created_by: UserId,
    /// When made.
    pub created_at: DateTime<Utc>,
    /// When changed last.
    pub updated_at: DateTime<Utc>,
    /// Grows with each change.
    pub revision: i64,
}

/// A value to be kept, in the way that it is to be kept.
#[derive(Debug, Clone)]
pub enum NewValue {
    /// As it is.
    Plain(String),
    /// Encrypted.
    Secret(SecretString),
    /// Encrypted, and no run sees it.
    Sealed {
        /// The value.
        value: SecretString,
        /// Where it may be sent.
        allowed_hosts: Vec<AllowedHost>,
    },
}

impl NewValue {
    /// How it is to be kept.
    pub fn kind(&self) -> VariableKind {
        match self {
            Self::Plain(_) => VariableKind::Plain,
            Self::Secret(_) => VariableKind::Secret,
            Self::Sealed { .. } => VariableKind::Sealed,
        }
    }
}

/// A variable to be made.
#[derive(Debug, Clone)]
pub struct NewVariable {
    /// Id.
    pub id: VariableId,
    /// The organization.
    pub org_id: OrgId,
    /// Whom it is for.
    pub level: VariableLevel,
    /// Its name in the run.
    pub name: String,
    /// Its value.
    pub value: NewValue,
    /// For people.
    pub description: Option<String>,
    /// Who makes it.
    pub created_by: UserId,
    /// Now.
    pub created_at: DateTime<Utc>,
}

/// What became of a new variable.
#[derive(Debug, Clone)]
pub enum CreatedVariable {
    /// It is there.
    Done(Variable),
    /// The organization has no such project or script.
    NoOwner,
    /// The level has as many as it may.
    TooMany,
    /// The values of the level would have more bytes than they may.
    TooLarge,
}

/// What a user decides about a variable that is there. Name, kind and level stay.
#[derive(Debug, Clone)]
pub struct VariableChange {
    /// `None`: the value stays. It is kept in the way that the variable is kept.
    pub value: Option<SecretString>,
    /// Of a sealed one; `None`: the hosts stay. Any that are not among the present ones need a value
    /// with them.
    pub allowed_hosts: Option<Vec<AllowedHost>>,
    /// For people.
    pub description: Option<String>,
    /// Now.
    pub changed_at: DateTime<Utc>,
}

/// What became of a change.
#[derive(Debug, Clone)]
pub enum UpdatedVariable {
    /// The variable as it is now.
    Done(Variable),
    /// No such variable in this organization.
    NotFound,
    /// It was changed since the expected revision.
    Stale,
    /// The values of the level would have more bytes than they may.
    TooLarge,
    /// It is not a sealed one, and has no hosts.
    NotSealed,
    /// The hosts are not among those that the value may be sent to: whoever chooses others must know
    /// the value, or could have it sent to themselves.
    NeedsValue,
}

// Hosts are read as text, so that what was made of them by other hands concerns its own row only.
const GET_VARIABLE: &str = "SELECT id, project_id, script_id, name, kind, value, \
    CAST(allowed_hosts AS TEXT) AS allowed_hosts, description, created_by, created_at, updated_at, \
    revision FROM variables WHERE org_id = $1 AND id = $2";
const LIST_VARIABLES: &str = "SELECT id, project_id, script_id, name, kind, value, \
    CAST(allowed_hosts AS TEXT) AS allowed_hosts, description, created_by, created_at, updated_at, \
    revision FROM variables WHERE org_id = $1 AND project_id IS NOT DISTINCT FROM $2 \
    AND script_id IS NOT DISTINCT FROM $3 AND id < $4 ORDER BY id DESC LIMIT $5";
const DELETE_VARIABLE: &str = "DELETE FROM variables WHERE org_id = $1 AND id = $2 \
    RETURNING id, project_id, script_id, name, kind, value, \
    CAST(allowed_hosts AS TEXT) AS allowed_hosts, description, created_by, created_at, updated_at, \
    revision";
pub(crate) const DELETE_OF_SCRIPT: &str =
    "DELETE FROM variables WHERE org_id = $1 AND script_id = $2";

#[cfg(feature = "testing")]
pub(crate) fn all_sql() -> Vec<&'static str> {
    let own: &[&str] = &[
        GET_VARIABLE,
        LIST_VARIABLES,
        DELETE_VARIABLE,
        DELETE_OF_SCRIPT,
    ];
    [
        own,
        change::ALL_SQL,
        columns::ALL_SQL,
        environment::ALL_SQL,
        level::ALL_SQL,
    ]
    .concat()
}

#[derive(FromRow)]
struct VariableRow {
    id: Uuid,
    project_id: Option<Uuid>,
    script_id: Option<Uuid>,
    name: String,
    kind: String,
    value: Option<String>,
    allowed_hosts: Option<String>,
    description: Option<String>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    revision: i64,
}

impl TryFrom<VariableRow> for Variable {
    type Error = StoreError;

    fn try_from(row: VariableRow) -> Result<Self, StoreError> {
        let (kind, allowed_hosts) = read_kind(row.id, &row.kind, row.allowed_hosts.as_deref())?;
        Ok(Self {
            id: VariableId::from_uuid(row.id),
            level: VariableLevel::of_columns(row.project_id, row.script_id),
            name: row.name,
            kind,
            value: row.value,
            allowed_hosts,
            description: row.description,
            created_by: UserId::from_uuid(row.created_by),
            created_at: row.created_at,
            updated_at: row.updated_at,
            revision: row.revision,
        })
    }
}

/// Reads `kind` and `allowed_hosts`, which exactly a sealed one has.
fn read_kind(
    id: Uuid,
    kind: &str,
    hosts: Option<&str>,
) -> Result<(VariableKind, Option<Vec<AllowedHost>>), StoreError> {
    let corrupt = |what: &dyn ToString| StoreError::corrupt("variables", &id, &what.to_string());
    let kind: VariableKind = kind.parse().map_err(|error| corrupt(&error))?;
    let hosts: Option<Vec<AllowedHost>> = hosts
        .map(serde_json::from_str)
        .transpose()
        .map_err(|error| corrupt(&format!("`allowed_hosts`: {error}")))?;
    if hosts.is_some() != (kind == VariableKind::Sealed) {
        return Err(corrupt(&"`allowed_hosts` does not go with its kind"));
    }
    Ok((kind, hosts))
}

/// A value that does not open was changed or moved by other hands.
fn value_error(id: Uuid, error: VaultError) -> StoreError {
    match error {
        VaultError::NotOpened => {
            StoreError::corrupt("variables", &id, &"`ciphertext` does not open")
        }
        error => StoreError::Vault(error),
    }
}

impl Store {
    /// One variable of an organization.
    pub async fn get_variable(
        &self,
        org: OrgId,
        id: VariableId,
    ) -> Result<Option<Variable>, StoreError> {
        let row: Option<VariableRow> = on_db!(self, pool => {
            sqlx::query_as(GET_VARIABLE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(pool)
                .await?
        });
        row.map(Variable::try_from).transpose()
    }

    /// One page of the variables of a level, newest first. `None`: the organization has no such
    /// project or script.
    pub async fn list_variables(
        &self,
        org: OrgId,
        level: VariableLevel,
        page: PageRequest,
    ) -> Result<Option<Page<Variable>>, StoreError> {
        let (project, script) = level.columns();
        let rows: Vec<VariableRow> = on_db!(self, pool => {
            let owner: Option<(Uuid,)> = sqlx::query_as(level.find_owner())
                .bind(org.as_uuid())
                .bind(level.owner(org))
                .fetch_optional(pool)
                .await?;
            if owner.is_none() {
                return Ok(None);
            }
            sqlx::query_as(LIST_VARIABLES)
                .bind(org.as_uuid())
                .bind(project)
                .bind(script)
                .bind(page.before())
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?
        });
        let items = rows
            .into_iter()
            .map(Variable::try_from)
            .collect::<Result<_, _>>()?;
        Ok(Some(
            page.page(items, |variable: &Variable| variable.id.as_uuid()),
        ))
    }

    /// Deletes a variable. `false`: there was none.
    pub async fn delete_variable(&self, org: OrgId, id: VariableId) -> Result<bool, StoreError> {
        in_tx!(self, tx => {
            let deleted: Option<VariableRow> = sqlx::query_as(DELETE_VARIABLE)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let Some(row) = deleted else {
                return Ok(false);
            };
            let before = Variable::try_from(row)?.snapshot();
            audit!(self, tx, org, Event::gone(AuditAction::VariableDelete, id, before));
        });
        Ok(true)
    }
}
