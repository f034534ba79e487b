//! Takes down what a guest is told while it runs. Until it is known whether that will be wanted,
//! nothing is done to it but counting.

use std::collections::BTreeMap;

#[cfg(target_os = "linux")]
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use vedette_core::{Outcome, SourceLanguage};
use vedette_egress::{FetchError, Request};

use super::format::Recording;
use crate::{
    Limits,
    limits::{RECORDED_BODY_BYTES, RECORDED_ENTRY_BYTES},
    network::Answer,
    world::{GuestClock, Seed},
};

/// What happened in one run, as it was: with the values of variables in it. It is for
/// [`Tape::into_recording`] only.
pub struct Tape {
    pub(super) seed: Seed,
    pub(super) clock: GuestClock,
    pub(super) engine: String,
    pub(super) limits: Limits,
    pub(super) max_bytes: usize,
    pub(super) bytes_left: usize,
    pub(super) requests: Vec<TapedRequest>,
    pub(super) waits: Vec<TapedWait>,
    /// There was no room for more requests, or for more waits, or both.
    pub(super) requests_are_cut: bool,
    pub(super) waits_are_cut: bool,
    /// From the end of the run.
    pub(super) params: String,
    pub(super) env: BTreeMap<String, String>,
    pub(super) platform_failed: bool,
}

/// What a process that runs scripts knows of a tape and its server does not.
#[cfg(target_os = "linux")]
#[derive(Serialize, Deserialize)]
pub(crate) struct TapeParts {
    seed: Seed,
    started_at: DateTime<Utc>,
    requests: Vec<TapedRequest>,
    waits: Vec<TapedWait>,
    requests_are_cut: bool,
    waits_are_cut: bool,
}

/// A request and what came of it.
#[derive(Serialize, Deserialize)]
pub(super) struct TapedRequest {
    pub(super) method: String,
    pub(super) url: String,
    /// `None`: there was no room.
    pub(super) headers: Option<Vec<(String, Vec<u8>)>>,
    pub(super) body: Option<TapedBody>,
    pub(super) started_ms: u64,
    pub(super) is_refused: bool,
    pub(super) answer: TapedAnswer,
}

/// The body of a request.
#[derive(Serialize, Deserialize)]
pub(super) struct TapedBody {
    pub(super) len: usize,
    /// Kept up to a size only.
    pub(super) bytes: Option<Vec<u8>>,
}

/// What came of a request.
#[derive(Serialize, Deserialize)]
pub(super) enum TapedAnswer {
    /// The guest did not wait for it.
    None,
    /// There was no room for it.
    TooLarge {
        bytes: usize,
    },
    Here(Box<Answer>),
}

/// A wait of the guest.
#[derive(Serialize, Deserialize)]
pub(super) struct TapedWait {
    pub(super) elapsed_ms: u64,
    pub(super) timeout_ms: Option<u32>,
    pub(super) pending: Vec<u32>,
    pub(super) ready: Vec<u32>,
}

impl Tape {
    pub(crate) fn new(
        seed: Seed,
        clock: GuestClock,
        engine: String,
        limits: Limits,
        max_bytes: usize,
    ) -> Self {
        Self {
            seed,
            clock,
            engine,
            limits,
            max_bytes,
            bytes_left: max_bytes,
            requests: Vec::new(),
            waits: Vec::new(),
            requests_are_cut: false,
            waits_are_cut: false,
            params: String::new(),
            env: BTreeMap::new(),
            platform_failed: false,
        }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn into_parts(self) -> TapeParts {
        TapeParts {
            seed: self.seed,
            started_at: self.clock.started_at(),
            requests: self.requests,
            waits: self.waits,
            requests_are_cut: self.requests_are_cut,
            waits_are_cut: self.waits_are_cut,
        }
    }

    /// The tape of a run in another process: [`Tape::end`] is still to come.
    #[cfg(target_os = "linux")]
    pub(crate) fn from_parts(
        parts: TapeParts,
        engine: String,
        limits: Limits,
        max_bytes: usize,
    ) -> Self {
        Self {
            requests: parts.requests,
            waits: parts.waits,
            requests_are_cut: parts.requests_are_cut,
            waits_are_cut: parts.waits_are_cut,
            ..Self::new(
                parts.seed,
                GuestClock::start(parts.started_at),
                engine,
                limits,
                max_bytes,
            )
        }
    }

    /// Takes what the run does not need any more.
    pub(crate) fn end(
        &mut self,
        params: String,
        env: BTreeMap<String, String>,
        platform_failed: bool,
    ) {
        self.params = params;
        self.env = env;
        self.platform_failed = platform_failed;
    }

    /// Keeps what a guest asks for. The requests come in the order of their numbers.
    pub(crate) fn keep_request(&mut self, request: &Request, started_ms: u64) {
        let texts = request.method.len() + request.url.len() + RECORDED_ENTRY_BYTES;
        if self.requests_are_cut || !self.take(texts) {
            self.requests_are_cut = true;
            return;
        }
        let headers = self
            .take(header_bytes(&request.headers))
            .then(|| request.headers.clone());
        let body = request.body.as_ref().map(|body| TapedBody {
            len: body.len(),
            bytes: (body.len() <= RECORDED_BODY_BYTES && self.take(body.len()))
                .then(|| body.clone()),
        });
        self.requests.push(TapedRequest {
            method: request.method.clone(),
            url: request.url.clone(),
            headers,
            body,
            started_ms,
            is_refused: false,
            answer: TapedAnswer::None,
        });
    }

    /// Keeps that a request was refused before anything of it began.
    pub(crate) fn keep_refusal(&mut self, number: u32, error: &FetchError) {
        if let Some(request) = self.requests.get_mut(number as usize) {
            request.is_refused = true;
            request.answer = TapedAnswer::Here(Box::new(Err(error.clone())));
        }
    }

    /// Keeps the answer to a request: the only copy that is made of a body, and none of one that
    /// is too large.
    pub(crate) fn keep_answer(&mut self, number: u32, answer: &Answer) {
        if self.requests.len() <= number as usize {
            return;
        }
        let bytes = RECORDED_ENTRY_BYTES
            + answer.as_ref().map_or(0, |response| {
                response.body.len() + response.url.len() + header_bytes(&response.headers)
            });
        self.requests[number as usize].answer = if self.take(bytes) {
            TapedAnswer::Here(Box::new(answer.clone()))
        } else {
            TapedAnswer::TooLarge { bytes }
        };
    }

    /// Keeps the end of a wait. `ready` are positions in `pending`.
    pub(crate) fn keep_wait(
        &mut self,
        elapsed_ms: u64,
        timeout_ms: Option<u32>,
        pending: Vec<u32>,
        ready: &[u32],
    ) {
        let bytes = RECORDED_ENTRY_BYTES / 4 + (pending.len() + ready.len()) * 4;
        if self.waits_are_cut || !self.take(bytes) {
            self.waits_are_cut = true;
            return;
        }
        let ready = ready
            .iter()
            .filter_map(|position| pending.get(*position as usize).copied())
            .collect();
        self.waits.push(TapedWait {
            elapsed_ms,
            timeout_ms,
            pending,
            ready,
        });
    }

    /// Makes what may be kept of it: redacted and within the bound. `source` is the script's.
    ///
    /// It takes milliseconds at the worst (very many variables), so do not hold up others by it.
    pub fn into_recording(
        self,
        outcome: &Outcome,
        source: &str,
        language: SourceLanguage,
    ) -> Recording {
        Recording::make(self, outcome, source, language)
    }

    fn take(&mut self, bytes: usize) -> bool {
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left = left.unwrap_or(self.bytes_left);
        left.is_some()
    }
}

fn header_bytes(headers: &[(String, Vec<u8>)]) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + 8)
        .sum()
}
