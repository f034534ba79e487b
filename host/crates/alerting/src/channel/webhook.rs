//! Any HTTP server: URL, signature, headers, and a body of the user's own.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use vedette_egress::{Policy, SessionLimits, request_rules::check_headers};

use super::{
    ConfigErrors, SplitFields,
    fields::{Fields, UrlKind, escape_pointer},
    host_of,
};
use crate::template::{Target, Template};

/// Most headers of a webhook.
pub const MAX_HEADERS: usize = 20;
/// Longest value of a header, in bytes.
const MAX_HEADER_BYTES: usize = 2 * 1024;
/// Bytes of a secret (Standard Webhooks, "Signature scheme": between 24 and 64).
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const SECRET_PREFIX: &str = "whsec_";

/// Headers that the format of the message decides.
const OURS: &[&str] = &[
    "content-encoding",
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// A key for signatures: `whsec_` and 24 to 64 bytes in base64. `Debug` does not show it.
#[derive(Clone)]
pub struct SigningSecret(SecretString);

impl SigningSecret {
    /// A key of these random bytes.
    pub fn from_random(random: &[u8; 32]) -> Self {
        Self(SecretString::from(format!(
            "{SECRET_PREFIX}{}",
            STANDARD.encode(random)
        )))
    }

    /// Reads a key; `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?;
        SECRET_BYTES
            .contains(&bytes.len())
            .then(|| Self(SecretString::from(text)))
    }

    /// The text with its prefix, to be shown once to whoever made the channel.
    pub fn text(&self) -> &SecretString {
        &self.0
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let text = self.0.expose_secret();
        let encoded = text.strip_prefix(SECRET_PREFIX).expect("it was parsed");
        STANDARD.decode(encoded).expect("it was parsed")
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// What a body of the user's own is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFormat {
    /// `application/json`; values are escaped for the inside of a string.
    Json,
    /// `text/plain`.
    Text,
    /// `text/html`.
    Html,
    /// `application/x-www-form-urlencoded`.
    Form,
}

const FORMATS: &[(&str, BodyFormat)] = &[
    ("json", BodyFormat::Json),
    ("text", BodyFormat::Text),
    ("html", BodyFormat::Html),
    ("form", BodyFormat::Form),
];

impl BodyFormat {
    /// The spelling in settings.
    pub fn as_str(self) -> &'static str {
        let known = FORMATS.iter().find(|(_, format)| *format == self);
        known.map_or("json", |(word, _)| word)
    }

    /// How values are escaped in it.
    pub const fn target(self) -> Target {
        match self {
            Self::Json => Target::Json,
            Self::Text => Target::Plain,
            Self::Html => Target::Html,
            Self::Form => Target::Url,
        }
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }
}

/// A body of the user's own.
#[derive(Debug, Clone)]
pub struct BodyTemplate {
    /// What it is.
    pub format: BodyFormat,
    /// The template.
    pub template: Template,
}

/// Settings of a webhook.
#[derive(Debug, Clone)]
pub struct Webhook {
    url: String,
    secret: SigningSecret,
    /// Signs beside the other one, while receivers change from it.
    previous_secret: Option<SigningSecret>,
    /// Names as they were written, and values.
    headers: BTreeMap<String, SecretString>,
    body: Option<BodyTemplate>,
}

impl Webhook {
    pub(super) fn read(config: &Value, policy: Option<&Policy>) -> Result<Self, ConfigErrors> {
        let mut fields = Fields::new(config, policy)?;
        let url = fields.url("url", UrlKind::Web);
        let secret = fields.required("secret");
        let secret = read_secret(&mut fields, "/secret", Some(secret));
        let previous = fields.optional("previous_secret");
        let previous_secret = read_secret(&mut fields, "/previous_secret", previous);
        let headers = read_headers(&mut fields);
        let body = read_body(&mut fields);
        let webhook = Self {
            url,
            // Not used when there was none: that is an error, and `finish` gives it.
            secret: secret.unwrap_or_else(|| SigningSecret(SecretString::default())),
            previous_secret,
            headers,
            body,
        };
        fields.finish(webhook)
    }

    pub(super) fn split(&self) -> SplitFields {
        let mut split = SplitFields::default()
            .public("url", self.url.as_str())
            .secret("secret", self.secret.text());
        if let Some(previous) = &self.previous_secret {
            split = split.secret("previous_secret", previous.text());
        }
        if !self.headers.is_empty() {
            let names = self.headers.keys().map(|name| (name.clone(), Value::Null));
            split = split.public("headers", Value::Object(names.collect()));
            let values = self.headers.iter();
            let values = values.map(|(name, value)| (name.clone(), value.expose_secret().into()));
            let values: Map<String, Value> = values.collect();
            split.secret.insert("headers".to_owned(), values.into());
        }
        if let Some(body) = &self.body {
            split = split
                .public("body_format", body.format.as_str())
                .public("body_template", body.template.source());
        }
        split
    }

    pub(super) fn destination(&self) -> String {
        host_of(&self.url)
    }

    /// Where it goes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The key that signs.
    pub fn secret(&self) -> &SigningSecret {
        &self.secret
    }

    pub(crate) fn secrets(&self) -> impl Iterator<Item = &SigningSecret> {
        std::iter::once(&self.secret).chain(&self.previous_secret)
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    pub(crate) fn body(&self) -> Option<&BodyTemplate> {
        self.body.as_ref()
    }
}

fn read_secret(fields: &mut Fields, place: &str, text: Option<String>) -> Option<SigningSecret> {
    let text = text.filter(|text| !text.is_empty())?;
    let secret = SigningSecret::parse(&text);
    if secret.is_none() {
        fields.fail(
            place,
            "a secret is `whsec_` and 24 to 64 random bytes in base64",
        );
    }
    secret
}

fn read_headers(fields: &mut Fields) -> BTreeMap<String, SecretString> {
    let mut headers = BTreeMap::new();
    let object = match fields.take("headers") {
        None => return headers,
        Some(Value::Object(object)) => object,
        Some(_) => {
            fields.fail("/headers", "this is an object of names and values");
            return headers;
        }
    };
    if object.len() > MAX_HEADERS {
        fields.fail(
            "/headers",
            format!("at most {MAX_HEADERS} headers are allowed"),
        );
        return headers;
    }
    for (name, value) in object {
        let place = format!("/headers/{}", escape_pointer(&name));
        let Value::String(value) = value else {
            fields.fail(&place, "the value of a header is a text");
            continue;
        };
        let is_there = headers
            .keys()
            .any(|known: &String| known.eq_ignore_ascii_case(&name));
        match check_header(&name, &value) {
            Err(reason) => fields.fail(&place, reason),
            Ok(()) if is_there => fields.fail(&place, "this header is there twice"),
            Ok(()) => {
                headers.insert(name, SecretString::from(value));
            }
        }
    }
    headers
}

fn check_header(name: &str, value: &str) -> Result<(), String> {
    if OURS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err("this header belongs to the message and cannot be set".to_owned());
    }
    if value.len() > MAX_HEADER_BYTES {
        return Err(format!("at most {MAX_HEADER_BYTES} bytes are allowed"));
    }
    let is_text = value
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if value.is_empty() || !is_text || value.trim() != value {
        return Err("the value of a header is visible ASCII".to_owned());
    }
    let header = [(name.to_owned(), value.as_bytes().to_vec())];
    check_headers(&header, &SessionLimits::default())
        .map(|_| ())
        .map_err(|error| match error {
            vedette_egress::FetchError::Denied { rule, .. } => rule,
            other => other.to_string(),
        })
}

fn read_body(fields: &mut Fields) -> Option<BodyTemplate> {
    let format = fields.word("body_format", FORMATS);
    // Not `optional`: it has several lines, and a size of its own.
    let Value::String(source) = fields.take("body_template")? else {
        fields.fail("/body_template", "this is a text");
        return None;
    };
    match Template::parse(&source, format.target()) {
        Ok(template) => {
            let body = BodyTemplate { format, template };
            if let Err(reason) = crate::render::try_body(&body) {
                fields.fail("/body_template", reason);
            }
            Some(body)
        }
        Err(error) => {
            fields.fail("/body_template", error.to_string());
            None
        }
    }
}
