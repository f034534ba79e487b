//! What a user sends to make or to change a channel, and everything that can be wrong with it.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use vedette_alerting::{Channel, ConfigErrors};
use vedette_core::script;

use crate::problem::{FieldError, Problem};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewChannelBody {
    /// For people; there is one of a name.
    #[schema(example = "on call")]
    pub(super) name: String,
    /// `webhook`, `email`, `slack`, `discord`, `teams`, `telegram`, `pagerduty`, `opsgenie` or `ntfy`; it stays so.
    #[serde(rename = "type")]
    #[schema(
        pattern = "^(webhook|email|slack|discord|teams|telegram|pagerduty|opsgenie|ntfy)$",
        example = "ntfy"
    )]
    pub(super) kind: String,
    /// The settings of this type, secrets included.
    #[schema(value_type = Object, example = json!({ "topic": "a-topic-that-nobody-guesses" }))]
    pub(super) config: Value,
    /// True by default.
    pub(super) is_enabled: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelBody {
    /// For people; there is one of a name.
    #[schema(example = "on call")]
    pub(super) name: String,
    /// The settings. Secrets that are left out stay as they are, unless the channel goes to another host; null takes an
    /// optional one away.
    #[schema(value_type = Object, example = json!({ "topic": "a-topic-that-nobody-guesses" }))]
    pub(super) config: Value,
    /// True by default.
    pub(super) is_enabled: Option<bool>,
}

/// Reports all that is wrong with name and settings together.
pub(super) fn check(
    name: &str,
    settings: Result<Channel, ConfigErrors>,
) -> Result<Channel, Problem> {
    let mut errors: Vec<FieldError> = Vec::new();
    errors.extend(script::check_name(name).err().map(Into::into));
    match settings {
        Ok(settings) if errors.is_empty() => Ok(settings),
        settings => {
            let wrong = settings.err().into_iter().flat_map(|wrong| wrong.0);
            errors.extend(wrong.map(FieldError::from));
            Err(Problem::invalid(errors))
        }
    }
}
