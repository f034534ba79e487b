//! Judging a URL before any packet: scheme, user name, port, host name, address.
//!
//! The text is parsed once, by the crate that the HTTP client uses, and only the parsed host is
//! looked at after that: the many spellings of 127.0.0.1 are one address by then.

use url::{Host, Url};

use crate::{Policy, Stage, address::denied_by, error::Denial};

/// Longest URL, in bytes.
pub const MAX_URL_BYTES: usize = 8 * 1024;

/// RFC 1035 section 2.3.4.
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// "Bad port" of the Fetch standard, section 2.9.
const FETCH_BAD_PORTS: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
    993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
    6668, 6669, 6679, 6697, 10080,
];

/// Databases and administration ports, which no web check needs and an attacker wants.
const DATA_PORTS: &[u16] = &[
    445, 873, 1433, 1521, 2375, 2376, 2379, 2380, 3306, 3389, 5432, 5900, 5984, 5985, 5986, 6379,
    9042, 9200, 9300, 10250, 10255, 11211, 27017, 27018, 27019,
];

/// Names of cloud metadata services that do not look private.
const METADATA_NAMES: &[&str] = &[
    "metadata.google.internal",
    "metadata.goog",
    "metadata.tencentyun.com",
    "instance-data.ec2.internal",
];

/// Suffixes that never lead to a web server, whatever the installation allows.
const NEVER_SUFFIXES: &[(&str, &str)] = &[
    ("onion", "Tor names must not reach DNS (RFC 7686)"),
    ("invalid", "never resolves (RFC 6761)"),
    ("in-addr.arpa", "the reverse zone is no web host"),
    ("ip6.arpa", "the reverse zone is no web host"),
];

/// Suffixes of private networks.
const PRIVATE_SUFFIXES: &[(&str, &str)] = &[
    ("internal", "private-use names (ICANN)"),
    ("home.arpa", "home networks (RFC 8375)"),
    ("local", "multicast DNS (RFC 6762)"),
    ("localdomain", "a private suffix by custom"),
    ("lan", "a private suffix by custom"),
    ("corp", "a private suffix by custom"),
    ("home", "a private suffix by custom"),
    ("intranet", "a private suffix by custom"),
    ("private", "a private suffix by custom"),
    ("test", "reserved for tests (RFC 6761)"),
    ("example", "reserved for examples (RFC 6761)"),
];

/// A URL that may be requested, as far as can be told without asking DNS.
#[derive(Debug, Clone)]
pub struct Target {
    /// The parsed URL, without its fragment.
    pub url: Url,
}

/// Judges a URL. Names are judged again by their addresses when they are resolved.
///
/// # Errors
/// The first rule that refuses it.
pub fn check(policy: &Policy, text: &str) -> Result<Target, Denial> {
    if text.len() > MAX_URL_BYTES {
        return Err(Denial::new(
            Stage::Header,
            format!("a URL has at most {MAX_URL_BYTES} bytes"),
        ));
    }
    let url = Url::parse(text).map_err(|error| Denial::new(Stage::Parse, error.to_string()))?;
    check_url(policy, url)
}

/// Judges a URL that is parsed already, such as the target of a redirect.
pub(crate) fn check_url(policy: &Policy, mut url: Url) -> Result<Target, Denial> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Denial::new(Stage::Scheme, "only http and https"));
    }
    let Some(host) = url.host() else {
        return Err(Denial::new(Stage::Parse, "no host"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        let rule = "a URL must not carry a user name or password; use an Authorization header";
        return Err(Denial::new(Stage::Userinfo, rule));
    }
    match host {
        Host::Domain(name) => check_name(policy, name)?,
        Host::Ipv4(address) => check_address(policy, address.into(), Stage::Addr)?,
        Host::Ipv6(address) => check_address(policy, address.into(), Stage::Addr)?,
    }
    check_port(url.port_or_known_default().unwrap_or(0))?;
    url.set_fragment(None);
    Ok(Target { url })
}

/// Judges one address: what the installation allows, then what a translator makes of it, then
/// the table.
pub(crate) fn check_address(
    policy: &Policy,
    address: std::net::IpAddr,
    stage: Stage,
) -> Result<(), Denial> {
    if policy.allows(address) {
        return Ok(());
    }
    if let Some(carried) = policy.translated(address) {
        return check_address(policy, carried.into(), stage);
    }
    match denied_by(address) {
        None => Ok(()),
        // At the DNS stage the class of address stays with us: see `Denial`.
        Some(_) if stage == Stage::Dns => Err(Denial::new(
            stage,
            "the name resolves to an address that is not public",
        )),
        Some(rule) => Err(Denial::new(stage, format!("not a public address: {rule}"))),
    }
}

fn check_port(port: u16) -> Result<(), Denial> {
    if FETCH_BAD_PORTS.contains(&port) {
        let rule = format!("port {port} belongs to another protocol (Fetch standard, bad ports)");
        return Err(Denial::new(Stage::Port, rule));
    }
    if DATA_PORTS.contains(&port) {
        let rule = format!("port {port} belongs to a database or an administration service");
        return Err(Denial::new(Stage::Port, rule));
    }
    Ok(())
}

/// Whether a name means this very machine (RFC 6761 section 6.3, and what hosts files hold).
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost"
        || name.ends_with(".localhost")
        || matches!(
            name,
            "ip6-localhost" | "ip6-loopback" | "localhost.localdomain"
        )
}

fn check_name(policy: &Policy, name: &str) -> Result<(), Denial> {
    let deny = |rule: String| Err(Denial::new(Stage::Name, rule));
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > MAX_NAME_BYTES {
        return deny(format!(
            "a name has at most {MAX_NAME_BYTES} bytes (RFC 1035)"
        ));
    }
    if name
        .split('.')
        .any(|label| label.is_empty() || label.len() > MAX_LABEL_BYTES)
    {
        return deny(format!(
            "a label has 1 to {MAX_LABEL_BYTES} bytes (RFC 1035)"
        ));
    }
    let has_suffix = |suffix: &str| {
        name.strip_suffix(suffix)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if METADATA_NAMES.contains(&name) {
        return deny("a cloud metadata service".to_owned());
    }
    if let Some((suffix, rule)) = NEVER_SUFFIXES.iter().find(|(suffix, _)| has_suffix(suffix)) {
        return deny(format!("names under .{suffix}: {rule}"));
    }
    // From here on it is the address that matters, where an installation allows private ones.
    if policy.has_allowed() {
        return Ok(());
    }
    if is_localhost(name) {
        return deny("localhost names (RFC 6761)".to_owned());
    }
    if !name.contains('.') {
        return deny("a name without a dot is not a public one".to_owned());
    }
    if let Some((suffix, rule)) = PRIVATE_SUFFIXES
        .iter()
        .find(|(suffix, _)| has_suffix(suffix))
    {
        return deny(format!("names under .{suffix}: {rule}"));
    }
    Ok(())
}
