//! Judging an ID token (OpenID Connect Core 1.0 section 3.1.3.7), strictly.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::keys::Keys;

/// The only algorithms: none of them has a key that both sides know, and `none` is none.
const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("RS256", Algorithm::RS256),
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
];
/// Larger ones are not looked at: theirs have a tenth of this.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The provider's clock may differ from ours by this much.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);
/// A subject has at most so many characters, all of ASCII (section 2).
const MAX_SUBJECT: usize = 255;

/// What a token has to say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: DateTime<Utc>,
}

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No key is known that may have signed it. There may be newer ones.
    UnknownKey,
    /// Anything else.
    Bad(&'static str),
}

/// What is made use of.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    pub(crate) email: Option<String>,
    /// Some write it as a text.
    email_verified: Option<Value>,
    pub(crate) preferred_username: Option<String>,
    aud: Audience,
    azp: Option<String>,
    nonce: Option<String>,
    exp: i64,
    iat: i64,
}

impl Claims {
    /// Whether the provider says that the address is that person's.
    pub(crate) fn is_email_verified(&self) -> bool {
        match &self.email_verified {
            Some(Value::Bool(is_verified)) => *is_verified,
            Some(Value::String(text)) => text == "true",
            _ => false,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// Whether it is for `client`, and said to be requested by it if for others too.
    fn is_for(&self, client: &str, azp: Option<&str>) -> bool {
        let is_alone = match self {
            Self::One(one) => one == client,
            Self::Many(many) => many.as_slice() == [client],
        };
        let is_among = match self {
            Self::One(_) => is_alone,
            Self::Many(many) => many.iter().any(|one| one == client),
        };
        match azp {
            Some(azp) => is_among && azp == client,
            None => is_alone,
        }
    }
}

/// What the header may say. Keys that it brings itself are not looked at; what must be understood is
/// not.
#[derive(Deserialize)]
struct TokenHeader {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// The claims of a token that is good.
pub(super) fn verify(token: &str, keys: &Keys, expected: &Expected) -> Result<Claims, Refusal> {
    let header = read_header(token).ok_or(Refusal::Bad("the ID token is none by its looks"))?;
    if header.crit.is_some() {
        return Err(Refusal::Bad("the ID token asks for something unknown"));
    }
    let algorithm = ALGORITHMS.iter().find(|(name, _)| *name == header.alg);
    let (_, algorithm) = algorithm.ok_or(Refusal::Bad("the ID token has another algorithm"))?;
    let key = keys.find(header.kid.as_deref(), *algorithm);
    let key = key.ok_or(Refusal::UnknownKey)?;
    let mut validation = Validation::new(*algorithm);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    // Times are checked below, by our own clock.
    validation.validate_exp = false;
    let decoded = jsonwebtoken::decode::<Claims>(token, &key, &validation);
    let claims = decoded
        .map_err(|error| Refusal::Bad(describe(&error)))?
        .claims;
    check(&claims, expected).map_err(Refusal::Bad)?;
    Ok(claims)
}

fn read_header(token: &str) -> Option<TokenHeader> {
    if token.len() > MAX_TOKEN_BYTES || token.split('.').count() != 3 {
        return None;
    }
    let (header, _) = token.split_once('.')?;
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    serde_json::from_slice(&header).ok()
}

fn check(claims: &Claims, expected: &Expected) -> Result<(), &'static str> {
    if !claims.aud.is_for(expected.client_id, claims.azp.as_deref()) {
        return Err("the ID token is for somebody else");
    }
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err("the ID token is of another login");
    }
    let time = |seconds| DateTime::from_timestamp(seconds, 0).ok_or("the ID token has no times");
    if time(claims.exp)? + LEEWAY <= expected.now {
        return Err("the ID token is over");
    }
    if time(claims.iat)? > expected.now + LEEWAY {
        return Err("the ID token is of the future");
    }
    let is_subject = (1..=MAX_SUBJECT).contains(&claims.sub.len())
        && claims.sub.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if !is_subject {
        return Err("the ID token names nobody");
    }
    Ok(())
}

fn describe(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind as E;
    match error.kind() {
        E::InvalidSignature => "the ID token's signature is wrong",
        E::InvalidIssuer => "the ID token is of another issuer",
        E::InvalidAudience => "the ID token is for somebody else",
        _ => "the ID token cannot be read",
    }
}
