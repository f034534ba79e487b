//! The master keys, which come from outside and may become more while the process runs.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use secrecy::{ExposeSecret as _, ExposeSecretMut as _, SecretBox};
use sqlx::FromRow;
use vedette_core::OrgId;

use super::{
    DataKey, VaultError,
    key::{Key, KeyBytes, new_key_bytes},
};

/// A master key with its name.
#[derive(Debug)]
pub struct MasterKey {
    /// Names it in the database. The key whose id sorts last encrypts, all others only decrypt.
    pub id: String,
    /// 256 bits.
    pub bytes: SecretBox<[u8; 32]>,
}

/// Where master keys lie.
pub trait MasterKeySource: Send + Sync + 'static {
    /// All of them, as they are now. It is asked at the start, and again when a key is met that is
    /// not known: a rotation may have made it meanwhile. It may block for as long as reading a few
    /// small files takes.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&self) -> Result<Vec<MasterKey>, Box<dyn Error + Send + Sync>>;
}

/// Knows the master keys. Cheap to clone; `Debug` shows their ids only.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    source: Box<dyn MasterKeySource>,
    keys: RwLock<Keys>,
}

type Keys = Arc<BTreeMap<String, Key>>;

/// For stores that keep no secrets.
struct NoKeys;

impl MasterKeySource for NoKeys {
    fn read(&self) -> Result<Vec<MasterKey>, Box<dyn Error + Send + Sync>> {
        Ok(Vec::new())
    }
}

/// A data key as the database keeps it.
#[derive(FromRow)]
pub(crate) struct WrappedKey {
    pub(crate) master_key_id: String,
    pub(crate) wrapped_key: Vec<u8>,
}

impl Vault {
    /// Reads the master keys.
    ///
    /// # Errors
    /// [`VaultError::Source`] when they cannot be read.
    pub fn open(source: impl MasterKeySource) -> Result<Self, VaultError> {
        let keys = read(&source)?;
        Ok(Self {
            inner: Arc::new(Inner {
                source: Box::new(source),
                keys: RwLock::new(keys),
            }),
        })
    }

    /// One without keys, which encrypts nothing.
    pub(crate) fn empty() -> Self {
        Self {
            inner: Arc::new(Inner {
                source: Box::new(NoKeys),
                keys: RwLock::default(),
            }),
        }
    }

    /// Looks again which master keys there are.
    ///
    /// # Errors
    /// [`VaultError::Source`]; the keys that were known stay so.
    pub fn reload(&self) -> Result<(), VaultError> {
        let keys = read(self.inner.source.as_ref())?;
        *self
            .inner
            .keys
            .write()
            .unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    fn keys(&self) -> Keys {
        let keys = self.inner.keys.read();
        keys.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The ids of the keys that are known.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.keys().keys().cloned().collect()
    }

    /// The id of the key that encrypts.
    pub(crate) fn newest_id(&self) -> Result<String, VaultError> {
        let keys = self.keys();
        let (id, _) = keys.last_key_value().ok_or(VaultError::NoMasterKey)?;
        Ok(id.clone())
    }

    /// Makes a key for an organization.
    pub(crate) fn new_data_key(&self, org: OrgId, version: i64) -> Result<WrappedKey, VaultError> {
        self.wrap(org, version, &new_key_bytes()?)
    }

    /// The same key under the newest master key.
    pub(crate) fn rewrap(
        &self,
        org: OrgId,
        version: i64,
        wrapped: &WrappedKey,
    ) -> Result<WrappedKey, VaultError> {
        self.wrap(org, version, &self.unwrap_bytes(org, version, wrapped)?)
    }

    /// A data key that is ready to use.
    pub(crate) fn unwrap(
        &self,
        org: OrgId,
        version: i64,
        wrapped: &WrappedKey,
    ) -> Result<DataKey, VaultError> {
        DataKey::new(org, version, &self.unwrap_bytes(org, version, wrapped)?)
    }

    fn wrap(&self, org: OrgId, version: i64, bytes: &KeyBytes) -> Result<WrappedKey, VaultError> {
        let keys = self.keys();
        let (id, master) = keys.last_key_value().ok_or(VaultError::NoMasterKey)?;
        let context = context(org, version, id);
        Ok(WrappedKey {
            wrapped_key: master.seal(&context, bytes.expose_secret())?,
            master_key_id: id.clone(),
        })
    }

    fn unwrap_bytes(
        &self,
        org: OrgId,
        version: i64,
        wrapped: &WrappedKey,
    ) -> Result<KeyBytes, VaultError> {
        let id = &wrapped.master_key_id;
        let mut keys = self.keys();
        if !keys.contains_key(id) {
            self.reload()?;
            keys = self.keys();
        }
        let master = keys
            .get(id)
            .ok_or_else(|| VaultError::UnknownMasterKey(id.clone()))?;
        let opened = master.open(&context(org, version, id), &wrapped.wrapped_key)?;
        let opened = opened.expose_secret();
        let mut bytes = KeyBytes::new(Box::new([0; 32]));
        if opened.len() != bytes.expose_secret().len() {
            return Err(VaultError::NotOpened);
        }
        bytes.expose_secret_mut().copy_from_slice(opened);
        Ok(bytes)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys().keys()).finish()
    }
}

fn read(source: &dyn MasterKeySource) -> Result<Keys, VaultError> {
    let keys = source.read().map_err(VaultError::Source)?;
    let keys: Result<BTreeMap<_, _>, VaultError> = keys
        .into_iter()
        .map(|key| Ok((key.id, Key::new(&key.bytes)?)))
        .collect();
    keys.map(Arc::new)
}

/// A data key belongs to its organization and version, and opens as no other.
fn context(org: OrgId, version: i64, master_key_id: &str) -> Vec<u8> {
    let mut context = b"vedette data key 1\0".to_vec();
    context.extend_from_slice(org.as_uuid().as_bytes());
    context.extend_from_slice(&version.to_be_bytes());
    context.extend_from_slice(master_key_id.as_bytes());
    context
}
