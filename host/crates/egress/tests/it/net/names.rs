//! Rows of kind `dns`, and those about the environment, which must not lead around the guard.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::net::TcpListener;
use vedette_egress::{FetchError, Policy, SessionLimits, Stage};

use super::{
    Outcome,
    addresses::denied,
    dns::{A, CNAME, DNAME, HTTPS, Record, Reply, described, wire_name},
    must,
    world::{NOTHING, PUBLIC, PUBLIC_V6, World, fetch, get, ok, reply},
};
use crate::rows::{self, Row};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where a proxy would be.
pub(crate) const PROXY: &str = "http://127.0.0.1:3128";

pub(crate) async fn answers() -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let world = World::answering(|_| ok()).await;
    for row in rows::of_kind("dns") {
        world.begin(|_| ok());
        outcomes.push(Outcome::new(row.id, answer(&world, &row).await));
    }
    outcomes
}

async fn answer(world: &World, row: &Row) -> Result<(), String> {
    let url = url::Url::parse(&row.input).unwrap();
    let name = url.host_str().unwrap();
    if let Some(addresses) = described(row.setup) {
        world.names.say(name, &addresses);
        return judged(world, row, &row.input).await;
    }
    match row.id {
        // The public address refuses port 8099, and only loopback listens there.
        "D-025" => {
            let open = TcpListener::bind((Ipv4Addr::LOCALHOST, 8099))
                .await
                .unwrap();
            world.names.say(name, &[PUBLIC, LOOPBACK]);
            let found = judged(world, row, &format!("http://{name}:8099/")).await;
            drop(open);
            found
        }
        // Refused before it is known who answers first.
        "D-026" => {
            world.names.say(name, &[PUBLIC, Ipv6Addr::LOCALHOST.into()]);
            judged(world, row, &row.input).await
        }
        "D-029" => {
            let hop = |n: usize| format!("hop{n}.example.com");
            let mut chain = vec![Record::alias(CNAME, &hop(1))];
            chain.extend((1..8).map(|n| Record::alias(CNAME, &hop(n + 1)).of(&hop(n))));
            chain.push(Record::address(PUBLIC).of(&hop(8)));
            world
                .names
                .script(name, move |_, _| Reply::Records(chain.clone()));
            judged(world, row, &row.input).await
        }
        "D-032" => {
            let records = vec![
                Record::alias(DNAME, "inside.example.net").of("example.com"),
                Record::alias(CNAME, "target.inside.example.net"),
                Record::address(LOOPBACK).of("target.inside.example.net"),
            ];
            world
                .names
                .script(name, move |_, _| Reply::Records(records.clone()));
            judged(world, row, &row.input).await
        }
        "D-033" => {
            // Priority 1, the name itself, and the parameter `ipv4hint`.
            let hint = vec![0, 1, 0, 0, 4, 0, 4, 127, 0, 0, 1];
            service_record(world, row, name, hint).await
        }
        "D-034" => {
            // Priority 0: an alias.
            let alias = [vec![0, 0], wire_name("metadata.google.internal")].concat();
            service_record(world, row, name, alias).await
        }
        "D-035" => {
            let (answer, sent) = fetch(&world.session(), get(&row.input)).await;
            must(
                matches!(&answer, Err(FetchError::Dns(_))) && sent.connects == 0,
                format!("{answer:?}, {sent:?} left"),
            )
        }
        "D-041" => flip(world, row, name).await,
        // In the namespace's hosts file.
        "D-043" => {
            let (answer, sent) =
                fetch(&world.session(), get("http://hosts-file.example.com/")).await;
            denied(&answer, Stage::Dns)?;
            must(sent == NOTHING, format!("{sent:?} left"))
        }
        "D-049" => translated(world, row, name).await,
        other => Err(format!("nothing is told about {other}: {}", row.setup)),
    }
}

async fn judged(world: &World, row: &Row, url: &str) -> Result<(), String> {
    let (answer, sent) = fetch(&world.session(), get(url)).await;
    let arrived = world.take_connections();
    if row.expected == "deny" {
        denied(&answer, Stage::Dns)?;
        return must(sent.connects == 0, format!("{sent:?} left"));
    }
    let is_public = |to: &SocketAddr| [PUBLIC, PUBLIC_V6].contains(&to.ip());
    must(
        answer.is_ok() && !arrived.is_empty() && arrived.iter().all(is_public),
        format!("{answer:?} {arrived:?}"),
    )
}

async fn service_record(world: &World, row: &Row, name: &str, data: Vec<u8>) -> Result<(), String> {
    let records = vec![Record::address(PUBLIC), Record::raw(HTTPS, data)];
    world
        .names
        .script(name, move |_, _| Reply::Records(records.clone()));
    judged(world, row, &row.input).await?;
    must(
        world.names.asked(name, HTTPS) == 0 && world.names.asked(name, A) == 1,
        "another record than the address was asked for",
    )
}

/// A name that turns to loopback while a connection is kept.
async fn flip(world: &World, row: &Row, name: &str) -> Result<(), String> {
    let turned = Arc::new(AtomicBool::new(false));
    let seen = turned.clone();
    world.names.script(name, move |_, _| {
        let now = if seen.load(Ordering::SeqCst) {
            LOOPBACK
        } else {
            PUBLIC
        };
        Reply::addresses(&[now])
    });
    let session = world.session();
    let (first, _) = fetch(&session, get(&row.input)).await;
    let first = first.map_err(|error| error.to_string())?;
    turned.store(true, Ordering::SeqCst);
    let (second, sent) = fetch(&session, get(&row.input)).await;
    let second = second.map_err(|error| error.to_string())?;
    must(
        sent == NOTHING && second.remote_address == first.remote_address,
        format!("{sent:?} left, {:?}", second.remote_address),
    )?;
    let arrived = world.take_connections();
    must(
        arrived == [SocketAddr::new(PUBLIC, 80)],
        format!("{arrived:?}"),
    )?;
    // And whoever has to look up anew is refused.
    let (later, sent) = fetch(&world.session(), get(&row.input)).await;
    denied(&later, Stage::Dns)?;
    must(sent.connects == 0, format!("{sent:?} left"))
}

/// A network that reaches IPv4 through a translator under a prefix of its own.
async fn translated(world: &World, row: &Row, name: &str) -> Result<(), String> {
    let policy = Policy {
        nat64: vec!["2a01:db00:64::/96".parse().unwrap()],
        ..Policy::default()
    };
    let session = world.guard_with(policy).session(SessionLimits::default());
    // 10.0.0.1 within the prefix, then the public server.
    world
        .names
        .say(name, &["2a01:db00:64::a00:1".parse().unwrap()]);
    let (answer, sent) = fetch(&session, get(&row.input)).await;
    denied(&answer, Stage::Dns)?;
    must(sent.connects == 0, format!("{sent:?} left"))?;
    let public: IpAddr = "2a01:db00:64::5db8:d822".parse().unwrap();
    world.names.say(name, &[public]);
    let (answer, _) = fetch(&session, get(&row.input)).await;
    let arrived = world.take_connections();
    must(
        answer.is_ok() && arrived == [SocketAddr::new(public, 80)],
        format!("{answer:?} {arrived:?}"),
    )
}

/// One row of kind `env`, in a process whose environment is as the row says.
pub(crate) async fn environment(id: &str) -> Vec<Outcome> {
    let rows = rows::of_kind("env");
    let row = rows
        .iter()
        .find(|row| row.id == id)
        .expect("a row of kind env");
    let world = World::answering(|seen| match seen.to.port() {
        3128 => reply("503 No Proxy Here", "connection: close\r\n", ""),
        _ => ok(),
    })
    .await;
    world.names.fall_back_to(&[PUBLIC]);
    vec![Outcome::new(row.id, around_the_proxy(&world, row).await)]
}

async fn around_the_proxy(world: &World, row: &Row) -> Result<(), String> {
    let (answer, sent) = fetch(&world.session(), get(&row.input)).await;
    let arrived = world.take_connections();
    let port = if row.input.starts_with("https") {
        443
    } else {
        80
    };
    must(
        answer.is_ok() && sent.connects == 1 && arrived == [SocketAddr::new(PUBLIC, port)],
        format!("{answer:?} {arrived:?}"),
    )?;
    // A client that reads the environment does go by the proxy, so that the row says something.
    #[expect(
        clippy::disallowed_methods,
        reason = "this client is what the guard is not"
    )]
    let unguarded = reqwest::Client::builder().build().unwrap();
    // Whatever comes of it: what listens there is no proxy.
    let _ = unguarded.get(&row.input).send().await;
    let arrived = world.take_connections();
    let has_proxy = row.setup.contains(PROXY);
    must(
        arrived.contains(&SocketAddr::new(LOOPBACK, 3128)) == has_proxy,
        format!("without a guard: {arrived:?}"),
    )
}
