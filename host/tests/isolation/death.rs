//! A process that dies costs its runs one more attempt, and nothing else.

use std::{os::unix::fs::symlink, time::Duration};

use serde_json::json;
use vedette_core::{ErrorClass, Outcome, SourceLanguage, Status};
use vedette_sandbox::{
    Limits, RunInputs, SandboxError, SandboxOptions, process::ProcessOptions,
    process::ProcessSandbox,
};

use crate::{
    assert_success, options, processes, run, script, signal, start, target::Target, wait_for,
};

/// Starts a run that asks the target for `path`.
async fn begin(
    sandbox: &ProcessSandbox,
    target: &Target,
    path: &str,
    wall: Duration,
) -> tokio::task::JoinHandle<Outcome> {
    let body = "const r = await fetch(params.url); return { success: r.ok };";
    let bytecode = sandbox
        .compile(&script(body), SourceLanguage::JavaScript)
        .await
        .unwrap();
    let mut inputs = RunInputs {
        limits: Limits {
            wall,
            ..Limits::default()
        },
        ..RunInputs::default()
    };
    inputs
        .params
        .insert("url".to_owned(), json!(target.url(path)));
    let sandbox = sandbox.clone();
    tokio::spawn(async move { sandbox.run(&bytecode, inputs).await })
}

async fn requests(target: &Target, path: &str, count: usize) {
    wait_for("a request", || {
        (target.requests(path) == count).then_some(())
    })
    .await;
}

fn assert_platform_error(outcome: &Outcome) {
    assert_eq!(
        (outcome.status, outcome.error_class),
        (Status::Error, Some(ErrorClass::PlatformError)),
        "{outcome:#?}"
    );
}

const LONG: Duration = Duration::from_secs(50);

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_process_is_killed_runs_again() {
    const PATH: &str = "/wait/700";
    let target = Target::start();
    let sandbox = start(1).await;
    let victim = sandbox.processes()[0].id;
    let run = begin(&sandbox, &target, PATH, LONG).await;
    requests(&target, PATH, 1).await;
    signal(victim, "KILL");
    let outcome = run.await.unwrap();
    assert_success(&outcome);
    assert_eq!(outcome.requests.len(), 1, "those of the second attempt");
    assert_eq!(target.requests(PATH), 2);
    assert_ne!(sandbox.processes()[0].id, victim);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_loses_two_processes_is_our_fault_and_costs_no_other() {
    const PATH: &str = "/wait/5000";
    let target = Target::start();
    let sandbox = start(1).await;
    let doomed = begin(&sandbox, &target, PATH, LONG).await;
    for attempt in 1..=2 {
        requests(&target, PATH, attempt).await;
        signal(sandbox.processes()[0].id, "KILL");
    }
    assert_platform_error(&doomed.await.unwrap());
    assert_eq!(target.requests(PATH), 2);
    assert_success(&run(&sandbox, "return { success: true };").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runs_of_other_processes_do_not_notice() {
    const PATHS: [&str; 2] = ["/wait/1500", "/wait/1501"];
    let target = Target::start();
    let sandbox = start(2).await;
    wait_for("both processes", || {
        (sandbox.processes().len() == 2).then_some(())
    })
    .await;
    let mut runs = Vec::new();
    for path in PATHS {
        runs.push(begin(&sandbox, &target, path, LONG).await);
        requests(&target, path, 1).await;
    }
    signal(sandbox.processes()[0].id, "KILL");
    for run in runs {
        assert_success(&run.await.unwrap());
    }
    let asked: usize = PATHS.iter().map(|path| target.requests(path)).sum();
    assert_eq!(asked, 3, "one of the two was asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_hangs_holds_no_run_for_ever() {
    const PATH: &str = "/wait/30000";
    let target = Target::start();
    let sandbox = start(1).await;
    let victim = sandbox.processes()[0].id;
    let hanging = begin(&sandbox, &target, PATH, Duration::from_secs(1)).await;
    requests(&target, PATH, 1).await;
    signal(victim, "STOP");
    assert_platform_error(&hanging.await.unwrap());
    assert_success(&run(&sandbox, "return { success: true };").await);
    assert_ne!(sandbox.processes()[0].id, victim);
    assert_eq!(target.requests(PATH), 1, "its time was over");
}

/// As a service manager does with all processes of a service that is to stop.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_to_end_is_the_servers_to_obey() {
    const PATH: &str = "/wait/700";
    let target = Target::start();
    let sandbox = start(1).await;
    let run = begin(&sandbox, &target, PATH, LONG).await;
    requests(&target, PATH, 1).await;
    for name in ["TERM", "INT", "HUP"] {
        signal(sandbox.processes()[0].id, name);
    }
    assert_success(&run.await.unwrap());
    assert_eq!(target.requests(PATH), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nobody_waits_for_ends() {
    const PATH: &str = "/wait/60000";
    let target = Target::start();
    let one = SandboxOptions {
        max_concurrent_runs: 1,
        ..options()
    };
    let sandbox = ProcessSandbox::start(one, processes(1)).await.unwrap();
    let first = begin(&sandbox, &target, PATH, LONG).await;
    requests(&target, PATH, 1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // There is one place, and it would not come free in this run's time.
    assert_success(&run(&sandbox, "return { success: true };").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_are_replaced_while_their_runs_go_on() {
    const PATH: &str = "/wait/12000";
    let target = Target::start();
    let often = ProcessOptions {
        recycle_runs: 2,
        ..processes(1)
    };
    let sandbox = ProcessSandbox::start(options(), often).await.unwrap();
    let first = sandbox.processes()[0].id;
    let long = begin(&sandbox, &target, PATH, LONG).await;
    requests(&target, PATH, 1).await;
    wait_for("another process", || {
        let now = sandbox.processes();
        (now.len() == 1 && now[0].id != first).then_some(())
    })
    .await;
    assert_success(&run(&sandbox, "return { success: true };").await);
    assert_success(&long.await.unwrap());
    assert_eq!(target.requests(PATH), 1, "it ended where it began");
    wait_for("the end of the first process", || {
        (!std::path::Path::new(&format!("/proc/{first}")).exists()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_does_not_grow_old_nor_large() {
    let old = ProcessOptions {
        recycle_age: Duration::from_secs(1),
        ..processes(1)
    };
    // The program alone is larger than what one place may keep.
    let large = ProcessOptions {
        recycle_bytes: 0,
        ..processes(1)
    };
    let few = SandboxOptions {
        max_concurrent_runs: 1,
        ..options()
    };
    for (options, of_process) in [(options(), old), (few, large)] {
        let sandbox = ProcessSandbox::start(options, of_process).await.unwrap();
        let first = sandbox.processes()[0].id;
        wait_for("another process", || {
            let now = sandbox.processes();
            (now.len() == 1 && now[0].id != first).then_some(())
        })
        .await;
        assert_success(&run(&sandbox, "return { success: true };").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_process_runs_are_our_fault() {
    let none = ProcessOptions {
        program: "/bin/false".into(),
        ..processes(2)
    };
    let refused = ProcessSandbox::start(options(), none).await;
    assert!(matches!(refused.err(), Some(SandboxError::Processes(_))));
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("vedette");
    symlink(env!("CARGO_BIN_EXE_vedette"), &program).unwrap();
    let lent = ProcessOptions {
        program: program.clone(),
        ..processes(1)
    };
    let sandbox = ProcessSandbox::start(options(), lent).await.unwrap();
    let bytecode = sandbox
        .compile(
            "export default () => ({ success: true });",
            SourceLanguage::JavaScript,
        )
        .await
        .unwrap();
    std::fs::remove_file(&program).unwrap();
    signal(sandbox.processes()[0].id, "KILL");
    wait_for("the sandbox to know", || (!sandbox.is_able()).then_some(())).await;
    assert_platform_error(&sandbox.run(&bytecode, RunInputs::default()).await);
    symlink(env!("CARGO_BIN_EXE_vedette"), &program).unwrap();
    wait_for("a process", || sandbox.is_able().then_some(())).await;
    assert_success(&sandbox.run(&bytecode, RunInputs::default()).await);
}
