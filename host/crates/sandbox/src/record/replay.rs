//! Stands in the place of the network and of time, and tells a guest again what a recording has.
//!
//! As long as the script asks for what the recorded one asked for, each wait ends as it ended then.
//! From the first difference on (an edited script), a request takes as long as it took then, and
//! time jumps to what comes next.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use vedette_core::{RequestRecord, Status};
use vedette_egress::{
    FetchError, Request, Response, Stage, Timings, TlsInfo,
    redact::{Redactor, restore},
};

use super::{
    format::{
        RecordedAnswer, RecordedBody, RecordedError, RecordedRequest, RecordedResponse,
        RecordedTimings, RecordedTls, Recording,
    },
    tape::TapedBody,
};
use crate::{
    limits::RECORDED_BODY_BYTES,
    network::{Answer, Network},
};

/// The wall clock of the run is over, in the time that the recording tells.
#[derive(Debug, thiserror::Error)]
#[error("the time of the replayed run is over")]
pub(crate) struct TimeIsOver;

/// The network and the time of one replayed run. Clones are one.
#[derive(Clone)]
pub(crate) struct Replay(Arc<Mutex<Inner>>);

struct Inner {
    recording: Arc<Recording>,
    redactor: Redactor,
    /// Values to put back where placeholders stand.
    values: Vec<(String, String)>,
    /// Each variable has a value; a placeholder may change a body in a way that cannot be told.
    has_all_values: bool,
    elapsed_ms: u64,
    waits_done: usize,
    is_used: Vec<bool>,
    /// In the order of their start.
    started: Vec<Started>,
    diverged: Option<String>,
    platform_failed: bool,
}

/// A request of the replayed run.
struct Started {
    /// Which one of the recording it is, and when it is ready if it was.
    recorded: Option<(usize, Option<u64>)>,
}

impl Replay {
    /// `values` are given for this run; `redactor` knows all that a script may put into a URL.
    pub(super) fn new(
        recording: Arc<Recording>,
        values: Vec<(String, String)>,
        redactor: Redactor,
    ) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            redactor,
            has_all_values: recording
                .env
                .iter()
                .all(|name| values.iter().any(|(given, _)| given == name)),
            values,
            elapsed_ms: 0,
            waits_done: 0,
            is_used: vec![false; recording.requests.len()],
            started: Vec::new(),
            diverged: None,
            platform_failed: false,
            recording,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// The end of the next wait of the guest: positions in `pending`, which has numbers of requests.
    pub(crate) fn wait(
        &self,
        pending: &[u32],
        timeout_ms: Option<u32>,
    ) -> Result<Vec<u32>, TimeIsOver> {
        self.inner().wait(pending, timeout_ms)
    }

    /// Now, since the start of the run.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.inner().elapsed_ms
    }

    /// The first thing that the script did otherwise than the recorded one.
    pub(super) fn diverged(&self) -> Option<String> {
        self.inner().diverged.clone()
    }
}

impl Inner {
    fn diverge(&mut self, how: impl FnOnce() -> String) {
        self.diverged.get_or_insert_with(how);
    }

    fn wait(&mut self, pending: &[u32], timeout_ms: Option<u32>) -> Result<Vec<u32>, TimeIsOver> {
        if self.diverged.is_none() {
            let recording = Arc::clone(&self.recording);
            match recording.waits.get(self.waits_done) {
                Some(wait) if wait.pending == pending && wait.timeout_ms == timeout_ms => {
                    self.waits_done += 1;
                    self.elapsed_ms = wait.elapsed_ms;
                    return Ok(positions(pending, |number| wait.ready.contains(&number)));
                }
                None if recording.outcome.status == Status::Timeout => return Err(TimeIsOver),
                _ => {
                    let number = self.waits_done + 1;
                    self.diverge(|| format!("wait {number} is for something else"));
                }
            }
        }
        self.jump(pending, timeout_ms)
    }

    /// Goes to the next event: a request that is ready, or the end of the wait.
    fn jump(&mut self, pending: &[u32], timeout_ms: Option<u32>) -> Result<Vec<u32>, TimeIsOver> {
        let ready_at = |number: u32| {
            let started = self.started.get(number as usize)?;
            started.recorded.and_then(|(_, ready_ms)| ready_ms)
        };
        let first = pending.iter().filter_map(|number| ready_at(*number)).min();
        let end = timeout_ms.map(|ms| self.elapsed_ms.saturating_add(ms.into()));
        let Some(next) = first.into_iter().chain(end).min() else {
            // Nobody waited for these then, and nothing else will end the wait: they fail.
            return Ok(positions(pending, |_| true));
        };
        if next >= self.recording.limits.wall_ms {
            return Err(TimeIsOver);
        }
        let now = next.max(self.elapsed_ms);
        let ready = positions(pending, |number| {
            ready_at(number).is_some_and(|at| at <= now)
        });
        self.elapsed_ms = now;
        Ok(ready)
    }

    fn fetch(&mut self, request: Request) -> Result<Answer, FetchError> {
        let url = self.redactor.text(&request.url);
        let method = self.redactor.text(&request.method);
        let recording = Arc::clone(&self.recording);
        let number = self.started.len();
        let is_same = |recorded: &RecordedRequest| recorded.method == method && recorded.url == url;
        let in_turn = recording.requests.get(number).is_some_and(is_same) && !self.is_used[number];
        let found = if in_turn {
            Some(number)
        } else {
            self.diverge(|| format!("request {} is another: {method} {url}", number + 1));
            let mut all = recording.requests.iter().zip(&self.is_used);
            all.position(|(recorded, is_used)| !is_used && is_same(recorded))
        };
        let Some(found) = found else {
            self.started.push(Started { recorded: None });
            let before = recording.requests.iter().filter(|one| is_same(one)).count();
            let more = match before {
                0 => String::new(),
                times => format!(" more than {times} times"),
            };
            return Err(FetchError::InvalidRequest(format!(
                "{method} {url} is not in the recording{more}"
            )));
        };
        self.is_used[found] = true;
        let recorded = &recording.requests[found];
        let body = request.body.map(|body| self.body(body));
        if body != recorded.body && self.has_all_values {
            self.diverge(|| format!("request {} has another body", number + 1));
        }
        let took_ms = self
            .ready_ms(found)
            .map(|ready_ms| ready_ms.saturating_sub(recorded.started_ms));
        let ready_ms = took_ms.map(|took_ms| self.elapsed_ms.saturating_add(took_ms));
        self.started.push(Started {
            recorded: Some((found, ready_ms)),
        });
        let answer = match &recorded.answer {
            Some(answer) => self.tell(answer),
            None => Err(FetchError::InvalidRequest(format!(
                "the answer to {method} {url} is not in the recording"
            ))),
        };
        if let Err(FetchError::Platform(_)) = &answer {
            self.platform_failed = true;
        }
        match answer {
            Err(error) if recorded.is_refused => Err(error),
            answer => Ok(answer),
        }
    }

    /// When a recorded request was ready.
    fn ready_ms(&self, recorded: usize) -> Option<u64> {
        let waits = self.recording.waits.iter();
        let mut ready = waits.filter(|wait| wait.ready.iter().any(|one| *one as usize == recorded));
        ready.next().map(|wait| wait.elapsed_ms)
    }

    fn body(&mut self, body: Vec<u8>) -> RecordedBody {
        let taped = TapedBody {
            len: body.len(),
            bytes: (body.len() <= RECORDED_BODY_BYTES).then_some(body),
        };
        RecordedBody::make(&taped, &mut self.redactor)
    }

    fn tell(&self, answer: &RecordedAnswer) -> Answer {
        let text = |text: &String| {
            let restored = restore(text.as_bytes(), &self.values);
            String::from_utf8(restored).unwrap_or_else(|_| text.clone())
        };
        match answer {
            RecordedAnswer::Error(error) => Err(error.tell(&text)),
            RecordedAnswer::Response(response) => Ok(self.respond(response, &text)),
        }
    }

    fn respond(&self, response: &RecordedResponse, text: &dyn Fn(&String) -> String) -> Response {
        let headers = response.headers.iter();
        Response {
            status: response.status,
            headers: headers
                .map(|(name, value)| (text(name), restore(&value.0, &self.values)))
                .collect(),
            body: restore(&response.body.0, &self.values),
            url: text(&response.url),
            redirected: response.redirected,
            http_version: response.http_version.clone(),
            remote_address: response.remote_address.clone(),
            timings: response.timings.clone().into(),
            tls: response.tls.clone().map(Into::into),
        }
    }
}

fn positions(pending: &[u32], is_ready: impl Fn(u32) -> bool) -> Vec<u32> {
    (0..)
        .zip(pending)
        .filter(|(_, number)| is_ready(**number))
        .map(|(position, _)| position)
        .collect()
}

impl Network for Replay {
    fn fetch(&self, request: Request) -> Result<BoxFuture<'static, Answer>, FetchError> {
        let answer = self.inner().fetch(request)?;
        Ok(async move { answer }.boxed())
    }

    fn note_platform_fault(&self) {
        self.inner().platform_failed = true;
    }

    fn platform_failed(&self) -> bool {
        let inner = self.inner();
        match inner.diverged {
            None => inner.recording.platform_failed || inner.platform_failed,
            Some(_) => inner.platform_failed,
        }
    }

    fn records(&self) -> Vec<RequestRecord> {
        let inner = self.inner();
        let recorded = inner.started.iter().filter_map(|started| started.recorded);
        recorded
            .filter_map(|(found, _)| inner.recording.requests[found].measured.clone())
            .collect()
    }
}

impl RecordedError {
    fn tell(&self, text: &dyn Fn(&String) -> String) -> FetchError {
        match self {
            Self::Denied { stage, rule } => FetchError::Denied {
                // One that is unknown here is only a word in the message.
                stage: Stage::ALL
                    .iter()
                    .find(|known| known.to_string() == *stage)
                    .copied()
                    .unwrap_or(Stage::Parse),
                rule: text(rule),
            },
            Self::InvalidRequest(why) => FetchError::InvalidRequest(text(why)),
            Self::Dns(why) => FetchError::Dns(text(why)),
            Self::ConnectionRefused => FetchError::ConnectionRefused,
            Self::ConnectionReset => FetchError::ConnectionReset,
            Self::Connect(why) => FetchError::Connect(text(why)),
            Self::Tls(why) => FetchError::Tls(text(why)),
            Self::Timeout => FetchError::Timeout,
            Self::TooManyRedirects => FetchError::TooManyRedirects,
            Self::BodyTooLarge(limit) => FetchError::BodyTooLarge(*limit),
            Self::Limit(which) => FetchError::Limit(text(which)),
            Self::Platform(why) => FetchError::Platform(text(why)),
            Self::Protocol(why) => FetchError::Protocol(text(why)),
        }
    }
}

impl From<RecordedTimings> for Timings {
    fn from(timings: RecordedTimings) -> Self {
        Self {
            dns: timings.dns.map(Duration::from_micros),
            connect: timings.connect.map(Duration::from_micros),
            tls: timings.tls.map(Duration::from_micros),
            first_byte: Duration::from_micros(timings.first_byte),
            download: Duration::from_micros(timings.download),
            total: Duration::from_micros(timings.total),
        }
    }
}

impl From<RecordedTls> for TlsInfo {
    fn from(tls: RecordedTls) -> Self {
        Self {
            protocol: tls.protocol,
            subject: tls.subject,
            issuer: tls.issuer,
            not_before: tls.not_before,
            not_after: tls.not_after,
            chain_not_after: tls.chain_not_after,
        }
    }
}
