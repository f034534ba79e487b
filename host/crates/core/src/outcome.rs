//! What came of one run: status, error class, verdict, measurements.
//!
//! "The target is down" and "the check could not run" are different statuses here, so that
//! nothing downstream can mix them up.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Gives an enum its one spelling for JSON, SQL and people.
macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The spelling in JSON and SQL.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { kind: stringify!($name), word: text.to_owned() }),
                }
            }
        }
    };
}
pub(crate) use text_enum;

/// A word that is none of an enum's spellings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a {kind}")]
pub struct UnknownWord {
    /// The enum that was expected.
    pub kind: &'static str,
    /// The word that was found.
    pub word: String,
}

text_enum! {
    /// How an execution stands. Only `Success` ever counts as up.
    Status {
        /// Started by hand and not finished yet.
        Running = "running",
        /// The check says that the target is well.
        Success = "success",
        /// The check says, or a failed request shows, that the target is not well.
        Failure = "failure",
        /// The hard time limit of the run was reached.
        Timeout = "timeout",
        /// No verdict: the check is broken, broke a limit or a rule, or we failed.
        Error = "error",
        /// The slot never ran.
        Missed = "missed",
    }
}

text_enum! {
    /// Why there is no verdict. Given with `Status::Error`, and with no other status.
    ErrorClass {
        /// The script threw.
        ScriptError = "script_error",
        /// The source does not parse or does not link.
        CompileError = "compile_error",
        /// The run used up its instruction budget.
        FuelExhausted = "fuel_exhausted",
        /// The run asked for more memory than it may have.
        MemoryLimit = "memory_limit",
        /// The run recursed too deeply.
        StackOverflow = "stack_overflow",
        /// The guest trapped in another way.
        Trap = "trap",
        /// The script awaits something that nothing can settle.
        Deadlock = "deadlock",
        /// What the script returned is not a verdict.
        ResultInvalid = "result_invalid",
        /// The verdict is larger than allowed.
        ResultTooLarge = "result_too_large",
        /// The egress guard refused a request, and the script let that error through.
        FetchDenied = "fetch_denied",
        /// The script made more requests, or moved more bytes, than allowed.
        FetchLimit = "fetch_limit",
        /// A quota of the organization is used up.
        QuotaExceeded = "quota_exceeded",
        /// The component is malformed.
        InvalidComponent = "invalid_component",
        /// The component imports something that the host does not offer.
        ForbiddenImport = "forbidden_import",
        /// The component, or the script, does not export what is called.
        MissingExport = "missing_export",
        /// The component's types differ from the contract's.
        AbiMismatch = "abi_mismatch",
        /// Our own fault.
        PlatformError = "platform_error",
    }
}

text_enum! {
    /// A remark on an outcome.
    Flag {
        /// Log lines were cut or dropped at a limit.
        LogTruncated = "log_truncated",
        /// Steps or checks were dropped at a limit.
        StepsTruncated = "steps_truncated",
        /// A secret value was masked somewhere in the record.
        Redacted = "redacted",
    }
}

text_enum! {
    /// What an entry of a run's steps is.
    StepKind {
        /// A stretch of the run, timed.
        Step = "step",
        /// A single statement about the target.
        Check = "check",
    }
}

text_enum! {
    /// Severity of a log line.
    LogLevel {
        /// `console.debug`
        Debug = "debug",
        /// `console.info` and `console.log`
        Info = "info",
        /// `console.warn`
        Warn = "warn",
        /// `console.error`
        Error = "error",
    }
}

/// What a check returned: `{ success, latency?, message?, data? }`, strictly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the target is well.
    pub success: bool,
    /// Milliseconds, finite and not negative. `None`: the host's own measurement stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<f64>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Any JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
}

/// One line that a script logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Severity.
    pub log_level: LogLevel,
    /// The text, cut at the limit of a line; control characters are the reader's to escape.
    pub message: String,
    /// When the host received it.
    pub timestamp: DateTime<Utc>,
}

/// One HTTP request of a run, with what the host measured. Durations in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// The method as sent.
    pub method: String,
    /// The URL of the first hop, cut at 2 KiB.
    pub url: String,
    /// The final status code; `None` when no response came.
    pub status: Option<u16>,
    /// Why no response came.
    pub error: Option<String>,
    /// From the start of the run until the request was started.
    pub started_at_ms: f64,
    /// All hops, from start until the last body byte or the error.
    pub total_ms: f64,
    /// Name resolution of the last hop; `None` when there was none.
    pub dns_ms: Option<f64>,
    /// TCP connect of the last hop; `None` when a connection was reused.
    pub connect_ms: Option<f64>,
    /// TLS handshake of the last hop.
    pub tls_ms: Option<f64>,
    /// From the request sent until the first response byte, last hop.
    pub first_byte_ms: Option<f64>,
    /// Body of the last hop.
    pub download_ms: Option<f64>,
    /// Address and port that answered.
    pub remote_address: Option<String>,
    /// Decoded bytes of the body.
    pub body_bytes: u64,
    /// How many redirects were followed.
    pub redirects: u32,
    /// The end of the certificate of the last hop, or of one in its chain that ends earlier; `None` without TLS,
    /// and in records of before this was noted.
    #[serde(default)]
    pub certificate_expires_at: Option<DateTime<Utc>>,
}

/// How the errors of requests begin that may be the fault of the network between us and the target; those of
/// `vedette_egress::FetchError`, which has a test for it.
const NETWORK_ERRORS: &[&str] = &[
    RequestRecord::IN_FLIGHT,
    "connect: ",
    "connection refused",
    "connection reset",
    "dns: ",
    "platform: ",
    "timeout",
    "tls: ",
];

impl RequestRecord {
    /// What stands as the error of a request that had not ended when the run did.
    pub const IN_FLIGHT: &str = "cancelled";

    /// Whether no answer came, and the network may be why: ours as well as the target's.
    pub fn is_unreached(&self) -> bool {
        let error = self.error.as_deref();
        error.is_some_and(|error| NETWORK_ERRORS.iter().any(|known| error.starts_with(known)))
    }

    /// When it ended, from the start of the run; infinite for one that had not.
    pub fn ended_at_ms(&self) -> f64 {
        if self.error.as_deref() == Some(Self::IN_FLIGHT) {
            f64::INFINITY
        } else {
            self.started_at_ms + self.total_ms
        }
    }
}

/// A step or a check of a run, as the script named it. Times in milliseconds, by the host's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The script's name for it, cut at a limit.
    pub name: String,
    /// Step or check.
    pub kind: StepKind,
    /// Whether it came to a good end. A step that the run's end cut short did not.
    pub passed: bool,
    /// From the start of the run.
    pub started_at_ms: f64,
    /// `None` for a check, and for a step without an end.
    pub duration_ms: Option<f64>,
    /// Why it did not pass.
    pub message: Option<String>,
}

/// What came of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it ended; never `Running`.
    pub status: Status,
    /// Set exactly when `status` is `Error`.
    pub error_class: Option<ErrorClass>,
    /// The verdict's message, or what went wrong, in a sentence.
    pub message: Option<String>,
    /// The verdict as returned; `None` when there is none.
    pub result: Option<Verdict>,
    /// Milliseconds: the verdict's latency, else the total of the last request that got a
    /// response, else `None`.
    pub latency_ms: Option<f64>,
    /// Wall clock of the whole run, milliseconds, measured by the host.
    pub duration_ms: f64,
    /// Units of fuel used.
    pub fuel_used: u64,
    /// Most bytes of guest memory held at one time.
    pub peak_memory_bytes: u64,
    /// The requests in the order of their start.
    pub requests: Vec<RequestRecord>,
    /// Steps and checks in the order of their start.
    pub steps: Vec<Step>,
    /// The log in order.
    pub logs: Vec<LogLine>,
    /// Remarks.
    pub flags: Vec<Flag>,
    /// What the run was told, if that is to be kept.
    pub recording: Option<RecordingText>,
}

/// A recording of a run as text, without the values of variables. Only the sandbox reads it.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordingText(String);

impl RecordingText {
    /// Takes the text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// It is long, and says nothing at a glance.
impl fmt::Debug for RecordingText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordingText({} bytes)", self.0.len())
    }
}

impl Outcome {
    /// An outcome without a run: nothing was measured because nothing ran.
    pub fn error(class: ErrorClass, message: impl Into<String>) -> Self {
        Self::unmeasured(Status::Error, Some(class), message.into())
    }

    /// The record of a slot that never ran.
    pub fn missed(message: impl Into<String>) -> Self {
        Self::unmeasured(Status::Missed, None, message.into())
    }

    fn unmeasured(status: Status, error_class: Option<ErrorClass>, message: String) -> Self {
        Self {
            status,
            error_class,
            message: Some(message),
            result: None,
            latency_ms: None,
            duration_ms: 0.0,
            fuel_used: 0,
            peak_memory_bytes: 0,
            requests: Vec::new(),
            steps: Vec::new(),
            logs: Vec::new(),
            flags: Vec::new(),
            recording: None,
        }
    }
}
