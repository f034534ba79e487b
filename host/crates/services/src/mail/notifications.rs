//! Notifications by mail: to several people, as text and as a page.

use async_trait::async_trait;
use lettre::{
    Address, AsyncTransport as _, Message,
    message::{Mailbox, MultiPart},
    transport::smtp,
};
use vedette_alerting::{MailFailure, MailTransport, OutgoingMail};

use super::{SmtpMailer, describe};

#[async_trait]
impl MailTransport for SmtpMailer {
    async fn send(&self, mail: &OutgoingMail) -> Result<Option<String>, MailFailure> {
        let all = mail.to();
        match self.hand_over(mail, all).await {
            Ok(()) => Ok(None),
            // One address that is gone must not keep the others from hearing of it.
            Err(MailFailure::Permanent(_)) if all.len() > 1 => self.one_by_one(mail).await,
            Err(failure) => Err(failure),
        }
    }
}

impl SmtpMailer {
    /// A mail for each recipient by itself. It has arrived when one of them was taken; the rest is said.
    async fn one_by_one(&self, mail: &OutgoingMail) -> Result<Option<String>, MailFailure> {
        let mut refused = Vec::new();
        for (number, recipient) in (1..).zip(mail.to()) {
            if let Err(failure) = self.hand_over(mail, std::slice::from_ref(recipient)).await {
                refused.push((number, failure));
            }
        }
        let list = refused
            .iter()
            .map(|(number, failure)| format!("recipient {number}: {failure}"));
        let list = list.collect::<Vec<_>>().join("; ");
        if refused.len() < mail.to().len() {
            return Ok(Some(list).filter(|list| !list.is_empty()));
        }
        let may_go_later = |failure: &MailFailure| matches!(failure, MailFailure::Temporary(_));
        Err(
            if refused.iter().any(|(_, failure)| may_go_later(failure)) {
                MailFailure::Temporary(list)
            } else {
                MailFailure::Permanent(list)
            },
        )
    }

    async fn hand_over(&self, mail: &OutgoingMail, to: &[String]) -> Result<(), MailFailure> {
        let message = self.notification(mail, to)?;
        let sent = tokio::time::timeout(self.patience, self.transport.send(message)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(MailFailure::Temporary(
                "the mail server did not answer in time".to_owned(),
            )),
        }
    }

    fn notification(&self, mail: &OutgoingMail, to: &[String]) -> Result<Message, MailFailure> {
        let unfit = |_| MailFailure::Permanent("the mail cannot be written".to_owned());
        let domain = self.from.email.domain();
        let id = |id: &dyn std::fmt::Display| format!("<{id}@{domain}>");
        let mut message = self
            .automatic()
            .subject(mail.subject())
            .message_id(Some(id(&mail.notification())));
        if let Some(incident) = mail.incident() {
            // No mail has this id: it is what those of one incident have in common (RFC 5322 section 3.6.4).
            message = message.references(id(&incident));
        }
        for recipient in to {
            let address = recipient.parse::<Address>().map_err(|_| {
                MailFailure::Permanent("an address of the channel is none".to_owned())
            })?;
            message = message.to(Mailbox::new(None, address));
        }
        let body =
            MultiPart::alternative_plain_html(mail.text().to_owned(), mail.html().to_owned());
        message.multipart(body).map_err(unfit)
    }
}

/// Whether the same mail may go later.
fn failure(error: &smtp::Error) -> MailFailure {
    let said = describe(error);
    // That the server wants another password (RFC 4954 section 6) is for the operator to mend; then the mail goes.
    let is_about_signing_in = error
        .status()
        .is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538));
    if error.is_permanent() && !is_about_signing_in {
        MailFailure::Permanent(said)
    } else {
        MailFailure::Temporary(said)
    }
}
