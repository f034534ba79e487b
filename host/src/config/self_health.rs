//! The settings of self-health: the reference targets, and who is told.

use serde::Deserialize;
use url::Url;
use vedette_egress::{Policy, url_rules};
use vedette_services::is_mail_address;

/// Most reference targets: more say nothing more.
const MOST_REFERENCES: usize = 5;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SelfHealth {
    #[serde(deserialize_with = "super::list_or_json")]
    pub(crate) reference_urls: Vec<Url>,
    notify: String,
}

impl SelfHealth {
    /// Who gets a mail about an outage.
    pub(crate) fn notify(&self) -> Option<&str> {
        Some(self.notify.as_str()).filter(|to| !to.is_empty())
    }

    /// What is wrong, one sentence each.
    pub(super) fn problems(&self, policy: &Policy, has_mail: bool) -> Vec<String> {
        let mut problems = Vec::new();
        if self.reference_urls.len() > MOST_REFERENCES {
            problems.push(format!(
                "self_health.reference_urls may have {MOST_REFERENCES} addresses at most"
            ));
        }
        for url in &self.reference_urls {
            if let Err(denial) = url_rules::check(policy, url.as_str()) {
                // Not the whole address: it may hold a password.
                let host = url.host_str().unwrap_or_default();
                problems.push(format!("self_health.reference_urls: {host}: {denial}"));
            }
        }
        if let Some(to) = self.notify() {
            if !is_mail_address(to) {
                problems.push(
                    "self_health.notify is not an address such as ops@example.com".to_owned(),
                );
            }
            if self.reference_urls.is_empty() {
                problems.push("self_health.notify needs self_health.reference_urls".to_owned());
            }
            if !has_mail {
                problems.push("self_health.notify needs mail.url".to_owned());
            }
        }
        problems
    }
}
