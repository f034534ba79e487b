//! Notifications, as a library without a database.
//!
//! [`Channel`] is where to tell something, read from settings and checked when it is saved; [`Notification`] is
//! what to tell; [`render`] writes it in the words and the format of the channel. Whoever has the database keeps the
//! rest: what is due, and what came of it.
#![warn(missing_docs)]

pub mod channel;
mod notification;
mod outgoing;
mod render;
pub mod sample;
mod signature;
pub mod template;
mod text;
mod told;

pub use channel::{Channel, ChannelKind, ConfigError, ConfigErrors, Parts, SigningSecret};
pub use notification::{
    DigestItem, Event, ExecutionRef, IncidentId, Notification, NotificationId, RequestRow, Severity,
};
pub use outgoing::{Outgoing, OutgoingMail, OutgoingRequest};
pub use render::render;
pub use template::{PreviewError, Target, Template, TemplateError, preview};
