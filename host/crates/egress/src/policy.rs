//! The installation's policy, and the guard that applies it.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use serde::Serialize;

use crate::{EgressError, Session, SessionLimits, Stage, client::SharedClientParts, url_rules};

/// What the operator allows besides the public internet.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Networks that are reachable although they are not public. Empty: public internet only.
    pub allow: Vec<IpNet>,
}

impl Policy {
    /// Whether the operator allows this address by name.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|net| net.contains(&address))
    }

    pub(crate) fn has_allowed(&self) -> bool {
        !self.allow.is_empty()
    }
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
    /// When TLS cannot be set up.
    pub fn new(policy: Policy) -> Result<Self, EgressError> {
        let shared = Arc::new(SharedClientParts::new(Vec::new())?);
        Ok(Self {
            policy: Arc::new(policy),
            shared,
        })
    }

    /// A guard that trusts these root certificates (DER) only.
    ///
    /// # Errors
    /// When one of them is not a certificate.
    pub fn with_roots(policy: Policy, roots: Vec<Vec<u8>>) -> Result<Self, EgressError> {
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
        Session::new(self.clone(), limits)
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
