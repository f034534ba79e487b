//! Nothing but the egress guard, and the services that the operator names, opens a connection or asks
//! DNS. What a guest asks for must not find a second way out, and a second client would be one.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Result;

use super::rust_files;

/// Words of a source that can open a connection or resolve a name.
const OPENERS: &[&str] = &[
    "HttpConnector",
    "TcpSocket",
    "TcpStream::connect",
    "TcpStream::connect_timeout",
    "TcpStream>::connect",
    // Under another name it would not be found.
    "TcpStream as",
    "ToSocketAddrs",
    "UdpSocket",
    "UnixDatagram",
    "UnixStream::connect",
    "UnixStream>::connect",
    "UnixStream as",
    "getaddrinfo",
    "hickory_resolver",
    "hyper::client",
    "hyper_util",
    "lettre",
    "libc::connect",
    "lookup_host",
    "net::connect",
    "reqwest",
    "socket2",
    "to_socket_addrs",
    "ureq",
];

/// What of alerting sends. The API reads settings of channels and shows messages by the same crate, but what is sent
/// goes through the outbox.
const SENDERS: &[&str] = &["Deliverer", "Sender", "send_mail"];

/// Files, or folders, that may all the same, and why. The store's databases are not here: sqlx
/// dials them, and only the store may import it. Nor is Redis, with the API and its crate.
const ALLOWED: &[(&str, &str)] = &[
    ("host/crates/egress/src/", "it is the guard"),
    (
        "host/src/remote.rs",
        "a command of the user's own, to the server that the user names",
    ),
    (
        "host/crates/services/src/",
        "its addresses are settings: no tenant names them",
    ),
    (
        "host/src/commands/bench/parked.rs",
        "listens on loopback with a long queue, and dials nothing",
    ),
    (
        "host/src/commands/bench/ready.rs",
        "times the start of a server that it has started itself, on loopback",
    ),
    (
        "host/crates/xtask/src/tidy",
        "has the words to look for, here and in the file beside it",
    ),
];

/// Every place outside of the guard that could open a connection.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut used = BTreeSet::new();
    let mut paths = rust_files(&root.join("host"))?;
    paths.extend(rust_files(&root.join("guest-sdk/rust"))?);
    for path in paths {
        let shown = path.strip_prefix(root)?.display().to_string();
        if is_test(&shown) {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        if shown.starts_with("host/crates/api/src/") {
            found.extend(senders(&text).into_iter().map(|sender| {
                format!("{shown} names `{sender}` of vedette-alerting; the API writes to the outbox only")
            }));
        }
        for opener in openers(&text) {
            match ALLOWED.iter().find(|(place, _)| shown.starts_with(place)) {
                Some((place, _)) => {
                    used.insert(*place);
                }
                None => found.push(format!(
                    "{shown} names `{opener}`; only vedette-egress and vedette-services open connections"
                )),
            }
        }
    }
    let unused = ALLOWED.iter().filter(|(place, _)| !used.contains(place));
    found.extend(unused.map(|(place, _)| {
        format!("{place} opens no connection; take it off the list in tidy/network.rs")
    }));
    Ok(found)
}

/// Tests talk to servers that they have started.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// Those in the code of a file.
fn openers(text: &str) -> BTreeSet<&'static str> {
    named(&code(text), OPENERS)
}

/// Those in the code of a file that has something of alerting.
fn senders(text: &str) -> BTreeSet<&'static str> {
    let code = code(text);
    if has_word(&code, "vedette_alerting") {
        named(&code, SENDERS)
    } else {
        BTreeSet::new()
    }
}

/// A file without its comments and its unit tests at the end.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn named(code: &str, words: &[&'static str]) -> BTreeSet<&'static str> {
    let words = words.iter().copied();
    words.filter(|word| has_word(code, word)).collect()
}

/// Whether a word stands there by itself, not as a part of a longer one.
fn has_word(code: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_opens_a_connection_is_found() {
        for code in [
            "let stream = TcpStream::connect(address).await?;",
            "let stream = std::net::TcpStream::connect_timeout(&address, limit)?;",
            "let stream = <TcpStream>::connect(address)?;",
            "use tokio::net::TcpStream as Stream;",
            "let socket = tokio::net::UdpSocket::bind(local).await?;",
            "let socket = TcpSocket::new_v4()?;",
            "let stream = UnixStream::connect(path).await?;",
            "for address in tokio::net::lookup_host(name).await? {}",
            "use std::net::ToSocketAddrs as _;",
            "let found = (name, 80).to_socket_addrs()?;",
            "use hyper_util::client::legacy::Client;",
            "let client = reqwest::Client::new();",
            "use reqwest;",
            "let stream = rustix::net::connect(&socket, &address)?;",
        ] {
            assert!(!openers(code).is_empty(), "{code}");
        }
    }

    #[test]
    fn what_opens_none_is_not() {
        for code in [
            "let listener = TcpListener::bind(address).await?;",
            "fn serve(stream: TcpStream) {}",
            "let (ours, theirs) = UnixStream::pair()?;",
            "let store = Store::connect(&url).await?;",
            "let pool = options.connect_with(settings).await?;",
            "// reqwest reads the environment.",
            "say(\"reqwests\");",
            "fn f() {}\n#[cfg(test)]\nmod tests { use std::net::UdpSocket; }",
        ] {
            assert!(openers(code).is_empty(), "{code}: {:?}", openers(code));
        }
    }

    #[test]
    fn who_sends_is_found() {
        assert!(!senders("use vedette_alerting::{Channel, Sender};").is_empty());
        assert!(!senders("vedette_alerting::send_mail(&transport, &mail, time)").is_empty());
        assert!(senders("use vedette_alerting::{Channel, preview};").is_empty());
        assert!(senders("use tokio::sync::watch::Sender;").is_empty());
    }

    #[test]
    fn tests_are_known_by_their_place() {
        assert!(is_test("host/tests/e2e/target.rs"));
        assert!(is_test("host/crates/egress/tests/it/net/world.rs"));
        assert!(is_test("host/crates/api/src/tokens/tests.rs"));
        assert!(!is_test("host/src/commands/serve.rs"));
    }
}
