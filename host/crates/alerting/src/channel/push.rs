//! Messages to phones: Telegram and ntfy.

use secrecy::SecretString;
use serde_json::Value;
use vedette_egress::Policy;

use super::{
    ConfigErrors, SplitFields,
    fields::{Fields, UrlKind, is_token, secret},
    host_of,
};

/// The public server of ntfy.
const NTFY_SERVER: &str = "https://ntfy.sh";

/// Settings of a bot of Telegram.
#[derive(Debug, Clone)]
pub struct Telegram {
    bot_token: SecretString,
    chat_id: String,
}

impl Telegram {
    pub(super) fn read(config: &Value, policy: Option<&Policy>) -> Result<Self, ConfigErrors> {
        let mut fields = Fields::new(config, policy)?;
        let rule = "a token of a bot is a number, a colon, and letters, digits, `_` and `-`";
        let bot_token = secret(fields.checked("bot_token", rule, is_bot_token));
        // A number, as Telegram gives it, may be written as one.
        let chat_id = match config.get("chat_id").and_then(Value::as_i64) {
            Some(number) => {
                fields.take("chat_id");
                number.to_string()
            }
            None => fields.required("chat_id"),
        };
        if !chat_id.is_empty() && !is_chat_id(&chat_id) {
            fields.fail(
                "/chat_id",
                "a chat is a number, or the @name of a public channel",
            );
        }
        fields.finish(Self { bot_token, chat_id })
    }

    pub(super) fn split(&self) -> SplitFields {
        SplitFields::default()
            .public("chat_id", self.chat_id.as_str())
            .secret("bot_token", &self.bot_token)
    }

    pub(super) fn destination(&self) -> String {
        format!("chat {}", self.chat_id)
    }

    pub(crate) fn bot_token(&self) -> &SecretString {
        &self.bot_token
    }

    pub(crate) fn chat_id(&self) -> &str {
        &self.chat_id
    }
}

/// It becomes a part of a path, so that nothing else may be in it.
fn is_bot_token(text: &str) -> bool {
    let is_secret = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    text.split_once(':').is_some_and(|(id, secret)| {
        (1..=20).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_digit())
            && (20..=100).contains(&secret.len())
            && secret.bytes().all(is_secret)
    })
}

fn is_chat_id(text: &str) -> bool {
    let is_name = |name: &str| {
        (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    text.parse::<i64>().is_ok() || text.strip_prefix('@').is_some_and(is_name)
}

/// Settings of a topic of ntfy.
#[derive(Debug, Clone)]
pub struct Ntfy {
    server: String,
    /// Who knows it may read and write, where there are no accounts.
    topic: SecretString,
    token: Option<SecretString>,
}

impl Ntfy {
    pub(super) fn read(config: &Value, policy: Option<&Policy>) -> Result<Self, ConfigErrors> {
        let mut fields = Fields::new(config, policy)?;
        let server = fields
            .optional("server")
            .unwrap_or_else(|| NTFY_SERVER.to_owned());
        fields.check_url("server", &server, UrlKind::Web);
        if has_more_than_origin(&server) {
            fields.fail("/server", "a server is a URL without path and query");
        }
        let rule = "a topic has 1 to 64 letters, digits, `_` and `-`";
        let topic = secret(fields.checked("topic", rule, is_topic));
        let token = fields.optional("token");
        if token.as_deref().is_some_and(|token| !is_token(token)) {
            fields.fail("/token", "a token is visible ASCII without spaces");
        }
        fields.finish(Self {
            server,
            topic,
            token: token.map(secret),
        })
    }

    pub(super) fn split(&self) -> SplitFields {
        let split = SplitFields::default()
            .public("server", self.server.as_str())
            .secret("topic", &self.topic);
        match &self.token {
            Some(token) => split.secret("token", token),
            None => split,
        }
    }

    pub(super) fn destination(&self) -> String {
        host_of(&self.server)
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    pub(crate) fn topic(&self) -> &SecretString {
        &self.topic
    }

    pub(crate) fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }
}

fn has_more_than_origin(server: &str) -> bool {
    url::Url::parse(server)
        .is_ok_and(|url| url.path() != "/" || url.query().is_some() || url.fragment().is_some())
}

/// The server's own rule (`topicRegex` of ntfy).
fn is_topic(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn what_becomes_a_part_of_a_path_has_nothing_to_break_it() {
        let good = "123456:ABC-def_1234567890abcdefghijk";
        assert!(is_bot_token(good));
        for token in [
            "",
            "123456",
            "a:ABCdef1234567890abcdefghijk",
            "1:x/../../y/zzzzzzzzzzzzzzzz",
            "1:short",
        ] {
            assert!(!is_bot_token(token), "{token}");
        }
        for (chat, is_one) in [
            ("-1001234", true),
            ("@team_1", true),
            ("@", false),
            ("team", false),
            ("@a b", false),
        ] {
            assert_eq!(is_chat_id(chat), is_one, "{chat}");
        }
        let is_debug_clean = |topic: &str| {
            let channel = Ntfy {
                server: String::new(),
                topic: secret(topic.to_owned()),
                token: None,
            };
            !format!("{channel:?}").contains(channel.topic.expose_secret())
        };
        assert!(is_debug_clean("hidden-topic"));
    }
}
