//! Signing in by an identity provider, in two steps.
//!
//! `start` gives an address at the provider, whose `state` comes back with the browser, and a login
//! token, which stays with whoever began and never goes through the provider. `callback` wants both. So
//! nobody can have somebody else's browser end a login that they began themselves (login CSRF): that
//! browser has no login token of theirs, and there is no cookie that it would send by itself.

pub(crate) mod callback;
pub(crate) mod link;
pub(crate) mod list;
pub(crate) mod new_user;
pub(crate) mod start;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use vedette_core::UserId;
use vedette_store::{NewOidcLogin, OidcLogin};

use crate::{
    ApiState,
    link_token::LinkToken,
    oidc::{Authorization, OidcError, Provider},
    problem::Problem,
};

/// Time to sign in at the provider.
const LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// Logins under way in the whole installation: each is a row of some 500 bytes for ten minutes.
const MOST_LOGINS: i64 = 20_000;

/// A login that has begun.
#[derive(Serialize, ToSchema)]
pub(crate) struct StartedLogin {
    /// Where the browser goes now.
    authorization_url: String,
    /// Keep it where other pages cannot read it, and send it with what comes back from the provider.
    login_token: String,
    /// From then on it cannot be ended.
    expires_at: DateTime<Utc>,
}

/// The provider of that name.
fn provider<'a>(state: &'a ApiState, name: &str) -> Result<&'a Provider, Problem> {
    let provider = state.providers.get(name);
    provider.ok_or_else(Problem::not_found)
}

/// Begins a login: of somebody who has, or may have, an account, or of `link_to`.
async fn begin(
    state: &ApiState,
    provider: &Provider,
    invitation: Option<[u8; 32]>,
    link_to: Option<UserId>,
) -> Result<StartedLogin, Problem> {
    let now = state.clock.now();
    if state.store.count_oidc_logins(now).await? >= MOST_LOGINS {
        return Err(Problem::unavailable("too many logins are under way"));
    }
    let (state_token, login_token) = (LinkToken::generate()?, LinkToken::generate()?);
    let nonce = LinkToken::generate()?.text();
    // 43 characters of base64url are what RFC 7636 section 4.1 asks for.
    let pkce_verifier = LinkToken::generate()?.text();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&pkce_verifier));
    let to = Authorization {
        state: &state_token.text(),
        nonce: &nonce,
        pkce_challenge: &challenge,
    };
    let url = provider.authorization_url(&to).await;
    let url = url.map_err(|error| problem(provider, &error))?;
    let new = NewOidcLogin {
        state_hash: state_token.hash(),
        login_token_hash: login_token.hash(),
        provider: provider.settings.name.clone(),
        login: OidcLogin {
            nonce,
            pkce_verifier,
            invitation,
            link_to,
        },
        created_at: now,
        expires_at: now + LIFETIME,
    };
    state.store.begin_oidc_login(&new).await?;
    Ok(StartedLogin {
        authorization_url: url.into(),
        login_token: login_token.text(),
        expires_at: new.expires_at,
    })
}

/// What is told of a failure. Why exactly is in the log, for the operator.
fn problem(provider: &Provider, error: &OidcError) -> Problem {
    let name = &provider.settings.name;
    match error {
        OidcError::Provider(_) => {
            tracing::error!(oidc.provider = name, %error, "an identity provider cannot be used");
            Problem::bad_gateway("the identity provider cannot be used now; try again in a moment")
        }
        OidcError::Refused(_) => {
            tracing::warn!(oidc.provider = name, %error, "a login by a provider was refused");
            Problem::identity_refused()
        }
    }
}
