//! What the settings say of a provider.

use secrecy::SecretString;
use url::{Host, Url};

/// A provider, as the settings have it.
#[derive(Debug, Clone)]
pub struct OidcProvider {
    /// What the settings call it, in paths too: small letters, digits and hyphens.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Its address of its own, exactly as it writes it.
    pub issuer: String,
    /// What it calls this installation.
    pub client_id: String,
    /// By which this installation shows that it is that; `None` for a public client.
    pub client_secret: Option<SecretString>,
    /// Whether an address that it has verified alone may say whose account it is.
    pub trusts_email: bool,
}

/// What is wrong with the settings of a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("auth.oidc.{name}: {problem}")]
pub struct OidcSettingsError {
    /// The provider.
    pub name: String,
    /// In words.
    pub problem: &'static str,
}

impl OidcProvider {
    /// Looks for what can be told without asking the provider.
    ///
    /// # Errors
    /// With the first that is wrong.
    pub fn check(&self) -> Result<(), OidcSettingsError> {
        let is_name = (1..=40).contains(&self.name.len())
            && self
                .name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let problem = if !is_name {
            "a name has 1 to 40 small letters, digits and hyphens"
        } else if !Url::parse(&self.issuer).is_ok_and(|url| is_issuer(&url)) {
            "`issuer` is not an address such as https://login.example.com/realms/corp"
        } else if self.client_id.is_empty() {
            "`client_id` is missing"
        } else if self.title.is_empty() {
            "`title` is missing: what people call the provider"
        } else {
            return Ok(());
        };
        Err(OidcSettingsError {
            name: self.name.clone(),
            problem,
        })
    }
}

fn is_issuer(url: &Url) -> bool {
    is_reachable(url) && url.query().is_none()
}

/// Whether an address may be asked: in TLS, unless it is this machine. It has nothing that does not
/// belong there.
pub(super) fn is_reachable(url: &Url) -> bool {
    let is_this_machine = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_this_machine);
    is_safe && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider() -> OidcProvider {
        OidcProvider {
            name: "corp".to_owned(),
            title: "Corp".to_owned(),
            issuer: "https://login.example.com/realms/corp".to_owned(),
            client_id: "vedette".to_owned(),
            client_secret: Some("hidden".into()),
            trusts_email: false,
        }
    }

    #[test]
    fn a_provider_is_asked_in_tls_or_on_this_machine() {
        for issuer in [
            "https://login.example.com",
            "https://login.example.com/",
            "http://localhost:8081/realm",
            "http://127.0.0.1:8081",
            "http://[::1]:8081",
        ] {
            let issuer = issuer.to_owned();
            let checked = OidcProvider {
                issuer,
                ..provider()
            };
            assert_eq!(checked.check(), Ok(()));
        }
        for issuer in [
            "",
            "login.example.com",
            "http://login.example.com",
            "http://localhost.example.com",
            "https://a:b@login.example.com",
            "https://login.example.com/?tenant=1",
            "https://login.example.com/#x",
            "file:///etc/passwd",
        ] {
            let issuer = issuer.to_owned();
            let checked = OidcProvider {
                issuer: issuer.clone(),
                ..provider()
            };
            let error = checked.check().unwrap_err().to_string();
            assert!(error.contains("auth.oidc.corp: `issuer`"), "{issuer}");
        }
    }

    #[test]
    fn names_stand_in_paths() {
        for name in ["", "Corp", "a b", "a/b", "ä", &"a".repeat(41)] {
            let name = name.to_owned();
            assert!(OidcProvider { name, ..provider() }.check().is_err());
        }
        assert!(!format!("{:?}", provider()).contains("hidden"));
    }
}
