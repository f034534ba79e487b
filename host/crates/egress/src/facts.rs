//! What is measured of one hop, and how it gets from deep inside the client to the session.
//!
//! The resolver, the connector and the TLS verifier run somewhere below `execute`; they find the
//! hop they belong to in a task-local, because the client carries nothing of ours down to them.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// Durations of a request. The phases are of the last hop; `None`: the phase did not happen, or
/// could not be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timings {
    /// Name resolution.
    pub dns: Option<Duration>,
    /// TCP connect.
    pub connect: Option<Duration>,
    /// TLS handshake.
    pub tls: Option<Duration>,
    /// From the connection being there until the head of the response.
    pub first_byte: Duration,
    /// Body.
    pub download: Duration,
    /// All hops, from start to the last body byte.
    pub total: Duration,
}

/// Facts about the TLS connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsInfo {
    /// `TLSv1.2` or `TLSv1.3`.
    pub protocol: String,
    /// Subject of the certificate.
    pub subject: String,
    /// Issuer of the certificate.
    pub issuer: String,
    /// Start of validity, seconds since the Unix epoch.
    pub not_before: i64,
    /// End of validity, seconds since the Unix epoch.
    pub not_after: i64,
    /// The earliest end of validity in the chain that the server sent.
    pub chain_not_after: i64,
}

/// What was seen of the hop in flight.
#[derive(Debug, Default)]
pub(crate) struct Hop {
    pub(crate) dns: Option<Duration>,
    pub(crate) connect_started: Option<Instant>,
    pub(crate) tls_started: Option<Instant>,
    pub(crate) connected: Option<Instant>,
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) tls_protocol: Option<&'static str>,
    pub(crate) tls_refusal: Option<String>,
}

impl Hop {
    /// TCP connect: from the connector's start, without name resolution, to the start of TLS or
    /// to its end.
    pub(crate) fn connect(&self) -> Option<Duration> {
        let end = self.tls_started.or(self.connected)?;
        let whole = end.duration_since(self.connect_started?);
        self.connected?;
        Some(whole.saturating_sub(self.dns.unwrap_or_default()))
    }

    pub(crate) fn tls(&self) -> Option<Duration> {
        Some(self.connected?.duration_since(self.tls_started?))
    }
}

pub(crate) type SharedHop = Arc<Mutex<Hop>>;

tokio::task_local! {
    pub(crate) static HOP: SharedHop;
}

/// Notes something about the hop that this task is making. Outside of one, such as for a
/// connection that the pool finishes in the background, there is nothing to note.
pub(crate) fn note(f: impl FnOnce(&mut Hop)) {
    // The error only says that no hop is in scope.
    let _ = HOP.try_with(|hop| f(&mut hop.lock().expect("no holder of this lock panics")));
}
