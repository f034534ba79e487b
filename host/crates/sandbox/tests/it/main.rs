//! The sandbox from outside: scripts in, outcomes out, against servers that the tests start.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod assert;
mod cache;
mod crypto;
mod examples;
mod limits;
mod modules;
mod recordings;
mod replay;
mod requests;
mod scripts;
mod sealed;
mod secrets;
mod server;
mod site;
mod surface;
mod time;
mod typescript;

use std::{collections::BTreeMap, sync::OnceLock};

use serde_json::{Value, json};
use vedette_core::{ErrorClass, Outcome, SourceLanguage, Status, SystemClock};
use vedette_egress::{Guard, Policy};
use vedette_sandbox::{RunInputs, Sandbox, SandboxOptions};

/// One sandbox for the whole process: compiling the engine takes a second.
fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let policy = Policy {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            ..Policy::default()
        };
        Sandbox::new(SandboxOptions {
            max_concurrent_runs: 16,
            cache: None,
            guard: Guard::new(policy).unwrap(),
            clock: std::sync::Arc::new(SystemClock),
        })
        .unwrap()
    })
}

async fn run_with(source: &str, inputs: RunInputs) -> Outcome {
    let bytecode = sandbox()
        .compile(source, SourceLanguage::JavaScript)
        .await
        .expect("the source compiles");
    sandbox().run(&bytecode, inputs).await
}

async fn run(source: &str) -> Outcome {
    run_with(source, RunInputs::default()).await
}

/// Runs the body of a check.
async fn run_body(body: &str) -> Outcome {
    run(&format!(
        "export default async function ({{ params, env }}) {{ {body} }}"
    ))
    .await
}

fn inputs(params: Value, env: &[(&str, &str)]) -> RunInputs {
    let Value::Object(params) = params else {
        panic!("params are an object")
    };
    let env: BTreeMap<_, _> = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    RunInputs {
        params,
        env,
        ..RunInputs::default()
    }
}

#[track_caller]
fn assert_error(outcome: &Outcome, class: ErrorClass) {
    assert_eq!(
        (outcome.status, outcome.error_class),
        (Status::Error, Some(class)),
        "{outcome:#?}"
    );
}

#[track_caller]
fn assert_success(outcome: &Outcome) {
    assert_eq!(outcome.status, Status::Success, "{outcome:#?}");
}

fn data(outcome: &Outcome) -> Value {
    outcome
        .result
        .as_ref()
        .and_then(|verdict| verdict.data.clone())
        .unwrap_or_default()
}

#[tokio::test]
async fn after_anything_the_next_run_is_clean() {
    let outcome = run_body("globalThis.left = 1; return { success: true };").await;
    assert_success(&outcome);
    let outcome = run_body("return { success: typeof left === 'undefined' };").await;
    assert_success(&outcome);
}

#[tokio::test]
async fn params_and_env_arrive() {
    let source = "export default ({ params: p, env: e }) => \
        ({ success: p === params && e === env, data: [p, e, Object.isFrozen(e)] });";
    let outcome = run_with(source, inputs(json!({"a": [1, "x"]}), &[("KEY", "value")])).await;
    assert_success(&outcome);
    assert_eq!(
        data(&outcome),
        json!([{"a": [1, "x"]}, {"KEY": "value"}, true])
    );
}
