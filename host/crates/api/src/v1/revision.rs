//! The revision of an object as an `ETag`, and changes that are meant for one revision only.

use axum::http::{HeaderMap, HeaderValue, header};

/// The `ETag` of a revision (RFC 9110 section 8.8.3).
pub(crate) fn etag(revision: i64) -> [(header::HeaderName, HeaderValue); 1] {
    let value = HeaderValue::try_from(format!("\"{revision}\"")).expect("digits and quotes");
    [(header::ETAG, value)]
}

/// Which state of an object a change is meant for.
pub(crate) enum Expected {
    /// Whatever it is now.
    Any,
    /// This revision only.
    Revision(i64),
    /// A tag that is none of ours, and matches nothing.
    Nothing,
}

/// Reads `If-Match` (RFC 9110 section 13.1.1). Our tags are strong, and one is enough.
pub(crate) fn if_match(headers: &HeaderMap) -> Expected {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Expected::Any;
    };
    let text = value.to_str().unwrap_or_default();
    if text == "*" {
        return Expected::Any;
    }
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner
        .and_then(|digits| digits.parse().ok())
        .map_or(Expected::Nothing, Expected::Revision)
}
