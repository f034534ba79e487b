//! Rows of kind `addr` and `url`: dialled, and seen to arrive where they should or not to leave.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;
use vedette_egress::{FetchError, Response, Stage};

use super::{
    Outcome, must,
    world::{NOTHING, PUBLIC, Sent, World, fetch, get, ok},
};
use crate::rows::{self, Row};

/// Each address as a literal, and again as the answer for a name.
pub(crate) async fn addresses() -> Vec<Outcome> {
    let world = World::answering(|_| ok()).await;
    let mut outcomes = Vec::new();
    for row in rows::of_kind("addr") {
        outcomes.push(Outcome::new(row.id, address(&world, &row).await));
    }
    outcomes
}

async fn address(world: &World, row: &Row) -> Result<(), String> {
    let address: IpAddr = row.input.parse().unwrap();
    let socket = SocketAddr::new(address, 80);
    let (literal, sent) = fetch(&world.session(), get(format!("http://{socket}/"))).await;
    let arrived = world.take_connections();
    if row.expected == "deny" {
        denied(&literal, Stage::Addr)?;
        must(sent == NOTHING, format!("literal: {sent:?} left"))?;
    } else {
        must(
            literal.is_ok() && arrived == [socket],
            format!("literal: {literal:?} {arrived:?}"),
        )?;
    }
    let name = format!("{}.example.com", row.id.to_lowercase());
    world.names.say(&name, &[address]);
    let (named, sent) = fetch(&world.session(), get(format!("http://{name}/"))).await;
    let arrived = world.take_connections();
    if row.expected == "deny" {
        denied(&named, Stage::Dns)?;
        must(sent.connects == 0, format!("by name: {sent:?} left"))?;
        must(sent.datagrams > 0, "by name: the name server was not asked")
    } else {
        must(
            named.is_ok() && arrived == [socket],
            format!("by name: {named:?} {arrived:?}"),
        )
    }
}

pub(crate) async fn urls() -> Vec<Outcome> {
    let world = World::answering(|_| ok()).await;
    world.names.fall_back_to(&[PUBLIC]);
    let mut outcomes = Vec::new();
    for row in rows::of_kind("url") {
        outcomes.push(Outcome::new(row.id, url(&world, &row).await));
    }
    outcomes
}

async fn url(world: &World, row: &Row) -> Result<(), String> {
    let (answer, sent) = fetch(&world.session(), get(&row.input)).await;
    let (arrived, requests) = (world.take_connections(), world.take_requests());
    if row.expected == "deny" {
        let Err(FetchError::Denied { stage, .. }) = &answer else {
            return Err(format!("{answer:?}"));
        };
        must(stage.to_string() == row.stage, format!("at stage {stage}"))?;
        return must(sent == NOTHING, format!("{sent:?} left"));
    }
    let (host, port) = canonical(row);
    let address = host
        .strip_prefix("ipv4:")
        .map_or(PUBLIC, |text| text.parse().unwrap());
    let host = host.split_once(':').unwrap().1;
    let expected = SocketAddr::new(address, port);
    must(
        answer.is_ok() && arrived == [expected],
        format!("{answer:?} {arrived:?}"),
    )?;
    let [request] = &requests[..] else {
        return Err(format!("{requests:?}"));
    };
    let named = if matches!(port, 80 | 443) {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    };
    must(
        request.header("host") == Some(&named) && !request.head.contains("127.0.0.1\r"),
        &request.head,
    )
}

/// Host and port as the corpus has them: `http domain:example.com 80`.
fn canonical(row: &Row) -> (&'static str, u16) {
    let mut words = row.canonical.split(' ').skip(1);
    (
        words.next().unwrap(),
        words.next().unwrap().parse().unwrap(),
    )
}

pub(crate) fn denied(answer: &Result<Response, FetchError>, at: Stage) -> Result<(), String> {
    match answer {
        Err(FetchError::Denied { stage, .. }) if *stage == at => Ok(()),
        other => Err(format!("not denied at stage {at}: {other:?}")),
    }
}

/// That nothing arrives says something only because what is sent does arrive, and is counted.
pub(crate) async fn canaries() -> Vec<Outcome> {
    let world = World::answering(|_| ok()).await;
    for address in [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "192.168.1.1",
        "172.16.0.1",
        "::1",
        "fd00:ec2::254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::1",
        "93.184.216.34",
    ] {
        for port in [22, 80, 443, 6379, 8080] {
            let to = SocketAddr::new(address.parse().unwrap(), port);
            let before = Sent::now();
            let stream = TcpStream::connect(to).await.unwrap();
            assert_eq!(Sent::now().since(before).connects, 1, "{to}");
            // The other side has it when it has read, or hung up on, what is sent.
            drop(stream);
            let arrived = async {
                loop {
                    match &world.take_connections()[..] {
                        [] => tokio::task::yield_now().await,
                        [one] => break *one,
                        more => panic!("{to}: {more:?}"),
                    }
                }
            };
            let within = std::time::Duration::from_secs(30);
            assert_eq!(tokio::time::timeout(within, arrived).await, Ok(to));
        }
    }
    // A client without a guard finds them as well, by name.
    world
        .names
        .say("inside.example.com", &["10.0.0.1".parse().unwrap()]);
    #[expect(
        clippy::disallowed_methods,
        reason = "this client is what the guard is not"
    )]
    let unguarded = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = unguarded.get("http://inside.example.com/").send().await;
    assert_eq!(answer.unwrap().status(), 200);
    assert_eq!(world.take_connections(), ["10.0.0.1:80".parse().unwrap()]);
    Vec::new()
}
