//! Reading the fields of a channel's settings, so that all that is wrong is told at once, each with its place.

use secrecy::SecretString;
use serde_json::{Map, Value};
use vedette_egress::{Policy, url_rules};

use super::{ConfigError, ConfigErrors};

/// Longest text of a field, in bytes, where nothing else is said.
const MAX_TEXT_BYTES: usize = 2 * 1024;

/// Which URLs a field takes, besides the guard's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UrlKind {
    /// http and https.
    Web,
    /// https only: who knows the URL may write to the channel.
    Secret,
}

/// The fields of an object that have not been read yet, and what was wrong with those that have.
pub(super) struct Fields<'a> {
    rest: Map<String, Value>,
    known: Vec<&'static str>,
    errors: Vec<ConfigError>,
    /// `None`: what is read was checked when it was saved.
    policy: Option<&'a Policy>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(config: &Value, policy: Option<&'a Policy>) -> Result<Self, ConfigErrors> {
        let Some(object) = config.as_object() else {
            return Err(ConfigErrors(vec![ConfigError::new(
                "",
                "the settings are an object",
            )]));
        };
        Ok(Self {
            rest: object.clone(),
            known: Vec::new(),
            errors: Vec::new(),
            policy,
        })
    }

    /// Notes that something is wrong; `place` is a JSON pointer below the settings, such as `/url`.
    pub(super) fn fail(&mut self, place: &str, reason: impl Into<String>) {
        self.errors.push(ConfigError::new(place, reason));
    }

    /// A field; `null` counts as left out.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.rest.remove(name).filter(|value| !value.is_null())
    }

    /// A text that may be left out.
    pub(super) fn optional(&mut self, name: &'static str) -> Option<String> {
        let value = self.take(name)?;
        let place = format!("/{name}");
        let Value::String(text) = value else {
            self.fail(&place, "this is a text");
            return None;
        };
        if text.is_empty() {
            self.fail(&place, "this must not be empty");
        } else if text.len() > MAX_TEXT_BYTES {
            self.fail(
                &place,
                format!("at most {MAX_TEXT_BYTES} bytes are allowed"),
            );
        } else if text.chars().any(char::is_control) {
            self.fail(&place, "this must not contain control characters");
        } else {
            return Some(text);
        }
        None
    }

    /// A text that must be there. When it is not, that is noted, and the text that is given is of no use.
    pub(super) fn required(&mut self, name: &'static str) -> String {
        let errors = self.errors.len();
        let text = self.optional(name);
        if text.is_none() && self.errors.len() == errors {
            self.fail(&format!("/{name}"), "this is required");
        }
        text.unwrap_or_default()
    }

    /// A required text that `is_good` accepts; `rule` says what it takes.
    pub(super) fn checked(
        &mut self,
        name: &'static str,
        rule: &str,
        is_good: impl Fn(&str) -> bool,
    ) -> String {
        let text = self.required(name);
        if !text.is_empty() && !is_good(&text) {
            self.fail(&format!("/{name}"), rule);
        }
        text
    }

    /// One of some words; the first of them when it is left out.
    pub(super) fn word<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> T {
        let text = self.optional(name);
        let found = match &text {
            None => words.first(),
            Some(text) => words.iter().find(|(word, _)| word == text),
        };
        if let Some((_, value)) = found {
            return *value;
        }
        let known: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        self.fail(
            &format!("/{name}"),
            format!("this is one of {}", known.join(", ")),
        );
        words[0].1
    }

    /// A URL that the guard would let through, as far as can be told without DNS.
    pub(super) fn url(&mut self, name: &'static str, kind: UrlKind) -> String {
        let text = self.required(name);
        self.check_url(name, &text, kind);
        text
    }

    pub(super) fn check_url(&mut self, name: &'static str, text: &str, kind: UrlKind) {
        let Some(policy) = self.policy.filter(|_| !text.is_empty()) else {
            return;
        };
        let place = format!("/{name}");
        match url_rules::check(policy, text) {
            Err(denial) => self.fail(&place, denial.rule),
            Ok(target) if kind == UrlKind::Secret && target.url.scheme() != "https" => {
                self.fail(
                    &place,
                    "only https: who reads this URL can write to the channel",
                );
            }
            Ok(_) => {}
        }
    }

    /// What was read, if nothing was wrong and nothing is left.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, ConfigErrors> {
        let unknown: Vec<String> = self.rest.keys().cloned().collect();
        let known: Vec<String> = self.known.iter().map(|name| format!("`{name}`")).collect();
        for name in unknown {
            let reason = format!("there is no such field; there are {}", known.join(", "));
            self.fail(&format!("/{}", escape_pointer(&name)), reason);
        }
        if self.errors.is_empty() {
            Ok(value)
        } else {
            Err(ConfigErrors(self.errors))
        }
    }
}

/// Escapes one token of a JSON pointer (RFC 6901 section 3).
pub(super) fn escape_pointer(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// As a secret that `Debug` does not show.
pub(super) fn secret(text: String) -> SecretString {
    SecretString::from(text)
}

/// Whether a text can be a key or a token: visible ASCII without spaces.
pub(super) fn is_token(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
