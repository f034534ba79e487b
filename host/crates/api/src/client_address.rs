//! Where a request comes from.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};
use ipnet::IpNet;

use crate::ApiState;

/// What proxies add the address of their client to, at the right.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of a client; `None` when the listener does not tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) Option<IpAddr>);

impl ClientAddress {
    /// For people.
    pub(crate) fn described(self) -> String {
        self.0.map_or_else(
            || "an unknown address".to_owned(),
            |address| address.to_string(),
        )
    }
}

impl FromRequestParts<ApiState> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(peer)| peer.ip().to_canonical());
        let trusted = &state.config.trusted_proxies;
        Ok(Self(peer.map(|peer| client(peer, &parts.headers, trusted))))
    }
}

/// The first address, from this end of the way, that is no proxy of ours. What stands left of it in
/// the header was written by that client, and may be anything.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer;
    let values = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut way = values.flat_map(|value| {
        let text = value.to_str().unwrap_or_default();
        text.rsplit(',').map(str::trim)
    });
    while is_proxy(&client) {
        // A proxy that says nothing, or nonsense, is the last that is known.
        let Some(before) = way.next().and_then(read) else {
            break;
        };
        client = before;
    }
    client
}

/// An address, as proxies write it: some with the port, IPv6 then in brackets.
fn read(text: &str) -> Option<IpAddr> {
    let address = text.parse().ok().or_else(|| {
        let with_port: Option<SocketAddr> = text.parse().ok();
        with_port.map(|address| address.ip())
    });
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address
        .or_else(bare)
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client by these lines of the header, from a connection of `peer`, behind 10.0.0.0/8.
    fn client_of(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_our_proxies_are_believed() {
        assert_eq!(client_of("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
        assert_eq!(client_of("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client_of("fd00::1", &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn what_the_client_wrote_itself_is_not() {
        let forged = ["203.0.113.9, 198.51.100.1"];
        assert_eq!(client_of("10.0.0.1", &forged), "198.51.100.1");
        // Even where it names a proxy of ours, and in lines of its own.
        let forged = ["203.0.113.9, 10.0.0.3", "198.51.100.1, 10.0.0.2"];
        assert_eq!(client_of("10.0.0.1", &forged), "198.51.100.1");
    }

    #[test]
    fn nonsense_ends_the_way() {
        for line in [
            "",
            "unknown",
            "198.51.100.1;",
            "10.0.0.300",
            "1.2.3.4 5.6.7.8",
        ] {
            assert_eq!(client_of("10.0.0.1", &[line]), "10.0.0.1", "{line}");
            let line = format!("{line}, 10.0.0.2");
            assert_eq!(client_of("10.0.0.1", &[&line]), "10.0.0.2", "{line}");
        }
        assert_eq!(client_of("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client_of("10.0.0.1", &["10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn ports_and_brackets_are_no_part_of_it() {
        for line in [
            "198.51.100.1:4711",
            "::ffff:198.51.100.1",
            "[::ffff:198.51.100.1]:80",
        ] {
            assert_eq!(client_of("10.0.0.1", &[line]), "198.51.100.1", "{line}");
        }
        assert_eq!(client_of("10.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
    }
}
