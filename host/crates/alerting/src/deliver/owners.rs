//! Telling the owner of a channel that it is disabled, because nobody listens there any more. Whoever relies on it
//! would else find out in the next outage.

use vedette_core::NotificationId;
use vedette_store::UntoldOwner;

use super::Deliverer;
use crate::{MAIL_PATIENCE, Outcome, OutgoingMail, send_mail, text};

/// Owners of one round.
const ROUND: u32 = 20;
/// Longest text from elsewhere in such a mail, in UTF-16 units.
const LONGEST: usize = 300;

impl Deliverer {
    /// Mails those who are not told yet, one after the other. Who is not reached now is tried in the next round.
    pub(super) async fn tell_owners(&self) {
        let (Some(transport), Ok(_alone)) = (&self.mail, self.telling.try_lock()) else {
            return;
        };
        let untold = match self.store.list_untold_owners(ROUND).await {
            Ok(untold) => untold,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "owners of channels cannot be told for the moment");
                return;
            }
        };
        for owner in untold {
            let mail = mail(&owner, NotificationId::generate(self.clock.as_ref()));
            match send_mail(transport.as_ref(), &mail, MAIL_PATIENCE)
                .await
                .outcome
            {
                Outcome::Delivered => {}
                Outcome::Retry { reason, .. } => {
                    tracing::warn!(channel.id = %owner.channel_id, reason, "its owner is not told yet");
                    continue;
                }
                Outcome::Gone { reason } | Outcome::Refused { reason } => {
                    tracing::warn!(channel.id = %owner.channel_id, reason, "its owner cannot be told");
                }
            }
            let noted = self.store.note_owner_told(owner.org_id, owner.channel_id);
            if let Err(error) = noted.await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(channel.id = %owner.channel_id, error, "its owner is told again");
            }
        }
    }
}

fn mail(owner: &UntoldOwner, id: NotificationId) -> OutgoingMail {
    let clean = |text: &str| text::clean_line(text, LONGEST);
    let (channel, organization) = (clean(&owner.channel), clean(&owner.organization));
    let reason = clean(&owner.reason);
    let paragraphs = [
        format!(
            "The notification channel \"{channel}\" of {organization} is disabled, because nobody listens any more \
             where it leads to: {reason}."
        ),
        "Alert rules that tell this channel reach nobody by it. What waited for it is in the delivery log, as dead \
         letters. Change its settings and enable it again, or have the rules tell another channel."
            .to_owned(),
    ];
    let escape = |text: &String| format!("<p>{}</p>", text::escaped(text, text::html));
    let html: String = paragraphs.iter().map(escape).collect();
    OutgoingMail {
        notification: id,
        incident: None,
        to: vec![owner.email.clone()],
        subject: text::cut(
            &format!("The notification channel \"{channel}\" is disabled"),
            250,
        ),
        text: paragraphs.join("\n\n") + "\n",
        html: format!("<!doctype html><html><body>{html}</body></html>"),
    }
}
