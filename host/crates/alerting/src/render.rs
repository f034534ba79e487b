//! Writing a notification in the format of a channel: a function of its arguments.

use chrono::{DateTime, Utc};

use crate::{Channel, Notification, Outgoing, told::Told};

mod discord;
mod email;
mod ntfy;
mod opsgenie;
mod pagerduty;
mod slack;
mod teams;
mod telegram;
mod webhook;

pub(crate) use webhook::try_body;

/// The message for an attempt that is made at `at`, which only signatures depend on: all attempts for one
/// notification have the same body.
pub fn render(channel: &Channel, notification: &Notification, at: DateTime<Utc>) -> Outgoing {
    let told = Told::new(notification);
    let request = match channel {
        Channel::Email(email) => return Outgoing::Mail(email::render(email, notification, &told)),
        Channel::Webhook(webhook) => webhook::render(webhook, notification.id, &told, at),
        Channel::Slack(slack) => slack::render(slack, &told),
        Channel::Discord(discord) => discord::render(discord, &told),
        Channel::Teams(teams) => teams::render(teams, &told),
        Channel::Telegram(telegram) => telegram::render(telegram, &told),
        Channel::PagerDuty(pagerduty) => pagerduty::render(pagerduty, &told),
        Channel::Opsgenie(opsgenie) => opsgenie::render(opsgenie, &told),
        Channel::Ntfy(ntfy) => ntfy::render(ntfy, &told),
    };
    Outgoing::Request(request)
}

/// The words of the one link in a message.
const LINK_TEXT: &str = "Open in Vedette";
