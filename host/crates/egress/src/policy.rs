//! The installation's policy, and the guard that applies it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use ipnet::{IpNet, Ipv6Net};
use serde::Serialize;

use crate::{
    EgressError, Seals, Session, SessionLimits, Stage, client::SharedClientParts, url_rules,
};

/// What the operator allows besides the public internet.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Networks that are reachable although they are not public. Empty: public internet only.
    pub allow: Vec<IpNet>,
    /// Prefixes under which this network translates to IPv4 (NAT64, RFC 6052). An address in one
    /// is judged as the IPv4 address that it carries.
    pub nat64: Vec<Ipv6Net>,
}

impl Policy {
    /// Whether the operator allows this address by its network.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|net| net.contains(&address))
    }

    /// The IPv4 address that a translator of this network makes of an address.
    pub(crate) fn translated(&self, address: IpAddr) -> Option<Ipv4Addr> {
        let IpAddr::V6(address) = address else {
            return None;
        };
        let prefix = self.nat64.iter().find(|net| net.contains(&address))?;
        Some(carried(address, prefix.prefix_len()))
    }

    fn check(&self) -> Result<(), EgressError> {
        let is_known = |net: &&Ipv6Net| NAT64_LENGTHS.contains(&net.prefix_len());
        match self.nat64.iter().find(|net| !is_known(net)) {
            Some(net) => Err(EgressError::Nat64Prefix(*net)),
            None => Ok(()),
        }
    }

    pub(crate) fn has_allowed(&self) -> bool {
        !self.allow.is_empty()
    }
}

/// RFC 6052 section 2.2.
const NAT64_LENGTHS: &[u8] = &[32, 40, 48, 56, 64, 96];

/// The IPv4 address after a prefix of so many bits; bits 64 to 71 are no part of it.
fn carried(address: Ipv6Addr, prefix: u8) -> Ipv4Addr {
    let octets = address.octets();
    let mut after = (usize::from(prefix / 8)..16).filter(|at| *at != 8);
    let mut next = || after.next().map_or(0, |at| octets[at]);
    Ipv4Addr::new(next(), next(), next(), next())
}

/// Judges and makes every outbound request. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    pub(crate) policy: Arc<Policy>,
    pub(crate) shared: Arc<SharedClientParts>,
}

impl Guard {
    /// A guard that trusts the machine's root certificates, or Mozilla's where it has none.
    ///
    /// # Errors
    /// When TLS cannot be set up, or a prefix of the policy has a length that NAT64 has not.
    pub fn new(policy: Policy) -> Result<Self, EgressError> {
        policy.check()?;
        let shared = Arc::new(SharedClientParts::new(Vec::new())?);
        Ok(Self {
            policy: Arc::new(policy),
            shared,
        })
    }

    /// A guard that trusts these root certificates (DER) only.
    ///
    /// # Errors
    /// When one of them is not a certificate, and as for [`Guard::new`].
    pub fn with_roots(policy: Policy, roots: Vec<Vec<u8>>) -> Result<Self, EgressError> {
        policy.check()?;
        let shared = Arc::new(SharedClientParts::new(roots)?);
        Ok(Self {
            policy: Arc::new(policy),
            shared,
        })
    }

    /// The verdict for a URL before any packet, with the rule.
    pub fn explain(&self, url: &str) -> Explanation {
        match url_rules::check(&self.policy, url) {
            Ok(_) => Explanation {
                input: url.to_owned(),
                verdict: "allow",
                stage: None,
                rule: None,
            },
            Err(denial) => Explanation {
                input: url.to_owned(),
                verdict: "deny",
                stage: Some(denial.stage),
                rule: Some(denial.rule),
            },
        }
    }

    /// The requests of one run. Costs nothing until the first of them.
    pub fn session(&self, limits: SessionLimits) -> Session {
        self.session_with(limits, Seals::default())
    }

    /// The requests of one run that has sealed secrets.
    pub fn session_with(&self, limits: SessionLimits, seals: Seals) -> Session {
        Session::new(self.clone(), limits, seals)
    }
}

/// What the guard says of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The URL as given.
    pub input: String,
    /// `allow`: the request may leave; for a name, its addresses are judged when it is resolved.
    /// `deny`: no packet leaves.
    pub verdict: &'static str,
    /// Where a refusal fell.
    pub stage: Option<Stage>,
    /// The rule that refused.
    pub rule: Option<String>,
}
