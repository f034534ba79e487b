//! Discord: an embed, with every character of foreign text that could be markup behind a backslash.
//!
//! Limits: title 256, description 4,096, 25 fields of 256 and 1,024, all together 6,000 characters
//! (<https://discord.com/developers/docs/resources/message#embed-object-embed-limits>). The lengths here
//! add up to less.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{
    ChannelKind, Event, OutgoingRequest,
    channel::Discord,
    text::{fit, fit_lines},
    told::Told,
};

const TITLE: usize = 256;
const DESCRIPTION: usize = 2_500;
const REQUESTS: usize = 1_024;
/// There are ten at most, with names of at most 15 characters.
const FIELD: usize = 180;

pub(super) fn render(discord: &Discord, told: &Told) -> OutgoingRequest {
    // Of a digest the incidents are the message.
    let lines = fit_lines(&told.item_lines(), told.items_omitted, DESCRIPTION);
    let description = if told.items.is_empty() {
        &told.message
    } else {
        &lines
    };
    let mut fields: Vec<Value> = told
        .facts(FIELD)
        .into_iter()
        .map(|(name, value)| {
            json!({ "name": name, "value": fit(&value, FIELD, literal), "inline": true })
        })
        .collect();
    if !told.requests.is_empty() {
        let lines = fit_lines(&told.request_lines(), told.requests_omitted, REQUESTS);
        let value = fit(&lines, REQUESTS, literal);
        fields.push(json!({ "name": "Requests", "value": value, "inline": false }));
    }
    let mut embed = json!({
        "title": fit(&told.headline, TITLE, literal),
        "description": fit(description, DESCRIPTION, literal),
        "color": color(told.kind),
        "timestamp": told.occurred_at,
        "fields": fields,
    });
    if let Some(link) = &told.link {
        embed["url"] = link.as_str().into();
    }
    let body = json!({
        "embeds": [embed],
        // Whatever a text says, nobody is called by it.
        "allowed_mentions": { "parse": [] },
    });
    let url = discord.url();
    OutgoingRequest::json(ChannelKind::Discord, url.expose_secret(), &body).hiding(url)
}

/// Markdown takes a backslash before any punctuation as "this is itself", which also keeps `https\:` from being a
/// link and `\<@1\>` from being a person.
fn literal(character: char, written: &mut String) {
    if character.is_ascii_punctuation() {
        written.push('\\');
    }
    written.push(character);
}

const fn color(event: Event) -> u32 {
    match event {
        Event::Down | Event::Reminder | Event::Escalated | Event::Digest => 0x00d1_3438,
        Event::Up => 0x0010_893e,
        Event::Acknowledged => 0x00ff_b900,
        Event::Test => 0x0069_7780,
    }
}
