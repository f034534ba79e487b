//! Notification channels: where notifications go. What they keep secret comes in and never goes out.

mod body;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod preview;
pub(crate) mod test;
pub(crate) mod update;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_alerting::{Channel, ConfigErrors, Parts};
use vedette_store::OpenedChannel;

use crate::problem::Problem;

/// A notification channel. What its settings keep secret is not shown, to nobody.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChannelView {
    id: Uuid,
    name: String,
    /// `webhook`, `email`, `slack`, `discord`, `teams`, `telegram`, `pagerduty`, `opsgenie` or `ntfy`.
    #[serde(rename = "type")]
    kind: String,
    /// The settings of its type; where one is secret, it is null or left out.
    #[schema(value_type = Object)]
    config: Value,
    /// Where it goes, for people: a host, a chat, or addresses. Null: what is stored cannot be read.
    destination: Option<String>,
    is_enabled: bool,
    /// Why it is disabled, when it was not a person who did it.
    disabled_reason: Option<String>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// Counts all changes; its `ETag` goes with `If-Match`.
    revision: i64,
}

impl ChannelView {
    fn new(channel: vedette_store::Channel, destination: Option<String>) -> Self {
        Self {
            id: channel.id.as_uuid(),
            name: channel.name,
            kind: channel.kind,
            config: channel.config,
            destination,
            is_enabled: channel.is_enabled,
            disabled_reason: channel.disabled_reason,
            created_by: channel.owner_id.as_uuid(),
            created_at: channel.created_at,
            updated_at: channel.updated_at,
            revision: channel.revision,
        }
    }
}

/// The settings of a channel that is stored.
fn settings(opened: &OpenedChannel) -> Result<Channel, ConfigErrors> {
    let parts = Parts {
        public: opened.channel.config.clone(),
        secret: opened.secret.clone(),
    };
    Channel::join(&opened.channel.kind, &parts)
}

/// Where a channel goes, if that can be read: the URL of a chat is a secret, and its host is not.
fn destination(opened: &OpenedChannel) -> Option<String> {
    let settings = settings(opened).inspect_err(|error| {
        tracing::warn!(channel.id = %opened.channel.id, %error, "the settings of a channel do not read");
    });
    Some(settings.ok()?.destination())
}

/// Mails have to go somewhere.
fn no_mail() -> Problem {
    Problem::not_set_up(
        "this installation sends no mail; ask its administrator, or take another type of channel",
    )
    .at("/type")
}
