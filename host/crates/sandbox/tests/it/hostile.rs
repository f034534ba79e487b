//! Scripts that mean harm: each ends in its own error class, and the next run is clean.

use std::time::Duration;

use vedette_core::{ErrorClass, Flag, Status};
use vedette_sandbox::{CompileError, Limits, RunInputs};

use crate::{assert_error, assert_success, run_body, run_with, sandbox};

async fn expect(body: &str, classes: &[ErrorClass]) {
    let outcome = run_body(body).await;
    assert_eq!(outcome.status, Status::Error, "{body}: {outcome:#?}");
    assert!(
        outcome
            .error_class
            .is_some_and(|class| classes.contains(&class)),
        "{body}: {outcome:#?}"
    );
    assert_success(&run_body("return { success: true };").await);
}

#[tokio::test]
async fn loops_run_out_of_fuel() {
    expect("while (true) {}", &[ErrorClass::FuelExhausted]).await;
    expect("for (;;) await null;", &[ErrorClass::FuelExhausted]).await;
    expect(
        "/^(a+)+$/.test('a'.repeat(40) + '!'); return { success: true };",
        &[ErrorClass::FuelExhausted],
    )
    .await;
    expect(
        "return { get success() { while (true) {} } };",
        &[ErrorClass::FuelExhausted],
    )
    .await;
}

#[tokio::test]
async fn recursion_overflows_its_own_stack() {
    expect(
        "const f = () => f() + 1; f();",
        &[ErrorClass::StackOverflow],
    )
    .await;
    expect(
        "JSON.parse('['.repeat(1e6)); return { success: true };",
        &[ErrorClass::ScriptError, ErrorClass::StackOverflow],
    )
    .await;
}

#[tokio::test]
async fn memory_has_an_end() {
    let memory = [ErrorClass::MemoryLimit];
    expect(
        "const a = []; for (;;) a.push(new Array(1000).fill(0));",
        &memory,
    )
    .await;
    expect(
        "let s = 'x'; for (;;) s += s;",
        &[ErrorClass::MemoryLimit, ErrorClass::ScriptError],
    )
    .await;
    expect(
        "const a = []; for (;;) a.push(new Uint8Array(1 << 20));",
        &memory,
    )
    .await;
    expect(
        "new ArrayBuffer(2 ** 31 - 1); return { success: true };",
        &[ErrorClass::MemoryLimit, ErrorClass::ScriptError],
    )
    .await;
    let both = [ErrorClass::MemoryLimit, ErrorClass::FuelExhausted];
    expect(
        "let x = 2n; for (;;) x = x * x;",
        &[
            ErrorClass::MemoryLimit,
            ErrorClass::FuelExhausted,
            ErrorClass::ScriptError,
        ],
    )
    .await;
    expect(
        "for (;;) { const a = {}; a.a = a; globalThis.keep = [globalThis.keep, a]; }",
        &both,
    )
    .await;
}

#[tokio::test]
async fn garbage_cycles_are_collected() {
    let outcome = run_body(
        "for (let i = 0; i < 200000; i++) { const a = {}; a.a = a; } return { success: true };",
    )
    .await;
    assert_success(&outcome);
    assert!(
        outcome.peak_memory_bytes < 16 * 1024 * 1024,
        "{} bytes",
        outcome.peak_memory_bytes
    );
}

#[tokio::test]
async fn a_promise_that_nothing_settles_is_told_at_once() {
    let outcome = run_body("await new Promise(() => {});").await;
    assert_error(&outcome, ErrorClass::Deadlock);
    assert!(
        outcome.duration_ms < 5_000.0,
        "it waited {} ms",
        outcome.duration_ms
    );
    let outcome = run_with(
        "await new Promise(() => {}); export default () => 1;",
        RunInputs::default(),
    )
    .await;
    assert_error(&outcome, ErrorClass::Deadlock);
}

#[tokio::test]
async fn far_timers_end_at_the_wall_clock() {
    let limits = Limits {
        wall: Duration::from_millis(300),
        ..Limits::default()
    };
    for body in [
        "setTimeout(() => {}, 2 ** 31); await new Promise(() => {});",
        "const again = () => setTimeout(again, 0); again(); await new Promise(() => {});",
    ] {
        let source = format!("export default async () => {{ {body} }}");
        let inputs = RunInputs {
            limits: limits.clone(),
            ..RunInputs::default()
        };
        let outcome = run_with(&source, inputs).await;
        assert_eq!(outcome.status, Status::Timeout, "{outcome:#?}");
    }
    let many =
        "for (let i = 0; i < 2000; i++) setTimeout(() => {}, 1e6); return { success: true };";
    assert_error(&run_body(many).await, ErrorClass::ScriptError);
}

#[tokio::test]
async fn a_flooded_log_is_cut_and_flagged() {
    let outcome = run_body(
        "for (let i = 0; i < 5000; i++) console.log('line ' + i); return { success: true };",
    )
    .await;
    assert_success(&outcome);
    assert_eq!(outcome.logs.len(), 1_000);
    assert_eq!(outcome.flags, [Flag::LogTruncated]);
    let outcome = run_body(
        "for (let i = 0; i < 100; i++) console.log('x'.repeat(100000)); return { success: true };",
    )
    .await;
    assert_success(&outcome);
    let bytes: usize = outcome.logs.iter().map(|line| line.message.len()).sum();
    assert!(
        bytes <= 256 * 1024
            && outcome
                .logs
                .iter()
                .all(|line| line.message.len() <= 8 * 1024),
        "{bytes}"
    );
    assert_eq!(outcome.flags, [Flag::LogTruncated]);
}

#[tokio::test]
async fn deeply_nested_source_is_refused() {
    for source in [
        "(".repeat(100_000),
        "[".repeat(100_000),
        format!(
            "export default {}1{}",
            "(".repeat(50_000),
            ")".repeat(50_000)
        ),
    ] {
        let compiled = sandbox().compile(&source).await;
        let refused = matches!(
            compiled,
            Err(CompileError::Source { .. } | CompileError::Limit(_))
        );
        assert!(refused, "{compiled:?}");
    }
}

#[tokio::test]
async fn an_honest_run_beside_a_loop_is_not_held_up() {
    let storm = tokio::spawn(async { run_body("while (true) {}").await });
    let mut honest = 0;
    while !storm.is_finished() {
        assert_success(&run_body("return { success: true };").await);
        honest += 1;
        tokio::task::yield_now().await;
    }
    assert_error(&storm.await.unwrap(), ErrorClass::FuelExhausted);
    assert!(honest > 10, "only {honest} honest runs beside the loop");
}

/// The ceilings of the platform are reached above; here an organization or a script has less.
#[tokio::test]
async fn every_limit_of_a_run_can_be_less() {
    let run = async |change: fn(&mut Limits), body: &str| {
        let mut limits = Limits::default();
        change(&mut limits);
        let source = format!("export default async function () {{ {body} }}");
        let inputs = RunInputs {
            limits,
            ..RunInputs::default()
        };
        run_with(&source, inputs).await
    };
    let grow = "const kept = []; for (;;) kept.push(new Uint8Array(65536));";
    let outcome = run(|limits| limits.memory_bytes = 4 * 1024 * 1024, grow).await;
    assert_error(&outcome, ErrorClass::MemoryLimit);
    assert!(outcome.peak_memory_bytes <= 4 * 1024 * 1024, "{outcome:#?}");

    let outcome = run(|limits| limits.fuel = 5_000_000, "for (;;) {}").await;
    assert_error(&outcome, ErrorClass::FuelExhausted);
    assert_eq!(outcome.fuel_used, 5_000_000);

    for verdict in ["message: text", "data: text"] {
        let body = format!("const text = 'x'.repeat(101); return {{ success: true, {verdict} }};");
        let outcome = run(|limits| limits.result_bytes = 100, &body).await;
        assert_error(&outcome, ErrorClass::ResultTooLarge);
    }

    let two_lines = "console.log('one'); console.log('two'); return { success: true };";
    for change in [
        (|limits| limits.log_lines = 1) as fn(&mut Limits),
        |limits| limits.log_bytes = 3,
    ] {
        let outcome = run(change, two_lines).await;
        assert_success(&outcome);
        assert_eq!(outcome.logs.len(), 1, "{outcome:#?}");
        assert_eq!(outcome.flags, [Flag::LogTruncated]);
    }

    let ask = "await fetch('http://127.0.0.1/'); return { success: true };";
    let outcome = run(|limits| limits.fetch.max_requests = 0, ask).await;
    assert_error(&outcome, ErrorClass::FetchLimit);
}
