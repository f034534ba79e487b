//! Calls of a server's API, by the commands that are its clients.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, redirect};
use serde_json::Value;
use url::{Host, Url};

/// For a whole call. A run by hand takes as long as the script may.
const PATIENCE: Duration = Duration::from_mins(2);
/// For the connection.
const CONNECT: Duration = Duration::from_secs(10);

/// A server.
pub(crate) struct Remote {
    server: Url,
    client: Client,
}

/// What it answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// What a problem says, for people.
    pub(crate) fn detail(&self) -> String {
        let problem = self.json();
        let detail = problem["detail"].as_str().or(problem["title"].as_str());
        match detail {
            Some(detail) => detail.to_owned(),
            None => format!("the server answered {}", self.status),
        }
    }
}

impl Remote {
    /// A server by its address. Passwords and keys go to it, so that it is HTTPS, or this machine.
    #[expect(
        clippy::disallowed_methods,
        reason = "the user's own command, to the server that the user names"
    )]
    pub(crate) fn new(server: &str) -> anyhow::Result<Self> {
        let server = Url::parse(server).with_context(|| format!("`{server}` is no URL"))?;
        let is_here = match server.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let is_whole = server.path() == "/" && server.query().is_none();
        if !is_whole || !server.username().is_empty() {
            bail!("give the server as https://host:port, and nothing more");
        }
        match server.scheme() {
            "https" => {}
            "http" if is_here => {}
            _ => bail!("`{server}` is not HTTPS, and a password would be readable on its way"),
        }
        let client = Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(CONNECT)
            // A key is for this server, wherever it points to.
            .redirect(redirect::Policy::none())
            .build()?;
        Ok(Self { server, client })
    }

    /// One call.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let url = self.server.join(path)?;
        if url.origin() != self.server.origin() {
            bail!("`{path}` is not a path of {}", self.server);
        }
        let mut request = self.client.request(method, url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let sent = request.send().await;
        let response = sent.with_context(|| format!("{} does not answer", self.server))?;
        Ok(Answer {
            status: response.status().as_u16(),
            text: response.text().await?,
        })
    }
}
