//! ntfy: a message as JSON, so that no header holds foreign text; without Markdown.
//!
//! Limits: a longer message than 4,096 bytes becomes a file (<https://docs.ntfy.sh/publish/#limitations>); the title
//! has no limit of its own and is kept short.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::{ChannelKind, Event, OutgoingRequest, Severity, channel::Ntfy, text::cut, told::Told};

/// UTF-16 units of at most three bytes.
const MESSAGE: usize = 4_096 / 3;
const TITLE: usize = 250;

pub(super) fn render(ntfy: &Ntfy, told: &Told) -> OutgoingRequest {
    let mut body = json!({
        "topic": ntfy.topic().expose_secret(),
        "title": cut(&told.headline, TITLE),
        "message": cut(&told.plain(), MESSAGE),
        "priority": priority(told.kind, told.level),
        "tags": [tag(told.kind)],
        "markdown": false,
    });
    if let Some(link) = &told.link {
        body["click"] = link.as_str().into();
    }
    let request =
        OutgoingRequest::json(ChannelKind::Ntfy, ntfy.server(), &body).hiding(ntfy.topic());
    match ntfy.token() {
        None => request,
        Some(token) => {
            let value = SecretString::from(format!("Bearer {}", token.expose_secret()));
            request
                .header("authorization", value.expose_secret())
                .hiding(token)
        }
    }
}

/// From 1 to 5; 3 is the default.
const fn priority(event: Event, severity: Severity) -> u8 {
    match (event, severity) {
        (Event::Up | Event::Acknowledged | Event::Test, _) | (_, Severity::Warning) => 3,
        (_, Severity::Critical) => 5,
        (_, Severity::Error) => 4,
        (_, Severity::Info) => 2,
    }
}

/// Short codes of emoji (<https://docs.ntfy.sh/emojis/>).
const fn tag(event: Event) -> &'static str {
    match event {
        Event::Down | Event::Reminder | Event::Digest => "red_circle",
        Event::Escalated => "rotating_light",
        Event::Up => "green_circle",
        Event::Acknowledged => "eyes",
        Event::Test => "bell",
    }
}
