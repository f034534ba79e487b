//! `fetch` from inside the sandbox.

use std::time::Duration;

use serde_json::{Value, json};
use vedette_core::{ErrorClass, Status};
use vedette_sandbox::{Limits, RunInputs};

use crate::{assert_error, assert_success, data, inputs, run_with, server::Server};

async fn fetch_body(server: &Server, body: &str) -> vedette_core::Outcome {
    let source = format!("export default async function ({{ params }}) {{ {body} }}");
    run_with(&source, inputs(json!({ "base": server.url("") }), &[])).await
}

#[tokio::test]
async fn a_response_has_what_a_monitor_needs() {
    let server = Server::start().await;
    let outcome = fetch_body(
        &server,
        "const r = await fetch(params.base + '/redirect'); const j = await r.json(); \
         return { success: r.ok, data: { status: r.status, redirected: r.redirected, url: r.url, j, \
           type: r.headers.get('Content-Type'), remote: r.remoteAddress, tls: r.tls, timings: r.timings, \
           version: r.httpVersion } };",
    )
    .await;
    assert_success(&outcome);
    let data = data(&outcome);
    assert_eq!(data["status"], 200);
    assert_eq!(data["redirected"], true);
    assert_eq!(data["url"], server.url("/json"));
    assert_eq!(data["j"], json!({"a": {"b": [1, 2]}}));
    assert_eq!(data["type"], "application/json");
    assert_eq!(data["remote"], server.address.to_string());
    assert_eq!(data["tls"], Value::Null);
    assert!(data["timings"]["total"].as_f64().unwrap() > 0.0, "{data}");
    assert_eq!(outcome.requests.len(), 1);
    assert_eq!(outcome.requests[0].redirects, 1);
    assert_eq!(outcome.latency_ms, Some(outcome.requests[0].total_ms));
}

#[tokio::test]
async fn a_body_is_read_once_and_can_be_cloned() {
    let server = Server::start().await;
    let outcome = fetch_body(
        &server,
        "const r = await fetch(params.base + '/json'); const c = r.clone(); await r.text(); \
         let second = 'read'; try { await r.text(); } catch (e) { second = e.name; } \
         return { success: true, data: [second, r.bodyUsed, (await c.arrayBuffer()).byteLength] };",
    )
    .await;
    assert_success(&outcome);
    assert_eq!(data(&outcome), json!(["TypeError", true, 17]));
}

#[tokio::test]
async fn what_is_sent_arrives() {
    let server = Server::start().await;
    let outcome = fetch_body(
        &server,
        "const r = await fetch(params.base + '/echo', { method: 'post', headers: { 'X-Custom': 'v' }, \
           body: new URLSearchParams({ a: '1 2' }) }); \
         return { success: true, data: await r.text() };",
    )
    .await;
    assert_success(&outcome);
    let echoed = data(&outcome).as_str().unwrap().to_ascii_lowercase();
    assert!(echoed.starts_with("post /echo http/1.1"), "{echoed}");
    assert!(echoed.contains("x-custom: v"), "{echoed}");
    assert!(
        echoed.contains("application/x-www-form-urlencoded"),
        "{echoed}"
    );
    assert!(echoed.ends_with("a=1+2"), "{echoed}");
}

#[tokio::test]
async fn requests_are_really_concurrent() {
    let server = Server::start().await;
    let outcome = fetch_body(
        &server,
        "await Promise.all([1, 2, 3, 4, 5].map(() => fetch(params.base + '/slow'))); \
         return { success: true };",
    )
    .await;
    assert_success(&outcome);
    let starts: Vec<_> = outcome
        .requests
        .iter()
        .map(|request| request.started_at_ms)
        .collect();
    let ends = outcome
        .requests
        .iter()
        .map(|request| request.started_at_ms + request.total_ms);
    let first_end = ends.fold(f64::INFINITY, f64::min);
    assert_eq!(starts.len(), 5);
    assert!(
        starts.iter().all(|start| *start < first_end),
        "one waited for another: {outcome:#?}"
    );
}

#[tokio::test]
async fn a_dead_target_is_a_failure_and_not_a_broken_check() {
    let server = Server::start().await;
    let base = server.url("");
    drop(server);
    let source = "export default async ({ params }) => { await fetch(params.base); return { success: true }; }";
    let outcome = run_with(source, inputs(json!({ "base": base }), &[])).await;
    assert_eq!(
        (outcome.status, outcome.error_class),
        (Status::Failure, None),
        "{outcome:#?}"
    );
    assert!(outcome.message.unwrap().contains("refused"));
    let wrapped = "export default async ({ params }) => { try { await fetch(params.base); } \
        catch (cause) { throw new Error('login', { cause }); } }";
    let outcome = run_with(wrapped, inputs(json!({ "base": base }), &[])).await;
    assert_eq!(outcome.status, Status::Failure, "{outcome:#?}");
}

#[tokio::test]
async fn nonsense_from_the_target_is_a_failure() {
    let server = Server::start().await;
    let outcome = fetch_body(
        &server,
        "await fetch(params.base + '/garbage'); return { success: true };",
    )
    .await;
    assert_eq!(outcome.status, Status::Failure, "{outcome:#?}");
}

#[tokio::test]
async fn a_denied_request_says_so_and_names_no_address() {
    let server = Server::start().await;
    for url in [
        "'http://10.0.0.1/'",
        "'http://[::1]/'",
        "'http://0xa9fea9fe/'",
        "params.base + '/metadata'",
    ] {
        let outcome = fetch_body(
            &server,
            &format!("await fetch({url}); return {{ success: true }};"),
        )
        .await;
        assert_error(&outcome, ErrorClass::FetchDenied);
        let message = outcome.message.unwrap();
        assert!(message.contains("not allowed"), "{message}");
        // The script's own URL stands there, but not where a redirect led.
        let is_redirect = url.contains("/metadata");
        assert!(!is_redirect || !message.contains("169.254"), "{message}");
    }
}

#[tokio::test]
async fn limits_of_requests_hold() {
    let server = Server::start().await;
    let outcome = fetch_body(
        &server,
        "for (let i = 0; i < 60; i++) await fetch(params.base + '/'); return { success: true };",
    )
    .await;
    assert_error(&outcome, ErrorClass::FetchLimit);
    assert_eq!(outcome.requests.len(), 50);
    let outcome = fetch_body(
        &server,
        "await Promise.all(Array.from({ length: 1000 }, () => fetch(params.base + '/'))); \
         return { success: true };",
    )
    .await;
    assert_error(&outcome, ErrorClass::FetchLimit);
}

#[tokio::test]
async fn aborts_cancel_on_the_wire() {
    let mut server = Server::start().await;
    let outcome = fetch_body(
        &server,
        "const c = new AbortController(); setTimeout(() => c.abort(), 20); \
         try { await fetch(params.base + '/hang', { signal: c.signal }); } catch (e) { \
           return { success: e.name === 'AbortError' }; }",
    )
    .await;
    assert_success(&outcome);
    hung_up(&mut server).await;
    let outcome = fetch_body(
        &server,
        "await fetch(params.base + '/hang', { signal: AbortSignal.timeout(20) }); return { success: true };",
    )
    .await;
    assert_eq!(
        outcome.status,
        Status::Failure,
        "a time limit of the request: {outcome:#?}"
    );
    hung_up(&mut server).await;
}

#[tokio::test]
async fn a_request_that_nobody_awaits_ends_with_the_run() {
    let mut server = Server::start().await;
    let outcome = fetch_body(
        &server,
        "fetch(params.base + '/hang'); await fetch(params.base + '/'); return { success: true };",
    )
    .await;
    assert_success(&outcome);
    assert_eq!(outcome.requests[0].error.as_deref(), Some("cancelled"));
    hung_up(&mut server).await;
}

async fn hung_up(server: &mut Server) {
    let waited = tokio::time::timeout(Duration::from_secs(5), server.hung_up.recv()).await;
    waited
        .expect("the connection is closed")
        .expect("the server lives");
}

#[tokio::test]
async fn the_wall_clock_ends_a_run_that_waits() {
    let server = Server::start().await;
    let source = "export default async ({ params }) => { await fetch(params.base + '/hang'); return { success: true }; }";
    let limits = Limits {
        wall: Duration::from_millis(200),
        ..Limits::default()
    };
    let inputs = RunInputs {
        limits,
        ..inputs(json!({ "base": server.url("") }), &[])
    };
    let outcome = run_with(source, inputs).await;
    assert_eq!(
        (outcome.status, outcome.error_class),
        (Status::Timeout, None),
        "{outcome:#?}"
    );
}

#[tokio::test]
async fn an_answer_in_time_is_not_lost_to_a_run_that_was_held_up() {
    let server = Server::start().await;
    // The answer is long there when the script comes back, and so is the end of the time limit.
    let outcome = fetch_body(
        &server,
        "const asked = fetch(params.base + '/', { signal: AbortSignal.timeout(200) }); \
         await fetch(params.base + '/slow'); \
         let n = 0; while (n < 5_000_000) n++; \
         return { success: (await asked).ok };",
    )
    .await;
    assert_success(&outcome);
}

#[tokio::test]
async fn very_many_headers_are_a_limit_and_no_fault_of_ours() {
    let server = Server::start().await;
    for count in [101, 180_000] {
        let outcome = fetch_body(
            &server,
            &format!(
                "await fetch(params.base + '/', {{ headers: Array({count}).fill(['set-cookie', '']) }}); \
                 return {{ success: true }};"
            ),
        )
        .await;
        assert_error(&outcome, ErrorClass::FetchLimit);
    }
}

#[tokio::test]
async fn of_several_failed_requests_one_that_was_denied_counts() {
    let server = Server::start().await;
    let any = |urls: &str| {
        format!("await Promise.any([{urls}].map((url) => fetch(url))); return {{ success: true }};")
    };
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("'http://{}/'", closed.local_addr().unwrap());
    drop(closed);
    let outcome = fetch_body(&server, &any(&format!("{dead}, 'http://10.0.0.1/'"))).await;
    assert_error(&outcome, ErrorClass::FetchDenied);
    let outcome = fetch_body(&server, &any(&format!("{dead}, {dead}"))).await;
    assert_eq!(outcome.status, Status::Failure, "{outcome:#?}");
}
