//! Keys that encrypt: AES-256-GCM with random nonces, bound to the place of what they encrypt.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand,
};
use secrecy::{ExposeSecret as _, ExposeSecretMut as _, SecretBox, SecretString};
use vedette_core::{AllowedHost, ChannelId, OrgId, ProjectId, ScriptId};

use crate::{VariableLevel, vault::VaultError};

/// Bytes that are encrypted are longer by this: the nonce before them and the tag behind.
pub(crate) const OVERHEAD: usize = NONCE_LEN + 16;

/// Bytes of a key.
pub(crate) type KeyBytes = SecretBox<[u8; 32]>;

/// A key in use. It draws a random nonce of 96 bits for each encryption, and there is no way to
/// choose one. The library wipes its memory.
pub(crate) struct Key(RandomizedNonceKey);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    pub(crate) fn new(bytes: &KeyBytes) -> Result<Self, VaultError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes.expose_secret());
        key.map(Self).map_err(|_| VaultError::Failed)
    }

    /// Nonce, ciphertext, tag. `context` is needed again to open it.
    pub(crate) fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        // Room for all, so that no copy of the plain bytes is left behind.
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
        sealed.extend_from_slice(&[0; NONCE_LEN]);
        sealed.extend_from_slice(plain);
        let (nonce, tag) = self
            .0
            .seal_in_place_separate_tag(Aad::from(context), &mut sealed[NONCE_LEN..])
            .map_err(|_| VaultError::Failed)?;
        sealed[..NONCE_LEN].copy_from_slice(nonce.as_ref());
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// What was sealed, if it was so by this key with this context, and not a bit was changed.
    pub(crate) fn open(
        &self,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<SecretBox<Vec<u8>>, VaultError> {
        let (nonce, rest) = sealed
            .split_at_checked(NONCE_LEN)
            .ok_or(VaultError::NotOpened)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::NotOpened)?;
        let mut opened = SecretBox::new(Box::new(rest.to_vec()));
        let length = self
            .0
            .open_in_place(nonce, Aad::from(context), opened.expose_secret_mut())
            .map_err(|_| VaultError::NotOpened)?
            .len();
        opened.expose_secret_mut().truncate(length);
        Ok(opened)
    }
}

/// A new key of the system's random numbers.
pub(crate) fn new_key_bytes() -> Result<KeyBytes, VaultError> {
    let mut bytes = SecretBox::new(Box::new([0; 32]));
    rand::fill(bytes.expose_secret_mut()).map_err(|_| VaultError::Failed)?;
    Ok(bytes)
}

/// An organization's key, ready to use.
#[derive(Debug)]
pub(crate) struct DataKey {
    org: OrgId,
    version: i64,
    key: Key,
}

/// Where a value belongs. It opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) level: VariableLevel,
    pub(crate) name: &'a str,
    /// Of a sealed one, where it may be sent: to no others, and never to a run.
    pub(crate) allowed_hosts: Option<&'a [AllowedHost]>,
}

impl DataKey {
    pub(crate) fn new(org: OrgId, version: i64, bytes: &KeyBytes) -> Result<Self, VaultError> {
        Ok(Self {
            org,
            version,
            key: Key::new(bytes)?,
        })
    }

    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// Encrypts a value for its place.
    pub(crate) fn seal(&self, place: Place<'_>, value: &str) -> Result<Vec<u8>, VaultError> {
        self.key.seal(&self.context(place), value.as_bytes())
    }

    /// Decrypts the value of a place.
    pub(crate) fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<SecretString, VaultError> {
        let opened = self.key.open(&self.context(place), sealed)?;
        let text = str::from_utf8(opened.expose_secret()).map_err(|_| VaultError::NotOpened)?;
        Ok(SecretString::from(text))
    }

    /// Encrypts what a channel keeps secret.
    pub(crate) fn seal_channel(&self, id: ChannelId, secret: &str) -> Result<Vec<u8>, VaultError> {
        self.key.seal(&self.channel_context(id), secret.as_bytes())
    }

    /// Decrypts what a channel keeps secret.
    pub(crate) fn open_channel(
        &self,
        id: ChannelId,
        sealed: &[u8],
    ) -> Result<SecretString, VaultError> {
        let opened = self.key.open(&self.channel_context(id), sealed)?;
        let text = str::from_utf8(opened.expose_secret()).map_err(|_| VaultError::NotOpened)?;
        Ok(SecretString::from(text))
    }

    /// A word that no other context begins with, then parts of one length.
    fn channel_context(&self, id: ChannelId) -> Vec<u8> {
        let mut context = b"vedette channel 1\0".to_vec();
        context.extend_from_slice(self.org.as_uuid().as_bytes());
        context.extend_from_slice(&self.version.to_be_bytes());
        context.extend_from_slice(id.as_uuid().as_bytes());
        context
    }

    /// Organization, level, owner, version of the key, of a sealed one the hosts, name. What comes
    /// before the name has one length or says how long it is, and sealed ones begin with another
    /// word, so that no two places have the same bytes.
    fn context(&self, place: Place<'_>) -> Vec<u8> {
        let (level, owner) = match place.level {
            VariableLevel::Organization => (0, self.org.as_uuid()),
            VariableLevel::Project(project) => (1, ProjectId::as_uuid(project)),
            VariableLevel::Script(script) => (2, ScriptId::as_uuid(script)),
        };
        let mut context = match place.allowed_hosts {
            None => b"vedette variable 1\0".to_vec(),
            Some(_) => b"vedette sealed variable 1\0".to_vec(),
        };
        context.extend_from_slice(self.org.as_uuid().as_bytes());
        context.push(level);
        context.extend_from_slice(owner.as_bytes());
        context.extend_from_slice(&self.version.to_be_bytes());
        if let Some(hosts) = place.allowed_hosts {
            context.extend_from_slice(&(hosts.len() as u64).to_be_bytes());
            for host in hosts {
                let host = host.to_string();
                context.extend_from_slice(&(host.len() as u64).to_be_bytes());
                context.extend_from_slice(host.as_bytes());
            }
        }
        context.extend_from_slice(place.name.as_bytes());
        context
    }
}
