//! Components as compilers made them (`tests/golden/`): each still comes to the outcome that it had.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use serde_json::json;
use vedette_core::{ErrorClass, LogLevel, Outcome, Status, SystemClock};
use vedette_egress::{Guard, Policy};
use vedette_sandbox::{
    RunInputs,
    component::{LoadedComponent, digest},
};

use crate::{assert_error, assert_success, guard, inputs, limits, load, server::Server};

/// In Rust, with the contract's own `fetch`.
pub(crate) const RUST: &[u8] = include_bytes!("../golden/v0.1.0/rust.wasm");
/// In JavaScript.
pub(crate) const QJS: &[u8] = include_bytes!("../golden/v0.1.0/qjs.wasm");

const RUST_HTTP: &[u8] = include_bytes!("../golden/v0.1.0/rust-http.wasm");
const RUST_ERR: &[u8] = include_bytes!("../golden/v0.1.0/rust-err.wasm");
const RUST_PANIC: &[u8] = include_bytes!("../golden/v0.1.0/rust-panic.wasm");

/// They take a second each to compile: once for all tests.
fn loaded(bytes: &'static [u8]) -> LoadedComponent {
    static LOADED: LazyLock<Mutex<HashMap<usize, LoadedComponent>>> = LazyLock::new(Mutex::default);
    let mut loaded = LOADED.lock().unwrap();
    let entry = loaded.entry(bytes.as_ptr().addr());
    entry.or_insert_with(|| load(bytes)).clone()
}

fn asking(url: &str) -> RunInputs {
    let mut inputs = inputs(limits());
    inputs.params.insert("url".to_owned(), json!(url));
    inputs.params.insert("env".to_owned(), json!("REGION"));
    inputs.env.insert("REGION".to_owned(), "eu".to_owned());
    inputs
}

async fn ask(bytes: &'static [u8], guard: &Guard, url: &str) -> Outcome {
    loaded(bytes)
        .run(guard, Arc::new(SystemClock), asking(url))
        .await
}

fn lines(outcome: &Outcome) -> Vec<(LogLevel, &str)> {
    let lines = outcome.logs.iter();
    lines
        .map(|line| (line.log_level, line.message.as_str()))
        .collect()
}

/// The names that a digest gives are those of the README.
#[test]
fn the_files_are_the_ones_that_were_made() {
    let readme = include_str!("../golden/v0.1.0/README.md");
    for (name, bytes) in [
        ("rust.wasm", RUST),
        ("rust-http.wasm", RUST_HTTP),
        ("rust-err.wasm", RUST_ERR),
        ("rust-panic.wasm", RUST_PANIC),
        ("qjs.wasm", QJS),
    ] {
        let line = format!("| `{name}` | `{}` |", digest(bytes));
        assert!(readme.contains(&line), "{line}");
    }
}

#[tokio::test]
async fn a_target_that_is_well() {
    let server = Server::start().await;
    let url = server.url("/");
    let get = format!("GET {url}");
    for (name, bytes, mut log) in [
        ("rust", RUST, vec![(LogLevel::Info, get.as_str()); 2]),
        (
            "rust-http",
            RUST_HTTP,
            vec![(LogLevel::Info, get.as_str()), (LogLevel::Debug, "2 bytes")],
        ),
        ("qjs", QJS, vec![(LogLevel::Info, get.as_str())]),
    ] {
        let outcome = ask(bytes, &guard(), &url).await;
        assert_success(&outcome);
        assert_eq!(outcome.message.as_deref(), Some("status 200 eu"), "{name}");
        let verdict = outcome.result.as_ref().unwrap();
        assert_eq!(verdict.data, Some(json!({ "status": 200 })), "{name}");
        assert_eq!(verdict.latency, None, "{name}");
        assert_eq!(
            outcome.latency_ms,
            Some(outcome.requests[0].total_ms),
            "{name}"
        );
        let [request] = outcome.requests.as_slice() else {
            panic!("{name}: one request, not {:?}", outcome.requests)
        };
        assert_eq!(
            (request.method.as_str(), request.url.as_str()),
            ("GET", url.as_str()),
            "{name}"
        );
        assert_eq!(
            (request.status, request.body_bytes),
            (Some(200), 2),
            "{name}"
        );
        let mut found = lines(&outcome);
        found.sort_by_key(|(level, _)| *level);
        log.sort_by_key(|(level, _)| *level);
        assert_eq!(found, log, "{name}");
        assert_eq!(outcome.flags, [], "{name}");
    }
}

#[tokio::test]
async fn a_target_that_is_not_well() {
    let server = Server::start().await;
    for bytes in [RUST, RUST_HTTP, QJS] {
        let outcome = ask(bytes, &guard(), &server.url("/500")).await;
        assert_eq!(
            (outcome.status, outcome.error_class),
            (Status::Failure, None),
            "{outcome:#?}"
        );
        assert_eq!(outcome.message.as_deref(), Some("status 500 eu"));
        assert_eq!(outcome.requests[0].status, Some(500));
    }
}

/// The contract's `fetch` follows redirects when asked to; who uses `wasi:http` follows them itself.
#[tokio::test]
async fn redirects_are_followed_by_who_is_asked_to() {
    let server = Server::start().await;
    for (bytes, status, redirects) in [(RUST, 200, 1), (QJS, 200, 1), (RUST_HTTP, 302, 0)] {
        let outcome = ask(bytes, &guard(), &server.url("/redirect")).await;
        assert_eq!(outcome.message.unwrap(), format!("status {status} eu"));
        assert_eq!(outcome.requests[0].redirects, redirects);
    }
}

#[tokio::test]
async fn a_target_that_is_not_there() {
    let server = Server::start().await;
    let url = server.url("/");
    drop(server);
    for (bytes, says) in [
        (RUST, "refused"),
        (RUST_HTTP, "refused"),
        (QJS, "connection-refused"),
    ] {
        let outcome = ask(bytes, &guard(), &url).await;
        // The check says so by `err`, in words of its own.
        assert_eq!(
            outcome.error_class,
            Some(ErrorClass::ScriptError),
            "{outcome:#?}"
        );
        let message = outcome.message.unwrap().to_lowercase();
        assert!(message.contains(says), "{message}");
        assert_eq!(outcome.requests.len(), 1);
    }
}

#[tokio::test]
async fn what_the_guard_does_not_allow_is_refused_in_each_way() {
    let server = Server::start().await;
    let strict = Guard::new(Policy::default()).unwrap();
    for (bytes, says) in [(RUST, "denied"), (RUST_HTTP, "denied"), (QJS, "denied")] {
        for url in [server.url("/"), "http://169.254.169.254/".to_owned()] {
            let outcome = ask(bytes, &strict, &url).await;
            assert_eq!(outcome.status, Status::Error, "{outcome:#?}");
            let message = outcome.message.as_ref().unwrap().to_lowercase();
            assert!(message.contains(says), "{message}");
            assert!(
                outcome
                    .requests
                    .iter()
                    .all(|request| request.status.is_none())
            );
        }
    }
}

#[tokio::test]
async fn a_component_that_comes_to_no_verdict() {
    let outcome = ask(RUST_ERR, &guard(), "http://127.0.0.1/").await;
    assert_error(&outcome, ErrorClass::ScriptError, "no verdict");
    assert_eq!(outcome.message.as_deref(), Some("no verdict"));
    assert_eq!((outcome.requests.len(), outcome.logs.len()), (0, 0));
}

#[tokio::test]
async fn a_component_that_panics() {
    let outcome = ask(RUST_PANIC, &guard(), "http://127.0.0.1/").await;
    assert_error(&outcome, ErrorClass::Trap, "unreachable");
    let log = lines(&outcome);
    assert!(
        log.iter().all(|(level, _)| *level == LogLevel::Error),
        "{log:?}"
    );
    assert!(
        log.iter()
            .any(|(_, text)| text.contains("the sentry fell asleep")),
        "{log:?}"
    );
}
