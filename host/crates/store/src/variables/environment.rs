//! What a run is given: the variables of its organization, its project and its script, and over
//! them those that the script itself has, narrow over wide.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{Database, Encode, FromRow, QueryBuilder, Type};
use uuid::Uuid;
use vedette_core::{
    AllowedHost, Environment, OrgId, ProjectId, ScriptId, SealedSecret, VariableKind,
};

use super::{VariableLevel, read_kind, value_error};
use crate::{
    Script, Store, StoreError,
    db::on_db,
    vault::{DataKey, Place, Vault, WrappedKey, key_error},
};

/// Each part of the question begins with this. The keys come along, so that values and keys are
/// of one moment, whatever a rotation does.
const SELECT_VALUES: &str = "SELECT variables.id, variables.org_id, variables.project_id, \
    variables.script_id, variables.name, variables.kind, variables.value, \
    CAST(variables.allowed_hosts AS TEXT) AS allowed_hosts, variables.ciphertext, \
    variables.key_version, keys.master_key_id, keys.wrapped_key FROM variables \
    LEFT JOIN organization_keys AS keys ON keys.org_id = variables.org_id \
    AND keys.version = variables.key_version";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[SELECT_VALUES];

/// Whose variables a run is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owners {
    pub(crate) org: OrgId,
    pub(crate) project: ProjectId,
    pub(crate) script: ScriptId,
}

/// Asks for the variables of some runs, in three parts, each of which has an index.
pub(crate) fn push_environments<D>(query: &mut QueryBuilder<D>, owners: &[Owners])
where
    D: Database,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
{
    let mut push = |before: &str, id: fn(&Owners) -> Uuid| {
        let mut ids: Vec<Uuid> = owners.iter().map(id).collect();
        ids.sort_unstable();
        ids.dedup();
        query.push(before).push(" IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(id);
        }
        query.push(")");
    };
    let org = |owners: &Owners| owners.org.as_uuid();
    let part = |and: &str| format!("{and}{SELECT_VALUES} WHERE variables.org_id");
    push(&part(""), org);
    let of_project = " AND variables.project_id IS NULL AND variables.script_id IS NULL UNION ALL ";
    push(&part(of_project), org);
    push(" AND variables.project_id", |owners| {
        owners.project.as_uuid()
    });
    push(&part(" UNION ALL "), org);
    push(" AND variables.script_id", |owners| owners.script.as_uuid());
}

/// A variable with its value, and the key if it is encrypted.
#[derive(FromRow)]
pub(crate) struct EnvironmentRow {
    id: Uuid,
    org_id: Uuid,
    project_id: Option<Uuid>,
    script_id: Option<Uuid>,
    name: String,
    kind: String,
    value: Option<String>,
    allowed_hosts: Option<String>,
    ciphertext: Option<Vec<u8>>,
    key_version: Option<i64>,
    master_key_id: Option<String>,
    wrapped_key: Option<Vec<u8>>,
}

/// The variables of some levels, their secrets decrypted once for all runs.
pub(crate) struct Opened {
    levels: HashMap<(OrgId, VariableLevel), Vec<OpenedVariable>>,
}

struct OpenedVariable {
    name: String,
    value: Result<Value, Arc<StoreError>>,
}

enum Value {
    Plain(String),
    Secret(SecretString),
    Sealed(SecretString, Vec<AllowedHost>),
}

impl Opened {
    /// Nothing fails here: a value that does not open concerns only the runs that it is for.
    pub(crate) fn open(vault: &Vault, rows: Vec<EnvironmentRow>) -> Self {
        let (mut keys, mut levels) = (HashMap::new(), HashMap::<_, Vec<_>>::new());
        for mut row in rows {
            let org = OrgId::from_uuid(row.org_id);
            let level = VariableLevel::of_columns(row.project_id, row.script_id);
            let name = std::mem::take(&mut row.name);
            let value = row.open(vault, &mut keys, level, &name);
            let value = value.map_err(Arc::new);
            let variable = OpenedVariable { name, value };
            levels.entry((org, level)).or_default().push(variable);
        }
        Self { levels }
    }

    /// The environment of one run: `own` are the script's own variables.
    ///
    /// # Errors
    /// [`StoreError::VariableUnreadable`] when one of its values does not open.
    pub(crate) fn environment(
        &self,
        owners: Owners,
        own: BTreeMap<String, String>,
    ) -> Result<Environment, StoreError> {
        let mut environment = Environment::default();
        for level in [
            VariableLevel::Organization,
            VariableLevel::Project(owners.project),
            VariableLevel::Script(owners.script),
        ] {
            let variables = self.levels.get(&(owners.org, level));
            for OpenedVariable { name, value } in variables.into_iter().flatten() {
                match value {
                    Ok(Value::Plain(text)) => environment.set(name, text),
                    Ok(Value::Secret(text)) => {
                        environment.set_secret(name, text.expose_secret());
                    }
                    Ok(Value::Sealed(text, hosts)) => {
                        let secret = SealedSecret {
                            value: text.expose_secret().to_owned(),
                            allowed_hosts: hosts.clone(),
                        };
                        environment.set_sealed(name, secret);
                    }
                    Err(error) => return Err(StoreError::VariableUnreadable(error.clone())),
                }
            }
        }
        environment.set_all(own);
        Ok(environment)
    }
}

impl EnvironmentRow {
    fn open(
        self,
        vault: &Vault,
        keys: &mut HashMap<(OrgId, i64), DataKey>,
        level: VariableLevel,
        name: &str,
    ) -> Result<Value, StoreError> {
        let corrupt =
            |what: &dyn ToString| StoreError::corrupt("variables", &self.id, &what.to_string());
        let (kind, hosts) = read_kind(self.id, &self.kind, self.allowed_hosts.as_deref())?;
        if kind == VariableKind::Plain {
            let value = self.value.map(Value::Plain);
            return value.ok_or_else(|| corrupt(&"a plain one without a value"));
        }
        let (Some(ciphertext), Some(version), Some(master_key_id), Some(wrapped_key)) = (
            self.ciphertext,
            self.key_version,
            self.master_key_id,
            self.wrapped_key,
        ) else {
            return Err(corrupt(
                &"an encrypted one without its ciphertext or its key",
            ));
        };
        let org = OrgId::from_uuid(self.org_id);
        let wrapped = WrappedKey {
            master_key_id,
            wrapped_key,
        };
        let key = match keys.entry((org, version)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(room) => {
                let key = vault.unwrap(org, version, &wrapped);
                room.insert(key.map_err(|error| key_error(org, version, error))?)
            }
        };
        let place = Place {
            level,
            name,
            allowed_hosts: hosts.as_deref(),
        };
        let opened = key.open(place, &ciphertext);
        let opened = opened.map_err(|error| value_error(self.id, error))?;
        Ok(match hosts {
            None => Value::Secret(opened),
            Some(hosts) => Value::Sealed(opened, hosts),
        })
    }
}

impl Store {
    /// What a run of a script is given: the variables of its levels, and over them its own.
    ///
    /// # Errors
    /// [`StoreError::VariableUnreadable`] when a value does not open, or the key for it is not here.
    pub async fn get_environment(&self, script: &Script) -> Result<Environment, StoreError> {
        let owners = Owners {
            org: script.org_id,
            project: script.project_id,
            script: script.id,
        };
        let rows = self.read_environments(&[owners]).await?;
        Opened::open(&self.vault, rows).environment(owners, script.env_vars.clone())
    }

    async fn read_environments(
        &self,
        owners: &[Owners],
    ) -> Result<Vec<EnvironmentRow>, StoreError> {
        Ok(on_db!(self, pool => {
            let mut query = QueryBuilder::new("");
            push_environments(&mut query, owners);
            query.build_query_as().fetch_all(pool).await?
        }))
    }
}
