//! Name resolution that gives the client only addresses that were judged.
//!
//! All answers are judged, and one bad answer refuses the name: what the client dials is exactly
//! what was judged, so that there is no second look-up to rebind.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _},
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Denial, Policy, Stage,
    facts::note,
    url_rules::{check_address, is_localhost},
};

/// Look-ups at once: each holds a thread of the blocking pool until the C library gives up, which
/// may be long after the request did.
const CONCURRENT_LOOKUPS: usize = 64;
/// Those of one run.
const LOOKUPS_OF_A_RUN: usize = 6;
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a look-up waits for others to end, less than a connection may take.
const PLACE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a look-up gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    /// The name did not resolve. An answer that says to try again counts here too: it comes from
    /// the target's name servers far more often than from a resolver of ours that is broken.
    #[error("{0}")]
    Dns(String),
    /// We could not even ask.
    #[error("{0}")]
    Platform(&'static str),
}

/// Resolves by the machine's own resolver, hosts file included, and judges what comes.
pub(crate) struct GuardedResolver {
    policy: Arc<Policy>,
    places: Places,
}

/// Of all runs, and of this one.
#[derive(Clone)]
struct Places {
    all: Arc<Semaphore>,
    own: Arc<Semaphore>,
}

impl GuardedResolver {
    pub(crate) fn new(policy: Arc<Policy>, all: Arc<Semaphore>) -> Self {
        let own = Arc::new(Semaphore::new(LOOKUPS_OF_A_RUN));
        let places = Places { all, own };
        Self { policy, places }
    }

    /// The look-ups that all sessions of a guard share.
    pub(crate) fn lookups() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(CONCURRENT_LOOKUPS))
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.policy.clone();
        let places = self.places.clone();
        Box::pin(async move {
            let addresses = if is_localhost(name.as_str()) {
                localhost(&policy)?
            } else {
                lookup(name.as_str(), &places).await?
            };
            for address in &addresses {
                check_address(&policy, *address, Stage::Dns)?;
            }
            let sockets: Vec<_> = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            Ok(Box::new(sockets.into_iter()) as Addrs)
        })
    }
}

async fn lookup(name: &str, places: &Places) -> Result<Vec<IpAddr>, LookupError> {
    let place = tokio::time::timeout(PLACE_TIMEOUT, places.take())
        .await
        .map_err(|_| LookupError::Platform("too many names are being looked up at once"))?;
    // Waiting for a place is not the target's time.
    let started = Instant::now();
    let asked = (name.to_owned(), 0);
    let asking = tokio::task::spawn_blocking(move || {
        let found = asked.to_socket_addrs();
        // Held to the end of the thread's work, whether or not anyone still waits for it.
        drop(place);
        found
    });
    let answer = tokio::time::timeout(LOOKUP_TIMEOUT, asking).await;
    note(|hop| hop.dns = Some(started.elapsed()));
    let found = answer
        .map_err(|_| LookupError::Dns(format!("no answer within {} s", LOOKUP_TIMEOUT.as_secs())))?
        .map_err(|_| LookupError::Platform("a look-up ended without an answer"))?
        .map_err(|error| explain(&error))?;
    let addresses: Vec<_> = found.map(|socket| socket.ip()).collect();
    if addresses.is_empty() {
        return Err(LookupError::Dns("the name has no address".to_owned()));
    }
    Ok(addresses)
}

impl Places {
    async fn take(&self) -> (OwnedSemaphorePermit, OwnedSemaphorePermit) {
        let own = self.own.clone().acquire_owned().await;
        let all = self.all.clone().acquire_owned().await;
        (own.expect("never closed"), all.expect("never closed"))
    }
}

/// RFC 6761 section 6.3: answered here, never asked of DNS; those that the operator allows.
fn localhost(policy: &Policy) -> Result<Vec<IpAddr>, Denial> {
    let loopback = [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ];
    let allowed: Vec<_> = loopback
        .into_iter()
        .filter(|address| policy.allows(*address))
        .collect();
    if allowed.is_empty() {
        return Err(Denial::new(Stage::Dns, "loopback is not allowed here"));
    }
    Ok(allowed)
}

/// An error of the operating system, such as too few file descriptors, is ours; the C library's
/// own errors are about the name, and are told without the prefix that Rust puts before them.
fn explain(error: &std::io::Error) -> LookupError {
    if error.raw_os_error().is_some() {
        tracing::error!(%error, "a name could not be looked up");
        return LookupError::Platform("the name could not be looked up");
    }
    let text = error.to_string();
    LookupError::Dns(text.rsplit(": ").next().unwrap_or(&text).to_owned())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_the_name_is_to_blame_for_is_told_from_what_we_are() {
        let name =
            io::Error::other("failed to lookup address information: Name or service not known");
        assert!(
            matches!(explain(&name), LookupError::Dns(why) if why == "Name or service not known")
        );
        let too_many_files = io::Error::from_raw_os_error(24);
        assert!(matches!(explain(&too_many_files), LookupError::Platform(_)));
    }
}
