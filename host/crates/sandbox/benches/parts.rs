//! The parts of a run, each measured by itself; `vedette bench` measures the whole. Ask with
//! `cargo bench -p vedette-sandbox`, or `-- --profile-time 10 small_run` under a profiler.

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Map, json};
use vedette_core::{SourceLanguage, Status, SystemClock};
use vedette_egress::{Guard, Policy};
use vedette_sandbox::{Bytecode, RunInputs, Sandbox, SandboxOptions, limits::RECORDING_BYTES};

/// Nothing but a verdict: what a run costs before the script does anything.
const EMPTY: &str = "export default () => ({ success: true });";

/// JSON, promises and a line of log.
const SMALL: &str = r"
const answer = async (url) => ({ status: 200, body: JSON.stringify({ url, items: [1, 2, 3], state: 'ok' }) });

export default async function ({ params }) {
  const response = await answer(params.url);
  const body = JSON.parse(response.body);
  const sum = body.items.reduce((total, item) => total + item, 0);
  console.log('checked', body.url, sum);
  return { success: sum === 6, data: { sum, state: body.state } };
}
";

/// The classes that a script meets when it makes requests, without one.
const CLASSES: &str = r"
export default function () {
  const url = new URL('https://example.com/a?b=c');
  url.searchParams.set('d', 'e');
  const headers = new Headers({ accept: 'application/json', 'x-test': 'yes' });
  return { success: url.href.endsWith('d=e') && headers.has('accept') };
}
";

/// The module of the assertions: loading it is most of this.
const ASSERTIONS: &str = r"
import { check, expect, step } from 'vedette:assert';

export default async function () {
  await step('answers', () => expect(200, 'status').toBe(200));
  check('is fine', true);
}
";

/// Pure computing: what metering costs shows here first.
const LOOP: &str = r"
export default function () {
  let sum = 0;
  for (let i = 0; i < 10000; i++) sum += i % 7;
  return { success: sum > 0 };
}
";

fn sandbox() -> Sandbox {
    Sandbox::new(SandboxOptions {
        max_concurrent_runs: 8,
        cache: None,
        guard: Guard::new(Policy::default()).expect("the guard comes up"),
        clock: Arc::new(SystemClock),
    })
    .expect("the sandbox comes up")
}

fn inputs() -> RunInputs {
    let mut params = Map::new();
    params.insert("url".to_owned(), json!("https://example.com/"));
    RunInputs {
        params,
        ..RunInputs::default()
    }
}

async fn run(sandbox: &Sandbox, bytecode: &Bytecode) {
    let outcome = sandbox.run(bytecode, inputs()).await;
    assert_eq!(outcome.status, Status::Success, "{outcome:?}");
}

fn parts(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let sandbox = sandbox();
    for (name, source) in [
        ("empty_run", EMPTY),
        ("small_run", SMALL),
        ("classes_run", CLASSES),
        ("assertions_run", ASSERTIONS),
        ("loop_run", LOOP),
    ] {
        let bytecode = runtime
            .block_on(sandbox.compile(source, SourceLanguage::JavaScript))
            .expect("it compiles");
        criterion.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| run(&sandbox, &bytecode));
        });
    }
    // What it costs that the run might have to be kept.
    let bytecode = runtime
        .block_on(sandbox.compile(SMALL, SourceLanguage::JavaScript))
        .expect("it compiles");
    criterion.bench_function("small_run_with_a_tape", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let running = sandbox.run_recorded(&bytecode, inputs(), RECORDING_BYTES);
            let (outcome, tape) = running.await;
            assert_eq!(outcome.status, Status::Success, "{outcome:?}");
            tape
        });
    });
    criterion.bench_function("small_run_made_into_a_recording", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let running = sandbox.run_recorded(&bytecode, inputs(), RECORDING_BYTES);
            let (outcome, tape) = running.await;
            let tape = tape.expect("the run began");
            tape.into_recording(&outcome, SMALL, SourceLanguage::JavaScript)
                .to_json(false)
        });
    });
    criterion.bench_function("compile_small", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            sandbox
                .compile(SMALL, SourceLanguage::JavaScript)
                .await
                .expect("it compiles")
        });
    });
}

criterion_group!(benches, parts);
criterion_main!(benches);
