//! Slack: blocks of plain text, in which nothing is markup. The one block with markup has nothing foreign in it.
//!
//! Limits: a header has 150 characters, the text of a section 3,000, a section 10 fields of 2,000 characters each
//! (<https://docs.slack.dev/reference/block-kit/blocks>).

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{
    ChannelKind, OutgoingRequest,
    channel::Slack,
    render::LINK_TEXT,
    text::{cut, fit, fit_lines},
    told::Told,
};

const HEADER: usize = 150;
const SECTION: usize = 3_000;
const FIELD: usize = 500;
const MAX_FIELDS: usize = 10;
/// The fallback for devices that show no blocks; Slack cuts at 40,000.
const FALLBACK: usize = 500;

pub(super) fn render(slack: &Slack, told: &Told) -> OutgoingRequest {
    let mut blocks = vec![json!({ "type": "header", "text": plain(&cut(&told.headline, HEADER)) })];
    let mut section = |text: String| {
        if !text.is_empty() {
            blocks.push(json!({ "type": "section", "text": plain(&text) }));
        }
    };
    section(cut(&told.message, SECTION));
    section(fit_lines(&told.item_lines(), told.items_omitted, SECTION));
    section(fit_lines(
        &told.request_lines(),
        told.requests_omitted,
        SECTION,
    ));
    let facts = told.facts(FIELD).into_iter().take(MAX_FIELDS);
    let fields: Vec<Value> = facts
        .map(|(label, value)| plain(&format!("{label}\n{value}")))
        .collect();
    blocks.push(json!({ "type": "section", "fields": fields }));
    if let Some(link) = &told.link {
        // A URL that was parsed and written again has no `<`, `>`, or `|` in its plain form.
        let url = fit(link, usize::MAX, link_part);
        let text =
            json!({ "type": "mrkdwn", "text": format!("<{url}|{LINK_TEXT}>"), "verbatim": true });
        blocks.push(json!({ "type": "section", "text": text }));
    }
    let body = json!({
        "text": fit(&told.headline, FALLBACK, mrkdwn),
        // No formatting, no names of people and channels, no links made of what looks like one.
        "mrkdwn": false,
        "parse": "none",
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": blocks,
    });
    let url = slack.url();
    OutgoingRequest::json(ChannelKind::Slack, url.expose_secret(), &body).hiding(url)
}

/// Text in which `*`, `<!channel>` and `:smile:` are themselves.
fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// The three characters that are control sequences in Slack's texts
/// (<https://docs.slack.dev/messaging/formatting-message-text#escaping>).
fn mrkdwn(character: char, written: &mut String) {
    match character {
        '&' => written.push_str("&amp;"),
        '<' => written.push_str("&lt;"),
        '>' => written.push_str("&gt;"),
        other => written.push(other),
    }
}

fn link_part(character: char, written: &mut String) {
    match character {
        '|' => written.push_str("%7C"),
        other => mrkdwn(other, written),
    }
}
