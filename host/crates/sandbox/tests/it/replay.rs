//! A run that is recorded and run again comes to the same, to the last unit of fuel.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};
use vedette_core::{ErrorClass, Outcome, SourceLanguage, Status};
use vedette_sandbox::{Limits, Recording, Replayed, RunInputs};

use crate::{data, inputs, sandbox, server::Server};

pub(crate) const JS: SourceLanguage = SourceLanguage::JavaScript;
const BYTES: usize = 2 * 1024 * 1024;

/// Records a run, and gives back what a file of it would.
pub(crate) async fn record(source: &str, inputs: RunInputs, bytes: usize) -> (Outcome, Recording) {
    let bytecode = sandbox().compile(source, JS).await.unwrap();
    let (outcome, tape) = sandbox().run_recorded(&bytecode, inputs, bytes).await;
    let recording = tape.expect("it began").into_recording(&outcome, source, JS);
    let text = recording.to_json(true);
    assert!(text.len() <= bytes, "{} bytes", text.len());
    (outcome, Recording::parse(text.as_bytes()).unwrap())
}

pub(crate) async fn replay_with(
    recording: &Recording,
    source: &str,
    env: &[(&str, &str)],
) -> Replayed {
    let env: BTreeMap<_, _> = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let bytecode = sandbox().compile(source, JS).await.unwrap();
    let recording = Arc::new(recording.clone());
    let replay = sandbox().replay(&recording, source, &bytecode, &env);
    replay.await.unwrap()
}

fn check(body: &str) -> String {
    format!("export default async function ({{ params, env }}) {{ {body} }}")
}

/// Records with a server that is gone when it is run again.
async fn again(source: &str, limits: Limits) -> (Outcome, Replayed) {
    let server = Server::start().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let params = json!({ "base": server.url(""), "dead": dead,
        "tls": format!("https://{}/", server.address) });
    let inputs = RunInputs {
        limits,
        ..inputs(params, &[])
    };
    let (outcome, recording) = record(source, inputs, BYTES).await;
    assert_eq!(recording.truncated(), [] as [&str; 0]);
    let address = server.address;
    drop(server);
    let still = tokio::net::TcpStream::connect(address).await.is_ok();
    assert!(!still, "the server is gone");
    let source = recording.source().expect("it is there").to_owned();
    let replayed = replay_with(&recording, &source, &[]).await;
    (outcome, replayed)
}

fn assert_same(name: &str, outcome: &Outcome, replayed: &Replayed) {
    assert_eq!(replayed.diverged, None, "{name}");
    assert_eq!(replayed.doubts, [] as [&str; 0], "{name}");
    let of = |outcome: &Outcome| {
        (
            outcome.status,
            outcome.error_class,
            outcome.message.clone(),
            data(outcome),
            outcome.fuel_used,
            // What went through a text may have lost its last bit.
            outcome.latency_ms.map(|ms| format!("{ms:.6}")),
        )
    };
    assert_eq!(of(&replayed.outcome), of(outcome), "{name}");
    assert!(
        replayed.same_outcome && replayed.same_fuel,
        "{name}: {replayed:#?}"
    );
    let requests = |outcome: &Outcome| {
        let requests = outcome.requests.iter();
        requests
            .map(|one| (one.url.clone(), one.status, one.error.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(requests(&replayed.outcome), requests(outcome), "{name}");
    assert_eq!(
        replayed
            .outcome
            .logs
            .iter()
            .map(|line| &line.message)
            .collect::<Vec<_>>(),
        outcome
            .logs
            .iter()
            .map(|line| &line.message)
            .collect::<Vec<_>>(),
        "{name}"
    );
}

/// Name, body, and the status and class that the recorded run must have.
const SCRIPTS: &[(&str, &str, Status, Option<ErrorClass>)] = &[
    (
        "one after the other",
        "const seen = []; for (const path of ['/json', '/redirect', '/500']) { \
           const r = await fetch(params.base + path); seen.push([r.status, r.url, await r.text(), r.timings]); } \
         return { success: true, data: seen };",
        Status::Success,
        None,
    ),
    (
        "at the same time",
        "const paths = ['/slow', '/json', '/', '/500', '/slow', '/echo', '/json', '/']; const order = []; \
         await Promise.all(paths.map(async (path, i) => { const r = await fetch(params.base + path); \
           order.push([i, r.status, performance.now()]); })); \
         return { success: true, data: order };",
        Status::Success,
        None,
    ),
    (
        "the first one wins",
        "const answers = ['/', '/json', '/slow'].map(async (path) => (await fetch(params.base + path)).url); \
         return { success: true, data: await Promise.race(answers) };",
        Status::Success,
        None,
    ),
    (
        "timers and intervals",
        "const seen = []; setTimeout(() => seen.push(['late', performance.now()]), 25); \
         const slow = fetch(params.base + '/slow').then(() => seen.push(['slow', performance.now()])); \
         let n = 0; await new Promise((done) => { const id = setInterval(() => { \
           seen.push(['tick', performance.now()]); if (++n === 9) { clearInterval(id); done(); } }, 4); }); \
         await slow; return { success: true, data: seen };",
        Status::Success,
        None,
    ),
    (
        "chance and time",
        "const list = Array.from({ length: 50 }, () => Math.random()); \
         await new Promise((done) => setTimeout(done, 3)); \
         const sorted = [...list].sort((a, b) => a - b); \
         return { success: true, latency: Math.random() * 100, message: new Date().toISOString(), \
           data: [list, sorted, Date.now(), performance.now()] };",
        Status::Success,
        None,
    ),
    (
        "a login by form",
        "const r = await fetch(params.base + '/echo', { method: 'POST', \
           headers: { authorization: 'Basic ' + btoa('a:b'), 'x-n': String(Math.random()) }, \
           body: new URLSearchParams({ at: Date.now(), chance: Math.random() }) }); \
         const text = await r.text(); console.log(text); \
         return { success: text.includes('chance='), data: text };",
        Status::Success,
        None,
    ),
    (
        "down",
        "const r = await fetch(params.base + '/500'); \
         return { success: r.ok, message: `answered ${r.status} after ${r.timings.total} ms` };",
        Status::Failure,
        None,
    ),
    (
        "refused",
        "await fetch(params.dead); return { success: true };",
        Status::Failure,
        None,
    ),
    (
        "no such name",
        "await fetch('http://no-such-name.invalid/'); return { success: true };",
        Status::Error,
        Some(ErrorClass::FetchDenied),
    ),
    (
        "no TLS there",
        "await fetch(params.tls); return { success: true };",
        Status::Failure,
        None,
    ),
    (
        "not HTTP",
        "const codes = []; for (const url of [params.base + '/garbage', params.dead, 'http://10.0.0.1/']) { \
           try { await fetch(url); } catch (error) { codes.push([error.code, error.message]); } } \
         return { success: true, data: codes };",
        Status::Success,
        None,
    ),
    (
        "not allowed",
        "await fetch(params.base + '/metadata'); return { success: true };",
        Status::Error,
        Some(ErrorClass::FetchDenied),
    ),
    (
        "a time limit of its own",
        "await fetch(params.base + '/hang', { signal: AbortSignal.timeout(40) }); return { success: true };",
        Status::Failure,
        None,
    ),
    (
        "given up",
        "const control = new AbortController(); setTimeout(() => control.abort(), 10); \
         let name; try { await fetch(params.base + '/hang', { signal: control.signal }); } \
         catch (error) { name = error.name; } \
         return { success: (await fetch(params.base + '/')).ok, data: [name, performance.now()] };",
        Status::Success,
        None,
    ),
    (
        "more requests than allowed",
        "const all = []; for (let i = 0; i < 60; i++) all.push(fetch(params.base + '/?' + i)); \
         await Promise.all(all); return { success: true };",
        Status::Error,
        Some(ErrorClass::FetchLimit),
    ),
    (
        "an exception",
        "const r = await fetch(params.base + '/json'); (await r.json()).a.b.c.d; return { success: true };",
        Status::Error,
        Some(ErrorClass::ScriptError),
    ),
    (
        "no verdict",
        "await fetch(params.base + '/'); return { success: 1 };",
        Status::Error,
        Some(ErrorClass::ResultInvalid),
    ),
    (
        "a deadlock",
        "await fetch(params.base + '/'); await new Promise(() => {}); return { success: true };",
        Status::Error,
        Some(ErrorClass::Deadlock),
    ),
    (
        "recursion",
        "await fetch(params.base + '/'); const f = (n) => 1 + f(n + 1); return { success: f(0) > 0 };",
        Status::Error,
        Some(ErrorClass::StackOverflow),
    ),
    (
        "memory",
        "await fetch(params.base + '/'); const all = []; for (;;) all.push('x'.repeat(100_000) + all.length);",
        Status::Error,
        Some(ErrorClass::MemoryLimit),
    ),
];

#[tokio::test]
async fn every_kind_of_run_comes_to_the_same_with_the_same_fuel() {
    for (name, body, status, class) in SCRIPTS {
        let (outcome, replayed) = again(&check(body), Limits::default()).await;
        if *name == "recursion" {
            // Whose stack is full first, the engine's or the script's, is not of interest here.
            assert_eq!(outcome.status, *status, "{name}: {outcome:#?}");
        } else {
            assert_eq!(
                (outcome.status, outcome.error_class),
                (*status, *class),
                "{name}: {outcome:#?}"
            );
        }
        assert_same(name, &outcome, &replayed);
    }
}

#[tokio::test]
async fn fuel_is_used_up_at_the_same_place() {
    let source = check("await fetch(params.base + '/'); console.log('still here'); for (;;) {}");
    let limits = Limits {
        fuel: 300_000_000,
        ..Limits::default()
    };
    let (outcome, replayed) = again(&source, limits).await;
    assert_eq!(outcome.error_class, Some(ErrorClass::FuelExhausted));
    assert_same("fuel", &outcome, &replayed);
}

#[tokio::test]
async fn a_run_that_was_stopped_is_stopped_again() {
    let limits = Limits {
        wall: Duration::from_millis(400),
        ..Limits::default()
    };
    for (name, body) in [
        (
            "in a request",
            "await fetch(params.base + '/'); await fetch(params.base + '/hang');",
        ),
        (
            "asleep",
            "await new Promise((done) => setTimeout(done, 60_000));",
        ),
        (
            "between timers",
            "for (;;) await new Promise((done) => setTimeout(done, 7));",
        ),
        ("computing", "await fetch(params.base + '/'); for (;;) {}"),
    ] {
        let (outcome, replayed) = again(&check(body), limits.clone()).await;
        assert_eq!(outcome.status, Status::Timeout, "{name}: {outcome:#?}");
        assert_same(name, &outcome, &replayed);
    }
}

#[tokio::test]
async fn an_edited_script_meets_the_recorded_world() {
    let server = Server::start().await;
    let original = check(
        "const [slow, json] = await Promise.all(['/slow', '/json'].map((path) => fetch(params.base + path))); \
         return { success: slow.status === 201, message: 'expected 201' };",
    );
    let (outcome, recording) = record(
        &original,
        inputs(json!({ "base": server.url("") }), &[]),
        BYTES,
    )
    .await;
    assert_eq!(outcome.status, Status::Failure);
    drop(server);

    // The mistake is mended; the requests are the same.
    let mended = original.replace("201", "200");
    let replayed = replay_with(&recording, &mended, &[]).await;
    assert_eq!(replayed.outcome.status, Status::Success);
    assert_eq!(replayed.diverged, None);
    assert!(!replayed.same_outcome);

    // In another order, with timers: time goes as long as it went then.
    let other = check(
        "const json = await fetch(params.base + '/json'); const before = performance.now(); \
         await new Promise((done) => setTimeout(done, 20_000)); const slept = performance.now() - before; \
         const slow = await fetch(params.base + '/slow'); const took = performance.now() - before - slept; \
         return { success: true, data: { slept, took, body: await slow.text(), json: await json.json() } };",
    );
    let replayed = replay_with(&recording, &other, &[]).await;
    assert_eq!(replayed.outcome.status, Status::Success, "{replayed:#?}");
    let data = data(&replayed.outcome);
    assert_eq!(data["slept"], 20_000, "without waiting for it");
    assert!(data["took"].as_u64().unwrap() >= 99, "{data}");
    assert_eq!(
        (&data["body"], &data["json"]["a"]["b"]),
        (&json!("slow"), &json!([1, 2]))
    );
    assert!(replayed.diverged.is_some());
    assert!(replayed.outcome.duration_ms < 10_000.0);

    // What was not asked for then is an error of the script, and never the target's.
    for (body, what) in [
        (
            "await fetch(params.base + '/new');",
            "/new is not in the recording",
        ),
        (
            "await fetch(params.base + '/json'); await fetch(params.base + '/json');",
            "/json is not in the recording more than 1 times",
        ),
        (
            "await fetch(params.base + '/json', { method: 'PUT' });",
            "PUT http",
        ),
    ] {
        let replayed = replay_with(&recording, &check(body), &[]).await;
        let outcome = &replayed.outcome;
        assert_eq!(
            outcome.error_class,
            Some(ErrorClass::ScriptError),
            "{outcome:#?}"
        );
        assert!(
            outcome.message.as_ref().unwrap().contains(what),
            "{outcome:#?}"
        );
    }

    // Time comes to its end without anybody waiting for it.
    let asleep = check("for (;;) await new Promise((done) => setTimeout(done, 100));");
    let replayed = replay_with(&recording, &asleep, &[]).await;
    assert_eq!(replayed.outcome.status, Status::Timeout, "{replayed:#?}");
    assert!(replayed.outcome.duration_ms < 20_000.0);
}

#[tokio::test]
async fn an_answer_that_nobody_waited_for_is_missing_and_says_so() {
    let server = Server::start().await;
    let source = check(
        "await fetch(params.base + '/hang', { signal: AbortSignal.timeout(20) }); return { success: true };",
    );
    let inputs = inputs(json!({ "base": server.url("") }), &[]);
    let (outcome, recording) = record(&source, inputs, BYTES).await;
    assert_eq!(outcome.status, Status::Failure);
    let patient = check("await fetch(params.base + '/hang'); return { success: true };");
    let replayed = replay_with(&recording, &patient, &[]).await;
    let outcome = &replayed.outcome;
    assert_eq!(
        outcome.error_class,
        Some(ErrorClass::ScriptError),
        "{outcome:#?}"
    );
    let message = outcome.message.as_ref().unwrap();
    assert!(
        message.contains("/hang is not in the recording"),
        "{message}"
    );
}

#[tokio::test]
async fn recording_changes_nothing_for_the_script() {
    let source = check("return { success: true, data: [params, [1, 2, 3].map((n) => n * 2)] };");
    let params = || inputs(json!({ "a": 1 }), &[]);
    let bytecode = sandbox().compile(&source, JS).await.unwrap();
    let plain = sandbox().run(&bytecode, params()).await;
    let (recorded, tape) = sandbox().run_recorded(&bytecode, params(), BYTES).await;
    assert_eq!(plain.fuel_used, recorded.fuel_used);
    assert_eq!(data(&plain), data(&recorded));
    let recording = tape.unwrap().into_recording(&recorded, &source, JS);
    let text: Value = serde_json::from_str(&recording.to_json(false)).unwrap();
    assert_eq!(text["params"], json!({ "a": 1 }));
    assert_eq!(text["outcome"]["fuel_used"], recorded.fuel_used);
    // A run that never waited has nothing but its start.
    assert_eq!(
        (&text["waits"], &text["requests"]),
        (&json!([]), &json!([]))
    );
}
