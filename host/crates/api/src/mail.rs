//! Mails: written and sent in the background, so that no answer waits for them, or tells by its time
//! whether there was anything to send.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use url::Url;

/// Mails that are being written, wait, or are being sent: each holds a few KiB.
const MOST: u32 = 64;
/// Mails that are sent at once.
const AT_ONCE: usize = 4;
/// A mailer has a bound of its own; this is for one that has none that works.
const PATIENCE: Duration = Duration::from_mins(1);

/// A mail of plain text.
#[derive(Clone)]
pub struct Mail {
    /// An address, and nothing but that.
    pub to: String,
    /// One line of ASCII.
    pub subject: &'static str,
    /// The text.
    pub text: String,
}

/// It may hold a token.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail { … }")
    }
}

/// Why a mail was not sent. It is logged, so that it names no address and nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MailError(pub String);

/// Sends mails.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Hands a mail to the mail server, within a bound of time.
    ///
    /// # Errors
    /// When the server does not take it.
    async fn send(&self, mail: Mail) -> Result<(), MailError>;
}

/// Sends in the background. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Outbox {
    mailer: Arc<dyn Mailer>,
    public_url: Url,
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Outbox {
    /// With the address under which people reach this installation.
    pub(crate) fn new(mailer: Arc<dyn Mailer>, public_url: Url) -> Self {
        Self {
            mailer,
            public_url,
            places: Arc::new(Semaphore::new(MOST as usize)),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// An address of the installation, of a path without a slash before it.
    pub(crate) fn link(&self, path: &str) -> String {
        let base = self.public_url.as_str().trim_end_matches('/');
        format!("{base}/{path}")
    }

    /// Writes a mail, if one is to be sent, and sends it, both in the background. When too many wait
    /// already, nothing is done but a line in the log: whoever wanted it asks once more.
    pub(crate) fn post(&self, write: impl Future<Output = Option<Mail>> + Send + 'static) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            tracing::warn!("too many mails wait to be sent; one was dropped");
            return;
        };
        let (mailer, turns) = (self.mailer.clone(), self.turns.clone());
        let send = async move {
            let _place = place;
            let Some(mail) = write.await else {
                return;
            };
            let _turn = turns.acquire().await.expect("never closed");
            let sent = tokio::time::timeout(PATIENCE, mailer.send(mail)).await;
            let no_end = MailError("the mailer did not come to an end".to_owned());
            match sent.unwrap_or(Err(no_end)) {
                Ok(()) => tracing::info!("a mail was sent"),
                Err(error) => tracing::error!(%error, "a mail could not be sent"),
            }
        };
        tokio::spawn(send);
    }

    /// Waits until no mail is on its way.
    pub(crate) async fn all_sent(&self) {
        // Each holds a place; an error means that nobody will ever get one.
        let _ = self.places.acquire_many(MOST).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;

    /// Sends when it is told to.
    struct Gate(watch::Receiver<usize>, watch::Sender<usize>);

    #[async_trait]
    impl Mailer for Gate {
        async fn send(&self, _: Mail) -> Result<(), MailError> {
            self.1.send_modify(|begun| *begun += 1);
            let mut open = self.0.clone();
            let _ = open.wait_for(|open| *open > 0).await;
            Ok(())
        }
    }

    fn mail() -> Mail {
        Mail {
            to: "anna@example.com".to_owned(),
            subject: "subject",
            text: "text".to_owned(),
        }
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_comes_to_an_end() {
        let (open, opened) = watch::channel(0);
        let (begun, mut beginning) = watch::channel(0);
        let url = Url::parse("https://vedette.example.com/base/").unwrap();
        let outbox = Outbox::new(Arc::new(Gate(opened, begun)), url);
        assert_eq!(outbox.link("x"), "https://vedette.example.com/base/x");
        for _ in 0..MOST + 10 {
            outbox.post(async { Some(mail()) });
        }
        beginning.wait_for(|begun| *begun == AT_ONCE).await.unwrap();
        assert_eq!(outbox.places.available_permits(), 0, "ten were dropped");
        open.send_replace(1);
        outbox.all_sent().await;
        assert_eq!(*beginning.borrow(), MOST as usize);
        // What is not to be sent leaves its place, too.
        for _ in 0..1_000 {
            outbox.post(async { None });
            outbox.all_sent().await;
        }
        assert_eq!(*beginning.borrow(), MOST as usize);
    }

    #[test]
    fn nothing_of_a_mail_is_shown() {
        assert_eq!(format!("{:?}", mail()), "Mail { … }");
    }
}
