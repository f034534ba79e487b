//! Secrets that no run sees: it is given a handle, and the host puts the value into requests to certain hosts.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ScriptError;

#[cfg(test)]
mod tests;

/// Most hosts that one secret may be sent to.
pub const MAX_ALLOWED_HOSTS: usize = 20;
/// Shortest sealed secret, in bytes. Its value is taken out of every answer, and what is shorter would be found
/// where it is not meant, and could be guessed.
pub const MIN_SEALED_BYTES: usize = 8;
/// Longest name of a host (RFC 1035, section 2.3.4), in bytes.
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// The value of a sealed secret, with where it may go. `Debug` shows no value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSecret {
    /// The value.
    pub value: String,
    /// Hosts that it may be sent to.
    pub allowed_hosts: Vec<AllowedHost>,
}

impl SealedSecret {
    /// Whether it may be sent there; `scheme` and `host` as a URL has them, in lower case.
    pub fn may_go_to(&self, scheme: &str, host: &str, port: u16) -> bool {
        let mut hosts = self.allowed_hosts.iter();
        hosts.any(|allowed| allowed.covers(scheme, host, port))
    }
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.allowed_hosts.iter();
        f.debug_list()
            .entries(hosts.map(ToString::to_string))
            .finish()
    }
}

/// `api.example.com`, `*.example.com` (every name below, not itself), with `:8443` for another port than the
/// scheme's own, and with `http://` before it for what may go unencrypted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AllowedHost {
    is_https: bool,
    with_names_below: bool,
    /// In lower case; an IPv6 address in brackets, as a URL has it.
    host: String,
    port: u16,
}

const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;

impl AllowedHost {
    const fn default_port(is_https: bool) -> u16 {
        if is_https { HTTPS_PORT } else { HTTP_PORT }
    }

    fn covers(&self, scheme: &str, host: &str, port: u16) -> bool {
        let is_https = match scheme {
            "https" => true,
            "http" => false,
            _ => return false,
        };
        let is_host = if self.with_names_below {
            let before = host.strip_suffix(self.host.as_str());
            before.is_some_and(|before| before.len() > 1 && before.ends_with('.'))
        } else {
            host == self.host
        };
        is_host && is_https == self.is_https && port == self.port
    }
}

impl FromStr for AllowedHost {
    type Err = UnknownHost;

    fn from_str(text: &str) -> Result<Self, UnknownHost> {
        let text = text.to_ascii_lowercase();
        let (is_https, rest) = match text.split_once("://") {
            None => (true, text.as_str()),
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) => return Err(UnknownHost::Scheme),
        };
        let (with_names_below, rest) = match rest.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let after_host = if rest.starts_with('[') {
            rest.find(']').map_or(rest.len(), |at| at + 1)
        } else {
            rest.find(':').unwrap_or(rest.len())
        };
        let (host, port) = rest.split_at(after_host);
        let port = match port.strip_prefix(':') {
            Some(port) => read_port(port)?,
            None if port.is_empty() => Self::default_port(is_https),
            None => return Err(UnknownHost::Shape),
        };
        if host.starts_with('[') {
            check_ipv6(host)?;
        } else {
            check_name(host)?;
        }
        // `*.com` would be nearly everybody.
        if with_names_below && (!host.contains('.') || is_number(host)) {
            return Err(UnknownHost::Wildcard);
        }
        Ok(Self {
            is_https,
            with_names_below,
            host: host.to_owned(),
            port,
        })
    }
}

fn read_port(text: &str) -> Result<u16, UnknownHost> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| is_plain && *port > 0);
    port.ok_or(UnknownHost::Port)
}

/// An address as a URL writes it, so that two ways to write it are not two hosts.
fn check_ipv6(host: &str) -> Result<(), UnknownHost> {
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let address: Option<Ipv6Addr> = address.and_then(|address| address.parse().ok());
    let written = address.map(|address| {
        // WHATWG URL, "IPv6 serializing": never with dotted decimals at the end.
        let last: Vec<String> = address.segments()[6..]
            .iter()
            .map(|part| format!("{part:x}"))
            .collect();
        let text = address.to_string();
        match text.rfind(':').filter(|_| text.contains('.')) {
            Some(at) => format!("[{}:{}]", &text[..at], last.join(":")),
            None => format!("[{text}]"),
        }
    });
    match written {
        Some(written) if written == host => Ok(()),
        _ => Err(UnknownHost::Shape),
    }
}

fn check_name(name: &str) -> Result<(), UnknownHost> {
    if !name.is_ascii() {
        return Err(UnknownHost::NotAscii);
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= MAX_LABEL_BYTES
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() > MAX_NAME_BYTES || !name.split('.').all(is_label) {
        return Err(UnknownHost::Shape);
    }
    // `1.2.3` and `0x7f.1` are addresses too, which a URL writes in another way.
    let is_address = name.parse::<std::net::Ipv4Addr>().is_ok();
    if !is_address && is_number(name) {
        return Err(UnknownHost::Shape);
    }
    Ok(())
}

/// Ends in a number, so that a URL reads it as an IPv4 address (WHATWG URL, "ends in a number checker").
fn is_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hex = last
        .strip_prefix("0x")
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_hex || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_https {
            f.write_str("http://")?;
        }
        if self.with_names_below {
            f.write_str("*.")?;
        }
        f.write_str(&self.host)?;
        if self.port != Self::default_port(self.is_https) {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

impl From<AllowedHost> for String {
    fn from(host: AllowedHost) -> Self {
        host.to_string()
    }
}

impl TryFrom<String> for AllowedHost {
    type Error = UnknownHost;

    fn try_from(text: String) -> Result<Self, UnknownHost> {
        text.parse()
    }
}

/// Why a text names no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnknownHost {
    /// Neither http nor https.
    #[error("only `https://` (which needs not be written) and `http://` can stand before a host")]
    Scheme,
    /// No host, or more than one.
    #[error(
        "this is no host: write it as `api.example.com`, `*.example.com` or `api.example.com:8443`, without a \
         path"
    )]
    Shape,
    /// Letters that DNS does not have.
    #[error("write the host as DNS has it, with `xn--`")]
    NotAscii,
    /// No number from 1 to 65535.
    #[error("a port is a number from 1 to 65535")]
    Port,
    /// Below a top-level domain, or an address.
    #[error("after `*.` there must be a name of at least two parts")]
    Wildcard,
}

/// Reads the hosts of a sealed secret; what is there twice counts once.
pub fn read_allowed_hosts(texts: &[String]) -> Result<Vec<AllowedHost>, ScriptError> {
    if texts.is_empty() {
        let reason = "a sealed secret needs at least one host that it may be sent to";
        return Err(ScriptError::new("/allowed_hosts", reason));
    }
    if texts.len() > MAX_ALLOWED_HOSTS {
        let reason = format!("at most {MAX_ALLOWED_HOSTS} hosts are allowed");
        return Err(ScriptError::new("/allowed_hosts", reason));
    }
    let mut hosts = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let host: AllowedHost = text.parse().map_err(|error: UnknownHost| {
            ScriptError::new(format!("/allowed_hosts/{index}"), error.to_string())
        })?;
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    Ok(hosts)
}
