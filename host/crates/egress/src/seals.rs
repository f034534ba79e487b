//! Sealed secrets: whoever makes a request has a handle, and the value goes out in its place.
//!
//! The value is put in hop by hop, after the URL is judged, and only on the way to a host that the secret may be
//! sent to; to any other nothing goes out. What comes back has the handle again where a target repeats the
//! value, and so has a `Location` before it is followed: else a target that redirects wherever it is told would
//! give the value away.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use memchr::memmem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;
use vedette_core::SealedSecret;

use crate::{
    Denial, FetchError, Response, SessionLimits, Stage, redact::Redactor, redirect::HopRequest,
    url_rules::MAX_URL_BYTES,
};

mod mac;

#[cfg(test)]
mod tests;

/// Each handle begins with this.
const BEGINNING: &str = "sealed.";
/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The sealed secrets of one run. Clones are the same ones.
#[derive(Clone, Default)]
pub struct Seals(Option<Arc<Inner>>);

struct Inner {
    seals: Vec<Seal>,
    redactor: Mutex<Redactor>,
}

struct Seal {
    name: String,
    handle: String,
    secret: SealedSecret,
}

/// How a value is written where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// As it is: headers, and bodies of other types.
    Plain,
    /// In a query or a form.
    Percent,
    /// In a JSON text.
    Json,
}

impl Part {
    fn of_body(headers: &HeaderMap) -> Self {
        let content_type = headers.get(header::CONTENT_TYPE);
        let text = content_type.and_then(|value| value.to_str().ok());
        let essence = text.unwrap_or_default().split(';').next();
        let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/x-www-form-urlencoded" => Self::Percent,
            "application/json" => Self::Json,
            other if other.ends_with("+json") => Self::Json,
            _ => Self::Plain,
        }
    }

    fn write(self, value: &str) -> String {
        match self {
            Self::Plain => value.to_owned(),
            Self::Percent => utf8_percent_encode(value, RESERVED).to_string(),
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
        }
    }
}

impl Seals {
    /// Seals secrets by their names. `random` makes handles that nobody can guess, so that no target can have
    /// one sent back: 16 bytes for each secret, in order.
    pub fn new(
        secrets: BTreeMap<String, SealedSecret>,
        mut random: impl FnMut() -> [u8; 16],
    ) -> Self {
        if secrets.is_empty() {
            return Self(None);
        }
        let seal = |(name, secret)| Seal {
            handle: format!("{BEGINNING}{name}.{}", hex::encode(random())),
            name,
            secret,
        };
        let seals: Vec<_> = secrets.into_iter().map(seal).collect();
        let pairs = seals
            .iter()
            .map(|seal| (seal.secret.value.clone(), seal.handle.clone()));
        let redactor = Mutex::new(Redactor::with_placeholders(pairs));
        Self(Some(Arc::new(Inner { seals, redactor })))
    }

    /// Names and handles.
    pub fn handles(&self) -> impl Iterator<Item = (&str, &str)> {
        let seals = self.0.iter().flat_map(|inner| &inner.seals);
        seals.map(|seal| (seal.name.as_str(), seal.handle.as_str()))
    }

    /// The request with the values in the place of the handles. `None`: it has no handle.
    ///
    /// # Errors
    /// [`FetchError::Denied`] when a secret may not be sent there, [`FetchError::InvalidRequest`] when it cannot
    /// stand where its handle stands, [`FetchError::Limit`] when the request would become too large.
    pub(crate) fn put_in(
        &self,
        request: &HopRequest,
        limits: &SessionLimits,
    ) -> Result<Option<HopRequest>, FetchError> {
        let Some(inner) = &self.0 else {
            return Ok(None);
        };
        let mut writer = Writer {
            seals: &inner.seals,
            to: &request.url,
            body: None,
            has_written: false,
        };
        writer.refuse_in_path()?;
        let body = match &request.body {
            None => None,
            Some(body) => {
                let part = Part::of_body(&request.headers);
                let written = writer.write(body, part, limits.max_request_body_bytes)?;
                Some(written.map_or_else(|| body.clone(), Bytes::from))
            }
        };
        // From here on a signature may be of the body, as it goes out.
        writer.body = Some(body.as_deref().unwrap_or_default());
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        let mut room = limits.max_request_header_bytes;
        for (name, value) in &request.headers {
            let value = writer.header(value, room)?;
            room = room.saturating_sub(name.as_str().len() + value.len());
            headers.append(name.clone(), value);
        }
        let mut url = request.url.clone();
        if let Some(query) = request.url.query()
            && let Some(query) = writer.write(query.as_bytes(), Part::Percent, MAX_URL_BYTES)?
        {
            url.set_query(Some(&String::from_utf8_lossy(&query)));
        }
        let has_written = writer.has_written;
        Ok(has_written.then(|| HopRequest {
            method: request.method.clone(),
            url,
            headers,
            body,
        }))
    }

    /// The headers of an answer whose `Location` is to be followed.
    pub(crate) fn clean_headers(&self, headers: &HeaderMap) -> HeaderMap {
        let mut headers = headers.clone();
        if let Some(inner) = &self.0 {
            let mut redactor = inner.redactor();
            for value in headers.values_mut() {
                let clean = redactor.owned(value.as_bytes().to_vec());
                // Handles are made of what a header may have.
                *value = HeaderValue::from_bytes(&clean)
                    .unwrap_or_else(|_| HeaderValue::from_static(""));
            }
        }
        headers
    }

    /// The answer as the run may see it.
    ///
    /// # Errors
    /// [`FetchError::BodyTooLarge`] when handles make the body too large.
    pub(crate) async fn clean(
        &self,
        response: Response,
        limits: &SessionLimits,
    ) -> Result<Response, FetchError> {
        let Some(inner) = self.0.clone() else {
            return Ok(response);
        };
        // A large body with many secrets takes its time.
        let cleaning = tokio::task::spawn_blocking(move || inner.clean(response));
        let response = cleaning.await.map_err(|error| {
            tracing::error!(%error, "an answer could not be searched for secrets");
            FetchError::Platform("the answer could not be read".to_owned())
        })?;
        if response.body.len() as u64 > limits.max_body_bytes {
            return Err(FetchError::BodyTooLarge(limits.max_body_bytes));
        }
        Ok(response)
    }

    /// An error as the run may see it: some repeat what a target said.
    pub(crate) fn clean_error(&self, error: FetchError) -> FetchError {
        let Some(inner) = &self.0 else { return error };
        let mut redactor = inner.redactor();
        error.map_text(|text| redactor.text(&text))
    }
}

impl Inner {
    fn redactor(&self) -> MutexGuard<'_, Redactor> {
        // It only counts what it found.
        self.redactor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clean(&self, mut response: Response) -> Response {
        let mut redactor = self.redactor();
        for (name, value) in &mut response.headers {
            *name = redactor.text(name);
            *value = redactor.owned(std::mem::take(value));
        }
        response.body = redactor.owned(response.body);
        response.url = redactor.text(&response.url);
        if let Some(tls) = &mut response.tls {
            tls.subject = redactor.text(&tls.subject);
            tls.issuer = redactor.text(&tls.issuer);
        }
        response
    }
}

/// Puts values into the parts of one request.
struct Writer<'a> {
    seals: &'a [Seal],
    to: &'a Url,
    body: Option<&'a [u8]>,
    has_written: bool,
}

impl Writer<'_> {
    fn refuse_in_path(&self) -> Result<(), FetchError> {
        let path = self.to.path().as_bytes();
        let mut places = memmem::find_iter(path, BEGINNING.as_bytes());
        let found = places.find_map(|at| self.seal_at(&path[at..]));
        match found {
            None => Ok(()),
            Some(seal) => Err(FetchError::InvalidRequest(format!(
                "the sealed secret `{}` stands in the path of the URL; it can stand in the query, in a header \
                 or in the body",
                seal.name
            ))),
        }
    }

    fn seal_at(&self, bytes: &[u8]) -> Option<&Seal> {
        let mut seals = self.seals.iter();
        seals.find(|seal| bytes.starts_with(seal.handle.as_bytes()))
    }

    fn header(&mut self, value: &HeaderValue, room: usize) -> Result<HeaderValue, FetchError> {
        let Some(written) = self.write(value.as_bytes(), Part::Plain, room)? else {
            return Ok(value.clone());
        };
        let mut value = HeaderValue::from_bytes(&written).map_err(|_| {
            let why = "a sealed secret has characters that a header cannot have (RFC 9110)";
            FetchError::InvalidRequest(why.to_owned())
        })?;
        // Libraries leave it out of what they log.
        value.set_sensitive(true);
        Ok(value)
    }

    /// The bytes with values, at most `most` of them; `None`: there is no handle.
    fn write(
        &mut self,
        bytes: &[u8],
        part: Part,
        most: usize,
    ) -> Result<Option<Vec<u8>>, FetchError> {
        let (mut written, mut done) = (Vec::new(), 0);
        for at in memmem::find_iter(bytes, BEGINNING.as_bytes()) {
            // What is signed is signed as it stands there.
            let Some(seal) = self.seal_at(&bytes[at..]).filter(|_| at >= done) else {
                continue;
            };
            self.check_destination(seal)?;
            let after = at + seal.handle.len();
            let (value, length) = match mac::read(&bytes[after..])? {
                None => (part.write(&seal.secret.value), 0),
                Some((mac, length)) => {
                    let mac = mac.compute(&seal.secret.value, self.body)?;
                    (part.write(&mac), length)
                }
            };
            written.extend_from_slice(&bytes[done..at]);
            written.extend_from_slice(value.as_bytes());
            done = after + length;
            if written.len() + (bytes.len() - done) > most {
                return Err(FetchError::Limit(format!(
                    "with its sealed secrets, a part of the request has more than {most} bytes"
                )));
            }
        }
        if done == 0 {
            return Ok(None);
        }
        self.has_written = true;
        written.extend_from_slice(&bytes[done..]);
        Ok(Some(written))
    }

    fn check_destination(&self, seal: &Seal) -> Result<(), FetchError> {
        let host = self.to.host_str().unwrap_or_default();
        let port = self.to.port_or_known_default().unwrap_or_default();
        if seal.secret.may_go_to(self.to.scheme(), host, port) {
            return Ok(());
        }
        let rule = format!(
            "the sealed secret `{}` may not be sent to {}; the hosts that it may be sent to are part of it",
            seal.name,
            self.to.origin().ascii_serialization()
        );
        Err(Denial::new(Stage::Seal, rule).into())
    }
}
