//! Services that keep incidents and call people: `PagerDuty` and Opsgenie.

use secrecy::SecretString;
use serde_json::Value;
use vedette_egress::Policy;

use super::{
    ConfigErrors, SplitFields,
    fields::{Fields, is_token, secret},
};

/// Where an account lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// The United States.
    Us,
    /// The European Union.
    Eu,
}

const REGIONS: &[(&str, Region)] = &[("us", Region::Us), ("eu", Region::Eu)];

impl Region {
    /// The spelling in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Eu => "eu",
        }
    }
}

/// Settings of an integration of `PagerDuty` with its Events API v2.
#[derive(Debug, Clone)]
pub struct PagerDuty {
    routing_key: SecretString,
    region: Region,
}

impl PagerDuty {
    pub(super) fn read(config: &Value, policy: Option<&Policy>) -> Result<Self, ConfigErrors> {
        let mut fields = Fields::new(config, policy)?;
        let rule = "a routing key has 32 letters and digits";
        let routing_key = secret(fields.checked("routing_key", rule, is_routing_key));
        let region = fields.word("region", REGIONS);
        fields.finish(Self {
            routing_key,
            region,
        })
    }

    pub(super) fn split(&self) -> SplitFields {
        SplitFields::default()
            .public("region", self.region.as_str())
            .secret("routing_key", &self.routing_key)
    }

    pub(super) fn destination(&self) -> String {
        format!("PagerDuty ({})", self.region.as_str())
    }

    pub(crate) fn routing_key(&self) -> &SecretString {
        &self.routing_key
    }

    pub(crate) fn url(&self) -> &'static str {
        match self.region {
            Region::Us => "https://events.pagerduty.com/v2/enqueue",
            Region::Eu => "https://events.eu.pagerduty.com/v2/enqueue",
        }
    }
}

fn is_routing_key(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Settings of an API integration of Opsgenie.
#[derive(Debug, Clone)]
pub struct Opsgenie {
    api_key: SecretString,
    region: Region,
}

impl Opsgenie {
    pub(super) fn read(config: &Value, policy: Option<&Policy>) -> Result<Self, ConfigErrors> {
        let mut fields = Fields::new(config, policy)?;
        let rule = "an API key is visible ASCII without spaces, at most 200 characters";
        let is_key = |text: &str| is_token(text) && text.len() <= 200;
        let api_key = secret(fields.checked("api_key", rule, is_key));
        let region = fields.word("region", REGIONS);
        fields.finish(Self { api_key, region })
    }

    pub(super) fn split(&self) -> SplitFields {
        SplitFields::default()
            .public("region", self.region.as_str())
            .secret("api_key", &self.api_key)
    }

    pub(super) fn destination(&self) -> String {
        format!("Opsgenie ({})", self.region.as_str())
    }

    pub(crate) fn api_key(&self) -> &SecretString {
        &self.api_key
    }

    pub(crate) fn url(&self) -> &'static str {
        match self.region {
            Region::Us => "https://api.opsgenie.com/v2/alerts",
            Region::Eu => "https://api.eu.opsgenie.com/v2/alerts",
        }
    }
}
