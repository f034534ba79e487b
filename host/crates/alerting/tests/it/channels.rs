//! One channel of each kind.

use serde_json::{Value, json};
use vedette_alerting::{Channel, Notification, Outgoing, OutgoingMail, OutgoingRequest, render};
use vedette_egress::Policy;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) fn channel(kind: &str) -> Channel {
    let config = match kind {
        "webhook" => {
            json!({ "url": "https://example.com/hook", "secret": SECRET, "headers": { "X-Key": "hidden-key" } })
        }
        "email" => json!({ "recipients": ["anna@example.com", "boris@example.com"] }),
        "slack" => {
            json!({ "url": "https://hooks.slack.com/services/T00/B00/XXXXXXXXXXXXXXXXXXXXXXXX" })
        }
        "discord" => {
            json!({ "url": "https://discord.com/api/webhooks/123/abcdefghijklmnopqrstuvwxyz" })
        }
        "teams" => {
            json!({ "url": "https://prod-1.logic.azure.com/workflows/abc?sig=abcdefghijklmnopqrst" })
        }
        "telegram" => {
            json!({ "bot_token": "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11", "chat_id": -100_123 })
        }
        "pagerduty" => json!({ "routing_key": "0123456789abcdef0123456789abcdef" }),
        "opsgenie" => json!({ "api_key": "11111111-2222-3333-4444-555555555555", "region": "eu" }),
        "ntfy" => json!({ "topic": "alerts", "token": "tk_hidden_token" }),
        _ => panic!("{kind}"),
    };
    read(kind, &config)
}

pub(crate) fn read(kind: &str, config: &Value) -> Channel {
    Channel::read(kind, config, &Policy::default()).unwrap()
}

pub(crate) fn request(channel: &Channel, notification: &Notification) -> OutgoingRequest {
    match render(channel, notification, notification.occurred_at) {
        Outgoing::Request(request) => request,
        Outgoing::Mail(mail) => panic!("{mail:?}"),
    }
}

pub(crate) fn mail(notification: &Notification) -> OutgoingMail {
    match render(&channel("email"), notification, notification.occurred_at) {
        Outgoing::Mail(mail) => mail,
        Outgoing::Request(request) => panic!("{request:?}"),
    }
}

/// The body of a request, read again.
pub(crate) fn body(kind: &str, notification: &Notification) -> Value {
    serde_json::from_str(&request(&channel(kind), notification).body).unwrap()
}
