//! What every handler is given.

use std::{collections::BTreeMap, sync::Arc};

use axum::http::HeaderValue;
use chrono::TimeDelta;
use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;
use vedette_alerting::Policy;
use vedette_core::{Clock, Quotas};
use vedette_store::Store;

use crate::{
    Mailer, OidcProvider, ProviderClient, RedisLink, ScriptEngine, SealBox, TokenKeys,
    attempts::Attempts, mail::Outbox, manual_runs::ManualRuns, metrics, oidc::Provider,
    password::Hasher, request_rate::RequestRate, shared_cache::RedisCache,
    shared_throttle::SharedThrottle, throttle::LocalThrottle, uploads::Uploads,
};

/// Who may register after the first user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anyone; each gets an organization of their own.
    Open,
    /// Whoever was invited.
    Invite,
    /// Nobody.
    Closed,
}

/// What the installation decides about its API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Who may register.
    pub registration: Registration,
    /// What organizations may have that have no quotas of their own.
    pub quotas: Quotas,
    /// How long an access token is good.
    pub access_token_lifetime: TimeDelta,
    /// How long a session lives without being refreshed.
    pub session_lifetime: TimeDelta,
    /// Largest component, in bytes. Monitors in Python have 18 MB.
    pub component_bytes: usize,
    /// Components of an organization that may wait to be compiled.
    pub component_queue: u64,
    /// Proxies whose word about their clients is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call the API with a token, each exactly as browsers send it.
    pub cors_origins: Vec<HeaderValue>,
    /// Requests of one user in a minute, those by keys included; of an organization, four times as
    /// many. 0: any number.
    pub requests_per_minute: u32,
    /// What Prometheus sends to `/metrics`; `None`: there is no such page, and nothing is recorded.
    pub metrics_token: Option<SecretString>,
    /// Compiling for an organization in an hour, in milliseconds of a core.
    pub component_compile_ms_per_hour: u64,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            registration: Registration::Invite,
            quotas: Quotas::default(),
            access_token_lifetime: TimeDelta::minutes(15),
            session_lifetime: TimeDelta::days(30),
            component_bytes: 32 * 1024 * 1024,
            component_queue: 20,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            requests_per_minute: 3_000,
            metrics_token: None,
            component_compile_ms_per_hour: 1_200_000,
        }
    }
}

/// Shared by all handlers. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) store: Store,
    pub(crate) engine: Arc<dyn ScriptEngine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<TokenKeys>,
    pub(crate) seals: Arc<dyn SealBox>,
    pub(crate) config: Arc<ApiConfig>,
    pub(crate) hasher: Hasher,
    pub(crate) attempts: Attempts,
    pub(crate) request_rate: RequestRate,
    pub(crate) manual_runs: ManualRuns,
    pub(crate) uploads: Uploads,
    /// `None`: this installation sends no mail.
    pub(crate) outbox: Option<Outbox>,
    /// Which addresses channels may have.
    pub(crate) channel_policy: Arc<Policy>,
    /// Identity providers, by name.
    pub(crate) providers: Arc<BTreeMap<String, Provider>>,
}

impl ApiState {
    /// Puts together what the handlers share. `keys` sign tokens, `seals` keeps second factors.
    pub fn new(
        store: Store,
        engine: Arc<dyn ScriptEngine>,
        clock: Arc<dyn Clock>,
        keys: TokenKeys,
        seals: Arc<dyn SealBox>,
        config: ApiConfig,
    ) -> Self {
        if config.metrics_token.is_some() {
            metrics::begin();
        }
        Self {
            store: store.with_quotas(config.quotas),
            engine,
            attempts: Attempts::new(Arc::new(LocalThrottle::default()), clock.clone()),
            request_rate: RequestRate::new(
                config.requests_per_minute,
                Arc::new(LocalThrottle::default()),
                clock.clone(),
            ),
            clock,
            keys: Arc::new(keys),
            seals,
            config: Arc::new(config),
            hasher: Hasher::new(),
            manual_runs: ManualRuns::default(),
            uploads: Uploads::default(),
            outbox: None,
            channel_policy: Arc::default(),
            providers: Arc::default(),
        }
    }

    /// Sends mail by `mailer`, with links that begin with `public_url`.
    pub fn with_mail(self, mailer: Arc<dyn Mailer>, public_url: Url) -> Self {
        let outbox = Some(Outbox::new(mailer, public_url));
        Self { outbox, ..self }
    }

    /// Judges the addresses of channels by `policy`, which the guard has that sends to them. Without it, they are on the
    /// public internet.
    pub fn with_channel_policy(self, policy: Policy) -> Self {
        let channel_policy = Arc::new(policy);
        Self {
            channel_policy,
            ..self
        }
    }

    /// Lets people sign in by these providers, which are asked by `client` and send browsers back to an
    /// address that begins with `public_url`.
    pub fn with_providers(
        self,
        providers: Vec<OidcProvider>,
        client: &Arc<dyn ProviderClient>,
        public_url: &Url,
    ) -> Self {
        let providers = providers.into_iter().map(|settings| {
            let name = settings.name.clone();
            let (client, clock) = (client.clone(), self.clock.clone());
            (name, Provider::new(settings, client, clock, public_url))
        });
        let providers = Arc::new(providers.collect());
        Self { providers, ..self }
    }

    /// Waits until no mail is on its way.
    pub async fn mails_sent(&self) {
        if let Some(outbox) = &self.outbox {
            outbox.all_sent().await;
        }
    }

    /// Counts attempts and requests together with the other nodes, and keeps for them what members may do.
    pub fn with_redis(self, link: &RedisLink) -> Self {
        let throttle = || Arc::new(SharedThrottle::new(link.clone()));
        let cache = RedisCache::new(link.clone(), self.seals.clone());
        Self {
            store: self.store.with_shared_cache(Arc::new(cache)),
            attempts: Attempts::new(throttle(), self.clock.clone()),
            request_rate: RequestRate::new(
                self.config.requests_per_minute,
                throttle(),
                self.clock.clone(),
            ),
            ..self
        }
    }

    /// Waits until every run by hand that was accepted has ended and is stored. New ones must not
    /// come any more: the listener has to be closed before.
    pub async fn manual_runs_ended(&self) {
        self.manual_runs.all_ended().await;
    }
}
