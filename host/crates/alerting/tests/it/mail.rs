//! Attempts by mail.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use vedette_alerting::{
    Attempt, MAIL_PATIENCE, MailFailure, MailTransport, Outcome, OutgoingMail, sample, send_mail,
};

use crate::channels::mail;

/// Says what it was made to say; `None`: never anything.
struct Server {
    answer: Option<Result<Option<String>, MailFailure>>,
    taken: Arc<Mutex<Vec<OutgoingMail>>>,
}

#[async_trait]
impl MailTransport for Server {
    async fn send(&self, mail: &OutgoingMail) -> Result<Option<String>, MailFailure> {
        self.taken.lock().unwrap().push(mail.clone());
        match &self.answer {
            Some(answer) => answer.clone(),
            None => std::future::pending().await,
        }
    }
}

async fn attempt(
    answer: Option<Result<Option<String>, MailFailure>>,
    patience: Duration,
) -> Attempt {
    let taken = Arc::default();
    let server = Server {
        answer,
        taken: Arc::clone(&taken),
    };
    let mail = mail(&sample::down());
    let attempt = send_mail(&server, &mail, patience).await;
    assert_eq!(*taken.lock().unwrap(), [mail]);
    assert_eq!(attempt.status, None);
    attempt
}

#[tokio::test]
async fn what_the_server_says_decides() {
    let said =
        async |failure: MailFailure| attempt(Some(Err(failure)), MAIL_PATIENCE).await.outcome;
    let taken = attempt(Some(Ok(None)), MAIL_PATIENCE).await;
    assert_eq!((taken.outcome, taken.excerpt), (Outcome::Delivered, None));
    let remark = "recipient 2: refused\u{7}".to_owned();
    let taken = attempt(Some(Ok(Some(remark))), MAIL_PATIENCE).await;
    assert_eq!(taken.outcome, Outcome::Delivered);
    assert_eq!(taken.excerpt.as_deref(), Some("recipient 2: refused"));
    let reason = "refused with 451".to_owned();
    let later = said(MailFailure::Temporary(reason.clone())).await;
    assert_eq!(
        later,
        Outcome::Retry {
            after: None,
            reason: reason.clone()
        }
    );
    let never = said(MailFailure::Permanent(format!("{reason}\r\n\u{1b}[31m"))).await;
    assert_eq!(
        never,
        Outcome::Refused {
            reason: format!("{reason} [31m")
        }
    );
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for() {
    let outcome = attempt(None, Duration::from_millis(50)).await.outcome;
    assert!(
        matches!(outcome, Outcome::Retry { after: None, .. }),
        "{outcome:?}"
    );
}
