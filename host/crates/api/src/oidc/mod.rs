//! Signing in by an identity provider: OpenID Connect, authorization code with PKCE.
//!
//! A [`Provider`] is what an installation knows of one: its settings, and what it says of itself by
//! discovery. What it signs is judged in `id_token`, by the keys of `keys`.

mod discovery;
mod exchange;
mod id_token;
mod keys;
mod provider;
mod settings;

use async_trait::async_trait;
use bytes::Bytes;
use secrecy::SecretString;
use url::Url;

pub(crate) use id_token::Claims;
pub(crate) use provider::{Authorization, Provider};
pub use settings::{OidcProvider, OidcSettingsError};

/// What a provider answered.
#[derive(Debug, Clone)]
pub struct ProviderAnswer {
    /// The status of HTTP.
    pub status: u16,
    /// The body, as far as it may go.
    pub body: Bytes,
}

/// Why a provider could not be asked, in words for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProviderClientError(pub String);

/// Asks providers: bounded in time and bytes, without following redirects.
#[async_trait]
pub trait ProviderClient: Send + Sync + 'static {
    /// Reads a document.
    ///
    /// # Errors
    /// When there is no whole answer.
    async fn get(&self, url: &Url) -> Result<ProviderAnswer, ProviderClientError>;

    /// Sends a form, with a value of `Authorization` if there is one.
    ///
    /// # Errors
    /// When there is no whole answer.
    async fn post_form(
        &self,
        url: &Url,
        authorization: Option<&SecretString>,
        form: SecretString,
    ) -> Result<ProviderAnswer, ProviderClientError>;
}

/// Why a provider does not sign somebody in. The words are for the log, and ours: none is the
/// provider's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    /// It does not answer, or not as a provider does. Worth another try.
    #[error("the provider cannot be used: {0}")]
    Provider(String),
    /// What came back is not good.
    #[error("{0}")]
    Refused(&'static str),
}

impl From<ProviderClientError> for OidcError {
    fn from(error: ProviderClientError) -> Self {
        Self::Provider(error.0)
    }
}

/// The value of a header or a form without what its syntax would take for its own.
fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}
