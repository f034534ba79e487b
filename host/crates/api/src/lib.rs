//! HTTP in, domain calls, problem+json out.
//!
//! [`router()`] has every route; a route's handler lies in the file that its path names
//! (`/api/v1/scripts/{script_id}/run` in `v1/scripts/run.rs`). Each handler authorizes, parses
//! into domain types, makes a store or domain call, and maps to a view. What the API needs of the
//! sandbox and the scheduler are the traits [`ScriptEngine`] and [`ComponentEngine`]; the adapter is
//! the host's.

mod attempts;
mod auth;
mod author;
mod client_address;
mod confirm;
mod engine;
mod extract;
mod health;
mod json;
mod link_token;
mod mail;
mod manual_runs;
mod metrics;
mod notices;
mod oidc;
mod openapi;
mod parameters;
mod password;
mod problem;
mod recovery;
mod redis_link;
mod request_rate;
mod reset_page;
mod router;
mod routes;
mod seal;
mod second_factor;
mod shared_cache;
mod shared_throttle;
mod signature;
mod state;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod throttle;
mod tokens;
mod totp;
mod uploads;
mod v1;

pub use bytes::Bytes;
pub use engine::{ComponentEngine, RunNow, ScriptEngine, SourceError};
pub use mail::{Mail, MailError, Mailer};
pub use oidc::{
    OidcProvider, OidcSettingsError, ProviderAnswer, ProviderClient, ProviderClientError,
};
pub use redis_link::{RedisLink, RedisUrlError};
pub use router::{openapi, router};
pub use seal::{KeySealBox, SealBox, SealError};
pub use state::{ApiConfig, ApiState, Registration};
pub use tokens::{KeyError, TokenKeys};
