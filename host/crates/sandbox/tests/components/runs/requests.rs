//! X23, and that what a run asked for and logged is kept however it ends.

use vedette_core::{ErrorClass, Outcome, Status};

use crate::{
    assert_error, assert_success,
    guest::Guest,
    interfaces::{CONSOLE, FETCH, SENDS},
    run,
    server::Server,
};

/// A guest that logs, and can send one GET to `url` by `(call $get)`.
fn asking(url: &str, run: &str) -> Guest {
    let get = format!(
        "(func $get (call $send
           (i32.const 2000) (i32.const 3) (i32.const 2100) (i32.const {}) (i32.const 0) (i32.const 0)
           (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
           (i32.const 256)))",
        url.len()
    );
    // As a start function, so that `run` can have locals.
    let log =
        "(func $first (call $log (i32.const 2) (i32.const 1024) (i32.const 6))) (start $first)";
    Guest::new(run)
        .import(CONSOLE)
        .import(FETCH)
        .call("log", "$console \"log\"", "(param i32 i32 i32)")
        .call("send", "$fetch \"send\"", SENDS)
        .text(1024, "before")
        .text(2000, "GET")
        .text(2100, url)
        .fields(&get)
        .fields(log)
}

fn assert_kept(outcome: &Outcome) {
    let lines: Vec<_> = outcome
        .logs
        .iter()
        .map(|line| line.message.as_str())
        .collect();
    assert_eq!(lines, ["before"]);
    let asked: Vec<_> = outcome
        .requests
        .iter()
        .map(|request| request.status)
        .collect();
    assert_eq!(asked, [Some(500)], "{outcome:#?}");
}

#[tokio::test]
async fn requests_and_logs_are_kept_however_a_run_ends() {
    let server = Server::start().await;
    for (after, class) in [
        ("(unreachable)", Some(ErrorClass::Trap)),
        (
            "(loop $again (br $again)) (unreachable)",
            Some(ErrorClass::FuelExhausted),
        ),
        ("(call $deep)", Some(ErrorClass::StackOverflow)),
        (
            "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)",
            Some(ErrorClass::MemoryLimit),
        ),
        (
            "(call $message (i32.const 0) (i32.const -1))",
            Some(ErrorClass::Trap),
        ),
        (
            "(call $err (i32.const 1024) (i32.const 6))",
            Some(ErrorClass::ScriptError),
        ),
        (
            "(call $latency (f64.const nan))",
            Some(ErrorClass::ResultInvalid),
        ),
        ("(call $success)", None),
    ] {
        let guest = asking(&server.url("/500"), &format!("(call $get) {after}"))
            .fields("(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))");
        let outcome = run(&guest).await;
        assert_eq!(outcome.error_class, class, "{after}: {outcome:#?}");
        assert_kept(&outcome);
    }
}

#[tokio::test]
async fn requests_and_logs_are_kept_of_a_run_that_takes_too_long() {
    let server = Server::start().await;
    let guest = asking(&server.url("/hang"), "(call $get) (call $success)");
    let mut inputs = crate::inputs(crate::limits());
    inputs.limits.wall = std::time::Duration::from_millis(300);
    let outcome = crate::run_with(&crate::load(&guest.bytes()), inputs).await;
    assert_eq!(outcome.status, Status::Timeout);
    assert_eq!(outcome.logs.len(), 1);
    assert_eq!(outcome.requests[0].error.as_deref(), Some("cancelled"));
}

/// The discriminant of the answer is at 256, that of a `fetch-error` 8 bytes on.
fn case_of_error() -> &'static str {
    "(if (i32.ne (i32.load8_u (i32.const 256)) (i32.const 1)) (then (unreachable)))
     (call $count (i32.load8_u (i32.const 264)))"
}

#[tokio::test]
async fn one_request_too_many_is_answered_by_a_limit() {
    const LIMIT: f64 = 10.0;
    let server = Server::start().await;
    let body = format!(
        "(local $n i32) (local.set $n (i32.const 51))
         (loop $again (call $get)
           (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
         {}",
        case_of_error()
    );
    let outcome = run(&asking(&server.url("/"), &body)).await;
    assert_success(&outcome);
    assert_eq!(outcome.latency_ms, Some(LIMIT));
    assert_eq!(outcome.requests.len(), 50);
}

/// `$headers` of so many fields, or one field of so many bytes.
fn with_headers(url: &str, fields: u32, value_bytes: u32) -> Guest {
    let fill = format!(
        "(local $n i32) (local $at i32)
         (local.set $n (i32.const {fields})) (local.set $at (i32.const 65536))
         (loop $again
           (i32.store (local.get $at) (i32.const 2000)) (i32.store offset=4 (local.get $at) (i32.const 1))
           (i32.store offset=8 (local.get $at) (i32.const 2200))
           (i32.store offset=12 (local.get $at) (i32.const {value_bytes}))
           (local.set $at (i32.add (local.get $at) (i32.const 16)))
           (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
    );
    let send = format!(
        "(call $send (i32.const 2000) (i32.const 3) (i32.const 2100) (i32.const {})
           (i32.const 65536) (i32.const {fields})
           (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
           (i32.const 256))",
        url.len()
    );
    asking(url, &format!("{fill} {send} {}", case_of_error())).pages(500)
}

#[tokio::test]
async fn x23_many_headers_are_a_limit_of_requests() {
    const LIMIT: f64 = 10.0;
    let server = Server::start().await;
    for (fields, bytes) in [(101, 0), (50_000, 0), (1, 1_000_000), (100, 1_000)] {
        let outcome = run(&with_headers(&server.url("/"), fields, bytes)).await;
        assert_success(&outcome);
        assert_eq!(
            outcome.latency_ms,
            Some(LIMIT),
            "{fields} of {bytes}: {outcome:#?}"
        );
    }
}

/// Their list alone is more than a call may move. The corpus asks for `fetch_limit`; whether a call or
/// the end of a run moved too much is not to be told here, and the sentence says what it was.
#[tokio::test]
async fn x23_a_million_headers_are_more_than_a_call_may_move() {
    let server = Server::start().await;
    let outcome = run(&with_headers(&server.url("/"), 1_000_000, 0)).await;
    assert_error(
        &outcome,
        ErrorClass::ResultTooLarge,
        "more than 8 MiB out in one call",
    );
    assert_eq!(outcome.requests, []);
}

const HTTP: &str = r#"
  (import "wasi:http/types@0.2.0" (instance $http
    (export "fields" (type $fields (sub resource)))
    (type $header-error' (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
    (export "header-error" (type $header-error (eq $header-error')))
    (export "[constructor]fields" (func (result (own $fields))))
    (export "[method]fields.append" (func (param "self" (borrow $fields)) (param "name" string)
      (param "value" (list u8)) (result (result (error $header-error)))))))"#;

/// A headers object takes what fits, and then a run ends; nothing of it goes out.
#[tokio::test]
async fn x23_a_headers_object_has_a_bound() {
    for (fields, bytes) in [(1_000_000, 1), (100, 1_000_000)] {
        let body = format!(
            "(local $n i32) (local $fields i32) (local.set $fields (call $new))
             (local.set $n (i32.const {fields}))
             (loop $again
               (call $append (local.get $fields) (i32.const 1024) (i32.const 1)
                 (i32.const 65536) (i32.const {bytes}) (i32.const 100))
               (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
             (call $success)"
        );
        let guest = Guest::new(body)
            .import(HTTP)
            .call("new", "$http \"[constructor]fields\"", "(result i32)")
            .call(
                "append",
                "$http \"[method]fields.append\"",
                "(param i32 i32 i32 i32 i32 i32)",
            )
            .text(1024, "x")
            .fields("(func $fill (memory.fill (i32.const 65536) (i32.const 97) (i32.const 1000000))) (start $fill)")
            .pages(40);
        let outcome = run(&guest).await;
        assert_error(&outcome, ErrorClass::FetchLimit, "header");
        assert_eq!(outcome.requests, []);
    }
}
