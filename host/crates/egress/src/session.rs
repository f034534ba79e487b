//! The requests of one run, under its limits.

use std::{
    collections::HashMap,
    error::Error as StdError,
    io,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::DateTime;
use http::{HeaderMap, Version, header};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use vedette_core::RequestRecord;

use crate::{
    Allowance, Denial, FetchError, Guard, RedirectMode, Request, Seals, Timings, TlsInfo,
    body::{self, Received},
    client,
    facts::{HOP, Hop, SharedHop},
    redirect::{self, HopRequest},
    request_rules::{MAX_METHOD_BYTES, check_headers, check_method, check_sizes},
    resolver::LookupError,
    tls, url_rules,
};

const MIB: u64 = 1024 * 1024;
/// URLs are cut at this many bytes in records.
const RECORDED_URL_BYTES: usize = 2 * 1024;
/// And errors at this many.
const RECORDED_ERROR_BYTES: usize = 1024;

/// What the requests of one run may use.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionLimits {
    /// Requests in all; redirects do not count. Free plans elsewhere allow 50.
    pub max_requests: u32,
    /// Requests at once; others wait their turn.
    pub max_concurrent: usize,
    /// Decoded bytes of one body.
    pub max_body_bytes: u64,
    /// Decoded bytes of all bodies.
    pub max_total_bytes: u64,
    /// Name, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the start of a hop to the end of the response's head.
    pub first_byte_timeout: Duration,
    /// One request with its redirects, to the last body byte.
    pub request_timeout: Duration,
    /// Redirects followed. Fetch allows 20; a monitor that needs more than 5 has found something.
    pub max_redirects: u32,
    /// Names and values of all request headers.
    pub max_request_header_bytes: usize,
    /// Body of a request.
    pub max_request_body_bytes: usize,
    /// URLs, headers and bodies of all requests. They are held from the start of a request, also
    /// while it waits for its turn.
    pub max_total_request_bytes: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            max_requests: 50,
            max_concurrent: 6,
            max_body_bytes: 5 * MIB,
            max_total_bytes: 20 * MIB,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(30),
            max_redirects: 5,
            max_request_header_bytes: 32 * 1024,
            max_request_body_bytes: 5 * 1024 * 1024,
            max_total_request_bytes: 20 * 1024 * 1024,
        }
    }
}

/// A whole response.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Decoded body.
    pub body: Vec<u8>,
    /// URL of the last hop.
    pub url: String,
    /// Whether a redirect was followed.
    pub redirected: bool,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub http_version: String,
    /// Address and port that answered.
    pub remote_address: Option<String>,
    /// What was measured.
    pub timings: Timings,
    /// Facts about the certificate, for https.
    pub tls: Option<TlsInfo>,
}

/// Makes the requests of one run. Clones share limits, connections and records.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    guard: Guard,
    limits: SessionLimits,
    seals: Seals,
    started: Instant,
    turns: Semaphore,
    received: Received,
    client: OnceLock<Result<Client, FetchError>>,
    records: Mutex<Records>,
    platform_failed: AtomicBool,
    /// By authority: a reused connection makes no handshake to learn from.
    tls: Mutex<HashMap<String, TlsInfo>>,
}

/// The requests that were started, and what is left for more.
struct Records {
    allowance: Allowance,
    list: Vec<RequestRecord>,
}

impl Session {
    pub(crate) fn new(guard: Guard, limits: SessionLimits, seals: Seals) -> Self {
        Self(Arc::new(Inner {
            guard,
            seals,
            started: Instant::now(),
            turns: Semaphore::new(limits.max_concurrent),
            received: Received::default(),
            client: OnceLock::new(),
            records: Mutex::new(Records {
                allowance: Allowance::new(&limits),
                list: Vec::new(),
            }),
            platform_failed: AtomicBool::new(false),
            tls: Mutex::default(),
            limits,
        }))
    }

    /// Makes a request. Nothing is retried. The future owns all that it needs; dropping it
    /// cancels the request.
    ///
    /// # Errors
    /// [`FetchError::Limit`] at once, when the run has made all requests that it may make; what
    /// else can go wrong is the future's to say.
    pub fn fetch(
        &self,
        request: Request,
    ) -> Result<impl Future<Output = Result<Response, FetchError>> + Send + use<>, FetchError> {
        let inner = self.0.clone();
        // Counted now, not when it is first polled: the limit is on what the guest starts.
        let record = inner.open_record(&request)?;
        Ok(async move {
            // To the back of the queue: of a thousand runs that begin in one second, each begins
            // before the first of them goes on.
            tokio::task::yield_now().await;
            let started = Instant::now();
            let answer = inner.make(request).await;
            let answer = answer.map_err(|error| inner.seals.clean_error(error));
            inner.close_record(record, started.elapsed(), &answer);
            answer.map(|(response, _)| response)
        })
    }

    /// Notes that a request failed because of us.
    pub fn note_platform_fault(&self) {
        self.0.platform_failed.store(true, Ordering::Relaxed);
    }

    /// Whether a request failed because of us, so that what the run says about the target may be
    /// wrong.
    pub fn platform_failed(&self) -> bool {
        self.0.platform_failed.load(Ordering::Relaxed)
    }

    /// The requests so far in the order of their start; one in flight counts as cancelled.
    pub fn records(&self) -> Vec<RequestRecord> {
        self.0
            .records
            .lock()
            .expect("no holder of this lock panics")
            .list
            .clone()
    }
}

impl Inner {
    /// The position of the new record.
    fn open_record(&self, request: &Request) -> Result<usize, FetchError> {
        let mut records = self.records.lock().expect("no holder of this lock panics");
        records.allowance.take(request)?;
        records.list.push(RequestRecord {
            method: recorded(&request.method, MAX_METHOD_BYTES),
            url: recorded(&request.url, RECORDED_URL_BYTES),
            status: None,
            error: Some(RequestRecord::IN_FLIGHT.to_owned()),
            started_at_ms: ms(self.started.elapsed()),
            total_ms: 0.0,
            dns_ms: None,
            connect_ms: None,
            tls_ms: None,
            first_byte_ms: None,
            download_ms: None,
            remote_address: None,
            body_bytes: 0,
            redirects: 0,
            certificate_expires_at: None,
        });
        Ok(records.list.len() - 1)
    }

    fn close_record(
        &self,
        position: usize,
        total: Duration,
        answer: &Result<(Response, u32), FetchError>,
    ) {
        let mut records = self.records.lock().expect("no holder of this lock panics");
        let record = &mut records.list[position];
        record.total_ms = ms(total);
        match answer {
            Err(error) => {
                if matches!(error, FetchError::Platform(_)) {
                    self.platform_failed.store(true, Ordering::Relaxed);
                }
                record.error = Some(recorded(&error.to_string(), RECORDED_ERROR_BYTES));
            }
            Ok((response, redirects)) => {
                let timings = &response.timings;
                // Without waiting for a turn and without our own set-up.
                record.total_ms = ms(timings.total);
                record.error = None;
                record.status = Some(response.status);
                record.dns_ms = timings.dns.map(ms);
                record.connect_ms = timings.connect.map(ms);
                record.tls_ms = timings.tls.map(ms);
                record.first_byte_ms = Some(ms(timings.first_byte));
                record.download_ms = Some(ms(timings.download));
                record.remote_address.clone_from(&response.remote_address);
                record.body_bytes = response.body.len() as u64;
                record.redirects = *redirects;
                let tls = response.tls.as_ref();
                let ends = tls.map(|tls| tls.chain_not_after.min(tls.not_after));
                record.certificate_expires_at =
                    ends.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
            }
        }
    }

    /// The response, and how many redirects led to it.
    async fn make(&self, request: Request) -> Result<(Response, u32), FetchError> {
        check_sizes(&request, &self.limits)?;
        let target = url_rules::check(&self.guard.policy, &request.url)?;
        let hop = HopRequest {
            method: check_method(&request.method)?,
            url: target.url,
            headers: check_headers(&request.headers, &self.limits)?,
            body: request.body.map(Bytes::from),
        };
        let _turn = self.turns.acquire().await.expect("never closed");
        let limit = self.limits.request_timeout;
        let limit = request.timeout.map_or(limit, |asked| asked.min(limit));
        tokio::time::timeout(limit, self.follow(hop, request.redirect))
            .await
            .map_err(|_| FetchError::Timeout)?
    }

    async fn follow(
        &self,
        mut request: HopRequest,
        mode: RedirectMode,
    ) -> Result<(Response, u32), FetchError> {
        // Before the clock starts: what it costs to set up is ours, not the target's.
        let client = self
            .client
            .get_or_init(|| client::build(&self.guard, &self.limits))
            .clone()?;
        let started = Instant::now();
        let mut redirects = 0;
        loop {
            let facts = SharedHop::default();
            let head = HOP.scope(facts.clone(), self.send(&client, &request)).await;
            let (mut answer, head_at) = head.map_err(|error| explain(error, &facts))?;
            if redirect::is_redirect(answer.status()) && mode != RedirectMode::Manual {
                if mode == RedirectMode::Error && answer.headers().contains_key(header::LOCATION) {
                    let why = "the response is a redirect, which the request does not allow";
                    return Err(FetchError::Protocol(why.to_owned()));
                }
                let policy = &self.guard.policy;
                let headers = self.seals.clean_headers(answer.headers());
                let next = redirect::target(policy, &request.url, &headers)?;
                match next {
                    Some(_) if redirects >= self.limits.max_redirects => {
                        return Err(FetchError::TooManyRedirects);
                    }
                    Some(url) => {
                        redirects += 1;
                        request = redirect::follow(request, answer.status(), url);
                        continue;
                    }
                    None => {}
                }
            }
            let body = body::read(&mut answer, &self.received, &self.limits).await?;
            let ended = Instant::now();
            let (timings, tls) = {
                let hop = facts.lock().expect("no holder of this lock panics");
                let timings = Timings {
                    dns: hop.dns,
                    connect: hop.connect(),
                    tls: hop.tls(),
                    first_byte: head_at
                        .at
                        .duration_since(hop.connected.unwrap_or(head_at.from)),
                    download: ended.duration_since(head_at.at),
                    total: ended.duration_since(started),
                };
                (timings, self.tls_info(&request, &hop))
            };
            let response = respond(&request, &answer, body, redirects, timings, tls);
            let response = self.seals.clean(response, &self.limits).await?;
            return Ok((response, redirects));
        }
    }

    /// Sends one hop and waits for the head of its response.
    async fn send(
        &self,
        client: &Client,
        request: &HopRequest,
    ) -> Result<(reqwest::Response, HeadAt), FetchError> {
        let with_values = self.seals.put_in(request, &self.limits)?;
        let request = with_values.as_ref().unwrap_or(request);
        let mut builder = client
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone());
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let from = Instant::now();
        let answer = tokio::time::timeout(self.limits.first_byte_timeout, builder.send())
            .await
            .map_err(|_| FetchError::Timeout)?
            .map_err(|error| classify(&error))?;
        Ok((
            answer,
            HeadAt {
                from,
                at: Instant::now(),
            },
        ))
    }

    fn tls_info(&self, request: &HopRequest, hop: &Hop) -> Option<TlsInfo> {
        if request.url.scheme() != "https" {
            return None;
        }
        let mut known = self.tls.lock().expect("no holder of this lock panics");
        let authority = request.url.authority().to_owned();
        if let Some(info) = tls::describe_chain(hop.tls_protocol.unwrap_or_default(), &hop.chain) {
            known.insert(authority, info.clone());
            return Some(info);
        }
        known.get(&authority).cloned()
    }
}

/// When a hop was sent, and when the head of its response was there.
struct HeadAt {
    from: Instant,
    at: Instant,
}

fn respond(
    request: &HopRequest,
    answer: &reqwest::Response,
    body: Vec<u8>,
    redirects: u32,
    timings: Timings,
    tls: Option<TlsInfo>,
) -> Response {
    Response {
        status: answer.status().as_u16(),
        headers: header_list(answer.headers()),
        body,
        url: request.url.to_string(),
        redirected: redirects > 0,
        http_version: version(answer.version()).to_owned(),
        remote_address: answer.remote_addr().map(|address| address.to_string()),
        timings,
        tls,
    }
}

fn header_list(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect()
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// Puts the verifier's reason in the place of the TLS library's words.
fn explain(error: FetchError, facts: &SharedHop) -> FetchError {
    let hop = facts.lock().expect("no holder of this lock panics");
    match &hop.tls_refusal {
        Some(reason) => FetchError::Tls(reason.clone()),
        None => error,
    }
}

/// hyper's words for a limit of ours, which has no public type.
const HEAD_TOO_LARGE: &str = "message head is too large";

/// Finds the cause of a failed request among the errors that the client wraps.
pub(crate) fn classify(error: &reqwest::Error) -> FetchError {
    let mut deepest = String::new();
    let mut source: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = source {
        if let Some(denial) = cause.downcast_ref::<Denial>() {
            return denial.clone().into();
        }
        if let Some(failure) = cause.downcast_ref::<LookupError>() {
            return match failure {
                LookupError::Dns(why) => FetchError::Dns(why.clone()),
                LookupError::Platform(why) => FetchError::Platform((*why).to_owned()),
            };
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return FetchError::Tls(tls.to_string());
        }
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && let Some(known) = classify_io(io)
        {
            return known;
        }
        deepest = cause.to_string();
        // An I/O error's own `source` skips the error that it was made from.
        source = match cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    if deepest == HEAD_TOO_LARGE {
        FetchError::Limit("the head of the response is larger than allowed".to_owned())
    } else if error.is_timeout() {
        FetchError::Timeout
    } else if error.is_connect() {
        FetchError::Connect(deepest)
    } else {
        FetchError::Protocol(deepest)
    }
}

fn classify_io(error: &io::Error) -> Option<FetchError> {
    use io::ErrorKind as K;
    // ENOMEM, ENFILE, EMFILE, ENETDOWN, ENOBUFS (errno(3), Linux): what we have too little of.
    if let Some(12 | 23 | 24 | 100 | 105) = error.raw_os_error() {
        tracing::error!(%error, "a connection could not be made");
        return Some(FetchError::Platform(
            "no connection could be made from here".to_owned(),
        ));
    }
    match error.kind() {
        K::ConnectionRefused => Some(FetchError::ConnectionRefused),
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => {
            Some(FetchError::ConnectionReset)
        }
        K::TimedOut => Some(FetchError::Timeout),
        K::HostUnreachable | K::NetworkUnreachable | K::AddrNotAvailable => Some(
            FetchError::Connect("the network cannot reach the address".to_owned()),
        ),
        _ => None,
    }
}

/// A text as the database takes it: without NUL, and then cut.
fn recorded(text: &str, most_bytes: usize) -> String {
    let mut text = text[..text.floor_char_boundary(most_bytes)].replace('\0', "\u{fffd}");
    text.truncate(text.floor_char_boundary(most_bytes));
    text
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
