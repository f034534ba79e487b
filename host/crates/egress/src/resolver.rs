//! Name resolution that gives the client only addresses that were judged.
//!
//! All answers are judged, and one bad answer refuses the name: what the client dials is exactly
//! what was judged, so that there is no second look-up to rebind.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use crate::{
    Denial, Policy, Stage,
    facts::note,
    url_rules::{check_address, is_localhost},
};

/// Look-ups at once: each holds a thread of the blocking pool.
const CONCURRENT_LOOKUPS: usize = 64;
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// The name did not resolve.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DnsFailure(pub(crate) String);

/// Resolves by the machine's own resolver, hosts file included, and judges what comes.
pub(crate) struct GuardedResolver {
    policy: Arc<Policy>,
    lookups: Arc<Semaphore>,
}

impl GuardedResolver {
    pub(crate) fn new(policy: Arc<Policy>, lookups: Arc<Semaphore>) -> Self {
        Self { policy, lookups }
    }

    /// The look-ups that all sessions of a guard share.
    pub(crate) fn lookups() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(CONCURRENT_LOOKUPS))
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.policy.clone();
        let lookups = self.lookups.clone();
        Box::pin(async move {
            let started = Instant::now();
            let addresses = lookup(name.as_str(), &policy, &lookups).await;
            note(|hop| hop.dns = Some(started.elapsed()));
            let addresses = addresses?;
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

async fn lookup(
    name: &str,
    policy: &Policy,
    lookups: &Semaphore,
) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
    if is_localhost(name) {
        return Ok(localhost(policy)?);
    }
    let _permit = lookups.acquire().await.expect("never closed");
    let found = tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((name, 0)))
        .await
        .map_err(|_| DnsFailure(format!("no answer within {} s", LOOKUP_TIMEOUT.as_secs())))?
        .map_err(|error| DnsFailure(plain(&error)))?;
    let addresses: Vec<_> = found.map(|socket| socket.ip()).collect();
    if addresses.is_empty() {
        return Err(DnsFailure("the name has no address".to_owned()).into());
    }
    Ok(addresses)
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

/// The C library's words without the prefix that Rust puts before them.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.rsplit(": ").next().unwrap_or(&text).to_owned()
}
