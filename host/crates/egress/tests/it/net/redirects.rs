//! Rows of kind `redirect` and `redirect-flow`: servers that send the client elsewhere.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use vedette_egress::{FetchError, RedirectMode, Request, Stage};

use super::{
    Outcome, TABLE_ONLY,
    addresses::denied,
    must,
    world::{PUBLIC, Seen, World, fetch, get, ok, reply},
};
use crate::rows::{self, Row};

const START: &str = "http://public.example.com/start";

fn to(location: &str) -> Vec<u8> {
    reply("302 Found", &format!("location: {location}\r\n"), "")
}

pub(crate) async fn locations() -> Vec<Outcome> {
    let location = Arc::new(Mutex::new(String::new()));
    let current = location.clone();
    let world = World::answering(move |seen| match seen.path() {
        "/a/b" => to(&current.lock().unwrap()),
        _ => ok(),
    })
    .await;
    world.names.fall_back_to(&[PUBLIC]);
    let mut outcomes = Vec::new();
    for row in rows::of_kind("redirect") {
        if TABLE_ONLY.iter().all(|(id, _)| *id != row.id) {
            location.lock().unwrap().clone_from(&row.input);
            outcomes.push(Outcome::new(row.id, follow(&world, &row).await));
        }
    }
    outcomes
}

async fn follow(world: &World, row: &Row) -> Result<(), String> {
    let from = SocketAddr::new(PUBLIC, 8080);
    let request = get("http://public.example.com:8080/a/b");
    let (answer, sent) = fetch(&world.session(), request).await;
    let (arrived, requests) = (world.take_connections(), world.take_requests());
    must(arrived.first() == Some(&from), format!("{arrived:?}"))?;
    if row.expected == "deny" {
        denied(&answer, Stage::Redirect)?;
        must(
            sent.connects == 1 && arrived.len() == 1 && requests.len() == 1,
            format!("{sent:?} left, {arrived:?} {requests:?}"),
        )
    } else {
        let answer = answer.map_err(|error| error.to_string())?;
        let mut words = row.canonical.split(' ').skip(1);
        let host = words.next().unwrap().split_once(':').unwrap().1;
        let host = rows::with_public_names(host);
        let port = words.next().unwrap().parse().unwrap();
        let last = requests.last().unwrap();
        must(
            answer.status == 200
                && answer.redirected
                && requests.len() == 2
                && last.to == SocketAddr::new(PUBLIC, port)
                && last
                    .header("host")
                    .is_some_and(|found| found.starts_with(&host)),
            format!("{answer:?} {requests:?}"),
        )
    }
}

pub(crate) async fn flows() -> Vec<Outcome> {
    let world = World::answering(|_| ok()).await;
    let mut outcomes = Vec::new();
    for row in rows::of_kind("redirect-flow") {
        outcomes.push(Outcome::new(row.id, flow(&world, &row).await));
    }
    outcomes
}

fn begin(world: &World, answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) {
    world.begin(answer);
    world.names.fall_back_to(&[PUBLIC]);
}

/// With everything that must not go along to another origin.
fn secret_request() -> Request {
    let secret = |name: &str| (name.to_owned(), b"s3cret".to_vec());
    Request {
        headers: vec![
            secret("authorization"),
            secret("cookie"),
            secret("x-api-key"),
            ("accept".to_owned(), b"text/html".to_vec()),
        ],
        ..get(START)
    }
}

async fn flow(world: &World, row: &Row) -> Result<(), String> {
    match row.id {
        "R-039" => {
            begin(world, |_| to("/start"));
            too_many(world).await
        }
        "R-041" => {
            begin(world, |seen| {
                let hop = seen
                    .path()
                    .strip_prefix("/hop/")
                    .map_or(0, |n| n.parse().unwrap());
                if hop == 21 {
                    ok()
                } else {
                    to(&format!("/hop/{}", hop + 1))
                }
            });
            too_many(world).await
        }
        "R-043" => {
            begin(world, |seen| match seen.path() {
                "/start" => to("http://other.example.com/second"),
                _ => to("http://127.0.0.1/"),
            });
            let (answer, sent) = fetch(&world.session(), get(START)).await;
            denied(&answer, Stage::Redirect)?;
            must(sent.connects == 2, format!("{sent:?} left"))
        }
        "R-044" | "R-045" => away(world, "http://other.example.com/").await,
        "R-046" => away(world, "http://public.example.com:8080/").await,
        "R-049" => becomes_get(world).await,
        "R-052" => {
            begin(world, |_| {
                let two = "location: /ok\r\nlocation: http://10.0.0.1/\r\n";
                reply("302 Found", two, "")
            });
            stays(world).await
        }
        "R-053" => {
            begin(world, |_| to(&format!("/{}", "x".repeat(64 * 1024))));
            stays(world).await
        }
        "R-056" => {
            let elsewhere = "alt-svc: h2=\"127.0.0.1:443\"; ma=3600, h3=\":443\"\r\n";
            begin(world, move |_| reply("200 OK", elsewhere, "ok"));
            let session = world.session();
            for _ in 0..2 {
                let (answer, _) = fetch(&session, get(START)).await;
                must(answer.is_ok(), format!("{answer:?}"))?;
            }
            let arrived = world.take_connections();
            must(
                arrived == [SocketAddr::new(PUBLIC, 80)],
                format!("{arrived:?}"),
            )
        }
        "R-059" => {
            begin(world, |_| to("/ok"));
            let request = Request {
                redirect: RedirectMode::Error,
                ..get(START)
            };
            let (answer, _) = fetch(&world.session(), request).await;
            let requests = world.take_requests();
            must(
                matches!(answer, Err(FetchError::Protocol(_))) && requests.len() == 1,
                format!("{answer:?} {requests:?}"),
            )
        }
        other => Err(format!("nothing is told about {other}")),
    }
}

/// Five redirects are followed, which makes six requests.
async fn too_many(world: &World) -> Result<(), String> {
    let (answer, _) = fetch(&world.session(), get(START)).await;
    let requests = world.take_requests().len();
    must(
        matches!(answer, Err(FetchError::TooManyRedirects)) && requests == 6,
        format!("{answer:?} after {requests} requests"),
    )
}

/// The redirect is refused, and nothing follows the first request.
async fn stays(world: &World) -> Result<(), String> {
    let (answer, sent) = fetch(&world.session(), get(START)).await;
    denied(&answer, Stage::Redirect)?;
    let requests = world.take_requests().len();
    must(
        sent.connects == 1 && requests == 1,
        format!("{sent:?} left, {requests} requests"),
    )
}

async fn away(world: &World, location: &'static str) -> Result<(), String> {
    begin(world, move |seen| {
        if seen.path() == "/start" {
            to(location)
        } else {
            ok()
        }
    });
    let (answer, _) = fetch(&world.session(), secret_request()).await;
    let requests = world.take_requests();
    let [first, second] = &requests[..] else {
        return Err(format!("{answer:?} {requests:?}"));
    };
    must(
        first.head.matches("s3cret").count() == 3,
        format!("the first server had them all: {}", first.head),
    )?;
    must(
        answer.is_ok()
            && !second.head.contains("s3cret")
            && second.header("accept") == Some("text/html"),
        &second.head,
    )
}

async fn becomes_get(world: &World) -> Result<(), String> {
    begin(world, |seen| match seen.path() {
        "/start" => reply("303 See Other", "location: /end\r\n", ""),
        _ => ok(),
    });
    let request = Request {
        method: "POST".to_owned(),
        headers: vec![("content-type".to_owned(), b"text/plain".to_vec())],
        body: Some(b"the body".to_vec()),
        ..get(START)
    };
    let (answer, _) = fetch(&world.session(), request).await;
    let requests = world.take_requests();
    let [first, second] = &requests[..] else {
        return Err(format!("{answer:?} {requests:?}"));
    };
    must(
        first.head.starts_with("POST ") && first.body == b"the body",
        format!("{first:?}"),
    )?;
    must(
        second.head.starts_with("GET /end ")
            && second.body.is_empty()
            && second.header("content-length").is_none()
            && second.header("content-type").is_none(),
        &second.head,
    )
}
