//! Channels: where notifications go, with the settings of each kind.
//!
//! Settings come as JSON and are checked when they are saved, all of them at once. Each kind knows which of its
//! fields are secret: those are kept apart, encrypted by whoever stores them, and never given back.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use vedette_egress::Policy;

mod chat;
mod email;
mod fields;
mod on_call;
mod push;
#[cfg(test)]
mod tests;
mod webhook;

pub use chat::{Discord, Slack, Teams};
pub use email::{Email, MAX_RECIPIENTS};
pub use on_call::{Opsgenie, PagerDuty, Region};
pub use push::{Ntfy, Telegram};
pub use webhook::{BodyFormat, BodyTemplate, MAX_HEADERS, SigningSecret, Webhook};

/// A field of a channel's settings that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ConfigError {
    /// The field, as a JSON pointer into the request (RFC 6901), for example `/config/url`.
    pub pointer: String,
    /// What is wrong and what is allowed. It repeats no value.
    pub reason: String,
}

impl ConfigError {
    /// `place` is below the settings.
    fn new(place: &str, reason: impl Into<String>) -> Self {
        Self {
            pointer: format!("/config{place}"),
            reason: reason.into(),
        }
    }
}

/// All that is wrong with a channel's settings; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self
            .0
            .iter()
            .map(|error| format!("{}: {}", error.pointer, error.reason));
        f.write_str(&errors.collect::<Vec<_>>().join("; "))
    }
}

impl std::error::Error for ConfigErrors {}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $text:literal,)+) => {
        /// Kinds of channels.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ChannelKind {
            $($(#[$doc])* $kind,)+
        }

        impl ChannelKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The spelling in JSON and SQL.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $text,)+ }
            }
        }

        /// A channel with its settings. `Debug` shows no secret.
        #[derive(Debug, Clone)]
        pub enum Channel {
            $($(#[$doc])* $kind($kind),)+
        }

        impl Channel {
            /// Which kind it is.
            pub const fn kind(&self) -> ChannelKind {
                match self { $(Self::$kind(_) => ChannelKind::$kind,)+ }
            }

            fn read_as(
                kind: ChannelKind,
                config: &Value,
                policy: Option<&Policy>,
            ) -> Result<Self, ConfigErrors> {
                match kind { $(ChannelKind::$kind => $kind::read(config, policy).map(Self::$kind),)+ }
            }

            fn fields(&self) -> SplitFields {
                match self { $(Self::$kind(channel) => channel.split(),)+ }
            }

            /// Where it goes, for people, without anything secret: a host, a chat, addresses.
            pub fn destination(&self) -> String {
                match self { $(Self::$kind(channel) => channel.destination(),)+ }
            }
        }
    };
}

kinds! {
    /// Any HTTP server, signed as Standard Webhooks says.
    Webhook = "webhook",
    /// Mail, by the operator's server.
    Email = "email",
    /// An incoming webhook of Slack, or of what understands its blocks.
    Slack = "slack",
    /// A webhook of a Discord channel.
    Discord = "discord",
    /// A workflow of Microsoft Teams.
    Teams = "teams",
    /// A bot of Telegram.
    Telegram = "telegram",
    /// The Events API v2 of `PagerDuty`.
    PagerDuty = "pagerduty",
    /// The Alert API of Opsgenie.
    Opsgenie = "opsgenie",
    /// A topic of ntfy.
    Ntfy = "ntfy",
}

impl ChannelKind {
    /// Reads a kind; `None`: there is no such kind.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Whether the service keeps incidents itself and closes them when it is told that they are over. Such a channel
    /// should get every notification by itself: a digest cannot close anything.
    pub const fn tracks_incidents(self) -> bool {
        matches!(self, Self::PagerDuty | Self::Opsgenie)
    }
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Settings in two parts. `Debug` shows the public one.
#[derive(Clone)]
pub struct Parts {
    /// What everybody may see who may see the channel. Where a secret stands in it, its value is `null`.
    pub public: Value,
    /// The rest, as JSON, to be encrypted; `{}` when there is nothing secret.
    pub secret: SecretString,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// Fields of a channel, public and secret.
#[derive(Default)]
struct SplitFields {
    public: Map<String, Value>,
    secret: Map<String, Value>,
}

impl SplitFields {
    fn public(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.public.insert(name.to_owned(), value.into());
        self
    }

    fn secret(mut self, name: &str, value: &SecretString) -> Self {
        let value = Value::from(value.expose_secret());
        self.secret.insert(name.to_owned(), value);
        self
    }
}

impl Channel {
    /// Reads and checks settings that somebody wants to save. Addresses are judged by the guard's policy as far as
    /// can be told without DNS.
    ///
    /// # Errors
    /// Everything that is wrong, with its place; an unknown kind is at `/type`.
    pub fn read(kind: &str, config: &Value, policy: &Policy) -> Result<Self, ConfigErrors> {
        let kind = read_kind(kind)?;
        Self::read_as(kind, config, Some(policy))
    }

    /// Reads new settings for a channel that is there: secrets that are left out stay as they are. When the channel
    /// is to go to another host, they must all be given again, since a secret that was meant for one is not for
    /// whoever comes to own the other.
    ///
    /// # Errors
    /// As [`Channel::read`], and secrets that must be given again.
    pub fn update(&self, config: &Value, policy: &Policy) -> Result<Self, ConfigErrors> {
        let mut merged = config.clone();
        let mut kept = Vec::new();
        if let Some(object) = merged.as_object_mut() {
            for (name, value) in self.fields().secret {
                keep(object, &name, value, &mut kept);
            }
        }
        let updated = Self::read_as(self.kind(), &merged, Some(policy))?;
        if updated.destination_key() != self.destination_key() && !kept.is_empty() {
            let reason = "the channel goes to another host: give this again";
            let errors = kept.iter().map(|place| ConfigError::new(place, reason));
            return Err(ConfigErrors(errors.collect()));
        }
        Ok(updated)
    }

    /// The settings in two parts, to be stored.
    pub fn split(&self) -> Parts {
        let SplitFields { public, secret } = self.fields();
        Parts {
            public: Value::Object(public),
            secret: SecretString::from(Value::Object(secret).to_string()),
        }
    }

    /// Puts together what [`Channel::split`] gave. Addresses are not judged again: the guard does at each attempt.
    ///
    /// # Errors
    /// When that is not what is stored.
    pub fn join(kind: &str, parts: &Parts) -> Result<Self, ConfigErrors> {
        let kind = read_kind(kind)?;
        let secret: Value = serde_json::from_str(parts.secret.expose_secret())
            .map_err(|_| ConfigErrors(vec![ConfigError::new("", "the secret part is no JSON")]))?;
        let mut config = parts.public.clone();
        if let (Some(public), Value::Object(secret)) = (config.as_object_mut(), secret) {
            public.extend(secret);
        }
        Self::read_as(kind, &config, None)
    }

    /// What secrets may be sent to; where no address is set, the same always.
    fn destination_key(&self) -> Option<url::Origin> {
        let url = match self {
            Self::Webhook(webhook) => webhook.url(),
            Self::Ntfy(ntfy) => ntfy.server(),
            _ => return None,
        };
        url::Url::parse(url).ok().map(|url| url.origin())
    }
}

fn read_kind(kind: &str) -> Result<ChannelKind, ConfigErrors> {
    ChannelKind::from_name(kind).ok_or_else(|| {
        let known = ChannelKind::ALL.iter().map(|kind| format!("`{kind}`"));
        let known = known.collect::<Vec<_>>().join(", ");
        ConfigErrors(vec![ConfigError {
            pointer: "/type".to_owned(),
            reason: format!("there is no such kind of channel; there are {known}"),
        }])
    })
}

/// Takes over a secret that new settings leave out, also one of several below a name.
fn keep(config: &mut Map<String, Value>, name: &str, old: Value, kept: &mut Vec<String>) {
    match (config.get_mut(name), old) {
        (None, old) => {
            kept.push(format!("/{name}"));
            config.insert(name.to_owned(), old);
        }
        (Some(Value::Object(members)), Value::Object(old)) => {
            for (member, value) in members.iter_mut().filter(|(_, value)| value.is_null()) {
                let found = old
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(member));
                if let Some((_, old)) = found {
                    kept.push(format!("/{name}/{}", fields::escape_pointer(member)));
                    *value = old.clone();
                }
            }
        }
        (Some(_), _) => {}
    }
}

/// The host of a URL, for people.
pub(crate) fn host_of(url: &str) -> String {
    let url = url::Url::parse(url).ok();
    let host = url.as_ref().and_then(|url| {
        let host = url.host_str()?;
        Some(match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        })
    });
    host.unwrap_or_default()
}
