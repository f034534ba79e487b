//! Exchanging a code for an ID token at the provider (RFC 6749 section 4.1.3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{OidcError, OidcProvider, ProviderClient, discovery::Metadata, form};

#[derive(Deserialize)]
struct Answer {
    id_token: Option<String>,
    error: Option<String>,
}

/// What is exchanged.
pub(super) struct Grant<'a> {
    pub(super) code: &'a str,
    pub(super) pkce_verifier: &'a str,
    pub(super) redirect_uri: &'a str,
}

/// The ID token that the provider gives for a code.
pub(super) async fn exchange(
    client: &dyn ProviderClient,
    provider: &OidcProvider,
    metadata: &Metadata,
    grant: &Grant<'_>,
) -> Result<String, OidcError> {
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", grant.code),
        ("redirect_uri", grant.redirect_uri),
        ("code_verifier", grant.pkce_verifier),
    ];
    let secret = provider.client_secret.as_ref();
    let authorization = secret.filter(|_| !metadata.wants_form).map(|secret| {
        // Both as in a form, before they are joined (section 2.3.1).
        let encode = |text: &str| form(&[("", text)])[1..].to_owned();
        let (id, secret) = (encode(&provider.client_id), encode(secret.expose_secret()));
        SecretString::from(format!(
            "Basic {}",
            STANDARD.encode(format!("{id}:{secret}"))
        ))
    });
    if authorization.is_none() {
        pairs.push(("client_id", &provider.client_id));
        if let Some(secret) = secret {
            pairs.push(("client_secret", secret.expose_secret()));
        }
    }
    let body = SecretString::from(form(&pairs));
    let answer = client.post_form(&metadata.token_endpoint, authorization.as_ref(), body);
    let answer = answer.await?;
    let read: Option<Answer> = serde_json::from_slice(&answer.body).ok();
    let unusable = |what: String| Err(OidcError::Provider(what));
    match (answer.status, read) {
        (
            200,
            Some(Answer {
                id_token: Some(token),
                ..
            }),
        ) => Ok(token),
        (200, _) => unusable("it gave no ID token for a code".to_owned()),
        (
            400,
            Some(Answer {
                error: Some(error), ..
            }),
        ) if error == "invalid_grant" => {
            Err(OidcError::Refused("the provider does not take the code"))
        }
        (
            status,
            Some(Answer {
                error: Some(error), ..
            }),
        ) if is_code(&error) => unusable(format!("it refused a code with {status} {error}")),
        (status, _) => unusable(format!("it answered a code with {status}")),
    }
}

/// Whether a text is a code of an error, as the RFC has them, and not anything that a log should not have.
fn is_code(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (1..=40).contains(&text.len()) && text.bytes().all(is_letter)
}
