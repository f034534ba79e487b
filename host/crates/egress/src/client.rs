//! The only HTTP client of the workspace.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Instant,
};

use reqwest::{Client, redirect::Policy as RedirectPolicy, retry};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tokio::sync::Semaphore;
use tower::{Layer, Service};

use crate::{
    EgressError, FetchError, Guard, SessionLimits,
    facts::note,
    resolver::GuardedResolver,
    tls::{client_config, platform_roots},
};

/// What is costly to make and safe to share between runs: roots and the verifier, no connection.
pub(crate) struct SharedClientParts {
    pinned_roots: Option<RootCertStore>,
    tls: OnceLock<ClientConfig>,
    lookups: Arc<Semaphore>,
}

impl SharedClientParts {
    /// With these roots (DER) only, or with the machine's when there are none.
    pub(crate) fn new(roots: Vec<Vec<u8>>) -> Result<Self, EgressError> {
        let mut store = RootCertStore::empty();
        let has_roots = !roots.is_empty();
        for der in roots {
            store
                .add(CertificateDer::from(der))
                .map_err(EgressError::RootCertificate)?;
        }
        Ok(Self {
            pinned_roots: has_roots.then_some(store),
            tls: OnceLock::new(),
            lookups: GuardedResolver::lookups(),
        })
    }

    /// Reads the roots at the first request, so that a start does not wait for them.
    fn tls(&self) -> Option<ClientConfig> {
        if let Some(config) = self.tls.get() {
            return Some(config.clone());
        }
        let roots = self.pinned_roots.clone().map_or_else(platform_roots, Ok);
        let config = roots
            .and_then(client_config)
            .inspect_err(|error| tracing::error!(%error, "TLS cannot be set up"))
            .ok()?;
        // A failure is not kept: the next request tries again.
        Some(self.tls.get_or_init(|| config).clone())
    }
}

/// A client for one run: connections live as long as it does.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the place that may build a client"
)]
pub(crate) fn build(guard: &Guard, limits: &SessionLimits) -> Result<Client, FetchError> {
    let platform = |what: &str| FetchError::Platform(what.to_owned());
    let tls = guard
        .shared
        .tls()
        .ok_or_else(|| platform("TLS cannot be set up"))?;
    let resolver = GuardedResolver::new(guard.policy.clone(), guard.shared.lookups.clone());
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(resolver))
        .redirect(RedirectPolicy::none())
        // A proxy would resolve names itself, outside the guard.
        .no_proxy()
        .retry(retry::never())
        .referer(false)
        .connect_timeout(limits.connect_timeout)
        .connector_layer(ConnectTimer)
        .http1_max_headers(100)
        .user_agent(concat!("Vedette/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| {
            tracing::error!(error = %error, "the HTTP client cannot be built");
            platform("the HTTP client cannot be built")
        })
}

/// Notes when a connection is begun and when it is there, TLS included.
#[derive(Clone)]
struct ConnectTimer;

impl<S> Layer<S> for ConnectTimer {
    type Service = TimedConnector<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TimedConnector(inner)
    }
}

#[derive(Clone)]
struct TimedConnector<S>(S);

impl<S, R> Service<R> for TimedConnector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        note(|hop| hop.connect_started = Some(Instant::now()));
        let connecting = self.0.call(request);
        Box::pin(async move {
            let connected = connecting.await?;
            note(|hop| hop.connected = Some(Instant::now()));
            Ok(connected)
        })
    }
}
