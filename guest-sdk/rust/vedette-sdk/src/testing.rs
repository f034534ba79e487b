//! A host for tests: it answers a monitor's requests and keeps what the monitor does. Not there in
//! builds for Wasm.
//!
//! ```
//! use serde_json::{Value, json};
//! use vedette_sdk::{Error, FetchReason, Monitor, Request, Verdict};
//! use vedette_sdk::testing::{Answer, TestHost};
//!
//! struct Health;
//!
//! impl Monitor for Health {
//!     type Params = Value;
//!
//!     fn run(_: Value) -> Result<Verdict, Error> {
//!         Request::get("https://a.example/health").send()?.expect_status(200)?;
//!         Ok(Verdict::success())
//!     }
//! }
//!
//! let run = TestHost::new()
//!     .answer("GET", "https://a.example/health", Answer::status(503))
//!     .run::<Health>(json!({}));
//! let told = "GET https://a.example/health answered 503, expected 200";
//! assert_eq!(run.outcome, Ok(Verdict::failure(told)));
//!
//! let run = TestHost::new()
//!     .answer("GET", "https://a.example/health", Answer::error(FetchReason::Denied("loopback".into())))
//!     .run::<Health>(json!({}));
//! assert!(run.outcome.is_err());
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use crate::{
    FetchReason, Monitor, Redirect, Request, Response, Tls, Verdict,
    host::{self, State},
    log::Level,
};

/// What a monitor finds in a test: variables, and one answer for each request.
#[derive(Debug, Default)]
#[must_use = "it does nothing before `run`"]
pub struct TestHost {
    state: State,
}

/// What came of a test.
#[derive(Debug)]
#[non_exhaustive]
pub struct TestRun<T = Result<Verdict, String>> {
    /// For a monitor the verdict as the host gets it, also of an error that says that the target is
    /// not well. `Err`: the execution is an `error` with this text, before which may stand its class:
    /// `[fetch_denied] …`.
    pub outcome: T,
    /// What was asked for, in order.
    pub requests: Vec<SentRequest>,
    /// The log.
    pub log: Vec<(Level, String)>,
}

/// A request that a monitor made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SentRequest {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Names and values in order.
    pub headers: Vec<(String, String)>,
    /// The body; empty without one.
    pub body: Vec<u8>,
    /// What was to become of redirects.
    pub redirect: Redirect,
    /// The request's own time limit.
    pub timeout: Option<Duration>,
}

impl TestHost {
    /// No variable is set and no request is answered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.state.variables.insert(name.into(), value.into());
        self
    }

    /// Answers one request of this method and URL; more of the same are answered in their order. A
    /// request without an answer is an [`InvalidRequest`](FetchReason::InvalidRequest).
    pub fn answer(mut self, method: &str, url: &str, answer: Answer) -> Self {
        self.state.add_answer(method, url, answer.0);
        self
    }

    /// Runs a monitor as the host does, with parameters and all, on this thread.
    pub fn run<M: Monitor>(self, params: impl Into<Value>) -> TestRun {
        let params = params.into().to_string();
        self.call(|| crate::monitor::run::<M>(&params))
    }

    /// Runs a part of a monitor.
    pub fn call<T>(self, part: impl FnOnce() -> T) -> TestRun<T> {
        let (outcome, state) = host::with(self.state, part);
        TestRun {
            outcome,
            requests: state.requests.into_iter().map(SentRequest::from).collect(),
            log: state.log,
        }
    }
}

impl From<Request> for SentRequest {
    fn from(request: Request) -> Self {
        Self {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body.unwrap_or_default(),
            redirect: request.redirect,
            timeout: request.timeout,
        }
    }
}

/// What comes of a request in a test.
#[derive(Debug, Clone)]
pub struct Answer(Result<Response, FetchReason>);

impl Answer {
    /// A response without body, that took no time.
    pub fn status(status: u16) -> Self {
        Self(Ok(Response::new(status, Vec::new())))
    }

    /// No response.
    pub fn error(reason: FetchReason) -> Self {
        Self(Err(reason))
    }

    /// Adds a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.change(|response| response.headers.push((name.to_owned(), value.to_owned())))
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.change(|response| response.body = body.into())
    }

    /// Sets the body to the value as JSON.
    ///
    /// # Panics
    /// When it cannot be written as JSON.
    pub fn json(self, value: &impl Serialize) -> Self {
        self.body(serde_json::to_vec(value).expect("the value can be written as JSON"))
    }

    /// Sets the whole time that the request took.
    pub fn took(self, total: Duration) -> Self {
        self.change(|response| response.timings.total = total)
    }

    /// The response came over TLS, with a certificate that is good until then.
    pub fn certificate_until(self, not_after: SystemTime) -> Self {
        let since = not_after.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        self.change(|response| {
            response.tls = Some(Tls {
                protocol: "TLSv1.3".to_owned(),
                subject: "CN=test".to_owned(),
                issuer: "CN=test authority".to_owned(),
                not_before: 0,
                not_after: seconds,
                chain_not_after: seconds,
            });
        })
    }

    /// An answer that is an error stays one.
    fn change(mut self, change: impl FnOnce(&mut Response)) -> Self {
        if let Ok(response) = &mut self.0 {
            change(response);
        }
        self
    }
}

#[cfg(test)]
mod tests;
