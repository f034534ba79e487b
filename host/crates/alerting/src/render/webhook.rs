//! Webhooks: the standard body, or the user's own, signed.

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{
    ChannelKind, Event, NotificationId, OutgoingRequest,
    channel::{BodyFormat, BodyTemplate, Webhook},
    sample, signature,
    told::Told,
};

pub(super) fn render(
    webhook: &Webhook,
    id: NotificationId,
    told: &Told,
    at: DateTime<Utc>,
) -> OutgoingRequest {
    let standard = standard_body(told);
    let mut request = OutgoingRequest::json(ChannelKind::Webhook, webhook.url(), &standard);
    if let Some(body) = webhook.body() {
        match fill(body, told) {
            Ok(text) => {
                request.body = text;
                request.set_content_type(body.format.content_type());
            }
            Err(problem) => request.template_problem = Some(problem),
        }
    }
    let id = id.to_string();
    let signature = signature::sign(webhook.secrets(), &id, at, &request.body);
    let mut request = request
        .header("webhook-id", id)
        .header("webhook-timestamp", at.timestamp().to_string())
        .header("webhook-signature", signature);
    for (name, value) in webhook.headers() {
        request = request.header(name, value.expose_secret()).hiding(value);
    }
    webhook
        .secrets()
        .fold(request, |request, secret| request.hiding(secret.text()))
}

/// The form that Standard Webhooks recommends: a type, a time, and the rest in `data`.
fn standard_body(told: &Told) -> Value {
    json!({
        "type": format!("notification.{}", told.event),
        "timestamp": told.occurred_at,
        "data": told,
    })
}

fn fill(body: &BodyTemplate, told: &Told) -> Result<String, String> {
    let text = body
        .template
        .fill_told(told)
        .map_err(|error| error.to_string())?;
    if body.format == BodyFormat::Json
        && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text)
    {
        return Err(format!("what the template gives is no JSON: {error}"));
    }
    Ok(text)
}

/// Whether a body works with notifications of several kinds.
pub(crate) fn try_body(body: &BodyTemplate) -> Result<(), String> {
    for event in Event::ALL {
        let told = Told::new(&sample::of(*event));
        fill(body, &told).map_err(|problem| format!("of the event `{}`: {problem}", told.event))?;
    }
    Ok(())
}
