//! What a server and its runner processes say to each other, and how it stands on the socket.
//!
//! A frame is two lengths of four bytes, little endian, then a message (postcard) and a tail: the
//! one part of it that may be large, as it is.

use std::{borrow::Cow, collections::BTreeMap, io};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader};
use vedette_core::{ErrorClass, Flag, LogLevel, LogLine, SourceLanguage, Step};
use vedette_egress::{FetchError, Request, Response};

use super::rights::Rights;
use crate::{
    CompileError, Limits, bindings,
    compile::Limit,
    engine::engine_digest,
    limits::{HOST_CALL_BYTES, component},
    record::{Tape, TapeParts},
    run::{Ended, Executed},
    state::Log,
    steps::Steps,
    verdict::error_text,
};

/// Largest frame from a runner process: what a guest may move out in one call, and a log.
pub(super) const MOST_FROM_CHILD: usize = HOST_CALL_BYTES + 1024 * 1024;

/// Largest frame to a runner process: a response with a body, the compiled engine, or a compiled
/// component.
#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
pub(super) const MOST_TO_CHILD: usize = component::ARTIFACT_BYTES as usize + 1024 * 1024;

/// From the server, which is trusted.
#[derive(Serialize, Deserialize)]
pub(super) enum ToChild<'a> {
    /// First, and once. Tail: the compiled engine.
    ///
    /// Behind it, where one is there by now, the compiled stripper of types.
    Start { runs: u32, engine_bytes: u32 },
    /// First, and once, in place of `Start`: a process for one component. Tail: its native code.
    StartComponent { runs: u32 },
    /// Tail: bytecode; nothing for a component.
    Run {
        call: u64,
        params: Cow<'a, str>,
        env: Cow<'a, BTreeMap<String, String>>,
        limits: Cow<'a, Limits>,
        tape_bytes: Option<usize>,
    },
    /// Tail: source.
    Compile { call: u64, language: SourceLanguage },
    /// Nobody waits for the result of a call any more.
    Cancel { call: u64 },
    /// What came of a request. Tail: the body.
    Answer {
        call: u64,
        request: u32,
        answer: Result<Response, FetchError>,
    },
}

/// From a runner process, which may have been taken over: nothing in it is believed.
#[derive(Serialize, Deserialize)]
pub(super) enum FromChild {
    /// First, and once: runs may come.
    Ready(Rights),
    /// A run makes a request; they are numbered from 0. Tail: the body.
    Fetch {
        call: u64,
        request: u32,
        what: Request,
    },
    /// A run gave up a request.
    Abandon { call: u64, request: u32 },
    /// A request of a run failed because of us.
    Fault { call: u64 },
    /// A run has ended. Tail: its tape, if there is one.
    Ended { call: u64, left: Left },
    /// A compilation has ended. Tail: bytecode.
    Compiled {
        call: u64,
        result: Result<(), Failure>,
    },
}

/// [`Executed`] on the wire.
#[derive(Serialize, Deserialize)]
pub(super) struct Left {
    ended: WireEnded,
    fuel_used: u64,
    peak_memory_bytes: u64,
    steps: Vec<Step>,
    logs: Vec<(LogLevel, i64, String)>,
    flags: Vec<Flag>,
}

#[derive(Serialize, Deserialize)]
enum WireEnded {
    Verdict {
        success: bool,
        latency: Option<f64>,
        message: Option<String>,
        data: Option<String>,
    },
    TargetFailed(String),
    TimedOut,
    Error(ErrorClass, String),
}

impl From<Executed> for Left {
    fn from(executed: Executed) -> Self {
        let ended = match executed.ended {
            Ended::Verdict(verdict) => WireEnded::Verdict {
                success: verdict.success,
                latency: verdict.latency,
                message: verdict.message,
                data: verdict.data,
            },
            Ended::TargetFailed(message) => WireEnded::TargetFailed(message),
            Ended::TimedOut => WireEnded::TimedOut,
            Ended::Error(class, message) => WireEnded::Error(class, message),
        };
        let logs = executed.logs.into_iter();
        Self {
            ended,
            fuel_used: executed.fuel_used,
            peak_memory_bytes: executed.peak_memory_bytes,
            logs: logs
                .map(|line| {
                    (
                        line.log_level,
                        line.timestamp.timestamp_micros(),
                        line.message,
                    )
                })
                .collect(),
            steps: executed.steps,
            flags: executed.flags,
        }
    }
}

impl Left {
    /// Cut to what a run may leave. Times lie between the run's start and now.
    pub(super) fn within(
        self,
        limits: &Limits,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Executed {
        let ended = match self.ended {
            WireEnded::Verdict {
                success,
                latency,
                message,
                data,
            } => Ended::Verdict(bindings::Verdict {
                success,
                latency,
                message,
                data,
            }),
            WireEnded::TargetFailed(message) => Ended::TargetFailed(error_text(&message)),
            WireEnded::TimedOut => Ended::TimedOut,
            WireEnded::Error(class, message) => Ended::Error(class, error_text(&message)),
        };
        let mut log = Log::new(limits);
        for (log_level, micros, message) in self.logs {
            let at = DateTime::from_timestamp_micros(micros).unwrap_or(to);
            log.push_at(log_level, &message, at.clamp(from.min(to), to));
        }
        let (logs, mut flags): (Vec<LogLine>, _) = log.finish();
        for flag in [Flag::LogTruncated, Flag::StepsTruncated] {
            if self.flags.contains(&flag) && !flags.contains(&flag) {
                flags.push(flag);
            }
        }
        let longest_ms = (to - from).as_seconds_f64().max(0.0) * 1_000.0;
        Executed {
            ended,
            fuel_used: self.fuel_used.min(limits.fuel),
            peak_memory_bytes: self.peak_memory_bytes.min(limits.memory_bytes as u64),
            steps: Steps::accept(self.steps, longest_ms),
            logs,
            flags,
            tape: None,
        }
    }
}

/// A tape as the tail of a message.
pub(super) fn tape_tail(tape: Option<Tape>) -> Vec<u8> {
    tape.map_or_else(Vec::new, |tape| {
        postcard::to_stdvec(&tape.into_parts()).expect("a tape has a form in postcard")
    })
}

/// Reads a tape of a run that was to have at most `max_bytes`. One that is larger, or none, is no
/// reason to doubt the run: there will be no recording.
pub(super) fn read_tape(tail: &[u8], limits: &Limits, max_bytes: usize) -> Option<Tape> {
    // Texts of errors are not counted when a tape is made.
    if tail.is_empty() || tail.len() > 2 * max_bytes {
        return None;
    }
    let parts: TapeParts = postcard::from_bytes(tail).ok()?;
    let engine = engine_digest().to_owned();
    Some(Tape::from_parts(parts, engine, limits.clone(), max_bytes))
}

/// [`CompileError`] on the wire.
#[derive(Serialize, Deserialize)]
pub(super) enum Failure {
    Source {
        message: String,
        line: Option<u32>,
        column: Option<u32>,
    },
    Limit(Limit),
    Platform(String),
}

impl From<CompileError> for Failure {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Source {
                message,
                line,
                column,
            } => Self::Source {
                message,
                line,
                column,
            },
            CompileError::Limit(limit) => Self::Limit(limit),
            CompileError::Platform(error) => Self::Platform(format!("{error:#}")),
        }
    }
}

impl From<Failure> for CompileError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Source {
                message,
                line,
                column,
            } => Self::Source {
                message: error_text(&message),
                line,
                column,
            },
            Failure::Limit(limit) => Self::Limit(limit),
            Failure::Platform(text) => {
                Self::Platform(wasmtime::format_err!("{}", error_text(&text)))
            }
        }
    }
}

/// A message with its tail as bytes for the socket.
pub(super) fn frame(message: &impl Serialize, tail: &[u8]) -> Vec<u8> {
    let head = postcard::to_extend(message, vec![0; LENGTHS]);
    let mut bytes = head.expect("all of our messages have a form in postcard");
    let length = |bytes: usize| u32::try_from(bytes).expect("less than 4 GiB").to_le_bytes();
    let head = length(bytes.len() - LENGTHS);
    bytes[..4].copy_from_slice(&head);
    bytes[4..LENGTHS].copy_from_slice(&length(tail.len()));
    bytes.extend_from_slice(tail);
    bytes
}

/// Bytes of the two lengths.
const LENGTHS: usize = 8;

/// Bytes read from the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// What the other side sent is not the protocol.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("the socket cannot be read")]
    Read(#[from] io::Error),
    #[error("a frame of {0} bytes")]
    TooLarge(u64),
    #[error("a message without a meaning")]
    Message(#[from] postcard::Error),
    #[error("{0} bytes behind the end of a message")]
    Rest(usize),
}

/// Reads frames of at most so many bytes.
pub(super) struct FrameReader<R> {
    source: BufReader<R>,
    most: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(source: R, most: usize) -> Self {
        Self {
            source: BufReader::with_capacity(READ_BYTES, source),
            most,
        }
    }

    /// The next message with its tail; `None` when the other side has closed.
    pub(super) async fn next<M: DeserializeOwned>(
        &mut self,
    ) -> Result<Option<(M, Vec<u8>)>, FrameError> {
        let mut lengths = [0; LENGTHS];
        if self.source.read(&mut lengths[..1]).await? == 0 {
            return Ok(None);
        }
        self.source.read_exact(&mut lengths[1..]).await?;
        // Little endian: the first is the lower half.
        let lengths = u64::from_le_bytes(lengths);
        let (head, tail) = (lengths & u64::from(u32::MAX), lengths >> 32);
        // Before anything is allocated for it.
        if head + tail > self.most as u64 {
            return Err(FrameError::TooLarge(head + tail));
        }
        let mut bytes = vec![0; usize::try_from(head).expect("less than the bound")];
        self.source.read_exact(&mut bytes).await?;
        let (message, rest) = postcard::take_from_bytes(&bytes)?;
        if !rest.is_empty() {
            return Err(FrameError::Rest(rest.len()));
        }
        let mut bytes = vec![0; usize::try_from(tail).expect("less than the bound")];
        self.source.read_exact(&mut bytes).await?;
        Ok(Some((message, bytes)))
    }
}
