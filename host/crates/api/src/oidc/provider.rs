//! A provider: what it said of itself is kept for a while, and asked for anew when it does not do.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;
use url::Url;
use vedette_core::Clock;
use vedette_store::OidcLogin;

use super::{
    OidcError, OidcProvider, ProviderClient,
    discovery::{Metadata, discover},
    exchange::{Grant, exchange},
    id_token::{Claims, Expected, Refusal, verify},
    keys::Keys,
};

/// What a provider says of itself changes when it is set up anew; its keys, some times a year.
const GOOD_FOR: TimeDelta = TimeDelta::hours(1);
/// A token by a key that is not known asks for the keys anew, though not more often than this.
const LEAST_REFRESH: TimeDelta = TimeDelta::minutes(1);
/// One that did not answer is not asked again for so long: who waits is told at once.
const PAUSE: TimeDelta = TimeDelta::seconds(5);
const SCOPE: &str = "openid email profile";

/// A provider of the installation.
pub(crate) struct Provider {
    pub(crate) settings: OidcProvider,
    /// Of a path of its own, so that an answer of one provider does not pass for one of another.
    redirect_uri: String,
    client: Arc<dyn ProviderClient>,
    clock: Arc<dyn Clock>,
    /// Locked while the provider is asked, so that many who wait ask once.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    said: Option<(Metadata, Keys)>,
    asked_at: Option<DateTime<Utc>>,
    failed_at: Option<DateTime<Utc>>,
}

/// What somebody takes to the provider.
pub(crate) struct Authorization<'a> {
    pub(crate) state: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) pkce_challenge: &'a str,
}

impl Provider {
    pub(crate) fn new(
        settings: OidcProvider,
        client: Arc<dyn ProviderClient>,
        clock: Arc<dyn Clock>,
        public_url: &Url,
    ) -> Self {
        let base = public_url.as_str().trim_end_matches('/');
        Self {
            redirect_uri: format!("{base}/login/oidc/{}", settings.name),
            settings,
            client,
            clock,
            known: Mutex::default(),
        }
    }

    /// The address at the provider where somebody signs in.
    pub(crate) async fn authorization_url(&self, to: &Authorization<'_>) -> Result<Url, OidcError> {
        let (metadata, _) = self.said(None).await?;
        let mut url = metadata.authorization_endpoint;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", SCOPE)
            .append_pair("state", to.state)
            .append_pair("nonce", to.nonce)
            .append_pair("code_challenge", to.pkce_challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Who came back with a code, and with the name of who gave it, if it was named.
    pub(crate) async fn finish(
        &self,
        code: &str,
        named: Option<&str>,
        login: &OidcLogin,
    ) -> Result<Claims, OidcError> {
        let (metadata, keys) = self.said(None).await?;
        // Before the code goes anywhere: one of another provider must not be sent to this one.
        let is_named = match named {
            Some(named) => named == self.settings.issuer,
            None => !metadata.names_itself,
        };
        if !is_named {
            return Err(OidcError::Refused("the answer is of another issuer"));
        }
        let grant = Grant {
            code,
            pkce_verifier: &login.pkce_verifier,
            redirect_uri: &self.redirect_uri,
        };
        let token = exchange(self.client.as_ref(), &self.settings, &metadata, &grant).await?;
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &login.nonce,
            now: self.clock.now(),
        };
        let mut judged = verify(&token, &keys, &expected);
        if matches!(judged, Err(Refusal::UnknownKey)) {
            let (_, keys) = self.said(Some(LEAST_REFRESH)).await?;
            judged = verify(&token, &keys, &expected);
        }
        judged.map_err(|refusal| match refusal {
            Refusal::UnknownKey => OidcError::Refused("the ID token is by an unknown key"),
            Refusal::Bad(why) => OidcError::Refused(why),
        })
    }

    /// What the provider says of itself, not older than this, or than it usually may be.
    async fn said(&self, oldest: Option<TimeDelta>) -> Result<(Metadata, Keys), OidcError> {
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        let is_within = |time: Option<DateTime<Utc>>, span| time.is_some_and(|at| now - at < span);
        if let Some(said) = &known.said
            && is_within(known.asked_at, oldest.unwrap_or(GOOD_FOR))
        {
            return Ok(said.clone());
        }
        if is_within(known.failed_at, PAUSE) {
            let what = "it did not answer a moment ago".to_owned();
            return Err(OidcError::Provider(what));
        }
        match self.ask().await {
            Ok(said) => {
                known.said = Some(said.clone());
                known.asked_at = Some(self.clock.now());
                known.failed_at = None;
                Ok(said)
            }
            Err(error) => {
                known.failed_at = Some(self.clock.now());
                Err(error)
            }
        }
    }

    async fn ask(&self) -> Result<(Metadata, Keys), OidcError> {
        let client = self.client.as_ref();
        let metadata = discover(client, &self.settings.issuer).await?;
        let keys = Keys::fetch(client, &metadata.jwks_uri).await?;
        Ok((metadata, keys))
    }
}
