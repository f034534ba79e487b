//! One redirect: where it leads, and what of the request goes along.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use crate::{Denial, FetchError, Policy, Stage, url_rules};

/// Longest `Location`, in bytes: the same as a URL.
const MAX_LOCATION_BYTES: usize = url_rules::MAX_URL_BYTES;

/// Headers that go along to another origin. All others may be secrets: a list of secret names
/// would miss `X-Api-Key` and whatever comes next.
const SAFE_HEADERS: &[header::HeaderName] = &[
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CACHE_CONTROL,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::USER_AGENT,
];

/// A request as it goes out on one hop.
#[derive(Debug, Clone)]
pub(crate) struct HopRequest {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// Shared, since each hop sends it.
    pub(crate) body: Option<Bytes>,
}

/// Whether a status is a redirect by its number (Fetch standard, "redirect status").
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The target of a redirect, judged; `None` when there is no `Location` to follow.
pub(crate) fn target(
    policy: &Policy,
    from: &Url,
    headers: &HeaderMap,
) -> Result<Option<Url>, FetchError> {
    let mut locations = headers.get_all(header::LOCATION).iter();
    let Some(location) = locations.next() else {
        return Ok(None);
    };
    if locations.next().is_some() {
        return Err(Denial::new(Stage::Redirect, "two Location headers are ambiguous").into());
    }
    if location.len() > MAX_LOCATION_BYTES {
        return Err(Denial::new(Stage::Redirect, "the Location header is too long").into());
    }
    // A value that is not UTF-8 is read byte by byte, as browsers do (Fetch, "location URL").
    let text: String = location
        .as_bytes()
        .iter()
        .map(|byte| char::from(*byte))
        .collect();
    judge_location(policy, from, &text)
        .map(Some)
        .map_err(Into::into)
}

/// Joins and judges a `Location`.
pub(crate) fn judge_location(policy: &Policy, from: &Url, location: &str) -> Result<Url, Denial> {
    let denied = |rule: String| Denial::new(Stage::Redirect, format!("redirect refused: {rule}"));
    if location.contains(['\r', '\n']) {
        return Err(denied("the Location header has a line break".to_owned()));
    }
    let url = from
        .join(location)
        .map_err(|error| denied(error.to_string()))?;
    let target = url_rules::check_url(policy, url).map_err(|denial| denied(denial.rule))?;
    Ok(target.url)
}

/// Rewrites a request for its next hop (Fetch standard, "HTTP-redirect fetch").
pub(crate) fn follow(request: HopRequest, status: StatusCode, url: Url) -> HopRequest {
    let HopRequest {
        mut method,
        url: from,
        mut headers,
        mut body,
    } = request;
    let becomes_get = match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::POST,
        StatusCode::SEE_OTHER => method != Method::GET && method != Method::HEAD,
        _ => false,
    };
    if becomes_get {
        method = Method::GET;
        body = None;
        for name in [
            header::CONTENT_TYPE,
            header::CONTENT_LANGUAGE,
            header::CONTENT_ENCODING,
        ] {
            headers.remove(name);
        }
    }
    if from.origin() != url.origin() {
        headers = SAFE_HEADERS
            .iter()
            .filter_map(|name| Some((name.clone(), headers.get(name)?.clone())))
            .collect();
    }
    HopRequest {
        method,
        url,
        headers,
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The corpus's own name is one that is never public, so that another stands for it here.
    fn with_public_name(text: &str) -> String {
        text.replace("public.test", "public.example.com")
    }

    #[test]
    fn every_location_of_the_corpus_is_judged_right() {
        let from = with_public_name("http://public.test:8080/a/b");
        let from = Url::parse(&from).unwrap();
        let mut judged = 0;
        for line in include_str!("../tests/corpora/ssrf.tsv").lines() {
            let fields: Vec<_> = line.split('\t').collect();
            let [id, input, expected, _, "redirect", ..] = fields[..] else {
                continue;
            };
            let location: String = serde_json::from_str(&format!("\"{input}\"")).unwrap();
            let found = judge_location(&Policy::default(), &from, &with_public_name(&location));
            let verdict = if found.is_err() { "deny" } else { "allow" };
            assert_eq!(verdict, expected, "{id} {location:?}: {found:?}");
            judged += 1;
        }
        assert_eq!(judged, 17, "rows of kind redirect");
    }
}
