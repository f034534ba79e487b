//! The one place that opens connections on behalf of tenants.
//!
//! A [`Guard`] holds the installation's [`Policy`]; a [`Session`] makes the requests of one run
//! under the limits of that run. Before a packet leaves, the URL is judged ([`url_rules`]), then
//! the request ([`request_rules`]), then every address that its name resolves to
//! ([`address`], `resolver`); a redirect starts over. Nothing else in the workspace builds an
//! HTTP client: a test looks for it.
#![warn(missing_docs)]

pub mod address;
mod allowance;
mod body;
mod client;
mod error;
mod facts;
mod policy;
mod reach;
pub mod redact;
mod redirect;
pub mod request_rules;
mod resolver;
mod seals;
mod session;
mod tls;
pub mod url_rules;

pub use allowance::Allowance;
pub use error::{Denial, EgressError, FetchError, Stage};
pub use facts::{Timings, TlsInfo};
pub use policy::{Explanation, Guard, Policy};
pub use request_rules::{RedirectMode, Request};
pub use seals::Seals;
pub use session::{Response, Session, SessionLimits};
