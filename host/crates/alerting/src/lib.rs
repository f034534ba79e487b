//! Notifications, as a library without a database.
//!
//! [`Channel`] is where to tell something, read from settings and checked when it is saved; [`Notification`] is
//! what to tell; [`render`] writes it in the words and the format of the channel; [`send`] and [`send_mail`] make
//! one attempt to deliver it; [`backoff`] says when the next one comes. Whoever has the database keeps the
//! rest: what is due, and what came of it.
//!
//! All HTTP goes through the guard of `vedette-egress`: channels are named by tenants. Mail goes by a
//! [`MailTransport`], which the operator's settings name.
#![warn(missing_docs)]

mod notification;
pub mod sample;
pub mod template;
mod text;
mod told;

pub use notification::{
    DigestItem, Event, ExecutionRef, IncidentId, Notification, NotificationId, RequestRow, Severity,
};
pub use template::{Target, Template, TemplateError, preview};
