//! Mail by SMTP (RFC 5321), in TLS unless the server is this machine.

mod notifications;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{
        Mailbox, MessageBuilder,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp,
};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};
use vedette_api::{Mail, MailError, Mailer};

/// For one mail, from the look-up of the server's name to its last word.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is wrong with the settings. It shows nothing of the address, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MailSettingsError {
    /// It is no address of a mail server.
    #[error(
        "mail.url is not an address such as smtps://user:password@host or \
         smtp+starttls://user:password@host:587, with nothing after the port"
    )]
    Url,
    /// Passwords and tokens would go over the network in the clear.
    #[error(
        "mail.url without TLS is for a server on this machine only; use smtps:// or smtp+starttls://"
    )]
    Plain,
    /// It is no sender.
    #[error("mail.from is not a sender such as Vedette <vedette@example.com>")]
    From,
}

/// Whether mail can be sent there: an address, and nothing but that.
pub fn is_mail_address(text: &str) -> bool {
    text.parse::<Address>().is_ok()
}

/// Sends by one SMTP server, with a connection for each mail: there are few. Cheap to clone.
#[derive(Clone)]
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    patience: Duration,
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpMailer { … }")
    }
}

impl SmtpMailer {
    /// With a server and a sender, as the settings have them. Nothing is connected yet.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn new(server: &SecretString, from: &str) -> Result<Self, MailSettingsError> {
        let address = transport_address(server.expose_secret())?;
        let from = from.parse().map_err(|_| MailSettingsError::From)?;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&address)
            .map_err(|_| MailSettingsError::Url)?
            .timeout(Some(PATIENCE))
            .build();
        Ok(Self {
            transport,
            from,
            patience: PATIENCE,
        })
    }

    /// Waits this long for a mail to be sent.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The beginning of every mail. Nobody's holiday answers it (RFC 3834).
    fn automatic(&self) -> MessageBuilder {
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.from.clone())
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
    }

    fn message(&self, mail: Mail) -> Result<Message, MailError> {
        let unfit = |_| MailError("the mail cannot be written".to_owned());
        let to = mail.to.parse::<Address>();
        let to = to.map_err(|_| MailError("its address is none".to_owned()))?;
        self.automatic()
            .to(Mailbox::new(None, to))
            .subject(mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text)
            .map_err(unfit)
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let message = self.message(mail)?;
        let sending = tokio::time::timeout(self.patience, self.transport.send(message));
        match sending.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(MailError(describe(&error))),
            Err(_) => Err(MailError(
                "the mail server did not answer in time".to_owned(),
            )),
        }
    }
}

/// What went wrong, without the server's words: they may repeat the address.
fn describe(error: &smtp::Error) -> String {
    if let Some(code) = error.status() {
        format!("the mail server refused it with {code}")
    } else if error.is_timeout() {
        "the mail server did not answer in time".to_owned()
    } else if error.is_tls() {
        "there is no TLS with the mail server: look at its certificate".to_owned()
    } else if error.is_client() {
        "the mail server lacks what is needed, such as STARTTLS or a way to sign in".to_owned()
    } else {
        "there is no connection to the mail server, or it broke".to_owned()
    }
}

/// The address in the words of the transport.
fn transport_address(setting: &str) -> Result<String, MailSettingsError> {
    let url = Url::parse(setting).map_err(|_| MailSettingsError::Url)?;
    let host = url.host_str().unwrap_or_default();
    let has_more = !matches!(url.path(), "" | "/") || url.query().is_some();
    if host.is_empty() || has_more || url.fragment().is_some() {
        return Err(MailSettingsError::Url);
    }
    let rest = setting.split_once("://").map_or("", |(_, rest)| rest);
    let rest = rest.trim_end_matches('/');
    match url.scheme() {
        "smtps" => Ok(format!("smtps://{rest}")),
        "smtp+starttls" => Ok(format!("smtp://{rest}?tls=required")),
        "smtp" if is_this_machine(host) => Ok(format!("smtp://{rest}")),
        "smtp" => Err(MailSettingsError::Plain),
        _ => Err(MailSettingsError::Url),
    }
}

/// Of a scheme that is not a browser's, the host is a text.
fn is_this_machine(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "Vedette <vedette@example.com>";

    fn new(url: &str, from: &str) -> Result<SmtpMailer, MailSettingsError> {
        SmtpMailer::new(&SecretString::from(url), from)
    }

    #[test]
    fn servers_are_named_by_their_kind_of_tls() {
        for (setting, address) in [
            ("smtps://host", "smtps://host"),
            ("smtps://u:p%40@host:465/", "smtps://u:p%40@host:465"),
            (
                "smtp+starttls://u:p@host:587",
                "smtp://u:p@host:587?tls=required",
            ),
            ("smtp://localhost", "smtp://localhost"),
            ("smtp://127.0.0.1:2525", "smtp://127.0.0.1:2525"),
            ("smtp://[::1]:2525", "smtp://[::1]:2525"),
        ] {
            assert_eq!(transport_address(setting).as_deref(), Ok(address));
            assert!(new(setting, FROM).is_ok(), "{setting}");
        }
    }

    #[test]
    fn what_is_no_server_or_no_sender_is_refused() {
        for setting in [
            "",
            "host",
            "smtps://",
            "https://host",
            "smtps://host/?tls=none",
            "smtps://host?tls=none",
            "smtps://host/path",
            "smtps://host#x",
            "smtps://host:99999",
        ] {
            let refused = new(setting, FROM).unwrap_err();
            assert_eq!(refused, MailSettingsError::Url, "{setting}");
        }
        for setting in [
            "smtp://mail.example.com",
            "smtp://u:p@10.0.0.1:25",
            "smtp://localhost.example.com",
        ] {
            let refused = new(setting, FROM).unwrap_err();
            assert_eq!(refused, MailSettingsError::Plain, "{setting}");
        }
        for from in ["", "vedette", "Vedette <vedette>", "a@b.c\r\nBcc: d@e.f"] {
            let refused = new("smtps://host", from).unwrap_err();
            assert_eq!(refused, MailSettingsError::From, "{from}");
        }
        let shown = format!("{:?}", new("smtps://u:hidden@host", FROM));
        assert!(!shown.contains("hidden"), "{shown}");
    }

    #[test]
    fn an_address_is_nothing_but_that() {
        assert!(is_mail_address("ops@example.com"));
        for text in [
            "",
            "ops",
            "Ops <ops@example.com>",
            "a@b.c, d@e.f",
            "a@b.c\r\nBcc: d@e.f",
        ] {
            assert!(!is_mail_address(text), "{text}");
        }
    }

    #[test]
    fn an_address_brings_no_header_of_its_own() {
        let mailer = new("smtps://host", FROM).unwrap();
        let message = |to: &str, text: &str| {
            let mail = Mail {
                to: to.to_owned(),
                subject: "A subject",
                text: text.to_owned(),
            };
            mailer.message(mail)
        };
        for to in [
            "anna@example.com\r\nBcc: boris@example.com",
            "anna@example.com\nBcc: boris@example.com",
            "anna@example.com, boris@example.com",
            "Anna <anna@example.com>",
            "",
        ] {
            assert!(message(to, "text").is_err(), "{to}");
        }
        // What the text says stays text, and no line of it ends the mail.
        let good = message("anna@example.com", "one\n.\nBcc: boris@example.com\n").unwrap();
        let written = String::from_utf8(good.formatted()).unwrap();
        let (headers, _) = written.split_once("\r\n\r\n").unwrap();
        assert!(!headers.contains("Bcc"), "{headers}");
        assert!(headers.contains("To: anna@example.com"), "{headers}");
        assert_eq!(good.envelope().to().len(), 1);
    }
}
