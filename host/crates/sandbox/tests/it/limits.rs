//! Limits of a run that can be less, and memory that comes back. What scripts that mean harm come to
//! is the table of `tests/hostile`.

use vedette_core::{ErrorClass, Flag};
use vedette_sandbox::{Limits, RunInputs};

use crate::{assert_error, assert_success, run_body, run_with};

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

/// The ceilings of the platform are reached in `tests/hostile`; here an organization or a script has less.
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
