//! Telegram: text without a parse mode, marked as preformatted by position. In such a piece the service looks for
//! no links, names or commands (<https://core.telegram.org/bots/api#messageentity>).
//!
//! Limit: 4,096 characters (<https://core.telegram.org/bots/api#sendmessage>), taken as UTF-16 units, in which
//! positions are counted too.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::{
    ChannelKind, OutgoingRequest,
    channel::Telegram,
    render::LINK_TEXT,
    text::{cut, units_of},
    told::Told,
};

const MESSAGE: usize = 4_096;

pub(super) fn render(telegram: &Telegram, told: &Told) -> OutgoingRequest {
    let room = MESSAGE - units_of(LINK_TEXT) - 1;
    let mut text = cut(&format!("{}\n\n{}", told.headline, told.plain()), room);
    let foreign = units_of(&text);
    let mut entities = vec![json!({ "type": "pre", "offset": 0, "length": foreign })];
    if let Some(link) = &told.link {
        entities.push(json!({
            "type": "text_link",
            "offset": foreign + 1,
            "length": units_of(LINK_TEXT),
            "url": link,
        }));
        text.push('\n');
        text.push_str(LINK_TEXT);
    }
    let chat_id = match telegram.chat_id().parse::<i64>() {
        Ok(number) => json!(number),
        Err(_) => json!(telegram.chat_id()),
    };
    let body = json!({
        "chat_id": chat_id,
        "text": text,
        "entities": entities,
        "link_preview_options": { "is_disabled": true },
    });
    let token = telegram.bot_token();
    let url = format!(
        "https://api.telegram.org/bot{}/sendMessage",
        token.expose_secret()
    );
    let request = OutgoingRequest::json(ChannelKind::Telegram, url, &body).hiding(token);
    // Its second half alone is as good as all of it.
    match token.expose_secret().split_once(':') {
        Some((_, half)) => request.hiding(&SecretString::from(half)),
        None => request,
    }
}
