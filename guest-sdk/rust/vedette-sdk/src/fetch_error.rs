//! Why no response came.

use std::fmt::{self, Display};

use crate::ErrorKind;

/// A request that got no response. Displays as method, URL and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchError {
    request: String,
    reason: FetchReason,
}

impl FetchError {
    pub(crate) fn new(request: impl Into<String>, reason: FetchReason) -> Self {
        Self {
            request: request.into(),
            reason,
        }
    }

    /// Why.
    pub fn reason(&self) -> &FetchReason {
        &self.reason
    }

    /// Whether the target is at fault. An `Err` for which this is false says nothing about the
    /// target: give it on with `?`.
    pub fn is_target_fault(&self) -> bool {
        self.reason.kind() == ErrorKind::Target
    }
}

impl Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.request, self.reason)
    }
}

impl std::error::Error for FetchError {}

/// Why no response came, in the names of the contract (`wit/monitor.wit`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchReason {
    /// The egress guard or an allow-list refused; which rule. Says nothing about the target.
    Denied(String),
    /// The request is not well formed: the check's fault.
    InvalidRequest(String),
    /// The name does not resolve.
    Dns(String),
    /// Nobody listens there.
    ConnectionRefused,
    /// The connection broke.
    ConnectionReset,
    /// No connection, for another reason.
    Connect(String),
    /// No TLS, such as for a certificate that is not valid.
    Tls(String),
    /// The request took longer than its limit.
    Timeout,
    /// More than 5 redirects.
    TooManyRedirects,
    /// The body is larger than so many bytes. Counts as a limit of the run.
    BodyTooLarge(u64),
    /// A limit of the run is reached: number of requests, total bytes. Says nothing about the target.
    Limit(String),
    /// What came is not HTTP.
    Protocol(String),
}

impl FetchReason {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Denied(_) => ErrorKind::Denied,
            Self::InvalidRequest(_) => ErrorKind::Check,
            Self::BodyTooLarge(_) | Self::Limit(_) => ErrorKind::Limit,
            Self::Dns(_)
            | Self::ConnectionRefused
            | Self::ConnectionReset
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Timeout
            | Self::TooManyRedirects
            | Self::Protocol(_) => ErrorKind::Target,
        }
    }
}

/// The same words as in JavaScript.
impl Display for FetchReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(rule) => write!(f, "the request is not allowed: {rule}"),
            Self::InvalidRequest(why) => f.write_str(why),
            Self::Dns(why) => write!(f, "the name does not resolve: {why}"),
            Self::ConnectionRefused => f.write_str("the connection was refused"),
            Self::ConnectionReset => f.write_str("the connection was reset"),
            Self::Connect(why) => write!(f, "no connection: {why}"),
            Self::Tls(why) => write!(f, "TLS failed: {why}"),
            Self::Timeout => f.write_str("the request took too long"),
            Self::TooManyRedirects => f.write_str("too many redirects"),
            Self::BodyTooLarge(limit) => write!(f, "the body is larger than {limit} bytes"),
            Self::Limit(which) => write!(f, "a limit of the run is reached: {which}"),
            Self::Protocol(why) => write!(f, "not a valid HTTP response: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_culprit() {
        use FetchReason as R;
        let text = || "x".to_owned();
        let target = [
            R::Dns(text()),
            R::ConnectionRefused,
            R::ConnectionReset,
            R::Connect(text()),
            R::Tls(text()),
            R::Timeout,
            R::TooManyRedirects,
            R::Protocol(text()),
        ];
        for reason in target {
            assert!(reason.kind().is_failure(), "{reason:?}");
        }
        let nobody_knows = [
            R::Denied(text()),
            R::InvalidRequest(text()),
            R::BodyTooLarge(1),
            R::Limit(text()),
        ];
        for reason in nobody_knows {
            assert!(!reason.kind().is_failure(), "{reason:?}");
            assert!(!FetchError::new("GET x", reason).is_target_fault());
        }
    }
}
