//! Asking identity providers: the requests of the installation itself, to addresses of its settings and
//! to those that its providers name.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use reqwest::{
    Client, RequestBuilder,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    redirect, retry,
};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use vedette_api::{ProviderAnswer, ProviderClient, ProviderClientError};

/// For one request, from the look-up of the name to the end of the answer. Somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer, in bytes: discovery documents and keys have some ten KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Asks by HTTP: no proxy, no redirect, no second try, certificates by the machine's roots.
pub struct HttpProviderClient {
    client: Client,
    patience: Duration,
}

/// TLS cannot be set up on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the client for identity providers cannot be built")]
pub struct HttpProviderClientError(#[source] reqwest::Error);

impl fmt::Debug for HttpProviderClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpProviderClient { … }")
    }
}

impl HttpProviderClient {
    /// Reads the machine's roots. Nothing is connected yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    #[expect(
        clippy::disallowed_methods,
        reason = "what it asks are settings: no tenant names them"
    )]
    pub fn new() -> Result<Self, HttpProviderClientError> {
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .user_agent(concat!("Vedette/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(HttpProviderClientError)?;
        Ok(Self {
            client,
            patience: PATIENCE,
        })
    }

    /// Waits this long for an answer.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    async fn send(&self, request: RequestBuilder) -> Result<ProviderAnswer, ProviderClientError> {
        let request = request.header(ACCEPT, "application/json");
        match tokio::time::timeout(self.patience, read(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(failure("it did not answer in time")),
        }
    }
}

#[async_trait]
impl ProviderClient for HttpProviderClient {
    async fn get(&self, url: &Url) -> Result<ProviderAnswer, ProviderClientError> {
        self.send(self.client.get(url.clone())).await
    }

    async fn post_form(
        &self,
        url: &Url,
        authorization: Option<&SecretString>,
        form: SecretString,
    ) -> Result<ProviderAnswer, ProviderClientError> {
        let mut request = self
            .client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.expose_secret().to_owned());
        if let Some(value) = authorization {
            let mut value = HeaderValue::from_str(value.expose_secret())
                .map_err(|_| failure("its client's name or password is no text for a header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        self.send(request).await
    }
}

async fn read(request: RequestBuilder) -> Result<ProviderAnswer, ProviderClientError> {
    let mut response = request.send().await.map_err(|error| describe(&error))?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(failure("its answer is too large"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(ProviderAnswer {
        status: response.status().as_u16(),
        body: body.into(),
    })
}

fn failure(what: &str) -> ProviderClientError {
    ProviderClientError(what.to_owned())
}

/// What went wrong, without the address: a code may be in it.
fn describe(error: &reqwest::Error) -> ProviderClientError {
    failure(if error.is_connect() {
        "there is no connection to it: look at its name, address and certificate"
    } else {
        "it broke the connection, or speaks something else than HTTP"
    })
}
