//! Notifications: what is told, how, and the worker that delivers it.
//!
//! [`Channel`] is where to tell something, read from settings and checked when it is saved; [`Notification`] is
//! what to tell; [`render`] writes it in the words and the format of the channel, and [`preview`] shows that to whoever
//! sets a channel up; [`Sender`] and [`send_mail`] make
//! one attempt to deliver it; [`backoff`] says when the next one comes. All of these know no database. The
//! [`Deliverer`] takes what is due from the outbox of the store, and keeps there what came of it.
//!
//! All HTTP goes through the guard of `vedette-egress`: channels are named by tenants. Mail goes by a
//! [`MailTransport`], which the operator's settings name.
#![warn(missing_docs)]

mod answer;
pub mod backoff;
pub mod channel;
mod deliver;
mod notification;
mod outgoing;
mod preview;
mod render;
pub mod sample;
mod send;
mod signature;
pub mod template;
mod text;
mod told;

pub use answer::Outcome;
pub use channel::{Channel, ChannelKind, ConfigError, ConfigErrors, Parts, SigningSecret};
pub use deliver::{Deliverer, DeliveryOptions};
pub use notification::{
    DigestItem, Event, ExecutionRef, Notification, RequestRow, Resolution, Severity,
};
pub use outgoing::{Outgoing, OutgoingMail, OutgoingRequest};
pub use preview::{Preview, preview};
pub use render::render;
pub use send::{
    Attempt, MAIL_PATIENCE, MAX_ANSWER_BYTES, MailFailure, MailTransport, PATIENCE, Sender,
    send_mail,
};
pub use template::{Target, Template, TemplateError};
pub use vedette_core::{IncidentId, NotificationId};
pub use vedette_egress::Policy;
