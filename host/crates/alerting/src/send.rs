//! One attempt to deliver a notification, by HTTP or by mail, within bounds of time and size.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use vedette_egress::{Guard, RedirectMode, Request, Response, Session, SessionLimits};

use crate::{
    OutgoingMail, OutgoingRequest,
    answer::{self, Outcome},
    text::clean_line,
};

/// For one attempt, from the look-up of the name to the last byte. Standard Webhooks recommends 15 to 30 s.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Largest answer that is read, in bytes: those of all services are smaller.
pub const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// Name, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(5);
/// Largest request, in bytes: of the parts that a message is made of, none is larger than the template's output.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;
/// Longest reason, in UTF-16 units.
const REASON: usize = 300;

/// What came of an attempt. It holds no secret and can be stored and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Whether it has arrived, and what to do when not.
    pub outcome: Outcome,
    /// The status code of the answer. `None`: there was none, or it went by mail.
    pub status: Option<u16>,
    /// From start to end, by the monotonic clock.
    pub duration: Duration,
    /// The beginning of the answer, or a remark of the mail transport: a line of clean text of at most 300 UTF-16
    /// units.
    pub excerpt: Option<String>,
}

/// Makes attempts through the guard. Cheap to clone.
#[derive(Clone)]
pub struct Sender {
    guard: Guard,
    patience: Duration,
}

impl Sender {
    /// Asks this guard before each attempt.
    pub fn new(guard: Guard) -> Self {
        Self {
            guard,
            patience: PATIENCE,
        }
    }

    /// Waits this long for an attempt to end.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Makes one attempt: one request, on a connection of its own, no redirect followed. `now` is what dates in
    /// `Retry-After` are compared with. Dropping the future ends the attempt; whether it arrived is then not known.
    pub async fn send(&self, request: &OutgoingRequest, now: DateTime<Utc>) -> Attempt {
        let started = Instant::now();
        let answered = self.fetch(request).await;
        let duration = started.elapsed();
        match answered {
            Ok(response) => Attempt {
                outcome: answer::judge(request.kind, &response, now),
                status: Some(response.status),
                duration,
                excerpt: answer::excerpt(&response.body, |text| request.redacted(text)),
            },
            Err(error) => Attempt {
                outcome: cleaned(answer::judge_error(&error), |text| request.redacted(text)),
                status: None,
                duration,
                excerpt: None,
            },
        }
    }

    async fn fetch(
        &self,
        request: &OutgoingRequest,
    ) -> Result<Response, vedette_egress::FetchError> {
        let headers = request.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.as_bytes().to_vec()));
        self.session()
            .fetch(Request {
                method: "POST".to_owned(),
                url: request.url.clone(),
                headers: headers.collect(),
                body: Some(request.body.clone().into_bytes()),
                redirect: RedirectMode::Manual,
                timeout: None,
            })?
            .await
    }

    fn session(&self) -> Session {
        self.guard.session(SessionLimits {
            max_requests: 1,
            max_concurrent: 1,
            max_body_bytes: MAX_ANSWER_BYTES,
            max_total_bytes: MAX_ANSWER_BYTES,
            connect_timeout: CONNECT.min(self.patience),
            first_byte_timeout: self.patience,
            request_timeout: self.patience,
            max_redirects: 0,
            max_request_body_bytes: MAX_REQUEST_BYTES,
            max_total_request_bytes: 2 * MAX_REQUEST_BYTES,
            ..SessionLimits::default()
        })
    }
}

/// Reasons go to databases and pages.
fn cleaned(outcome: Outcome, redact: impl Fn(&str) -> String) -> Outcome {
    let clean = |text: String| clean_line(&redact(&text), REASON);
    match outcome {
        Outcome::Delivered => Outcome::Delivered,
        Outcome::Retry { after, reason } => Outcome::Retry {
            after,
            reason: clean(reason),
        },
        Outcome::Gone { reason } => Outcome::Gone {
            reason: clean(reason),
        },
        Outcome::Refused { reason } => Outcome::Refused {
            reason: clean(reason),
        },
    }
}

/// Why a mail was not taken. It names no address and nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailFailure {
    /// There was no connection, or the server answered with 4xx (RFC 5321 section 4.2.1): later it may.
    #[error("{0}")]
    Temporary(String),
    /// The server answered with 5xx, or the mail cannot be written: it never will.
    #[error("{0}")]
    Permanent(String),
}

/// Sends mails by the server that the operator names.
#[async_trait]
pub trait MailTransport: Send + Sync + 'static {
    /// Hands a mail to the mail server. Answers what is to be said of it in the delivery log, such as recipients that
    /// were refused while others were not; it names no address.
    ///
    /// # Errors
    /// When the server takes it for none of the recipients; see [`MailFailure`].
    async fn send(&self, mail: &OutgoingMail) -> Result<Option<String>, MailFailure>;
}

/// For one attempt by mail: servers look things up themselves before they answer.
pub const MAIL_PATIENCE: Duration = Duration::from_secs(30);

/// Makes one attempt to send a mail, for as long as `patience`; see [`MAIL_PATIENCE`].
pub async fn send_mail(
    transport: &dyn MailTransport,
    mail: &OutgoingMail,
    patience: Duration,
) -> Attempt {
    let started = Instant::now();
    let sent = tokio::time::timeout(patience, transport.send(mail)).await;
    let mut excerpt = None;
    let outcome = match sent {
        Ok(Ok(remark)) => {
            excerpt = remark.map(|remark| clean_line(&remark, REASON));
            Outcome::Delivered
        }
        Ok(Err(MailFailure::Temporary(reason))) => Outcome::Retry {
            after: None,
            reason,
        },
        Ok(Err(MailFailure::Permanent(reason))) => Outcome::Refused { reason },
        Err(_) => Outcome::Retry {
            after: None,
            reason: "the mail server did not answer in time".to_owned(),
        },
    };
    Attempt {
        outcome: cleaned(outcome, ToOwned::to_owned),
        status: None,
        duration: started.elapsed(),
        excerpt,
    }
}
