//! `PagerDuty`: events, which open, acknowledge and resolve its incident of the same key.
//!
//! Limits: summary 1,024 characters, key 255, an event 512 KB
//! (<https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>). Everything foreign is shown as text.

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use crate::{
    ChannelKind, Event, OutgoingRequest,
    channel::PagerDuty,
    render::LINK_TEXT,
    text::{cut, fit_lines},
    told::Told,
};

const SUMMARY: usize = 1_024;
/// Undocumented; the fields of other services have as much.
const SOURCE: usize = 255;
const DETAIL: usize = 5_000;

pub(super) fn render(pagerduty: &PagerDuty, told: &Told) -> OutgoingRequest {
    let action = match told.kind {
        Event::Up => "resolve",
        Event::Acknowledged => "acknowledge",
        Event::Down | Event::Reminder | Event::Escalated | Event::Test | Event::Digest => "trigger",
    };
    let key = pagerduty.routing_key();
    let mut body = json!({
        "routing_key": key.expose_secret(),
        "event_action": action,
        // The ids are UUIDs.
        "dedup_key": told.incident.as_ref().unwrap_or(&told.id),
        "client": "Vedette",
        "payload": {
            "summary": summary(told),
            "source": cut(source(told), SOURCE),
            "severity": told.level.as_str(),
            "timestamp": told.occurred_at,
            "component": cut(&told.script, SOURCE),
            "group": cut(&told.project, SOURCE),
            "class": told.event,
            "custom_details": details(told),
        },
    });
    if let Some(link) = &told.link {
        body["client_url"] = link.as_str().into();
        body["links"] = json!([{ "href": link, "text": LINK_TEXT }]);
    }
    OutgoingRequest::json(ChannelKind::PagerDuty, pagerduty.url(), &body).hiding(key)
}

fn summary(told: &Told) -> String {
    let message = told.message.lines().next().unwrap_or_default();
    let text = match message {
        "" => told.headline.clone(),
        message => format!("{}: {message}", told.headline),
    };
    cut(&text, SUMMARY)
}

/// It must not be empty.
fn source(told: &Told) -> &str {
    [&told.script, &told.organization]
        .into_iter()
        .find(|text| !text.is_empty())
        .map_or("Vedette", String::as_str)
}

fn details(told: &Told) -> Map<String, Value> {
    let facts = told.facts(DETAIL).into_iter();
    let mut details: Map<String, Value> = facts
        .map(|(label, value)| (label.to_owned(), value.into()))
        .collect();
    let texts = [
        ("Message", told.message.clone()),
        (
            "Incidents",
            fit_lines(&told.item_lines(), told.items_omitted, DETAIL),
        ),
        (
            "Requests",
            fit_lines(&told.request_lines(), told.requests_omitted, DETAIL),
        ),
    ];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    details.extend(texts.map(|(label, text)| (label.to_owned(), text.into())));
    details
}
