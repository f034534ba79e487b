//! Rows of kind `request`: what a script asks for, and what of it stands on the wire.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use vedette_egress::{FetchError, Request, Stage};

use super::{
    Outcome,
    addresses::denied,
    must,
    world::{NOTHING, PUBLIC, World, fetch, get, ok, read_request},
};
use crate::rows::{self, Row};

/// The row of a thousand requests at once.
const CROWD: &str = "H-033";
const TARGET: &str = "http://public.example.com/";

pub(crate) async fn all() -> Vec<Outcome> {
    let world = World::answering(|_| ok()).await;
    world.names.fall_back_to(&[PUBLIC]);
    let mut outcomes = Vec::new();
    // That one needs a world of its own.
    for row in rows::of_kind("request")
        .iter()
        .filter(|row| row.id != CROWD)
    {
        outcomes.push(Outcome::new(row.id, request(&world, row).await));
    }
    outcomes
}

async fn request(world: &World, row: &Row) -> Result<(), String> {
    let requests = described(row.id).ok_or("nothing is told about it")?;
    for request in requests {
        let (answer, sent) = fetch(&world.session(), request.clone()).await;
        if row.expected == "deny" {
            must(
                matches!(
                    answer,
                    Err(FetchError::Denied { .. }
                        | FetchError::InvalidRequest(_)
                        | FetchError::Limit(_))
                ),
                format!("{request:?}: {answer:?}"),
            )?;
            must(sent == NOTHING, format!("{request:?}: {sent:?} left"))?;
            if row.id == "H-034" {
                denied(&answer, Stage::Addr)?;
            }
        } else {
            must(answer.is_ok(), format!("{request:?}: {answer:?}"))?;
            let seen = world.take_requests();
            let [seen] = &seen[..] else {
                return Err(format!("{seen:?}"));
            };
            must(
                seen.header("host") == Some("public.example.com") && is_as_told(row.id, &seen.head),
                &seen.head,
            )?;
        }
    }
    Ok(())
}

/// The requests that a row describes in words.
fn described(id: &str) -> Option<Vec<Request>> {
    let with = |headers: &[(&str, &[u8])]| Request {
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
            .collect(),
        ..get(TARGET)
    };
    let header = |name: &str, value: &[u8]| vec![with(&[(name, value)])];
    let method = |method: &str| {
        vec![Request {
            method: method.to_owned(),
            ..get(TARGET)
        }]
    };
    let path = |path: &str| vec![get(format!("http://public.example.com{path}"))];
    Some(match id {
        "H-001" => header("Host", b"169.254.169.254"),
        "H-002" => header("Host", b"other-tenant.example"),
        "H-003" => header(":authority", b"evil"),
        "H-004" => header("X-A\r\nHost", b"x"),
        "H-005" => header("X-A", b"a\r\nHost: 127.0.0.1"),
        "H-007" => header("X-A", b"a\nHost: 127.0.0.1"),
        "H-008" => header("X-A", b"a\r\n x"),
        "H-009" => [header("X A", b"x"), header("X:A", b"x")].concat(),
        "H-012" => {
            let length = ("Content-Length", b"5".as_slice());
            let coding = ("Transfer-Encoding", b"chunked".as_slice());
            vec![with(&[length, coding]), with(&[length]), with(&[coding])]
        }
        "H-013" => {
            let connection = ("Connection", b"upgrade".as_slice());
            let upgrade = ("Upgrade", b"h2c".as_slice());
            vec![
                with(&[connection, upgrade]),
                with(&[connection]),
                with(&[upgrade]),
            ]
        }
        "H-015" => header("Expect", b"100-continue"),
        "H-017" => header("X-Forwarded-For", b"127.0.0.1"),
        "H-018" => header("Metadata-Flavor", b"Google"),
        "H-019" => {
            let put = Request {
                method: "PUT".to_owned(),
                ..with(&[("X-aws-ec2-metadata-token-ttl-seconds", b"60")])
            };
            vec![put]
        }
        "H-020" => header("X-HTTP-Method-Override", b"CONNECT"),
        "H-023" => method("TRACK"),
        "H-024" => method("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET"),
        "H-025" => method("get"),
        "H-027" => header("X-A", &vec![b'a'; 1024 * 1024]),
        "H-028" => path(&format!("/{}", "a".repeat(64 * 1024))),
        "H-030" => path("/a\u{0}b c"),
        "H-031" => path("//evil.test/x"),
        // The API as it listens by default, and on this machine's other names and addresses.
        "H-034" => ["127.0.0.1:8080", "[::1]:8080", "10.0.0.1:8080", "0:8080"]
            .iter()
            .map(|host| get(format!("http://{host}/api/v1/scripts")))
            .collect(),
        _ => return None,
    })
}

/// What a request that may leave looks like on the wire.
fn is_as_told(id: &str, head: &str) -> bool {
    let line = head.lines().next().unwrap_or_default();
    match id {
        "H-017" => head.contains("x-forwarded-for: 127.0.0.1"),
        "H-025" => line == "GET / HTTP/1.1",
        "H-030" => line == "GET /a%00b%20c HTTP/1.1",
        "H-031" => line == "GET //evil.test/x HTTP/1.1",
        _ => false,
    }
}

/// A thousand at once: fifty are made, six at a time.
pub(crate) async fn crowd() -> Vec<Outcome> {
    vec![Outcome::new(CROWD, at_once().await)]
}

async fn at_once() -> Result<(), String> {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counting, peak) = (now.clone(), most.clone());
    let world = World::start(move |mut visit| {
        let (counting, peak) = (counting.clone(), peak.clone());
        async move {
            let mut buffer = Vec::new();
            while read_request(&mut visit.stream, &mut buffer, visit.to)
                .await
                .is_some()
            {
                let at_once = counting.fetch_add(1, Ordering::SeqCst) + 1;
                peak.fetch_max(at_once, Ordering::SeqCst);
                // Long enough for others to come meanwhile, if they may.
                let pause = std::future::pending::<()>();
                let _ = tokio::time::timeout(Duration::from_millis(20), pause).await;
                counting.fetch_sub(1, Ordering::SeqCst);
                if !super::world::write(&mut visit.stream, &ok()).await {
                    return;
                }
            }
        }
    })
    .await;
    world.names.fall_back_to(&[PUBLIC]);
    let session = world.session();
    let started: Vec<_> = (0..1_000).map(|_| session.fetch(get(TARGET))).collect();
    let running: Vec<_> = started.into_iter().flatten().map(tokio::spawn).collect();
    let made = running.len();
    for one in running {
        let answer = one.await.unwrap();
        must(answer.is_ok(), format!("{answer:?}"))?;
    }
    let most = most.load(Ordering::SeqCst);
    must(
        made == 50 && most == 6,
        format!("{made} requests were made, {most} at once"),
    )
}
