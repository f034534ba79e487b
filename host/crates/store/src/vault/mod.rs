//! Envelope encryption: what an organization keeps secret is encrypted with a key of its own, and
//! that key with a master key that is not in the database.
//!
//! [`Vault`] knows the master keys, `key` encrypts, `data_keys` keeps the organizations' keys and
//! changes them.

mod data_keys;
mod error;
mod key;
mod master;
#[cfg(test)]
mod tests;

#[cfg(feature = "testing")]
pub(crate) use data_keys::ALL_SQL;
pub use data_keys::Rotated;
pub(crate) use data_keys::{INSERT_KEY, KeyRow, NEWEST_KEY, current_data_key, key_error};
pub use error::VaultError;
pub(crate) use key::{DataKey, OVERHEAD, Place};
pub(crate) use master::WrappedKey;
pub use master::{MasterKey, MasterKeySource, Vault};
