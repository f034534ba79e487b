//! Mail: who gets it.

use serde_json::Value;
use vedette_egress::Policy;

use super::{ConfigErrors, SplitFields, fields::Fields};

/// Most recipients of a channel. A list with more people has an address of its own.
pub const MAX_RECIPIENTS: usize = 20;

/// Settings of a channel of mail.
#[derive(Debug, Clone)]
pub struct Email {
    recipients: Vec<String>,
}

impl Email {
    pub(super) fn read(config: &Value, policy: Option<&Policy>) -> Result<Self, ConfigErrors> {
        let mut fields = Fields::new(config, policy)?;
        let recipients = read_recipients(&mut fields);
        fields.finish(Self { recipients })
    }

    pub(super) fn split(&self) -> SplitFields {
        SplitFields::default().public("recipients", self.recipients.clone())
    }

    pub(super) fn destination(&self) -> String {
        self.recipients.join(", ")
    }

    /// Addresses, at least one.
    pub fn recipients(&self) -> &[String] {
        &self.recipients
    }
}

fn read_recipients(fields: &mut Fields) -> Vec<String> {
    let mut recipients: Vec<String> = Vec::new();
    let list = match fields.take("recipients") {
        Some(Value::Array(list)) if !list.is_empty() => list,
        Some(Value::Array(_)) | None => {
            fields.fail("/recipients", "at least one address is required");
            return recipients;
        }
        Some(_) => {
            fields.fail("/recipients", "this is a list of addresses");
            return recipients;
        }
    };
    if list.len() > MAX_RECIPIENTS {
        fields.fail(
            "/recipients",
            format!("at most {MAX_RECIPIENTS} addresses are allowed"),
        );
        return recipients;
    }
    for (index, value) in list.iter().enumerate() {
        match value.as_str() {
            Some(text) if is_address(text) => {
                if !recipients
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(text))
                {
                    recipients.push(text.to_owned());
                }
            }
            _ => fields.fail(
                &format!("/recipients/{index}"),
                "this is not an e-mail address",
            ),
        }
    }
    recipients
}

/// An address and nothing but that: no name, no comment, no second one (RFC 5321 section 4.1.2, without quoted
/// local parts; section 4.5.3.1 for the lengths).
pub(super) fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let is_atom = |atom: &str| {
        let allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        !atom.is_empty() && atom.bytes().all(allowed)
    };
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let has_edges = label.starts_with('-') || label.ends_with('-');
        (1..=63).contains(&label.len()) && !has_edges && label.bytes().all(allowed)
    };
    text.len() <= 254
        && local.len() <= 64
        && local.split('.').all(is_atom)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}
