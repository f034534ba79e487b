//! Why something could not be encrypted or decrypted. None of these shows material.

use std::error::Error;

/// A failed call to the vault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The store was opened without master keys.
    #[error("there is no master key here")]
    NoMasterKey,
    /// A key was encrypted with a master key that this process does not have.
    #[error("the master key `{0}` is not here")]
    UnknownMasterKey(String),
    /// The place of the master keys could not be read.
    #[error("the master keys cannot be read")]
    Source(#[source] Box<dyn Error + Send + Sync>),
    /// It was changed, moved from its place, or encrypted with another key.
    #[error("what is encrypted does not open")]
    NotOpened,
    /// The cryptography itself failed.
    #[error("the encryption failed")]
    Failed,
}
