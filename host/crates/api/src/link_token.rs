//! Tokens that are sent to somebody and good once: 256 random bits, of which only the hash is stored.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// A token.
pub(crate) struct LinkToken([u8; 32]);

impl LinkToken {
    pub(crate) fn generate() -> Result<Self, Problem> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| Problem::internal(&error))?;
        Ok(Self(bytes))
    }

    /// Reads a token in the one form that [`Self::text`] gives.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}
