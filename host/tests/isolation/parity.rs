//! The same outcomes as in the server's own process.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::{Arc, LazyLock},
    time::Duration,
};

use serde_json::{Value, json};
use vedette_core::{ErrorClass, Flag, Outcome, SourceLanguage, Status};
use vedette_egress::SessionLimits;
use vedette_sandbox::{CompileError, Limits, RunInputs};

use crate::{in_process, script, start, target::Target};

/// What both ways have to agree in; times and ports differ by nature.
fn facts(outcome: &Outcome) -> Value {
    let requests: Vec<_> = outcome
        .requests
        .iter()
        .map(|request| {
            json!([
                request.method,
                request.url,
                request.status,
                request.error,
                request.remote_address,
                request.body_bytes,
                request.redirects
            ])
        })
        .collect();
    let logs: Vec<_> = outcome
        .logs
        .iter()
        .map(|line| json!([line.log_level, line.message]))
        .collect();
    json!({
        "status": outcome.status,
        "error_class": outcome.error_class,
        "message": outcome.message,
        "result": outcome.result,
        "has_latency": outcome.latency_ms.is_some(),
        "peak_memory_bytes": outcome.peak_memory_bytes,
        "flags": outcome.flags,
        "requests": requests,
        "logs": logs,
    })
}

struct Row {
    body: &'static str,
    status: Status,
    class: Option<ErrorClass>,
}

const fn row(body: &'static str, status: Status) -> Row {
    Row {
        body,
        status,
        class: None,
    }
}

const fn error(body: &'static str, class: ErrorClass) -> Row {
    Row {
        body,
        status: Status::Error,
        class: Some(class),
    }
}

/// Fuel is the same to the unit where nothing has to be waited for.
const ALONE: &[Row] = &[
    row(
        "console.log('a', [1]); console.error('b'); \
         return { success: params.x === 1 && env.KEY === 'v', latency: 2.5, message: 'm', data: { a: [params] } };",
        Status::Success,
    ),
    row(
        "return { success: false, message: 'down' };",
        Status::Failure,
    ),
    row(
        "console.log('x'.repeat(20000)); return { success: true };",
        Status::Success,
    ),
    row(
        "for (let i = 0; i < 2000; i++) console.log(i); return { success: true };",
        Status::Success,
    ),
    error("throw new Error('mine');", ErrorClass::ScriptError),
    error("while (true) {}", ErrorClass::FuelExhausted),
    error(
        "const a = []; for (;;) a.push(new Array(1000).fill(0));",
        ErrorClass::MemoryLimit,
    ),
    error("const f = () => f() + 1; f();", ErrorClass::StackOverflow),
    error("await new Promise(() => {});", ErrorClass::Deadlock),
    error("return 'yes';", ErrorClass::ResultInvalid),
    error(
        "return { success: true, data: 'x'.repeat(300000) };",
        ErrorClass::ResultTooLarge,
    ),
    error(
        "await fetch('http://169.254.169.254/');",
        ErrorClass::FetchDenied,
    ),
];

const WITH_REQUESTS: &[Row] = &[
    row(
        "const r = await fetch(params.url + '/page'); \
         return { success: r.status === 200, data: await r.text() };",
        Status::Success,
    ),
    row(
        "const r = await fetch(params.url + '/post', { method: 'POST', body: 'x'.repeat(100000) }); \
         return { success: r.ok };",
        Status::Success,
    ),
    row(
        "const all = await Promise.all([1, 2, 3, 4].map((n) => fetch(`${params.url}/n${n}`))); \
         return { success: all.every((r) => r.ok) };",
        Status::Success,
    ),
    row(
        "const r = await fetch(params.url + '/down'); return { success: r.ok, message: `${r.status}` };",
        Status::Failure,
    ),
    row(
        "await fetch(params.closed); return { success: true };",
        Status::Failure,
    ),
    row(
        "await fetch(params.url + '/wait/5000'); return { success: true };",
        Status::Timeout,
    ),
    row(
        "const a = new AbortController(); const p = fetch(params.url + '/wait/5000', { signal: a.signal }); \
         a.abort(); try { await p } catch (e) { return { success: true, message: e.name }; }",
        Status::Success,
    ),
    error(
        "for (let i = 0; i < 6; i++) await fetch(params.url + '/' + i); return { success: true };",
        ErrorClass::FetchLimit,
    ),
];

/// Nothing listens there: whoever had it has let it go.
fn closed_port() -> &'static str {
    static URL: LazyLock<String> = LazyLock::new(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    });
    &URL
}

fn inputs(url: &str, status: Status) -> RunInputs {
    let Value::Object(params) = json!({ "x": 1, "url": url, "closed": closed_port() }) else {
        unreachable!("an object")
    };
    RunInputs {
        params,
        env: BTreeMap::from([("KEY".to_owned(), "v".to_owned())]),
        limits: Limits {
            // Long enough for a slow machine, but where the time limit is what is looked at.
            wall: match status {
                Status::Timeout => Duration::from_millis(300),
                _ => Duration::from_mins(1),
            },
            fuel: 1_000_000_000,
            memory_bytes: 12 * 1024 * 1024,
            fetch: SessionLimits {
                max_requests: 5,
                ..SessionLimits::default()
            },
            ..Limits::default()
        },
        ..RunInputs::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_the_same() {
    let target = Target::start();
    target.set("/down", 500, "no");
    let url = target.url("");
    let sandbox = start(1).await;
    for (rows, same_fuel) in [(ALONE, true), (WITH_REQUESTS, false)] {
        for row in rows {
            let source = script(row.body);
            let here = in_process()
                .compile(&source, SourceLanguage::JavaScript)
                .await
                .unwrap();
            let here = in_process().run(&here, inputs(&url, row.status)).await;
            let there = sandbox
                .compile(&source, SourceLanguage::JavaScript)
                .await
                .unwrap();
            let there = sandbox.run(&there, inputs(&url, row.status)).await;
            assert_eq!(
                (there.status, there.error_class),
                (row.status, row.class),
                "{}: {there:#?}",
                row.body
            );
            assert_eq!(facts(&there), facts(&here), "{}", row.body);
            assert!(there.fuel_used > 0 && there.duration_ms > 0.0, "{there:#?}");
            if same_fuel {
                assert_eq!(there.fuel_used, here.fuel_used, "{}", row.body);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_cut_is_flagged() {
    let sandbox = start(1).await;
    let body = "for (let i = 0; i < 2000; i++) console.log(i); return { success: true };";
    let bytecode = sandbox
        .compile(&script(body), SourceLanguage::JavaScript)
        .await
        .unwrap();
    let outcome = sandbox.run(&bytecode, RunInputs::default()).await;
    assert_eq!(outcome.flags, [Flag::LogTruncated]);
    let (first, last) = (outcome.logs.first().unwrap(), outcome.logs.last().unwrap());
    assert!(first.timestamp <= last.timestamp, "{outcome:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_refused_the_same_way() {
    let sandbox = start(1).await;
    let deep = format!(
        "export default () => {}1;",
        "-".repeat(100_000).replace('-', "- ")
    );
    for source in [
        "export default () => {\n  let 1;\n};",
        "const",
        deep.as_str(),
    ] {
        let here = in_process()
            .compile(source, SourceLanguage::JavaScript)
            .await
            .unwrap_err();
        let there = sandbox
            .compile(source, SourceLanguage::JavaScript)
            .await
            .unwrap_err();
        assert_eq!(format!("{there:?}"), format!("{here:?}"));
        assert!(matches!(
            there,
            CompileError::Source { .. } | CompileError::Limit(_)
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_share_a_process() {
    let target = Target::start();
    let url = target.url("/wait/300");
    let sandbox = start(2).await;
    let body = "const r = await fetch(params.url); return { success: r.ok, data: params.n };";
    let bytecode = sandbox
        .compile(&script(body), SourceLanguage::JavaScript)
        .await
        .unwrap();
    let runs: Vec<_> = (0..40)
        .map(|n| {
            let (sandbox, bytecode) = (sandbox.clone(), bytecode.clone());
            let mut inputs = RunInputs::default();
            inputs.params.insert("url".to_owned(), json!(url));
            inputs.params.insert("n".to_owned(), json!(n));
            tokio::spawn(async move { sandbox.run(&bytecode, inputs).await })
        })
        .collect();
    for (n, run) in runs.into_iter().enumerate() {
        let outcome = run.await.unwrap();
        assert_eq!(outcome.status, Status::Success, "{outcome:#?}");
        assert_eq!(outcome.result.unwrap().data, Some(json!(n)));
    }
}

/// The first TypeScript replaces the processes by ones that can read it; runs go on meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn typescript_is_compiled_there_too() {
    let target = Target::start();
    let sandbox = start(1).await;
    let first = sandbox.processes()[0].id;
    let body = "const r = await fetch(params.url); return { success: r.ok };";
    let bytecode = sandbox
        .compile(&script(body), SourceLanguage::JavaScript)
        .await
        .unwrap();
    let waiting = {
        let (sandbox, mut inputs) = (sandbox.clone(), RunInputs::default());
        inputs
            .params
            .insert("url".to_owned(), json!(target.url("/wait/1000")));
        tokio::spawn(async move { sandbox.run(&bytecode, inputs).await })
    };
    let source = "export default async (): Promise<{ success: boolean }> => ({ success: true });";
    let typed = SourceLanguage::TypeScript;
    let bytecode = sandbox.compile(source, typed).await.unwrap();
    let outcome = sandbox.run(&bytecode, RunInputs::default()).await;
    assert_eq!(outcome.status, Status::Success, "{outcome:#?}");
    assert_ne!(sandbox.processes()[0].id, first);
    assert_eq!(waiting.await.unwrap().status, Status::Success);
    let wrong = "export default (): = 1;";
    let here = in_process().compile(wrong, typed).await.unwrap_err();
    let there = sandbox.compile(wrong, typed).await.unwrap_err();
    assert_eq!(format!("{there:?}"), format!("{here:?}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_from_there_is_replayed_here() {
    let target = Target::start();
    target.set("/page", 200, "text of a page");
    let sandbox = start(1).await;
    let body = "const r = await fetch(params.url + '/page'); const text = await r.text(); \
        return { success: false, message: env.KEY + text + Date.now() + Math.random() };";
    let source = script(body);
    let language = SourceLanguage::JavaScript;
    let bytecode = sandbox.compile(&source, language).await.unwrap();
    let given = inputs(&target.url(""), Status::Failure);
    let env = given.env.clone();
    let (outcome, tape) = sandbox.run_recorded(&bytecode, given, 100_000).await;
    assert_eq!(outcome.status, Status::Failure, "{outcome:#?}");
    let recording = tape.unwrap().into_recording(&outcome, &source, language);
    drop(target);
    let bytecode = in_process().compile(&source, language).await.unwrap();
    let replayed = in_process()
        .replay(&Arc::new(recording), &source, &bytecode, &env)
        .await
        .unwrap();
    assert!(
        replayed.same_outcome && replayed.same_fuel && replayed.diverged.is_none(),
        "{replayed:#?}"
    );
}
