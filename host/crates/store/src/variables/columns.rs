//! What values are in the database: the columns that a value becomes, and rows that are opened to
//! be encrypted anew.

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{FromRow, types::Json};
use uuid::Uuid;
use vedette_core::AllowedHost;

use super::{Place, VariableLevel, read_kind, value_error};
use crate::{
    StoreError,
    vault::{DataKey, KeyRow, Vault},
};

pub(super) const GET_ENCRYPTED: &str = "SELECT variables.id, variables.project_id, variables.script_id, \
    variables.name, variables.kind, CAST(variables.allowed_hosts AS TEXT) AS allowed_hosts, \
    variables.ciphertext, variables.revision, keys.org_id, keys.version, keys.master_key_id, \
    keys.wrapped_key FROM variables \
    JOIN organization_keys AS keys ON keys.org_id = variables.org_id \
    AND keys.version = variables.key_version \
    WHERE variables.org_id = $1 AND variables.id = $2";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[GET_ENCRYPTED];

/// A variable that is encrypted, with the key that it is encrypted with.
#[derive(FromRow)]
pub(crate) struct EncryptedRow {
    pub(crate) id: Uuid,
    project_id: Option<Uuid>,
    script_id: Option<Uuid>,
    name: String,
    kind: String,
    allowed_hosts: Option<String>,
    ciphertext: Vec<u8>,
    pub(crate) revision: i64,
    #[sqlx(flatten)]
    pub(crate) key: KeyRow,
}

impl EncryptedRow {
    /// Its value under a newer key.
    pub(crate) fn reencrypt(&self, vault: &Vault, newer: &DataKey) -> Result<Vec<u8>, StoreError> {
        let hosts = self.hosts()?;
        let place = self.place(hosts.as_deref());
        let value = self.open_at(place, vault)?;
        newer
            .seal(place, value.expose_secret())
            .map_err(StoreError::Vault)
    }

    /// Its value.
    pub(super) fn open(&self, vault: &Vault) -> Result<SecretString, StoreError> {
        let hosts = self.hosts()?;
        self.open_at(self.place(hosts.as_deref()), vault)
    }

    fn open_at(&self, place: Place<'_>, vault: &Vault) -> Result<SecretString, StoreError> {
        let opened = self.key.open(vault)?.open(place, &self.ciphertext);
        opened.map_err(|error| value_error(self.id, error))
    }

    fn hosts(&self) -> Result<Option<Vec<AllowedHost>>, StoreError> {
        let (_, hosts) = read_kind(self.id, &self.kind, self.allowed_hosts.as_deref())?;
        Ok(hosts)
    }

    fn place<'a>(&'a self, allowed_hosts: Option<&'a [AllowedHost]>) -> Place<'a> {
        Place {
            level: VariableLevel::of_columns(self.project_id, self.script_id),
            name: &self.name,
            allowed_hosts,
        }
    }
}

/// What a value is in the database.
#[derive(Default)]
pub(super) struct ValueColumns {
    pub(super) value: Option<String>,
    pub(super) ciphertext: Option<Vec<u8>>,
    pub(super) key_version: Option<i64>,
    pub(super) allowed_hosts: Option<Json<Vec<AllowedHost>>>,
}

impl ValueColumns {
    pub(super) fn plain(text: &str) -> Self {
        Self {
            value: Some(text.to_owned()),
            ..Self::default()
        }
    }

    pub(super) fn encrypted(
        key: &DataKey,
        place: Place<'_>,
        value: &SecretString,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            ciphertext: Some(key.seal(place, value.expose_secret())?),
            key_version: Some(key.version()),
            allowed_hosts: place.allowed_hosts.map(|hosts| Json(hosts.to_vec())),
            ..Self::default()
        })
    }
}

/// The columns of a value at a level and of a name; `$key` makes the key, if one is needed.
macro_rules! value_columns {
    ($value:expr, $level:expr, $name:expr, $key:expr) => {{
        let (text, allowed_hosts) = match $value {
            $crate::NewValue::Plain(text) => (Err(text), None),
            $crate::NewValue::Secret(text) => (Ok(text), None),
            $crate::NewValue::Sealed {
                value,
                allowed_hosts,
            } => (Ok(value), Some(allowed_hosts.as_slice())),
        };
        match text {
            Err(plain) => $crate::variables::columns::ValueColumns::plain(plain),
            Ok(text) => {
                let place = $crate::vault::Place {
                    level: $level,
                    name: $name,
                    allowed_hosts,
                };
                $crate::variables::columns::ValueColumns::encrypted(&$key, place, text)?
            }
        }
    }};
}
pub(super) use value_columns;
