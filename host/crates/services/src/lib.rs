//! The services that the operator names in the settings: a mail server, identity providers.
//!
//! Nothing here is asked for by tenants: what they reach goes through `vedette-egress`. Each service
//! implements a trait of `vedette-api` or `vedette-alerting`.

mod mail;
mod provider;

pub use mail::{MailSettingsError, SmtpMailer, is_mail_address};
pub use provider::{HttpProviderClient, HttpProviderClientError};
