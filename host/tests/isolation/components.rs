//! Components run in processes of their own, with the same walls and the same outcomes.

use std::{
    fmt::Debug,
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::json;
use vedette_core::{Digest, ErrorClass, Outcome, SystemClock};
use vedette_sandbox::{
    RunInputs,
    component::{Artifact, LoadedComponent, compile, digest},
    process::ProcessSandbox,
};

use crate::{assert_success, options, signal, start, target::Target, wait_for};

const RUST: &[u8] = include_bytes!("../../crates/sandbox/tests/golden/v0.1.0/rust.wasm");
const HTTP: &[u8] = include_bytes!("../../crates/sandbox/tests/golden/v0.1.0/rust-http.wasm");
const PANIC: &[u8] = include_bytes!("../../crates/sandbox/tests/golden/v0.1.0/rust-panic.wasm");

/// A component with its native code.
struct Compiled {
    digest: Digest,
    artifact: Artifact,
}

fn compiled(bytes: &[u8]) -> Compiled {
    Compiled {
        digest: digest(bytes),
        artifact: compile(bytes).unwrap(),
    }
}

fn rust() -> &'static Compiled {
    static RUST_COMPILED: OnceLock<Compiled> = OnceLock::new();
    RUST_COMPILED.get_or_init(|| compiled(RUST))
}

fn inputs(url: &str) -> RunInputs {
    let mut inputs = RunInputs::default();
    inputs.params.insert("url".to_owned(), json!(url));
    inputs.params.insert("env".to_owned(), json!("SHIP"));
    inputs.env.insert("SHIP".to_owned(), "sloop".to_owned());
    inputs
}

async fn run(sandbox: &ProcessSandbox, component: &Compiled, url: &str) -> Outcome {
    let artifact = component.artifact.clone();
    let load = move || Ok(artifact.clone());
    sandbox
        .run_component(component.digest, load, inputs(url))
        .await
}

/// Without what is measured.
fn comparable(outcome: &Outcome) -> impl PartialEq + Debug {
    let logs = outcome.logs.iter();
    let logs: Vec<_> = logs
        .map(|line| (line.log_level, line.message.clone()))
        .collect();
    let requests = outcome.requests.iter();
    let requests: Vec<_> = requests
        .map(|r| {
            (
                r.method.clone(),
                r.url.clone(),
                r.status,
                r.error.clone(),
                r.body_bytes,
            )
        })
        .collect();
    (
        outcome.status,
        outcome.error_class,
        outcome.message.clone(),
        outcome.result.clone(),
        outcome.fuel_used,
        outcome.peak_memory_bytes,
        outcome.flags.clone(),
        logs,
        requests,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_has_a_process_of_its_own_with_the_same_walls() {
    let target = Target::start();
    let sandbox = start(1).await;
    let http = compiled(HTTP);
    assert_success(&run(&sandbox, rust(), &target.url("/")).await);
    assert_success(&run(&sandbox, &http, &target.url("/")).await);
    let scripts = sandbox.processes().remove(0);
    let one = sandbox.component_processes(&rust().digest).remove(0);
    let other = sandbox.component_processes(&http.digest).remove(0);
    assert_eq!(
        [
            scripts.id == one.id,
            scripts.id == other.id,
            one.id == other.id
        ],
        [false; 3]
    );
    for process in [&one, &other] {
        assert_eq!(process.rights, scripts.rights);
    }
    // The next run finds it there.
    assert_success(&run(&sandbox, rust(), &target.url("/")).await);
    assert_eq!(sandbox.component_processes(&rust().digest)[0].id, one.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outcome_is_that_of_a_run_in_this_process() {
    let target = Target::start();
    target.set("/down", 503, "");
    let sandbox = start(1).await;
    for component in [rust(), &compiled(HTTP), &compiled(PANIC)] {
        for url in [
            target.url("/"),
            target.url("/down"),
            "http://10.0.0.1/".to_owned(),
        ] {
            let there = run(&sandbox, component, &url).await;
            let loaded = LoadedComponent::load(&component.artifact).unwrap();
            let here = loaded
                .run(&options().guard, Arc::new(SystemClock), inputs(&url))
                .await;
            assert_eq!(comparable(&there), comparable(&here), "{url}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_process_is_killed_runs_again() {
    const PATH: &str = "/wait/700";
    let target = Target::start();
    let sandbox = start(1).await;
    let url = target.url(PATH);
    let running = {
        let (sandbox, url) = (sandbox.clone(), url.clone());
        tokio::spawn(async move { run(&sandbox, rust(), &url).await })
    };
    wait_for("a request", || (target.requests(PATH) == 1).then_some(())).await;
    let victim = sandbox.component_processes(&rust().digest)[0].id;
    signal(victim, "KILL");
    assert_success(&running.await.unwrap());
    assert_eq!(target.requests(PATH), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ended_ends_with_its_runs_and_can_begin_anew() {
    const PATH: &str = "/wait/20000";
    let target = Target::start();
    let sandbox = start(1).await;
    let running = {
        let (sandbox, url) = (sandbox.clone(), target.url(PATH));
        tokio::spawn(async move { run(&sandbox, rust(), &url).await })
    };
    wait_for("a request", || (target.requests(PATH) == 1).then_some(())).await;
    sandbox.end_component(&rust().digest);
    let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
    let outcome = ended.expect("it does not wait for its target").unwrap();
    assert_eq!(outcome.error_class, Some(ErrorClass::PlatformError));
    assert_eq!(target.requests(PATH), 1, "it is not tried again");
    assert!(!sandbox.has_component(&rust().digest));
    assert_success(&run(&sandbox, rust(), &target.url("/")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_native_code_there_is_no_run_and_it_is_our_fault() {
    let sandbox = start(1).await;
    let load = || Err(io::Error::other("the file is gone"));
    let outcome = sandbox
        .run_component(rust().digest, load, inputs("http://localhost/"))
        .await;
    assert_eq!(outcome.error_class, Some(ErrorClass::PlatformError));
}
