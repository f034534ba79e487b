//! Why a request was refused, or why no response came.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where in the life of a request a verdict fell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The text is not a URL.
    Parse,
    /// The scheme is not http or https.
    Scheme,
    /// The URL carries a user name or a password.
    Userinfo,
    /// The port is not one for web servers.
    Port,
    /// The host name is not a public one.
    Name,
    /// The address is not a public one.
    Addr,
    /// The name resolves to an address that is not a public one.
    Dns,
    /// The target of a redirect.
    Redirect,
    /// The method, a header or a size of the request.
    Header,
    /// A sealed secret may not be sent there.
    Seal,
}

impl Stage {
    /// Every stage.
    pub const ALL: &[Self] = &[
        Self::Parse,
        Self::Scheme,
        Self::Userinfo,
        Self::Port,
        Self::Name,
        Self::Addr,
        Self::Dns,
        Self::Redirect,
        Self::Header,
        Self::Seal,
    ];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parse => "parse",
            Self::Scheme => "scheme",
            Self::Userinfo => "userinfo",
            Self::Port => "port",
            Self::Name => "name",
            Self::Addr => "addr",
            Self::Dns => "dns",
            Self::Redirect => "redirect",
            Self::Header => "header",
            Self::Seal => "seal",
        })
    }
}

/// A refusal of the guard: the stage, and the rule in words. It never names an address that a
/// name resolved to, since that would map the inside of the network for whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}")]
pub struct Denial {
    /// Where the verdict fell.
    pub stage: Stage,
    /// The rule, with its source.
    pub rule: String,
}

impl Denial {
    /// A refusal at `stage` by `rule`.
    pub fn new(stage: Stage, rule: impl Into<String>) -> Self {
        Self {
            stage,
            rule: rule.into(),
        }
    }
}

/// Why no response came. The variants are those of `fetch-error` in `wit/v0.1.0/monitor.wit`, and
/// [`FetchError::Platform`], which a guest sees as a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum FetchError {
    /// The guard refused.
    #[error("denied at stage {stage}: {rule}")]
    Denied {
        /// Where the verdict fell.
        stage: Stage,
        /// The rule in words.
        rule: String,
    },
    /// The request itself is not well formed.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    /// The name does not resolve.
    #[error("dns: {0}")]
    Dns(String),
    /// Nothing listens there.
    #[error("connection refused")]
    ConnectionRefused,
    /// The other side broke off.
    #[error("connection reset")]
    ConnectionReset,
    /// No connection for another reason.
    #[error("connect: {0}")]
    Connect(String),
    /// No trusted TLS connection; the reason.
    #[error("tls: {0}")]
    Tls(String),
    /// A time limit of the request was reached.
    #[error("timeout")]
    Timeout,
    /// More redirects than allowed.
    #[error("too many redirects")]
    TooManyRedirects,
    /// The decoded body is larger than this many bytes.
    #[error("body larger than {0} bytes")]
    BodyTooLarge(u64),
    /// A limit of the run is reached; which.
    #[error("limit: {0}")]
    Limit(String),
    /// A fault of ours, such as too few file descriptors: it says nothing about the target, and
    /// the run that it happened in has no verdict about it.
    #[error("platform: {0}")]
    Platform(String),
    /// What came is not a valid HTTP response.
    #[error("protocol: {0}")]
    Protocol(String),
}

impl FetchError {
    /// The same with its text, if it has one, replaced.
    pub(crate) fn map_text(self, mut map: impl FnMut(String) -> String) -> Self {
        match self {
            Self::Denied { stage, rule } => Self::Denied {
                stage,
                rule: map(rule),
            },
            Self::InvalidRequest(text) => Self::InvalidRequest(map(text)),
            Self::Dns(text) => Self::Dns(map(text)),
            Self::Connect(text) => Self::Connect(map(text)),
            Self::Tls(text) => Self::Tls(map(text)),
            Self::Limit(text) => Self::Limit(map(text)),
            Self::Platform(text) => Self::Platform(map(text)),
            Self::Protocol(text) => Self::Protocol(map(text)),
            Self::ConnectionRefused
            | Self::ConnectionReset
            | Self::Timeout
            | Self::TooManyRedirects
            | Self::BodyTooLarge(_) => self,
        }
    }
}

impl From<Denial> for FetchError {
    fn from(denial: Denial) -> Self {
        Self::Denied {
            stage: denial.stage,
            rule: denial.rule,
        }
    }
}

/// The guard could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// A root certificate does not parse.
    #[error("a root certificate is not usable")]
    RootCertificate(#[source] rustls::Error),
    /// The TLS library refused its configuration.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// A prefix of the policy has a length that RFC 6052 does not know.
    #[error("{0} is no NAT64 prefix: its length is 32, 40, 48, 56, 64 or 96 (RFC 6052)")]
    Nat64Prefix(ipnet::Ipv6Net),
    /// No usable root certificate at all.
    #[error("no root certificate could be loaded")]
    NoRoots,
}

#[cfg(test)]
mod tests {
    use vedette_core::RequestRecord;

    use super::*;

    fn record(error: &FetchError) -> RequestRecord {
        RequestRecord {
            method: "GET".to_owned(),
            url: "https://example.com/".to_owned(),
            status: None,
            error: Some(error.to_string()),
            started_at_ms: 1.0,
            total_ms: 2.0,
            dns_ms: None,
            connect_ms: None,
            tls_ms: None,
            first_byte_ms: None,
            download_ms: None,
            remote_address: None,
            body_bytes: 0,
            redirects: 0,
            certificate_expires_at: None,
        }
    }

    #[test]
    fn records_tell_what_the_network_may_be_blamed_for() {
        let text = || "dns: timeout".to_owned();
        let denied = FetchError::Denied {
            stage: Stage::Dns,
            rule: text(),
        };
        for (error, is_unreached) in [
            (denied, false),
            (FetchError::InvalidRequest(text()), false),
            (FetchError::Dns(text()), true),
            (FetchError::ConnectionRefused, true),
            (FetchError::ConnectionReset, true),
            (FetchError::Connect(text()), true),
            (FetchError::Tls(text()), true),
            (FetchError::Timeout, true),
            (FetchError::TooManyRedirects, false),
            (FetchError::BodyTooLarge(1), false),
            (FetchError::Limit(text()), false),
            (FetchError::Platform(text()), true),
            (FetchError::Protocol(text()), false),
        ] {
            let record = record(&error);
            assert_eq!(record.is_unreached(), is_unreached, "{error}");
            assert!((record.ended_at_ms() - 3.0).abs() < f64::EPSILON);
        }
    }
}
