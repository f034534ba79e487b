//! Requests, one or several at a time.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::{
    FetchError, Response, host,
    text::{URL_BYTES, brief},
};

/// What to do when the answer is a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redirect {
    /// Follow it, 5 times at most. Another origin gets a few harmless headers only.
    #[default]
    Follow,
    /// Give the redirect itself back.
    Manual,
    /// Treat it as a request that failed.
    Error,
}

/// An HTTP request. A run may make 50, with 5 MiB of body and 32 KiB of headers each.
#[derive(Clone)]
#[must_use = "nothing happens until `send` or `start`"]
pub struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) redirect: Redirect,
    pub(crate) timeout: Option<Duration>,
    /// Of the body, unless a header says otherwise.
    content_type: Option<&'static str>,
}

impl Request {
    /// A request with any method but `CONNECT`, `TRACE` and `TRACK`, for an absolute http or https URL.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            redirect: Redirect::default(),
            timeout: None,
            content_type: None,
        }
    }

    /// A `GET` request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `HEAD` request.
    pub fn head(url: impl Into<String>) -> Self {
        Self::new("HEAD", url)
    }

    /// A `POST` request.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// A `PUT` request.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// A `PATCH` request.
    pub fn patch(url: impl Into<String>) -> Self {
        Self::new("PATCH", url)
    }

    /// A `DELETE` request.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// Adds a header. Those of the connection, such as `Host` and `Content-Length`, are denied.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds the header `Authorization` with a bearer token.
    pub fn bearer(self, token: impl fmt::Display) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Sets the body, and no header.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.content_type = None;
        self
    }

    /// Sets the body to the value as JSON. `Content-Type` is `application/json`, unless it is set.
    ///
    /// # Errors
    /// When the value cannot be written as JSON, such as a map whose keys are no texts.
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        let mut request = self.body(serde_json::to_vec(value)?);
        request.content_type = Some("application/json");
        Ok(request)
    }

    /// Sets the body to fields as an HTML form sends them. `Content-Type` is
    /// `application/x-www-form-urlencoded`, unless it is set.
    pub fn form<'a>(self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = String::new();
        for (name, value) in fields {
            if !text.is_empty() {
                text.push('&');
            }
            push_form_encoded(&mut text, name);
            text.push('=');
            push_form_encoded(&mut text, value);
        }
        let mut request = self.body(text);
        request.content_type = Some("application/x-www-form-urlencoded");
        request
    }

    /// Sets the time limit, from start to last body byte, all redirects together. In whole
    /// milliseconds; the host's own limit is 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets what to do with redirects; without it they are followed.
    pub fn redirect(mut self, redirect: Redirect) -> Self {
        self.redirect = redirect;
        self
    }

    /// Sends the request and waits for the whole response, whatever its status.
    ///
    /// # Errors
    /// [`FetchError`] when no response came.
    pub fn send(self) -> Result<Response, FetchError> {
        self.start()?.wait()
    }

    /// Sends the request and goes on. Six at a time are under way, others wait their turn.
    ///
    /// # Errors
    /// [`FetchError`] when the host refuses it at once.
    pub fn start(mut self) -> Result<Pending, FetchError> {
        let is_typed = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
        if let Some(content_type) = self.content_type
            && !self.headers.iter().any(is_typed)
        {
            self = self.header("content-type", content_type);
        }
        let name = self.name();
        match host::start(self) {
            Ok(handle) => Ok(Pending { name, handle }),
            Err(reason) => Err(FetchError::new(name, reason)),
        }
    }

    /// Method and URL, as messages have them.
    fn name(&self) -> String {
        format!("{} {}", self.method, brief(&self.url, URL_BYTES))
    }
}

/// Values of headers and the body may be secrets.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &headers)
            .field("body_bytes", &self.body.as_ref().map(Vec::len))
            .field("redirect", &self.redirect)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// `application/x-www-form-urlencoded` (URL standard, section 5.2).
fn push_form_encoded(text: &mut String, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'*' | b'-' | b'.' | b'_' => {
                text.push(char::from(byte));
            }
            b' ' => text.push('+'),
            _ => {
                text.push('%');
                for digit in [byte >> 4, byte & 0xf] {
                    text.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
                }
            }
        }
    }
}

/// A request under way. Dropping it cancels the request.
#[derive(Debug)]
#[must_use = "dropping it cancels the request"]
pub struct Pending {
    name: String,
    handle: host::Handle,
}

impl Pending {
    /// Waits for the whole response.
    ///
    /// # Errors
    /// [`FetchError`] when no response came.
    pub fn wait(self) -> Result<Response, FetchError> {
        match host::take(&self.handle) {
            Ok(response) => Ok(response.of_request(self.name)),
            Err(reason) => Err(FetchError::new(self.name, reason)),
        }
    }
}

/// Sends all requests at once and waits for all; the answers are in the order of the requests. To
/// end at the first that failed: `for answer in send_all(requests) { let response = answer?; … }`.
pub fn send_all(requests: impl IntoIterator<Item = Request>) -> Vec<Result<Response, FetchError>> {
    let started: Vec<_> = requests.into_iter().map(Request::start).collect();
    let waited = started
        .into_iter()
        .map(|pending| pending.and_then(Pending::wait));
    waited.collect()
}

/// Waits until one of the requests has its answer or the time is over (`None`: no limit but the
/// run's). Gives the positions of those that do not have to be waited for any more, none if time was
/// first.
pub fn wait_any(pending: &[Pending], timeout: Option<Duration>) -> Vec<usize> {
    let handles: Vec<&host::Handle> = pending.iter().map(|pending| &pending.handle).collect();
    let ready = host::wait_any(&handles, timeout.map(whole_millis));
    // The positions are 32 bits wide, as a `usize` of Wasm is.
    ready
        .into_iter()
        .map(|position| position as usize)
        .collect()
}

/// Waits, in whole milliseconds. Like all waiting it counts towards the run's time limit.
pub fn sleep(duration: Duration) {
    host::wait_any(&[], Some(whole_millis(duration)));
}

/// Rounded up, so that a limit is never zero that was not.
pub(crate) fn whole_millis(duration: Duration) -> u32 {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    u32::try_from(millis).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content_type(request: Request) -> Vec<String> {
        let run = crate::testing::TestHost::new().call(|| request.send().map(drop));
        let headers = run.requests[0].headers.iter();
        headers
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            .map(|(_, value)| value.clone())
            .collect()
    }

    #[test]
    fn a_body_has_one_type() {
        let post = || Request::post("https://a.example/");
        assert!(content_type(post().body("x")).is_empty());
        let typed = content_type(post().json(&json!({})).unwrap());
        assert_eq!(typed, ["application/json"]);
        let own = post().json(&json!({})).unwrap();
        let own = own.header("Content-Type", "application/merge-patch+json");
        assert_eq!(content_type(own), ["application/merge-patch+json"]);
        let replaced = post().json(&json!({})).unwrap().body("x");
        assert!(content_type(replaced).is_empty());
    }

    #[test]
    fn a_form_is_encoded_as_a_browser_does() {
        let fields = [("name", "Anna Müller"), ("a&b", "1=1+1*-._~")];
        let body = Request::post("x").form(fields).body;
        let text = String::from_utf8(body.unwrap()).unwrap();
        assert_eq!(text, "name=Anna+M%C3%BCller&a%26b=1%3D1%2B1*-._%7E");
    }

    #[test]
    fn time_limits_are_rounded_up() {
        assert_eq!(whole_millis(Duration::ZERO), 0);
        assert_eq!(whole_millis(Duration::from_micros(1)), 1);
        assert_eq!(whole_millis(Duration::from_millis(5)), 5);
        assert_eq!(whole_millis(Duration::MAX), u32::MAX);
    }

    #[test]
    fn debug_shows_no_secret() {
        let request = Request::post("https://a.example/").bearer("s3cret");
        let shown = format!("{:?}", request.body("pa55word"));
        assert!(shown.contains("authorization") && shown.contains("a.example"));
        assert!(!shown.contains("s3cret") && !shown.contains("pa55word"));
    }

    #[test]
    fn a_long_url_is_shown_in_part() {
        let name = Request::get("ä".repeat(1_000)).name();
        assert!(name.len() < 250 && name.ends_with('…'), "{name}");
    }
}
