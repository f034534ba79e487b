//! Runs in processes of their own: what comes of them, what they cannot do, and what happens when
//! one of them dies.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod components;
mod death;
mod parity;
mod sealed;
mod walls;

#[path = "../e2e/target.rs"]
mod target;

use std::{
    process::Command,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use vedette_core::{Outcome, SourceLanguage, Status, SystemClock};
use vedette_egress::{Guard, Policy};
use vedette_sandbox::{
    ArtifactCache, RunInputs, Sandbox, SandboxOptions,
    process::{ProcessOptions, ProcessSandbox},
};

const PATIENCE: Duration = Duration::from_mins(1);

fn options() -> SandboxOptions {
    let policy = Policy {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..Policy::default()
    };
    SandboxOptions {
        max_concurrent_runs: 16,
        // In the folder of this build: compiling the engine takes a second.
        cache: Some(ArtifactCache::new(env!("CARGO_TARGET_TMPDIR"), [7; 32])),
        guard: Guard::new(policy).unwrap(),
        clock: Arc::new(SystemClock),
    }
}

/// So many processes of the real binary.
fn processes(count: usize) -> ProcessOptions {
    ProcessOptions {
        program: env!("CARGO_BIN_EXE_vedette").into(),
        processes: count,
        ..ProcessOptions::this_binary("runner-process")
    }
}

async fn start(count: usize) -> ProcessSandbox {
    ProcessSandbox::start(options(), processes(count))
        .await
        .unwrap()
}

/// The other way to run, for comparison.
fn in_process() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(options()).unwrap())
}

fn script(body: &str) -> String {
    format!("export default async function ({{ params, env }}) {{ {body} }}")
}

async fn run(sandbox: &ProcessSandbox, body: &str) -> Outcome {
    let bytecode = sandbox
        .compile(&script(body), SourceLanguage::JavaScript)
        .await
        .unwrap();
    sandbox.run(&bytecode, RunInputs::default()).await
}

#[track_caller]
fn assert_success(outcome: &Outcome) {
    assert_eq!(outcome.status, Status::Success, "{outcome:#?}");
}

/// Waits until `f` gives something, and fails loudly when it does not.
async fn wait_for<T>(what: &str, mut f: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = f() {
            return value;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        let soon = tokio::time::Instant::now() + Duration::from_millis(10);
        tokio::time::sleep_until(soon).await;
    }
}

/// Sends a signal by the shell's own `kill`, which is there without any package.
fn signal(process: u32, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {process}")])
        .status();
    assert!(sent.unwrap().success());
}
