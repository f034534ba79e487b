//! Judging a request: method, headers, sizes.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};

use crate::{Denial, FetchError, SessionLimits, Stage, url_rules::MAX_URL_BYTES};

/// What to do when the answer is a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RedirectMode {
    /// Follow it, with every hop judged anew.
    #[default]
    Follow,
    /// Give the redirect itself back.
    Manual,
    /// Treat it as a failed request.
    Error,
}

/// A request as a guest makes it. Nothing in it is believed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Request {
    /// The method; `get` and the like are taken as `GET` (Fetch standard, "normalize").
    pub method: String,
    /// An absolute http or https URL.
    pub url: String,
    /// Names and values in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, if any.
    pub body: Option<Vec<u8>>,
    /// What to do with redirects.
    pub redirect: RedirectMode,
    /// From start to last body byte; the session's limit when it is shorter.
    pub timeout: Option<Duration>,
}

/// The longest registered method has 17 bytes.
pub(crate) const MAX_METHOD_BYTES: usize = 32;
/// More headers than any server takes.
const MAX_HEADERS: usize = 100;
/// As much of a header's name as an error repeats.
const SHOWN_NAME_BYTES: usize = 64;

/// Methods of the Fetch standard that are written in any case (section 2.2.1).
const NORMALIZED: &[&str] = &["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];
/// "Forbidden method" of the Fetch standard.
const FORBIDDEN_METHODS: &[&str] = &["CONNECT", "TRACE", "TRACK"];

/// Headers that belong to the connection, hence to the client (RFC 9110 section 7.6.1, and
/// "forbidden request-header" of the Fetch standard as far as it concerns framing).
const CLIENT_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];
/// Headers that only metadata services ask for.
const METADATA_HEADERS: &[&str] = &["metadata", "metadata-flavor", "x-google-metadata-request"];
const METADATA_PREFIX: &str = "x-aws-ec2-metadata-token";
/// Headers that override the method (Fetch standard, section 2.2.2).
const METHOD_OVERRIDES: &[&str] = &[
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// Reads the method.
///
/// # Errors
/// When it is not a token, or one that no script may use.
pub fn check_method(method: &str) -> Result<Method, FetchError> {
    if method.len() > MAX_METHOD_BYTES {
        return Err(FetchError::InvalidRequest(format!(
            "the method has more than {MAX_METHOD_BYTES} bytes"
        )));
    }
    let upper = method.to_ascii_uppercase();
    if FORBIDDEN_METHODS.contains(&upper.as_str()) {
        return Err(Denial::new(Stage::Header, format!("method {upper} is not allowed")).into());
    }
    let spelled = if NORMALIZED.contains(&upper.as_str()) {
        &upper
    } else {
        method
    };
    Method::from_bytes(spelled.as_bytes())
        .map_err(|_| FetchError::InvalidRequest("the method is not a token (RFC 9110)".to_owned()))
}

/// Reads the headers.
///
/// # Errors
/// When a name or a value is malformed, when a header is not the script's to set, or when all
/// together are too large.
pub fn check_headers(
    headers: &[(String, Vec<u8>)],
    limits: &SessionLimits,
) -> Result<HeaderMap, FetchError> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if bytes > limits.max_request_header_bytes {
        let most = limits.max_request_header_bytes;
        return Err(FetchError::Limit(format!(
            "the headers have more than {most} bytes"
        )));
    }
    if headers.len() > MAX_HEADERS {
        return Err(FetchError::Limit(format!(
            "more than {MAX_HEADERS} headers"
        )));
    }
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            FetchError::InvalidRequest("a header name is not a token (RFC 9110)".to_owned())
        })?;
        check_header_name(&name, value)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| {
            FetchError::InvalidRequest(format!(
                "the value of header `{}` is not valid (RFC 9110)",
                shown(name.as_str())
            ))
        })?;
        map.append(name, value);
    }
    Ok(map)
}

fn check_header_name(name: &HeaderName, value: &[u8]) -> Result<(), FetchError> {
    let text = name.as_str();
    let overrides_method = METHOD_OVERRIDES.contains(&text)
        && value.split(|byte| *byte == b',').any(|method| {
            let method = String::from_utf8_lossy(method).trim().to_ascii_uppercase();
            FORBIDDEN_METHODS.contains(&method.as_str())
        });
    let rule = if CLIENT_HEADERS.contains(&text) {
        "belongs to the connection and is set by the client"
    } else if METADATA_HEADERS.contains(&text) || text.starts_with(METADATA_PREFIX) {
        "is for cloud metadata services only"
    } else if overrides_method {
        "must not override the method with one that is not allowed"
    } else {
        return Ok(());
    };
    Err(Denial::new(Stage::Header, format!("header `{}` {rule}", shown(text))).into())
}

fn shown(name: &str) -> &str {
    &name[..name.floor_char_boundary(SHOWN_NAME_BYTES)]
}

/// Checks the sizes of URL and body.
///
/// # Errors
/// When one is over its limit.
pub fn check_sizes(request: &Request, limits: &SessionLimits) -> Result<(), FetchError> {
    if request.url.len() > MAX_URL_BYTES {
        return Err(FetchError::Limit(format!(
            "the URL has more than {MAX_URL_BYTES} bytes"
        )));
    }
    let most = limits.max_request_body_bytes;
    if request.body.as_ref().is_some_and(|body| body.len() > most) {
        return Err(FetchError::Limit(format!(
            "the body has more than {most} bytes"
        )));
    }
    Ok(())
}
