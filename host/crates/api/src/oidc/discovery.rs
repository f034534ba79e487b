//! What a provider says of itself (OpenID Connect Discovery 1.0).

use serde::Deserialize;
use url::Url;

use super::{OidcError, ProviderClient, settings::is_reachable};

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// What a login needs of it.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) jwks_uri: Url,
    /// It says in each answer that it is the one who answers (RFC 9207).
    pub(super) names_itself: bool,
    /// It takes the client's password in the form only, not in a header.
    pub(super) wants_form: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

pub(super) async fn discover(
    client: &dyn ProviderClient,
    issuer: &str,
) -> Result<Metadata, OidcError> {
    let url = format!("{}{WELL_KNOWN}", issuer.trim_end_matches('/'));
    let unusable = |what: &str| OidcError::Provider(format!("its discovery document {what}"));
    let url = Url::parse(&url).map_err(|_| unusable("has no address"))?;
    let answer = client.get(&url).await?;
    if answer.status != 200 {
        return Err(unusable(&format!("was answered with {}", answer.status)));
    }
    let document: Document =
        serde_json::from_slice(&answer.body).map_err(|_| unusable("cannot be read"))?;
    // Section 4.3: exactly the one that was asked for, or it speaks for somebody else.
    if document.issuer != issuer {
        return Err(unusable("is of another issuer"));
    }
    let address = |text: &str| {
        let url = Url::parse(text).ok().filter(is_reachable);
        url.ok_or_else(|| unusable("names an address that is none, or without TLS"))
    };
    // Section 3: the header is what holds if it says nothing.
    let methods = document.token_endpoint_auth_methods_supported;
    let wants_form = methods.is_some_and(|methods| {
        let has = |name: &str| methods.iter().any(|method| method == name);
        has("client_secret_post") && !has("client_secret_basic")
    });
    Ok(Metadata {
        authorization_endpoint: address(&document.authorization_endpoint)?,
        token_endpoint: address(&document.token_endpoint)?,
        jwks_uri: address(&document.jwks_uri)?,
        names_itself: document.authorization_response_iss_parameter_supported,
        wants_form,
    })
}
