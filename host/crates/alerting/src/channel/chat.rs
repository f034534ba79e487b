//! Chats that give out a URL for a channel: who knows the URL may write there, so that it is a secret.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use vedette_egress::Policy;

use super::{
    ConfigErrors, SplitFields,
    fields::{Fields, UrlKind, secret},
    host_of,
};

macro_rules! url_channels {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            url: SecretString,
        }

        impl $name {
            pub(super) fn read(
                config: &Value,
                policy: Option<&Policy>,
            ) -> Result<Self, ConfigErrors> {
                let mut fields = Fields::new(config, policy)?;
                let url = secret(fields.url("url", UrlKind::Secret));
                fields.finish(Self { url })
            }

            pub(super) fn split(&self) -> SplitFields {
                SplitFields::default().secret("url", &self.url)
            }

            pub(super) fn destination(&self) -> String {
                host_of(self.url.expose_secret())
            }

            pub(crate) fn url(&self) -> &SecretString {
                &self.url
            }
        }
    )+};
}

url_channels! {
    /// Settings of an incoming webhook of Slack.
    Slack;
    /// Settings of a webhook of Discord.
    Discord;
    /// Settings of a workflow of Microsoft Teams, "Post to a channel when a webhook request is received".
    Teams;
}
