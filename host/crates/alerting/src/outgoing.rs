//! What goes out: a request or a mail, ready to be sent.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::{ChannelKind, IncidentId, NotificationId, text};

/// A message in the format of its channel.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// By HTTP, through the guard.
    Request(OutgoingRequest),
    /// By mail.
    Mail(OutgoingMail),
}

/// A request to a channel. It is always a POST. `Debug` shows no secret.
#[derive(Clone)]
pub struct OutgoingRequest {
    /// The kind of the channel, by which its answers are read.
    pub kind: ChannelKind,
    /// Where it goes. For some kinds this is a secret.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// What must not be found in anything that is kept of the attempt.
    pub(crate) secrets: Vec<SecretString>,
    /// Why the user's own template was not used: the standard body goes out instead, because a notification must not
    /// be lost to it.
    pub template_problem: Option<String>,
}

impl OutgoingRequest {
    /// A JSON body.
    pub(crate) fn json(
        kind: ChannelKind,
        url: impl Into<String>,
        body: &serde_json::Value,
    ) -> Self {
        Self {
            kind,
            url: url.into(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string(),
            secrets: Vec::new(),
            template_problem: None,
        }
    }

    pub(crate) fn set_content_type(&mut self, value: &str) {
        self.headers.retain(|(name, _)| name != "content-type");
        self.headers
            .push(("content-type".to_owned(), value.to_owned()));
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Notes a secret that is somewhere in it.
    pub(crate) fn hiding(mut self, secret: &SecretString) -> Self {
        self.secrets.push(secret.clone());
        self
    }

    /// A text with every secret of this request taken out.
    pub(crate) fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            for form in forms(secret.expose_secret()) {
                text = text.replace(&form, "[redacted]");
            }
        }
        text
    }
}

impl fmt::Debug for OutgoingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = Url::parse(&self.url).ok();
        let host = host.as_ref().and_then(Url::host_str).map(ToOwned::to_owned);
        f.debug_struct("OutgoingRequest")
            .field("kind", &self.kind)
            .field("host", &host)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Shorter ones are no secrets, and would be found everywhere.
const MIN_SECRET_BYTES: usize = 4;

/// How a secret may be written in an answer, the longest forms first: as it is, without the word before it
/// (`Bearer …`), of a URL all after its host; each of them also in a URL and in JSON.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    forms.extend(secret.split_once(' ').map(|(_, rest)| rest.to_owned()));
    if let Ok(url) = Url::parse(secret) {
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        forms.push(path.trim_start_matches('/').to_owned());
        forms.extend(
            url.path_segments()
                .into_iter()
                .flatten()
                .map(ToOwned::to_owned)
                .filter(
                    // The last parts of such paths are the secret ones; the first are words.
                    |segment| segment.len() >= 16,
                ),
        );
    }
    let escaped: Vec<String> = forms
        .iter()
        .flat_map(|form| {
            [
                text::escaped(form, text::percent),
                text::escaped(form, text::json),
            ]
        })
        .collect();
    forms.extend(escaped);
    forms.retain(|form| form.len() >= MIN_SECRET_BYTES);
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms
}

/// A mail. Only this crate makes one, from cleaned texts: no line of it is another header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMail {
    pub(crate) notification: NotificationId,
    pub(crate) incident: Option<IncidentId>,
    pub(crate) to: Vec<String>,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl OutgoingMail {
    /// For `Message-ID`: the same in each attempt, so that mail servers know a repetition.
    pub fn notification(&self) -> NotificationId {
        self.notification
    }

    /// For `References`: mails about one incident stay together.
    pub fn incident(&self) -> Option<IncidentId> {
        self.incident
    }

    /// Addresses without names.
    pub fn to(&self) -> &[String] {
        &self.to
    }

    /// One line without control characters, at most 250 UTF-16 units; any letters, so that it must be encoded
    /// (RFC 2047).
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The plain text, with `\n` at the ends of lines.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same as a page of HTML.
    pub fn html(&self) -> &str {
        &self.html
    }
}
