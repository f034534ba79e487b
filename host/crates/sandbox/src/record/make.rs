//! Making a recording of a tape: redacted, and within its bound.

use std::time::Duration;

use serde_json::{Map, Value};
use vedette_core::{Outcome, RequestRecord, SourceLanguage, Verdict};
use vedette_egress::{FetchError, Response, Timings, redact::Redactor};

use super::{
    bytes::Bytes,
    format::{
        FORMAT, RecordedAnswer, RecordedBody, RecordedError, RecordedLimits, RecordedOutcome,
        RecordedRequest, RecordedResponse, RecordedTimings, RecordedTls, RecordedWait, Recording,
        digest,
    },
    tape::{Tape, TapedAnswer, TapedBody, TapedRequest, TapedWait},
};
use crate::network::Answer;

/// What the value of a header becomes that is a secret by its name.
const MASKED: &str = "[masked]";

/// Words in the names of headers whose values are masked.
const SECRET_WORDS: &[&str] = &[
    "auth",
    "cookie",
    "credential",
    "key",
    "passw",
    "secret",
    "session",
    "sign",
    "token",
];

impl Recording {
    pub(super) fn make(
        tape: Tape,
        outcome: &Outcome,
        source: &str,
        language: SourceLanguage,
    ) -> Self {
        let mut redactor = Redactor::new(&tape.env);
        let holds = redactor.first_in(source);
        let kept_source = holds.is_none().then(|| source.to_owned());
        let source_left_out = holds.map(|holds| format!("it holds the value of {holds}"));
        let mut truncated = Vec::new();
        if tape.requests_are_cut {
            truncated.push(format!("requests after the first {}", tape.requests.len()));
        }
        if tape.waits_are_cut {
            truncated.push(format!("waits after the first {}", tape.waits.len()));
        }
        let params = serde_json::from_str(&tape.params).unwrap_or_default();
        let (params, mut redacted_for_good) = redactor.watch(|redactor| redactor.json(&params));
        let params = match params {
            Value::Object(params) => params,
            _ => Map::new(),
        };
        // Those that were refused at once have no record.
        let mut measured = outcome.requests.iter();
        let requests = (1..)
            .zip(tape.requests)
            .map(|(position, request)| {
                let measured = (!request.is_refused).then(|| measured.next()).flatten();
                if let TapedAnswer::TooLarge { bytes } = request.answer {
                    truncated.push(format!("the answer to request {position} ({bytes} bytes)"));
                }
                let (request, is_redacted) =
                    RecordedRequest::make(request, measured, &mut redactor);
                redacted_for_good |= is_redacted;
                request
            })
            .collect();
        let recorded_outcome = RecordedOutcome::make(outcome, &mut redactor);
        let mut recording = Self {
            format: FORMAT,
            engine: tape.engine,
            language,
            source_sha256: digest(source.as_bytes()),
            source: kept_source,
            source_left_out,
            params,
            env: tape.env.into_keys().collect(),
            limits: RecordedLimits {
                fuel: tape.limits.fuel,
                memory_bytes: tape.limits.memory_bytes as u64,
                wall_ms: u64::try_from(tape.limits.wall.as_millis()).unwrap_or(u64::MAX),
            },
            seed: hex::encode(tape.seed),
            started_at: tape.clock.started_at(),
            requests,
            waits: tape.waits.into_iter().map(Into::into).collect(),
            platform_failed: tape.platform_failed,
            outcome: recorded_outcome,
            redacted: redactor.found,
            redacted_for_good,
            truncated,
        };
        recording.fit(tape.max_bytes);
        recording
    }

    /// Leaves out what is largest until the text has at most so many bytes: what can be had
    /// elsewhere first.
    fn fit(&mut self, max_bytes: usize) {
        while self.to_json(true).len() > max_bytes {
            if self
                .source
                .as_ref()
                .is_some_and(|source| source.len() > max_bytes / 4)
            {
                self.source = None;
                self.source_left_out = Some("it is too long".to_owned());
                continue;
            }
            let answers = self.requests.iter().enumerate();
            let largest = answers
                .filter_map(|(at, request)| Some((request.answer.as_ref()?.len(), at)))
                .max();
            if let Some((bytes, at)) = largest {
                self.requests[at].answer = None;
                let what = format!("the answer to request {} ({bytes} bytes)", at + 1);
                self.truncated.push(what);
            } else if self.outcome.result.take().is_none() {
                self.requests.clear();
                self.waits.clear();
                self.params.clear();
                self.truncated = vec!["nearly everything: it is too much".to_owned()];
                break;
            }
        }
    }
}

impl RecordedAnswer {
    fn len(&self) -> usize {
        match self {
            Self::Response(response) => response.body.0.len() + response.headers.len() * 32,
            Self::Error(_) => 0,
        }
    }
}

impl RecordedRequest {
    /// Also tells whether the answer cannot be brought back as it was.
    fn make(
        request: TapedRequest,
        measured: Option<&RequestRecord>,
        redactor: &mut Redactor,
    ) -> (Self, bool) {
        let headers = request.headers.unwrap_or_default();
        let (answer, is_redacted) = redactor.watch(|redactor| match request.answer {
            TapedAnswer::Here(answer) => Some(RecordedAnswer::make(*answer, redactor)),
            TapedAnswer::None | TapedAnswer::TooLarge { .. } => None,
        });
        let recorded = Self {
            method: redactor.text(&request.method),
            url: redactor.text(&request.url),
            headers: headers
                .iter()
                .map(|(name, value)| header(name, value, redactor))
                .collect(),
            body: request.body.map(|body| RecordedBody::make(&body, redactor)),
            started_ms: request.started_ms,
            is_refused: request.is_refused,
            answer,
            measured: measured.map(|record| RequestRecord {
                method: redactor.text(&record.method),
                url: redactor.text(&record.url),
                error: record.error.as_deref().map(|error| redactor.text(error)),
                ..record.clone()
            }),
        };
        (recorded, is_redacted)
    }
}

/// A request's header for people.
fn header(name: &str, value: &[u8], redactor: &mut Redactor) -> (String, String) {
    let lower = name.to_ascii_lowercase();
    let value = if SECRET_WORDS.iter().any(|word| lower.contains(word)) {
        MASKED.to_owned()
    } else {
        String::from_utf8_lossy(&redactor.bytes(value)).into_owned()
    };
    (redactor.text(name), value)
}

impl RecordedBody {
    pub(super) fn make(body: &TapedBody, redactor: &mut Redactor) -> Self {
        let clean = body.bytes.as_ref().map(|bytes| redactor.bytes(bytes));
        Self {
            bytes: clean.as_ref().map_or(body.len, |clean| clean.len()) as u64,
            sha256: clean.map(|clean| digest(&clean)),
        }
    }
}

impl RecordedAnswer {
    fn make(answer: Answer, redactor: &mut Redactor) -> Self {
        match answer {
            Ok(response) => Self::Response(Box::new(RecordedResponse::make(response, redactor))),
            Err(error) => Self::Error(RecordedError::make(error, redactor)),
        }
    }
}

impl RecordedResponse {
    fn make(response: Response, redactor: &mut Redactor) -> Self {
        let headers = response.headers.into_iter();
        Self {
            status: response.status,
            headers: headers
                .map(|(name, value)| (redactor.text(&name), Bytes(redactor.owned(value))))
                .collect(),
            body: Bytes(redactor.owned(response.body)),
            url: redactor.text(&response.url),
            redirected: response.redirected,
            http_version: response.http_version,
            remote_address: response.remote_address,
            timings: response.timings.into(),
            tls: response.tls.map(|tls| RecordedTls {
                protocol: tls.protocol,
                subject: redactor.text(&tls.subject),
                issuer: redactor.text(&tls.issuer),
                not_before: tls.not_before,
                not_after: tls.not_after,
                chain_not_after: tls.chain_not_after,
            }),
        }
    }
}

impl RecordedError {
    fn make(error: FetchError, redactor: &mut Redactor) -> Self {
        match error {
            FetchError::Denied { stage, rule } => Self::Denied {
                stage: stage.to_string(),
                rule: redactor.text(&rule),
            },
            FetchError::InvalidRequest(why) => Self::InvalidRequest(redactor.text(&why)),
            FetchError::Dns(why) => Self::Dns(redactor.text(&why)),
            FetchError::ConnectionRefused => Self::ConnectionRefused,
            FetchError::ConnectionReset => Self::ConnectionReset,
            FetchError::Connect(why) => Self::Connect(redactor.text(&why)),
            FetchError::Tls(why) => Self::Tls(redactor.text(&why)),
            FetchError::Timeout => Self::Timeout,
            FetchError::TooManyRedirects => Self::TooManyRedirects,
            FetchError::BodyTooLarge(limit) => Self::BodyTooLarge(limit),
            FetchError::Limit(which) => Self::Limit(redactor.text(&which)),
            FetchError::Platform(why) => Self::Platform(redactor.text(&why)),
            FetchError::Protocol(why) => Self::Protocol(redactor.text(&why)),
        }
    }
}

impl RecordedOutcome {
    pub(super) fn make(outcome: &Outcome, redactor: &mut Redactor) -> Self {
        Self {
            status: outcome.status,
            error_class: outcome.error_class,
            message: outcome.message.as_deref().map(|text| redactor.text(text)),
            result: outcome.result.as_ref().map(|verdict| Verdict {
                success: verdict.success,
                latency: verdict.latency,
                message: verdict.message.as_deref().map(|text| redactor.text(text)),
                data: verdict.data.as_ref().map(|data| redactor.json(data)),
            }),
            fuel_used: outcome.fuel_used,
        }
    }
}

impl From<TapedWait> for RecordedWait {
    fn from(wait: TapedWait) -> Self {
        Self {
            elapsed_ms: wait.elapsed_ms,
            timeout_ms: wait.timeout_ms,
            pending: wait.pending,
            ready: wait.ready,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl From<Timings> for RecordedTimings {
    fn from(timings: Timings) -> Self {
        Self {
            dns: timings.dns.map(micros),
            connect: timings.connect.map(micros),
            tls: timings.tls.map(micros),
            first_byte: micros(timings.first_byte),
            download: micros(timings.download),
            total: micros(timings.total),
        }
    }
}
