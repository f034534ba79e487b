//! `POST /api/v1/auth/oidc/{provider}/callback`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_core::{IdentityId, SessionId};
use vedette_store::{Actor, Identity, IdentityLogin, IdentitySignedIn, OidcLogin, StoreError};

use super::{new_user, problem, provider};
use crate::{
    ApiState,
    author::Origin,
    extract::{JsonBody, PathText},
    link_token::LinkToken,
    notices::{self, Notice},
    oidc::Provider,
    problem::{FieldError, Problem},
    v1::auth::{RefreshToken, Tokens},
};

/// Codes of providers have some hundred bytes.
const MAX_CODE_BYTES: usize = 4_096;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Callback {
    /// As the browser brings it back.
    state: String,
    /// As the browser brings it back.
    code: String,
    /// As the browser brings it back, if it does.
    iss: Option<String>,
    /// Of the answer that began the login.
    login_token: String,
}

/// Ends a login by an identity provider
///
/// The answer is that of a login. A login that began can be ended once. A second factor of this
/// installation is not asked for: whether there is one is the provider's business.
#[utoipa::path(post, path = "/api/v1/auth/oidc/{provider}/callback", tag = "auth",
    request_body = Callback, params(("provider" = String, Path)),
    responses((status = 200, body = Tokens), (status = 400, body = Problem),
        (status = 401, description = "What the provider says signs nobody in", body = Problem),
        (status = 403, description = "There is no account yet, and registration is closed", body = Problem),
        (status = 404, description = "There is no such provider here", body = Problem),
        (status = 409, description = "The address, or the identity, is of another account", body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem),
        (status = 502, description = "The provider cannot be used now", body = Problem)))]
pub(crate) async fn finish_oidc_login(
    State(state): State<ApiState>,
    origin: Origin,
    PathText(name): PathText,
    JsonBody(body): JsonBody<Callback>,
) -> Result<Json<Tokens>, Problem> {
    let provider = provider(&state, &name)?;
    if body.code.is_empty() || body.code.len() > MAX_CODE_BYTES {
        let error = FieldError::new("/code", "this is no code of a provider");
        return Err(Problem::invalid(vec![error]));
    }
    let from = origin.address;
    let attempt = state.attempts.at_token(from).await?;
    let login = take(&state, &name, &body)
        .await?
        .ok_or_else(not_under_way)?;
    // Both tokens were right: it is no guess.
    attempt.succeed().await;
    let claims = provider.finish(&body.code, body.iss.as_deref(), &login);
    let claims = claims.await.map_err(|error| problem(provider, &error))?;
    let clock = state.clock.as_ref();
    let (now, session_id) = (clock.now(), SessionId::generate(clock));
    let refresh = RefreshToken::generate(session_id)?;
    let new_user = new_user::plan(&state, &claims, login.invitation)?;
    let is_trusted = provider.settings.trusts_email && claims.is_email_verified();
    let trusted_email = new_user::email(&claims).filter(|_| is_trusted);
    let trusted_email = trusted_email.map(str::to_owned);
    let signing_in = IdentityLogin {
        identity: Identity {
            id: IdentityId::generate(clock),
            issuer: provider.settings.issuer.clone(),
            subject: claims.sub,
            created_at: now,
        },
        link_to: login.link_to,
        trusted_email,
        new_user: new_user.as_ref().ok().cloned(),
        session_id,
        refresh_token_hash: refresh.hash(),
        expires_at: now + state.config.session_lifetime,
    };
    let store = origin.store(&state, Actor::Anonymous);
    let signed_in = store.sign_in_by_identity(signing_in).await;
    match signed_in.map_err(conflict)? {
        IdentitySignedIn::Done(user) => {
            log(provider, &login, user);
            if login.link_to.is_some()
                && let Some(caller) = state.store.find_caller(session_id, now).await?
            {
                notices::tell(&state, &caller.user, Notice::IdentityAdded, from);
            }
            Tokens::issue(&state, user, &refresh).map(Json)
        }
        IdentitySignedIn::Unknown => Err(new_user
            .err()
            .unwrap_or_else(|| StoreError::RegistrationClosed.into())),
        IdentitySignedIn::Disabled => {
            tracing::warn!(oidc.provider = name, "a disabled user came by a provider");
            Err(Problem::identity_refused())
        }
    }
}

/// The login that comes back, if it is one that this client began.
async fn take(
    state: &ApiState,
    provider: &str,
    body: &Callback,
) -> Result<Option<OidcLogin>, Problem> {
    let tokens = LinkToken::parse(&body.state).zip(LinkToken::parse(&body.login_token));
    let Some((state_token, login_token)) = tokens else {
        return Ok(None);
    };
    let (state_hash, token_hash) = (state_token.hash(), login_token.hash());
    let now = state.clock.now();
    let taken = state
        .store
        .take_oidc_login(state_hash, token_hash, provider, now);
    Ok(taken.await?)
}

fn log(provider: &Provider, login: &OidcLogin, user: vedette_core::UserId) {
    let name = &provider.settings.name;
    if login.link_to.is_some() {
        tracing::warn!(user.id = %user, oidc.provider = name, "an identity was added to an account");
    } else {
        tracing::info!(user.id = %user, oidc.provider = name, "a user came by a provider");
    }
}

/// One answer for logins that were ended before, are over, never began, or began elsewhere.
fn not_under_way() -> Problem {
    let detail = "this login is not under way, or not any more; begin again";
    Problem::invalid(vec![FieldError::new("/state", detail)])
}

fn conflict(error: StoreError) -> Problem {
    match error {
        StoreError::Conflict { field: "email" } => Problem::in_use(
            "another account has the address that the provider gives; sign in to it as before, and \
             add the provider there by POST /api/v1/users/me/identities",
        ),
        StoreError::Conflict { field: "identity" } => {
            Problem::in_use("this identity signs somebody else in; take it off that account first")
        }
        error => error.into(),
    }
}
