//! What came back.

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::de::DeserializeOwned;

use crate::{
    Error,
    text::{BODY_BYTES, brief, without_place},
};

/// A whole response, of whatever status.
#[derive(Clone)]
pub struct Response {
    /// Method and URL of the request, for messages.
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) url: String,
    pub(crate) redirected: bool,
    pub(crate) http_version: String,
    pub(crate) remote_address: Option<String>,
    pub(crate) timings: Timings,
    pub(crate) tls: Option<Tls>,
}

/// How long the phases of the last hop took. `None`: the phase did not happen, because a connection
/// was reused, there is no TLS, or the URL has an address instead of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// Resolving the name.
    pub dns: Option<Duration>,
    /// Connecting.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// Request sent until the first response byte.
    pub first_byte: Duration,
    /// The rest of the response.
    pub download: Duration,
    /// All hops together, to the last byte of the body.
    pub total: Duration,
}

/// About the connection's certificates. Times are seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// Such as `TLSv1.3`.
    pub protocol: String,
    /// The server's certificate.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// When it begins to be good.
    pub not_before: i64,
    /// When it ends.
    pub not_after: i64,
    /// The earliest end in the chain that the server sent: the day the site breaks.
    pub chain_not_after: i64,
}

const DAY_SECONDS: i64 = 24 * 60 * 60;

impl Tls {
    /// Whole days from `now` until the first certificate of the chain ends; negative when it has.
    pub fn days_remaining(&self, now: SystemTime) -> i64 {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let now = match now.duration_since(UNIX_EPOCH) {
            Ok(since) => seconds(since),
            Err(before) => -seconds(before.duration()),
        };
        self.chain_not_after
            .saturating_sub(now)
            .div_euclid(DAY_SECONDS)
    }
}

impl Response {
    pub(crate) fn new(status: u16, body: Vec<u8>) -> Self {
        Self {
            request: String::new(),
            status,
            headers: Vec::new(),
            body,
            url: String::new(),
            redirected: false,
            http_version: "HTTP/1.1".to_owned(),
            remote_address: None,
            timings: Timings::default(),
            tls: None,
        }
    }

    pub(crate) fn of_request(mut self, request: String) -> Self {
        self.request = request;
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is one of 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..=299).contains(&self.status)
    }

    /// The first header of this name, in any case. Bytes that are not UTF-8 are read as Latin-1.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_values(name).next()
    }

    /// The values of all headers of this name, in any case: `Set-Cookie` often comes more than once.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Names and values of all headers, as they came.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body, decoded from gzip or deflate.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as UTF-8, without a byte order mark. What is not UTF-8 becomes `U+FFFD`.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.content())
    }

    /// The body read as JSON.
    ///
    /// # Errors
    /// Of kind [`Assertion`](crate::ErrorKind::Assertion) when it is not JSON or not of this shape:
    /// the type says what is expected of the target.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(self.content());
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            self.unfit(&path, error.inner())
        })?;
        // A document after the first is no JSON.
        deserializer
            .end()
            .map_err(|error| self.unfit(".", &error))?;
        Ok(value)
    }

    /// Of JSON only the place is told, whole or not: the answer to a login has secrets in it, and
    /// messages are mailed.
    fn unfit(&self, path: &str, error: &serde_json::Error) -> Error {
        let (request, status) = (&self.request, self.status);
        let reason = without_place(error);
        let answered = format!("{request} answered {status} with a body that");
        let text = self.text();
        Error::failure(if error.is_data() && path == "." {
            format!("{answered} does not fit: {reason}")
        } else if error.is_data() {
            format!("{answered} does not fit at `{path}`: {reason}")
        } else if text.trim_start().starts_with(['{', '[']) {
            format!("{answered} is not JSON: {reason}")
        } else {
            let text = brief(&text, BODY_BYTES);
            format!("{answered} is not JSON: {reason}; it begins {text:?}")
        })
    }

    /// The response itself if it has this status.
    ///
    /// # Errors
    /// Of kind [`Assertion`](crate::ErrorKind::Assertion) when it has another.
    pub fn expect_status(self, status: u16) -> Result<Self, Error> {
        if self.status == status {
            return Ok(self);
        }
        let (request, found) = (&self.request, self.status);
        Err(Error::failure(format!(
            "{request} answered {found}, expected {status}"
        )))
    }

    /// The response itself if its status is one of 200 to 299.
    ///
    /// # Errors
    /// Of kind [`Assertion`](crate::ErrorKind::Assertion) when it is another.
    pub fn expect_success(self) -> Result<Self, Error> {
        if self.is_success() {
            return Ok(self);
        }
        let (request, found) = (&self.request, self.status);
        Err(Error::failure(format!(
            "{request} answered {found}, expected 200 to 299"
        )))
    }

    /// The URL of the last hop.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether there was more than one hop.
    pub fn redirected(&self) -> bool {
        self.redirected
    }

    /// `HTTP/1.1` or `HTTP/1.0`.
    pub fn http_version(&self) -> &str {
        &self.http_version
    }

    /// Address and port that answered.
    pub fn remote_address(&self) -> Option<&str> {
        self.remote_address.as_deref()
    }

    /// How long it took.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// About the certificates. `None`: there is no TLS.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// The body without a byte order mark.
    fn content(&self) -> &[u8] {
        let mark = "\u{feff}".as_bytes();
        self.body.strip_prefix(mark).unwrap_or(&self.body)
    }
}

/// The body and the headers may be long, and may be secrets.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("url", &self.url)
            .field("body_bytes", &self.body.len())
            .field("timings", &self.timings)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::ErrorKind;

    fn answered(status: u16, body: &str) -> Response {
        Response::new(status, body.into()).of_request("GET https://a.example/".to_owned())
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Order {
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Item {
        price: u32,
    }

    #[test]
    fn json_that_fits_is_read() {
        let order = Order {
            items: vec![Item { price: 3 }],
        };
        let body = "\u{feff}{\"items\":[{\"price\":3,\"name\":\"tea\"}]}";
        assert_eq!(answered(200, body).json(), Ok(order));
    }

    #[test]
    fn json_that_does_not_fit_is_the_targets_fault() {
        let told = |body| {
            let error = answered(200, body).json::<Order>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Assertion);
            error.to_string()
        };
        let answered = "GET https://a.example/ answered 200 with a body that";
        assert_eq!(
            told(r#"{"token":"t0k","items":[{"price":3},{"price":"4"}]}"#),
            format!(
                "{answered} does not fit at `items[1].price`: invalid type: string \"4\", expected u32"
            )
        );
        assert_eq!(
            told("{}"),
            format!("{answered} does not fit: missing field `items`")
        );
        assert_eq!(
            told("<html>"),
            format!("{answered} is not JSON: expected value; it begins \"<html>\"")
        );
        assert!(told("").contains("EOF while parsing"));
        let twice = told(r#"{"items":[]} {"token":"t0k"}"#);
        assert_eq!(
            twice,
            format!("{answered} is not JSON: trailing characters")
        );
        let cut = told(r#"{"token":"t0k","items":["#);
        assert!(!cut.contains("t0k"), "{cut}");
        assert!(told(&"x".repeat(100_000)).len() < 300);
    }

    #[test]
    fn the_status_is_expected() {
        assert!(answered(201, "").expect_status(201).is_ok());
        assert!(answered(299, "").expect_success().is_ok());
        let error = answered(500, "").expect_status(200).unwrap_err();
        let told = "GET https://a.example/ answered 500, expected 200";
        assert_eq!(error, Error::failure(told));
        for status in [199, 300, 404] {
            let error = answered(status, "").expect_success().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Assertion, "{status}");
        }
    }

    #[test]
    fn headers_are_found_in_any_case() {
        let mut response = answered(200, "");
        for (name, value) in [("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("Date", "d")] {
            response.headers.push((name.to_owned(), value.to_owned()));
        }
        assert_eq!(response.header("date"), Some("d"));
        assert_eq!(response.header("SET-COOKIE"), Some("a=1"));
        let cookies: Vec<_> = response.header_values("Set-Cookie").collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(response.header("etag"), None);
    }

    #[test]
    fn text_is_never_refused() {
        let mut response = answered(200, "");
        response.body = b"caf\xe9".to_vec();
        assert_eq!(response.text(), "caf\u{fffd}");
        assert_eq!(response.bytes(), b"caf\xe9");
    }

    #[test]
    fn days_are_counted_down() {
        let tls = Tls {
            protocol: "TLSv1.3".to_owned(),
            subject: String::new(),
            issuer: String::new(),
            not_before: 0,
            not_after: 100 * DAY_SECONDS,
            chain_not_after: 30 * DAY_SECONDS,
        };
        let days = |seconds| tls.days_remaining(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(days(0), 30);
        assert_eq!(days(1), 29);
        assert_eq!(days(30 * 86_400), 0);
        // A second too late is too late.
        assert_eq!(days(30 * 86_400 + 1), -1);
        let earlier = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(tls.days_remaining(earlier), 30);
    }
}
