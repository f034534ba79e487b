//! Whether anything answers at all.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use vedette_egress::{Guard, Policy};

use crate::server::{Server, reply};

const PATIENCE: Duration = Duration::from_secs(2);

fn guard(allow: &[&str]) -> Guard {
    let allow = allow.iter().map(|network| network.parse().unwrap());
    Guard::new(Policy {
        allow: allow.collect(),
        ..Policy::default()
    })
    .unwrap()
}

/// Nothing listens there.
async fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

#[tokio::test]
async fn one_that_answers_is_enough_whatever_it_says() {
    let guard = guard(&["127.0.0.0/8"]);
    let silent = Server::start(|_| None).await;
    for (status, location) in [
        ("204 No Content", ""),
        ("405 Method Not Allowed", ""),
        ("503 Service Unavailable", ""),
        ("302 Found", "location: http://127.0.0.1:1/\r\n"),
    ] {
        let answering = Server::start(move |_| reply(status, location, "")).await;
        let urls = [closed().await, silent.url("/"), answering.url("/")];
        let began = Instant::now();
        assert!(guard.reaches_any(&urls, PATIENCE).await, "{status}");
        assert!(began.elapsed() < PATIENCE, "it waits for no other");
        let heads = answering.heads.lock().unwrap();
        assert_eq!(heads.len(), 1);
        assert!(heads[0].starts_with("HEAD / "), "{heads:?}");
    }
}

#[tokio::test]
async fn silence_refusal_and_what_the_guard_refuses_are_no_answers() {
    let open = guard(&["127.0.0.0/8"]);
    let silent = Server::start(|_| None).await;
    let urls = [
        closed().await,
        silent.url("/"),
        "http://nobody.invalid/".to_owned(),
        "no address".to_owned(),
    ];
    let began = Instant::now();
    assert!(!open.reaches_any(&urls, PATIENCE).await);
    assert!(began.elapsed() < PATIENCE * 2, "{:?}", began.elapsed());
    assert!(!open.reaches_any(&[], PATIENCE).await);

    let answering = Server::start(|_| reply("200 OK", "", "")).await;
    let public_only = guard(&[]);
    assert!(
        !public_only
            .reaches_any(&[answering.url("/")], PATIENCE)
            .await
    );
    assert_eq!(answering.connections(), 0);
}
