//! Access tokens: JWT (RFC 7519), HS256, by keys of our own that a `kid` names.
//!
//! A token is taken only if it is exactly what we make: the shape is checked before the signature,
//! the claims after it, and the session behind it in the database at each request. What is refused
//! and why: `docs/SECURITY.md`.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use vedette_core::{SessionId, UserId};

const ISSUER: &str = "vedette";
const AUDIENCE: &str = "vedette-api";
const ACCESS: &str = "access";
/// Larger texts are not looked at: ours have a tenth of this.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// A node's clock may be behind the clock of the one that issued a token by this much. An end is an
/// end: `exp` has no leeway.
const LEEWAY: TimeDelta = TimeDelta::seconds(2);
/// No token of ours lives longer, whatever it says.
const MAX_LIFETIME: TimeDelta = TimeDelta::hours(1);

/// The keys are not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is none to sign with.
    #[error("no token key")]
    NoKey,
    /// A key is too short to be safe.
    #[error("the token key `{0}` is shorter than 32 bytes")]
    TooShort(String),
}

/// The keys of an installation: the one whose id sorts last signs, all verify.
pub struct TokenKeys {
    keys: BTreeMap<String, (EncodingKey, DecodingKey)>,
}

impl TokenKeys {
    /// Takes keys by their ids, at least one, each of 32 bytes or more.
    ///
    /// # Errors
    /// When one is not usable.
    pub fn new(keys: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, KeyError> {
        let keys: BTreeMap<_, _> = keys
            .into_iter()
            .map(|(kid, secret)| {
                if secret.len() < 32 {
                    return Err(KeyError::TooShort(kid));
                }
                let pair = (
                    EncodingKey::from_secret(&secret),
                    DecodingKey::from_secret(&secret),
                );
                Ok((kid, pair))
            })
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            Err(KeyError::NoKey)
        } else {
            Ok(Self { keys })
        }
    }

    /// Makes an access token.
    pub(crate) fn sign(
        &self,
        user: UserId,
        session: SessionId,
        now: DateTime<Utc>,
        lifetime: TimeDelta,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let (kid, (key, _)) = self.keys.last_key_value().expect("at least one, by `new`");
        let header = Header {
            kid: Some(kid.clone()),
            ..Header::new(Algorithm::HS256)
        };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.to_string(),
            sid: session.to_string(),
            typ: ACCESS.to_owned(),
            iat: now.timestamp(),
            exp: (now + lifetime).timestamp(),
        };
        jsonwebtoken::encode(&header, &claims, key)
    }

    /// The user and the session of a token; `None` for whatever is wrong with it.
    pub(crate) fn verify(&self, token: &str, now: DateTime<Utc>) -> Option<(UserId, SessionId)> {
        let kid = check_shape(token)?;
        let (_, key) = self.keys.get(&kid)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        // Times are checked below, by our own clock.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &validation)
            .ok()?
            .claims;
        let issued = DateTime::from_timestamp(claims.iat, 0)?;
        let expires = DateTime::from_timestamp(claims.exp, 0)?;
        let is_good = claims.typ == ACCESS
            && issued <= now + LEEWAY
            && now < expires
            && issued < expires
            && expires - issued <= MAX_LIFETIME;
        if !is_good {
            return None;
        }
        Some((claims.sub.parse().ok()?, claims.sid.parse().ok()?))
    }
}

/// All that a token of ours says. An array as `aud` and a fraction as a time are refused: ours is
/// always a single text, and whole seconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    typ: String,
    iat: i64,
    exp: i64,
}

/// All that its header says: `crit`, `jku`, `jwk`, `x5u`, `x5c` and members given twice are
/// refused by their mere presence.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenHeader {
    alg: String,
    typ: String,
    kid: String,
}

/// The `kid` of a text that is a token of ours by its looks.
fn check_shape(token: &str) -> Option<String> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        return None;
    };
    // Strict base64url: no padding, no other alphabet, no stray bits at the end.
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    URL_SAFE_NO_PAD.decode(claims).ok()?;
    if URL_SAFE_NO_PAD.decode(signature).ok()?.len() != 32 {
        return None;
    }
    let header: TokenHeader = serde_json::from_slice(&header).ok()?;
    (header.alg == "HS256" && header.typ == "JWT").then_some(header.kid)
}

#[cfg(test)]
mod tests;
