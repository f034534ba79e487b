//! Microsoft Teams: an Adaptive Card, as workflows take it. Foreign text stands in text runs, which know no
//! Markdown (<https://adaptivecards.io/explorer/TextRun.html>); a text block would.
//!
//! Limits: a message has 28 KB
//! (<https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>), and
//! cards of workflows the version 1.4 or so.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{
    ChannelKind, Event, OutgoingRequest,
    channel::Teams,
    render::LINK_TEXT,
    text::{cut, fit, fit_lines},
    told::Told,
};

/// Of each of the long texts, in UTF-16 units: of at most three bytes, or of four with a joiner.
const LONG: usize = 1_500;
const FACT: usize = 100;

pub(super) fn render(teams: &Teams, told: &Told) -> OutgoingRequest {
    let mut body = vec![paragraph(&[
        json!({ "type": "TextRun", "text": literal(&told.headline), "weight": "bolder", "size": "large",
                "color": color(told.kind) }),
    ])];
    let mut text = |text: String, font: &str| {
        if !text.is_empty() {
            let run = json!({ "type": "TextRun", "text": literal(&text), "fontType": font });
            body.push(paragraph(&[run]));
        }
    };
    text(cut(&told.message, LONG), "default");
    text(
        fit_lines(&told.item_lines(), told.items_omitted, LONG),
        "default",
    );
    for (label, value) in told.facts(FACT) {
        body.push(paragraph(&[
            json!({ "type": "TextRun", "text": format!("{label}: "), "isSubtle": true }),
            json!({ "type": "TextRun", "text": literal(&value) }),
        ]));
    }
    if !told.requests.is_empty() {
        let lines = fit_lines(&told.request_lines(), told.requests_omitted, LONG);
        let run = json!({ "type": "TextRun", "text": literal(&lines), "fontType": "monospace" });
        body.push(paragraph(&[run]));
    }
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    });
    if let Some(link) = &told.link {
        card["actions"] = json!([{ "type": "Action.OpenUrl", "title": LINK_TEXT, "url": link }]);
    }
    let message = json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    });
    let url = teams.url();
    OutgoingRequest::json(ChannelKind::Teams, url.expose_secret(), &message).hiding(url)
}

fn paragraph(inlines: &[Value]) -> Value {
    json!({ "type": "RichTextBlock", "inlines": inlines })
}

/// Cards replace `{{DATE(…)}}` and the like also in runs, and some hosts `${…}`: a joiner without width keeps the
/// characters apart.
fn literal(text: &str) -> String {
    fit(text, usize::MAX, |character, written| {
        if character == '{' && written.ends_with(['{', '$']) {
            written.push('\u{2060}');
        }
        written.push(character);
    })
}

const fn color(event: Event) -> &'static str {
    match event {
        Event::Down | Event::Reminder | Event::Escalated | Event::Digest => "attention",
        Event::Up => "good",
        Event::Acknowledged => "warning",
        Event::Test => "default",
    }
}
