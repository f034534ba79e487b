//! The keys that a provider signs with (RFC 7517), and which of them may have signed a token.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{OidcError, ProviderClient};

/// Keys of a provider that are looked at; they have two or three.
const MOST_KEYS: usize = 64;

/// The public keys of a provider.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys(Vec<Jwk>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl Keys {
    pub(super) async fn fetch(client: &dyn ProviderClient, url: &Url) -> Result<Self, OidcError> {
        let answer = client.get(url).await?;
        if answer.status != 200 {
            let what = format!("its keys were answered with {}", answer.status);
            return Err(OidcError::Provider(what));
        }
        Self::parse(&answer.body)
    }

    /// Keys of kinds that nobody here knows are left out.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, OidcError> {
        let unreadable = |_| OidcError::Provider("its keys cannot be read".to_owned());
        let document: Document = serde_json::from_slice(bytes).map_err(unreadable)?;
        let keys = document.keys.into_iter().take(MOST_KEYS);
        let keys = keys.filter_map(|key| serde_json::from_value(key).ok());
        Ok(Self(keys.collect()))
    }

    /// The key of this id for this algorithm; without an id, the only one for it.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut fitting = self.0.iter().filter(|key| {
            fits(key, algorithm) && kid.is_none_or(|kid| key.common.key_id.as_deref() == Some(kid))
        });
        let key = fitting.next()?;
        // Of two there is no telling which; a provider with two names them.
        if fitting.next().is_some() {
            return None;
        }
        DecodingKey::from_jwk(key).ok()
    }
}

/// Whether a key is for signatures by this algorithm: its kind decides, and what it says of itself.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let (name, is_kind) = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => (KeyAlgorithm::RS256, true),
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => {
            (KeyAlgorithm::ES256, curve.curve == EllipticCurve::P256)
        }
        (AlgorithmParameters::OctetKeyPair(curve), Algorithm::EdDSA) => {
            (KeyAlgorithm::EdDSA, curve.curve == EllipticCurve::Ed25519)
        }
        _ => return false,
    };
    let common = &key.common;
    let is_for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    is_kind && is_for_signatures && common.key_algorithm.is_none_or(|named| named == name)
}
