//! Self-health as the settings have it: the reference targets, by the egress guard, and the operator, by mail.

use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use url::Url;
use vedette_api::{Mail, Mailer};
use vedette_core::Clock;
use vedette_egress::Guard;
use vedette_scheduler::{Operator, OperatorError, Outage, References, SelfHealth};

use crate::{app, config::Config};

/// Off where the settings name no references.
pub(crate) fn self_health(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<SelfHealth> {
    let settings = &config.self_health;
    if settings.reference_urls.is_empty() {
        return Ok(SelfHealth::default());
    }
    let urls = settings.reference_urls.iter().map(Url::to_string);
    let targets = Targets {
        // Of its own: the look-ups of runs, which all hang in an outage, leave no room in theirs.
        guard: app::guard(config)?,
        urls: urls.collect(),
    };
    let operator = match settings.notify() {
        None => None,
        Some(to) => Some(Box::new(ByMail {
            mailer: Box::new(
                config
                    .mail
                    .mailer()?
                    .context("self_health.notify needs mail.url")?,
            ),
            to: to.to_owned(),
            installation: config.server.public_url().map_err(anyhow::Error::msg)?,
        }) as Box<dyn Operator>),
    };
    Ok(SelfHealth::new(Box::new(targets), operator, clock.clone()))
}

struct Targets {
    guard: Guard,
    urls: Vec<String>,
}

#[async_trait]
impl References for Targets {
    async fn is_any_reachable(&self) -> bool {
        self.guard
            .reaches_any(&self.urls, SelfHealth::PATIENCE)
            .await
    }
}

struct ByMail {
    mailer: Box<dyn Mailer>,
    to: String,
    installation: Option<Url>,
}

#[async_trait]
impl Operator for ByMail {
    async fn tell(&self, outage: Outage) -> Result<(), OperatorError> {
        let mail = Mail {
            to: self.to.clone(),
            subject: subject(outage),
            text: text(outage, self.installation.as_ref()),
        };
        let sent = self.mailer.send(mail).await;
        sent.map_err(|error| OperatorError(error.to_string()))
    }
}

const fn subject(outage: Outage) -> &'static str {
    match outage.until {
        None => "Vedette has no network",
        Some(_) => "Vedette has its network again",
    }
}

fn text(outage: Outage, installation: Option<&Url>) -> String {
    let installation = installation.map_or("this installation", Url::as_str);
    let since = outage.since.format("%Y-%m-%d %H:%M:%S UTC");
    match outage.until {
        None => format!(
            "None of the reference targets of {installation} has answered since {since}.\n\n\
             Until one does, checks that do not reach their targets are recorded as errors of the \
             installation (platform_error), and silence fires no alert rule: nobody else is alerted.\n\n\
             Look at the resolver and the uplink of the machine.\n"
        ),
        Some(until) => format!(
            "The reference targets of {installation} answer again since {until}. They had not since \
             {since}: for {seconds} seconds.\n\n\
             Checks that did not reach their targets in that time are recorded as errors of the installation \
             (platform_error). In the first three minutes after it, silence fires no alert rule yet.\n",
            until = until.format("%Y-%m-%d %H:%M:%S UTC"),
            seconds = (until - outage.since).num_seconds(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use chrono::{DateTime, TimeDelta};
    use vedette_api::MailError;

    use super::*;

    /// Takes mails, or does not.
    struct Post(Arc<Mutex<Vec<Mail>>>, bool);

    #[async_trait]
    impl Mailer for Post {
        async fn send(&self, mail: Mail) -> Result<(), MailError> {
            if self.1 {
                self.0.lock().unwrap().push(mail);
                Ok(())
            } else {
                Err(MailError(
                    "the mail server did not answer in time".to_owned(),
                ))
            }
        }
    }

    fn by_mail(takes: bool) -> (ByMail, Arc<Mutex<Vec<Mail>>>) {
        let mails = Arc::default();
        let operator = ByMail {
            mailer: Box::new(Post(Arc::clone(&mails), takes)),
            to: "ops@example.com".to_owned(),
            installation: Some(Url::parse("https://vedette.example.com/").unwrap()),
        };
        (operator, mails)
    }

    #[tokio::test]
    async fn the_operator_gets_a_mail_about_each_end_of_an_outage() {
        let since = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let until = since + TimeDelta::seconds(90);
        let (operator, mails) = by_mail(true);
        for until in [None, Some(until)] {
            operator.tell(Outage { since, until }).await.unwrap();
        }
        let mails = std::mem::take(&mut *mails.lock().unwrap());
        assert_eq!(mails.len(), 2);
        for (mail, said) in mails.iter().zip([
            vec!["2023-11-14 22:13:20 UTC", "uplink"],
            vec!["2023-11-14 22:14:50 UTC", "for 90 seconds"],
        ]) {
            assert_eq!(mail.to, "ops@example.com");
            for said in said.into_iter().chain(["https://vedette.example.com/"]) {
                assert!(mail.text.contains(said), "{said}: {}", mail.text);
            }
        }
        assert_ne!(mails[0].subject, mails[1].subject);
        let (operator, _) = by_mail(false);
        let refused = operator.tell(Outage { since, until: None }).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("did not answer"), "{error}");
    }
}
