//! X19: sleeps without an end, and without a beginning.

use std::time::Duration;

use vedette_core::{ErrorClass, Status};
use vedette_sandbox::Limits;

use crate::{
    assert_error, assert_success,
    guest::Guest,
    inputs,
    interfaces::{CLOCKS, FETCH},
    limits, load, run, run_with,
};

fn timers(run: &str) -> Guest {
    Guest::new(run)
        .import(CLOCKS)
        .call(
            "for",
            "$monotonic \"subscribe-duration\"",
            "(param i64) (result i32)",
        )
        .call(
            "until",
            "$monotonic \"subscribe-instant\"",
            "(param i64) (result i32)",
        )
        .call("now", "$monotonic \"now\"", "(result i64)")
        .call("block", "$poll \"[method]pollable.block\"", "(param i32)")
        .call(
            "ready",
            "$poll \"[method]pollable.ready\"",
            "(param i32) (result i32)",
        )
        .call("poll", "$poll \"poll\"", "(param i32 i32 i32)")
}

fn sleeps(run: &str) -> Guest {
    Guest::new(run)
        .import(FETCH)
        .call("wait", "$fetch \"wait-any\"", "(param i32 i32 i32 i32 i32)")
}

fn short() -> Limits {
    Limits {
        wall: Duration::from_millis(200),
        ..limits()
    }
}

#[tokio::test]
async fn x19_every_wait_ends_at_the_time_limit() {
    for body in [
        "(call $block (call $for (i64.const 0x7fffffffffffffff)))",
        "(call $block (call $for (i64.const -1)))",
        "(call $block (call $until (i64.const -1)))",
        // Both at once, none of which is ever ready.
        "(i32.store (i32.const 100) (call $for (i64.const -1)))
         (i32.store (i32.const 104) (call $until (i64.const -1)))
         (call $poll (i32.const 100) (i32.const 2) (i32.const 200))",
        // Asked for ever instead of waited for: the time limit comes in between.
        "(local $t i32) (local.set $t (call $for (i64.const -1)))
         (loop $again (br_if $again (i32.eqz (call $ready (local.get $t)))))",
    ] {
        let guest = timers(&format!("{body} (call $success)"));
        let outcome = run_with(&load(&guest.bytes()), inputs(short())).await;
        assert_eq!(
            (outcome.status, outcome.error_class),
            (Status::Timeout, None),
            "{body}: {outcome:#?}"
        );
        assert!(outcome.message.unwrap().contains("0.2 s"));
    }
    let guest = sleeps(
        "(call $wait (i32.const 0) (i32.const 0) (i32.const 1) (i32.const -1) (i32.const 100)) (call $success)",
    );
    let outcome = run_with(&load(&guest.bytes()), inputs(short())).await;
    assert_eq!(
        (outcome.status, outcome.error_class),
        (Status::Timeout, None),
        "{outcome:#?}"
    );
}

#[tokio::test]
async fn x19_a_wait_for_nothing_is_over_at_once() {
    for body in [
        "(call $block (call $for (i64.const 0)))",
        "(call $block (call $for (i64.const 1)))",
        "(call $block (call $until (i64.const 0)))",
        "(call $block (call $until (call $now)))",
    ] {
        assert_success(&run(&timers(&format!("{body} (call $success)"))).await);
    }
    for body in [
        "(call $wait (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 100))",
        "(call $wait (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100))",
    ] {
        assert_success(&run(&sleeps(&format!("{body} (call $success)"))).await);
    }
}

/// Many sleeps of no time come to an end by fuel or by the time limit, and let others go on.
#[tokio::test]
async fn x19_sleeping_for_no_time_for_ever() {
    let body = "(local $t i32) (local.set $t (call $for (i64.const 0)))
      (loop $again (call $block (local.get $t)) (br $again)) (unreachable)";
    let outcome = run_with(&load(&timers(body).bytes()), inputs(short())).await;
    assert_eq!(
        (outcome.status, outcome.error_class),
        (Status::Timeout, None),
        "{outcome:#?}"
    );
}

#[tokio::test]
async fn x19_a_wait_for_no_pollable_is_a_fault_of_the_guest() {
    let guest = timers("(call $poll (i32.const 0) (i32.const 0) (i32.const 100)) (call $success)");
    let outcome = run(&guest).await;
    assert_error(&outcome, ErrorClass::Trap, "poll");
}

/// A clock that stands still while the guest computes has gone on after a sleep, and by as much.
#[tokio::test]
async fn a_sleep_is_as_long_as_it_was_asked_for() {
    let guest = timers(
        "(local $from i64) (local.set $from (call $now))
         (call $block (call $for (i64.const 20000001)))
         (call $latency (f64.div (f64.convert_i64_u (i64.sub (call $now) (local.get $from))) (f64.const 1000000)))",
    );
    let outcome = run(&guest).await;
    assert_success(&outcome);
    assert!(outcome.latency_ms.unwrap() >= 21.0, "{outcome:#?}");
}
