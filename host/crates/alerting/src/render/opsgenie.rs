//! Opsgenie: alerts by alias, which are created, acknowledged and closed.
//!
//! Limits: message 130 characters, alias and entity 512, description 15,000, source 100, note 25,000, details 8,000 in
//! all (<https://docs.opsgenie.com/docs/alert-api>). Message and description may be HTML
//! (<https://docs.opsgenie.com/docs/alerts-and-alert-fields>), so that foreign text is escaped in both.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use crate::{
    ChannelKind, Event, OutgoingRequest, Severity,
    channel::Opsgenie,
    text::{fit, html},
    told::Told,
};

const MESSAGE: usize = 130;
const DESCRIPTION: usize = 15_000;
const ENTITY: usize = 512;
const NOTE: usize = 2_000;
/// Of ten of them.
const DETAIL: usize = 500;
const SOURCE: &str = "Vedette";

pub(super) fn render(opsgenie: &Opsgenie, told: &Told) -> OutgoingRequest {
    // The ids are UUIDs, which are themselves in a path.
    let alias = told.incident.as_ref().unwrap_or(&told.id);
    let note = json!({ "source": SOURCE, "note": fit(&told.headline, NOTE, html) });
    let base = opsgenie.url();
    let (url, body) = match told.kind {
        Event::Up => (format!("{base}/{alias}/close?identifierType=alias"), note),
        Event::Acknowledged => (
            format!("{base}/{alias}/acknowledge?identifierType=alias"),
            note,
        ),
        Event::Down | Event::Reminder | Event::Escalated | Event::Test | Event::Digest => {
            (base.to_owned(), alert(alias, told))
        }
    };
    let key = opsgenie.api_key();
    let value = SecretString::from(format!("GenieKey {}", key.expose_secret()));
    OutgoingRequest::json(ChannelKind::Opsgenie, url, &body)
        .header("authorization", value.expose_secret())
        .hiding(key)
}

fn alert(alias: &str, told: &Told) -> Value {
    let mut description = told.plain();
    if let Some(link) = &told.link {
        description = format!("{link}\n\n{description}");
    }
    let facts = told.facts(DETAIL).into_iter();
    let details: Map<String, Value> = facts
        .map(|(label, value)| (label.to_owned(), fit(&value, DETAIL, html).into()))
        .collect();
    json!({
        "message": fit(&told.headline, MESSAGE, html),
        "alias": alias,
        "description": fit(&description, DESCRIPTION, html),
        "details": details,
        "entity": fit(&told.script, ENTITY, html),
        "source": SOURCE,
        "priority": priority(told.level),
        "tags": ["vedette", told.event],
    })
}

const fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "P1",
        Severity::Error => "P2",
        Severity::Warning => "P3",
        Severity::Info => "P5",
    }
}
