//! Registering, signing in, and signing out.

pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod oidc;
pub(crate) mod password_reset;
pub(crate) mod password_reset_request;
pub(crate) mod refresh;
pub(crate) mod register;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use vedette_core::{SessionId, UserId};

use crate::{ApiState, problem::Problem};

/// What signing in gives.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    /// For `Authorization: Bearer`.
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    /// Good for one call of `/auth/refresh`.
    refresh_token: String,
}

/// A refresh token: the session's id and 256 random bits. Only their hash is stored.
pub(crate) struct RefreshToken {
    session: SessionId,
    secret: [u8; 32],
}

impl RefreshToken {
    pub(crate) fn generate(session: SessionId) -> Result<Self, Problem> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| Problem::internal(&error))?;
        Ok(Self { session, secret })
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (session, secret) = text.split_once('.')?;
        let secret = URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()?;
        Some(Self {
            session: session.parse().ok()?,
            secret,
        })
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    fn text(&self) -> String {
        format!("{}.{}", self.session, URL_SAFE_NO_PAD.encode(self.secret))
    }
}

impl Tokens {
    pub(crate) fn issue(
        state: &ApiState,
        user: UserId,
        refresh: &RefreshToken,
    ) -> Result<Self, Problem> {
        let lifetime = state.config.access_token_lifetime;
        let access_token = state
            .keys
            .sign(user, refresh.session, state.clock.now(), lifetime)
            .map_err(|error| Problem::internal(&error))?;
        Ok(Self {
            access_token,
            token_type: "Bearer",
            expires_in: lifetime.num_seconds(),
            refresh_token: refresh.text(),
        })
    }
}
