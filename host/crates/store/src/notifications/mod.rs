//! The outbox: notifications that wait to be delivered, and what came of those that were tried.
//!
//! `alerts::notices` writes them with the incidents that they are about; `digest` gathers what is many, `claim` hands
//! out and keeps what came of each attempt; here they are read, sent again, and deleted when they are old.

mod claim;
mod digest;
mod read;
mod resend;

use chrono::{DateTime, Utc};
use serde_json::Value;
use vedette_core::{ChannelId, IncidentId, NotificationId, OrgId, ProjectId, ScriptId};

pub use claim::{
    AfterAttempt, AttemptOutcome, ClaimedNotification, DeliveryAttempt, MAX_CLAIMS_OF_CHANNEL,
};
pub use digest::{LEAST_OF_DIGEST, MOST_OF_DIGEST};
pub use resend::Resent;

/// How far a notification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationStatus {
    /// It is to be sent, now or later.
    Pending,
    /// The other side has taken it.
    Delivered,
    /// It was not taken, and is not tried any more.
    Dead,
    /// A digest tells it, and shares with it what comes of that.
    Digested,
}

impl NotificationStatus {
    /// Every status.
    pub const ALL: &[Self] = &[Self::Pending, Self::Delivered, Self::Dead, Self::Digested];

    /// The spelling in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Digested => "digested",
        }
    }
}

/// A notification as it lies in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredNotification {
    /// Its id: the same in all attempts.
    pub id: NotificationId,
    /// The script that it is about; `None`: none, as in a test of a channel.
    pub script_id: Option<ScriptId>,
    /// The incident that it is about.
    pub incident_id: Option<IncidentId>,
    /// Where it goes. The channel may be gone.
    pub channel_id: ChannelId,
    /// What happened, such as `down`.
    pub event: String,
    /// All that is told.
    pub payload: Value,
    /// When it came about.
    pub created_at: DateTime<Utc>,
    /// How far it is.
    pub status: NotificationStatus,
    /// Attempts of the present round: sending again begins another.
    pub attempts: u32,
    /// When the next one is made. Exactly of one that is pending.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Exactly of one that was delivered.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Why the last attempt failed, or why there is none any more.
    pub last_error: Option<String>,
    /// The digest that tells it, which may be gone by now. Exactly of one that is digested.
    pub digest_id: Option<NotificationId>,
}

/// A notification with the attempts to deliver it.
#[derive(Debug, Clone, PartialEq)]
pub struct NotificationDetail {
    /// The notification.
    pub notification: StoredNotification,
    /// The project of its script. `None`: it is about no script, or about one that is gone.
    pub project_id: Option<ProjectId>,
    /// The last 100 attempts, oldest first.
    pub attempts: Vec<DeliveryAttempt>,
}

/// Which notifications are asked for; all that is set must hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotificationFilter {
    /// How far they are.
    pub status: Option<NotificationStatus>,
    /// Of one incident.
    pub incident: Option<IncidentId>,
    /// To one channel.
    pub channel: Option<ChannelId>,
}

/// A notification that is about no incident: somebody tries a channel.
#[derive(Debug, Clone)]
pub struct NewNotification {
    /// Its id, which is in the payload too.
    pub id: NotificationId,
    /// The organization.
    pub org_id: OrgId,
    /// Where it goes.
    pub channel_id: ChannelId,
    /// What happened: `test`.
    pub event: String,
    /// All that is told.
    pub payload: Value,
    /// Now.
    pub created_at: DateTime<Utc>,
}

#[cfg(feature = "testing")]
pub(crate) fn all_sql() -> Vec<&'static str> {
    [
        claim::ALL_SQL,
        digest::ALL_SQL,
        read::ALL_SQL,
        resend::ALL_SQL,
    ]
    .concat()
}
