//! What a channel would send, for whoever is setting it up. Nothing is sent, and no secret is needed or shown.

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use vedette_egress::Policy;

use crate::{
    Channel, ChannelKind, ConfigErrors, Event, Outgoing, OutgoingRequest, channel, render, sample,
};

/// A message as the channel would get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preview {
    /// A POST.
    Request {
        /// Where it goes. The rest of a URL may be a secret.
        host: String,
        /// The names of the headers, as they are sent.
        headers: Vec<String>,
        /// The body; where a secret is in it, there is `[redacted]`.
        body: String,
    },
    /// A mail.
    Mail {
        /// Addresses.
        to: Vec<String>,
        /// One line.
        subject: String,
        /// The plain text.
        text: String,
        /// The same as a page of HTML.
        html: String,
    },
}

/// Writes an example of a notification in the format of a channel. Settings that are left out, secrets above all, are
/// replaced by examples; those that are given are checked as if they were to be saved.
///
/// # Errors
/// As [`Channel::read`].
pub fn preview(
    kind: &str,
    config: &Value,
    policy: &Policy,
    event: Event,
) -> Result<Preview, ConfigErrors> {
    let config = match (ChannelKind::from_name(kind), config) {
        (Some(kind), Value::Object(given)) => Value::Object(complete(kind, given)),
        _ => config.clone(),
    };
    let channel = Channel::read(kind, &config, policy)?;
    let notification = sample::of(event);
    let headers = |request: &OutgoingRequest| {
        let names = request.headers.iter().map(|(name, _)| name.clone());
        names.collect()
    };
    let message = match render(&channel, &notification, notification.occurred_at) {
        // A template that gives nothing good was refused above: it is tried with each of these events.
        Outgoing::Request(request) => Preview::Request {
            host: channel::host_of(&request.url),
            headers: headers(&request),
            body: request.redacted(&request.body),
        },
        Outgoing::Mail(mail) => Preview::Mail {
            to: mail.to,
            subject: mail.subject,
            text: mail.text,
            html: mail.html,
        },
    };
    Ok(message)
}

/// The settings that are given, and examples for the rest.
fn complete(kind: ChannelKind, given: &Map<String, Value>) -> Map<String, Value> {
    let mut config = given.clone();
    config.retain(|_, value| !value.is_null());
    if let Some(Value::Object(headers)) = config.get_mut("headers") {
        // As settings are shown: with the names only.
        for value in headers.values_mut().filter(|value| value.is_null()) {
            *value = "an example of a value".into();
        }
    }
    for (name, value) in example(kind) {
        config.entry(name).or_insert(value);
    }
    config
}

/// Settings that a channel of the kind cannot be without.
fn example(kind: ChannelKind) -> Vec<(&'static str, Value)> {
    let url = "https://example.com/the-url-of-the-channel";
    match kind {
        ChannelKind::Webhook => {
            let secret = channel::SigningSecret::from_random(&[0; 32]);
            let secret = secret.text().expose_secret().into();
            vec![("url", url.into()), ("secret", secret)]
        }
        ChannelKind::Email => vec![("recipients", vec!["somebody@example.com"].into())],
        ChannelKind::Slack | ChannelKind::Discord | ChannelKind::Teams => {
            vec![("url", url.into())]
        }
        ChannelKind::Telegram => vec![
            ("bot_token", "1:the-token-of-the-bot".into()),
            ("chat_id", "1".into()),
        ],
        ChannelKind::PagerDuty => {
            vec![("routing_key", "theroutingkeyoftheintegration000".into())]
        }
        ChannelKind::Opsgenie => vec![("api_key", "the-key-of-the-integration".into())],
        ChannelKind::Ntfy => vec![("topic", "the-topic-of-the-channel".into())],
    }
}
