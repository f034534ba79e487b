//! The format of a recording. It is apart from the types that the host works with: those may change
//! when they like.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use vedette_core::{ErrorClass, RequestRecord, SourceLanguage, Status, Verdict};

use super::bytes::Bytes;

/// Raised with every change that an older reader would misunderstand.
pub(super) const FORMAT: u32 = 1;

/// Everything that a guest was told in one run, and what came of it. Text for people and for
/// [`Sandbox::replay`](crate::Sandbox::replay).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    pub(super) format: u32,
    /// Digest of the engine: another one spends other fuel, and may do other things.
    pub(super) engine: String,
    pub(super) language: SourceLanguage,
    pub(super) source_sha256: String,
    /// `None`: `source_left_out` says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source_left_out: Option<String>,
    pub(super) params: Map<String, Value>,
    /// Names of the variables. Values stand nowhere.
    pub(super) env: Vec<String>,
    pub(super) limits: RecordedLimits,
    /// Of all random numbers, in hex.
    pub(super) seed: String,
    pub(super) started_at: DateTime<Utc>,
    /// In the order of their start.
    pub(super) requests: Vec<RecordedRequest>,
    pub(super) waits: Vec<RecordedWait>,
    /// A request failed because of the platform.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) platform_failed: bool,
    pub(super) outcome: RecordedOutcome,
    /// Values of variables were replaced by their names somewhere.
    pub(super) redacted: bool,
    /// In parameters or answers so that giving the values does not bring them back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) redacted_for_good: bool,
    /// What is missing, in sentences. Without it the run cannot be repeated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) truncated: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedLimits {
    pub(super) fuel: u64,
    pub(super) memory_bytes: u64,
    pub(super) wall_ms: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedRequest {
    pub(super) method: String,
    pub(super) url: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<RecordedBody>,
    pub(super) started_ms: u64,
    /// It was refused at once; else it was answered at the end of a wait.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) is_refused: bool,
    /// `None`: the guest did not wait for it, or it was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<RecordedAnswer>,
    /// What the host measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) measured: Option<RequestRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedBody {
    pub(super) bytes: u64,
    /// Of the body without the values of variables; `None` for a large one.
    pub(super) sha256: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum RecordedAnswer {
    Response(Box<RecordedResponse>),
    Error(RecordedError),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedResponse {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, Bytes)>,
    pub(super) body: Bytes,
    pub(super) url: String,
    pub(super) redirected: bool,
    pub(super) http_version: String,
    pub(super) remote_address: Option<String>,
    pub(super) timings: RecordedTimings,
    pub(super) tls: Option<RecordedTls>,
}

/// Microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedTimings {
    pub(super) dns: Option<u64>,
    pub(super) connect: Option<u64>,
    pub(super) tls: Option<u64>,
    pub(super) first_byte: u64,
    pub(super) download: u64,
    pub(super) total: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedTls {
    pub(super) protocol: String,
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    pub(super) chain_not_after: i64,
}

/// Named as scripts know them, with two of our own: `too-large`'s bytes and `platform`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) enum RecordedError {
    Denied { stage: String, rule: String },
    InvalidRequest(String),
    Dns(String),
    ConnectionRefused,
    ConnectionReset,
    Connect(String),
    Tls(String),
    Timeout,
    TooManyRedirects,
    BodyTooLarge(u64),
    Limit(String),
    Platform(String),
    Protocol(String),
}

/// The end of a wait. Requests by their numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedWait {
    pub(super) elapsed_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timeout_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pending: Vec<u32>,
    /// Empty: the time was over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ready: Vec<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedOutcome {
    pub(super) status: Status,
    pub(super) error_class: Option<ErrorClass>,
    pub(super) message: Option<String>,
    /// `None` also when there was no room for it.
    pub(super) result: Option<Verdict>,
    pub(super) fuel_used: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde takes"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Recording {
    /// What came of the recorded run, for a program.
    pub fn outcome_json(&self) -> Value {
        serde_json::to_value(&self.outcome).expect("all keys are texts")
    }

    /// Status, class, message and fuel of the recorded run in a line.
    pub fn headline(&self) -> String {
        let outcome = &self.outcome;
        let class = outcome.error_class.map_or("", ErrorClass::as_str);
        let message = outcome.message.as_deref().unwrap_or_default();
        let words = [outcome.status.as_str(), class, message];
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        format!("{}, {} units of fuel", words.join(" "), outcome.fuel_used)
    }

    /// The text of it, on many lines for a file.
    pub fn to_json(&self, pretty: bool) -> String {
        let json = if pretty {
            serde_json::to_string_pretty(self)
        } else {
            serde_json::to_string(self)
        };
        json.expect("all keys are texts")
    }
}
