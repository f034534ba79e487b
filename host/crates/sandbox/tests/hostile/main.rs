//! Scripts that mean harm, as a table: each ends as the corpus says, and costs nobody else anything.
//!
//! `corpora/hostile_guests.md` is the list; `rows/` has what JavaScript can do of it, and rows of
//! the same kinds that are not listed; `coverage` says where every other row is. `survival` runs
//! them all beside an honest check. This is a test binary of its own because it counts the
//! threads, the descriptors and the memory of its process.
//!
//! The default run takes a minute. `VEDETTE_HOSTILE=full` runs everything as often as the corpus
//! asks for, `VEDETTE_FUZZ_SECONDS` prolongs each of the fuzz targets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod abandoned;
mod coverage;
mod fuzz;
mod process;
mod requests;
mod rows;
#[path = "../it/server.rs"]
mod server;
mod survival;
mod tenants;

use std::sync::{Arc, OnceLock};

use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};
use vedette_core::{ErrorClass, Outcome, SourceLanguage, Status, SystemClock};
use vedette_egress::{Guard, Policy};
use vedette_sandbox::{Bytecode, CompileError, Limits, RunInputs, Sandbox, SandboxOptions};

use crate::{rows::Ending, server::Server};

/// Runs at once in the sandbox of these tests.
const PLACES: usize = 8;

/// One sandbox for the whole process: compiling the engine takes a second.
fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let policy = Policy {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            ..Policy::default()
        };
        Sandbox::new(SandboxOptions {
            max_concurrent_runs: PLACES,
            cache: None,
            guard: Guard::new(policy).unwrap(),
            clock: Arc::new(SystemClock),
        })
        .unwrap()
    })
}

/// One test at a time, so that what is counted is the doing of one test.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    process::count_panics();
    ALONE.lock().await
}

/// Whether everything is to run as often as the corpus asks for.
fn is_full() -> bool {
    setting("VEDETTE_HOSTILE").is_some_and(|value| value == "full")
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long these tests take is asked for by the one who starts them"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Compiles. On a machine that is busy for long, the wall clock can strike before the fuel is used
/// up, which the sandbox rightly calls a fault of the platform: then once more.
async fn compile(source: &str) -> Result<Bytecode, CompileError> {
    let mut compiled = sandbox().compile(source, SourceLanguage::JavaScript).await;
    for _ in 0..10 {
        let late = compiled.as_ref().is_err_and(|error| {
            matches!(error, CompileError::Platform(cause) if cause.to_string().contains("not done within"))
        });
        if !late {
            break;
        }
        compiled = sandbox().compile(source, SourceLanguage::JavaScript).await;
    }
    compiled
}

/// Compiles and runs a script against a server.
async fn attempt(source: &str, limits: &Limits, server: &Server) -> (Ending, Option<Outcome>) {
    let bytecode = match compile(source).await {
        Ok(bytecode) => bytecode,
        Err(error) => return (Ending::of_compilation(&error), None),
    };
    let inputs = RunInputs {
        sealed: std::collections::BTreeMap::new(),
        secrets: std::collections::BTreeSet::new(),
        params: json!({ "base": server.url("") })
            .as_object()
            .unwrap()
            .clone(),
        env: std::iter::once(("NAME".to_owned(), "value".to_owned())).collect(),
        limits: limits.clone(),
    };
    let outcome = sandbox().run(&bytecode, inputs).await;
    (Ending::of(&outcome), Some(outcome))
}

async fn run(source: &str, limits: &Limits, server: &Server) -> Outcome {
    let (ending, outcome) = attempt(source, limits, server).await;
    outcome.unwrap_or_else(|| panic!("{ending:?}: {source}"))
}

/// The body of a check as a module.
fn check(body: &str) -> String {
    format!("export default async function ({{ params, env }}) {{ {body} }}")
}

/// What must hold whatever a script did.
fn assert_bounded(what: &str, outcome: &Outcome, limits: &Limits) {
    let log: usize = outcome.logs.iter().map(|line| line.message.len()).sum();
    assert!(
        log <= limits.log_bytes && outcome.logs.len() <= limits.log_lines,
        "{what}: {log} bytes of log"
    );
    let message = outcome.message.as_ref().map_or(0, String::len);
    assert!(message <= limits.result_bytes, "{what}: {message} bytes");
    let data = outcome
        .result
        .as_ref()
        .and_then(|verdict| verdict.data.as_ref())
        .map_or(0, |data| data.to_string().len());
    assert!(data <= limits.result_bytes, "{what}: {data} bytes of data");
    assert!(
        outcome.peak_memory_bytes <= limits.memory_bytes as u64,
        "{what}: {} bytes of memory",
        outcome.peak_memory_bytes
    );
    assert!(outcome.fuel_used <= limits.fuel, "{what}: fuel");
    assert!(
        outcome.requests.len() <= limits.fetch.max_requests as usize,
        "{what}: requests"
    );
    assert_eq!(
        outcome.error_class.is_some(),
        outcome.status == Status::Error,
        "{what}"
    );
    let is_ours = outcome.error_class == Some(ErrorClass::PlatformError);
    assert!(!is_ours, "{what}: a script is no fault of ours");
}
