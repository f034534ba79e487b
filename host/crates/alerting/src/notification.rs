//! What is to be told, as whoever decides to tell it writes it down. Its texts come from targets and tenants
//! and are as they came: each format makes them harmless for where they go.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use url::Url;
use vedette_core::{ExecutionId, IncidentId, NotificationId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// An incident was opened.
    Down,
    /// The incident is over.
    Up,
    /// Somebody looks after it.
    Acknowledged,
    /// It is still open.
    Reminder,
    /// It is still open, and goes to others now.
    Escalated,
    /// Nothing: somebody tries the channel.
    Test,
    /// Several incidents at once, in [`Notification::items`].
    Digest,
}

impl Event {
    /// Every event.
    pub const ALL: &[Self] = &[
        Self::Down,
        Self::Up,
        Self::Acknowledged,
        Self::Reminder,
        Self::Escalated,
        Self::Test,
        Self::Digest,
    ];

    /// The spelling in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
            Self::Acknowledged => "acknowledged",
            Self::Reminder => "reminder",
            Self::Escalated => "escalated",
            Self::Test => "test",
            Self::Digest => "digest",
        }
    }
}

/// How bad it is, as the alert rule says. The words are those of `PagerDuty`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// To know.
    Info,
    /// To look at by day.
    Warning,
    /// To look at now.
    Error,
    /// To be woken up for.
    Critical,
}

impl Severity {
    /// Every severity.
    pub const ALL: &[Self] = &[Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The spelling in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// Why an incident is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The target is well.
    Recovered,
    /// The rule that fired is gone, and nobody knows.
    RuleRemoved,
    /// Nobody looks any more.
    ScriptPaused,
    /// Somebody said so.
    Person,
}

/// An execution that matters for an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionRef {
    /// Its id.
    pub id: ExecutionId,
    /// When it ran, UTC.
    pub at: DateTime<Utc>,
}

/// A request of the execution that is told about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestRow {
    /// The method.
    pub method: String,
    /// The URL as the check wrote it, with secrets masked before it comes here.
    pub url: String,
    /// The status code. `None`: there was no response.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<String>,
    /// From its start to the last byte, in milliseconds.
    pub total_ms: f64,
}

/// One incident of a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestItem {
    /// The incident.
    pub incident: Option<IncidentId>,
    /// What happened to it.
    pub event: Event,
    /// How bad it is.
    pub severity: Severity,
    /// Name of the project.
    pub project: String,
    /// Name of the script.
    pub script: String,
    /// What the check said.
    pub message: String,
}

/// What is to be told. It can be stored as JSON, and gives the same message each time that it is written, but for
/// the signature's time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// The same in all attempts.
    pub id: NotificationId,
    /// What happened.
    pub event: Event,
    /// How bad it is.
    pub severity: Severity,
    /// Name of the organization.
    pub organization: String,
    /// Name of the project; empty in a digest.
    pub project: String,
    /// Name of the script; empty in a digest.
    pub script: String,
    /// Name of the alert rule. `None`: no rule led to it, as in a test.
    pub rule: Option<String>,
    /// The incident. `None`: in a test and in a digest.
    pub incident: Option<IncidentId>,
    /// When it happened, UTC.
    pub occurred_at: DateTime<Utc>,
    /// When the incident began, UTC.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, UTC. `None`: it has not.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended. `None`: it has not, or the target is well.
    #[serde(default)]
    pub resolution: Option<Resolution>,
    /// What the check said.
    pub message: String,
    /// The step of the check that failed.
    pub failing_step: Option<String>,
    /// Requests of the execution that is told about, the first ones first.
    pub requests: Vec<RequestRow>,
    /// The last execution that was well.
    pub last_good: Option<ExecutionRef>,
    /// The first one after it that was not.
    pub first_bad: Option<ExecutionRef>,
    /// Where people read more: an address of this installation. What is not http or https is left out.
    pub link: Option<String>,
    /// The incidents of a digest.
    #[serde(default)]
    pub items: Vec<DigestItem>,
}

impl Notification {
    /// The link, if it is one.
    pub(crate) fn checked_link(&self) -> Option<String> {
        let url = Url::parse(self.link.as_deref()?).ok()?;
        let is_web = matches!(url.scheme(), "http" | "https");
        let is_plain = url.username().is_empty() && url.password().is_none();
        (is_web && is_plain && url.as_str().len() <= MAX_LINK_BYTES).then(|| url.to_string())
    }
}

/// Longest link, in bytes. Slack, Discord and `PagerDuty` take longer ones; ours are short.
const MAX_LINK_BYTES: usize = 1_000;
