//! X16, X20 and X22: how much of the host a guest can have.

use std::time::Duration;

use vedette_core::ErrorClass;
use vedette_sandbox::Limits;

use crate::{
    assert_error, assert_success,
    guest::Guest,
    inputs,
    interfaces::{CLOCKS, CONSOLE, ENV, FETCH, PARAMS, RANDOM, STDIO},
    limits, load, run, run_with,
};

/// Calls `call` so many times.
fn times(count: u64, call: &str) -> String {
    format!(
        "(local $n i32) (local $at i32)
         (local.set $n (i32.const {count}))
         (loop $again {call}
           (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
         (call $success)"
    )
}

const FIELDS: &str = r#"
  (import "wasi:http/types@0.2.0" (instance $http
    (export "fields" (type $fields (sub resource)))
    (export "[constructor]fields" (func (result (own $fields))))
    (export "[method]fields.has" (func (param "self" (borrow $fields)) (param "name" string)
      (result bool)))))"#;

#[tokio::test]
async fn x16_resources_that_are_never_dropped_come_to_an_end() {
    let stdin = Guest::new(times(1_000_000, "(drop (call $get-stdin))"))
        .import(STDIO)
        .call("get-stdin", "$stdin \"get-stdin\"", "(result i32)");
    let stdout = Guest::new(times(1_000_000, "(drop (call $get-stdout))"))
        .import(STDIO)
        .call("get-stdout", "$stdout \"get-stdout\"", "(result i32)");
    let timer = Guest::new(times(1_000_000, "(drop (call $wait (i64.const 1)))"))
        .import(CLOCKS)
        .call(
            "wait",
            "$monotonic \"subscribe-duration\"",
            "(param i64) (result i32)",
        );
    let fields = Guest::new(times(1_000_000, "(drop (call $fields))"))
        .import(FIELDS)
        .call("fields", "$http \"[constructor]fields\"", "(result i32)");
    for guest in [stdin, stdout, timer, fields] {
        let outcome = run(&guest).await;
        assert_error(
            &outcome,
            ErrorClass::QuotaExceeded,
            "more than 1000 handles",
        );
    }
}

#[tokio::test]
async fn x20_random_bytes_have_a_bound_for_each_call() {
    for (instance, name) in [
        ("$random", "get-random-bytes"),
        ("$insecure", "get-insecure-random-bytes"),
    ] {
        let asks = |bytes: u64| {
            Guest::new(format!("(call $bytes (i64.const {bytes}) (i32.const 100)) (call $count (i32.load (i32.const 104)))"))
                .import(RANDOM)
                .call("bytes", &format!("{instance} \"{name}\""), "(param i64 i32)")
        };
        for bytes in [1 << 40, u64::MAX, 65_537] {
            let outcome = run(&asks(bytes)).await;
            assert_error(&outcome, ErrorClass::QuotaExceeded, "random bytes");
            assert!(outcome.message.unwrap().contains(&bytes.to_string()));
        }
        let outcome = run(&asks(65_536)).await;
        assert_eq!(outcome.latency_ms, Some(65_536.0), "{outcome:#?}");
    }
}

/// What one call costs at least, so that a budget bounds the host's time.
const CALL_FUEL: u64 = 1_000;

/// A small budget, since a build for tests takes long over each call.
const FUEL: u64 = 100_000_000;

/// Twice as many calls as the budget has room for at that price.
const CALLS: u64 = 2 * FUEL / CALL_FUEL;

/// The cheapest call of each interface, many times.
fn cheapest() -> Vec<(&'static str, Guest)> {
    let stream =
        |call: &str| times(CALLS, call).replacen("(loop", "(local.set $at (call $open)) (loop", 1);
    vec![
        (
            "monotonic-clock.now",
            Guest::new(times(CALLS, "(drop (call $now))"))
                .import(CLOCKS)
                .call("now", "$monotonic \"now\"", "(result i64)"),
        ),
        (
            "wall-clock.now",
            Guest::new(times(CALLS, "(call $now (i32.const 104))"))
                .import(CLOCKS)
                .call("now", "$wall \"now\"", "(param i32)"),
        ),
        (
            "random",
            Guest::new(times(CALLS, "(drop (call $random))"))
                .import(RANDOM)
                .call("random", "$random \"get-random-u64\"", "(result i64)"),
        ),
        (
            "env.get",
            Guest::new(times(CALLS, "(call $get (i32.const 0) (i32.const 0) (i32.const 100))"))
                .import(ENV)
                .call("get", "$env \"get\"", "(param i32 i32 i32)"),
        ),
        (
            "env.names",
            Guest::new(times(CALLS, "(call $names (i32.const 100))"))
                .import(ENV)
                .call("names", "$env \"names\"", "(param i32)"),
        ),
        (
            "params.get",
            Guest::new(times(CALLS, "(call $get (i32.const 100))"))
                .import(PARAMS)
                .call("get", "$params \"get\"", "(param i32)")
                .realloc("(i32.const 1024)"),
        ),
        (
            "console.log",
            Guest::new(times(CALLS, "(call $log (i32.const 0) (i32.const 0) (i32.const 0))"))
                .import(CONSOLE)
                .call("log", "$console \"log\"", "(param i32 i32 i32)"),
        ),
        (
            "fetch.wait-any",
            Guest::new(times(
                CALLS,
                "(call $wait (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100))",
            ))
            .import(FETCH)
            .call("wait", "$fetch \"wait-any\"", "(param i32 i32 i32 i32 i32)"),
        ),
        (
            "output-stream.check-write",
            Guest::new(stream("(call $check (local.get $at) (i32.const 104))"))
                .import(STDIO)
                .call("open", "$stdout \"get-stdout\"", "(result i32)")
                .call("check", "$streams \"[method]output-stream.check-write\"", "(param i32 i32)"),
        ),
        (
            "fields.has",
            Guest::new(stream("(drop (call $has (local.get $at) (i32.const 0) (i32.const 0)))"))
                .import(FIELDS)
                .call("open", "$http \"[constructor]fields\"", "(result i32)")
                .call("has", "$http \"[method]fields.has\"", "(param i32 i32 i32) (result i32)"),
        ),
        (
            "pollable.ready",
            Guest::new(
                stream("(drop (call $ready (local.get $at)))")
                    .replace("$open)", "$open (i64.const 0))"),
            )
            .import(CLOCKS)
            .call("open", "$monotonic \"subscribe-duration\"", "(param i64) (result i32)")
            .call("ready", "$poll \"[method]pollable.ready\"", "(param i32) (result i32)"),
        ),
    ]
}

#[tokio::test]
async fn x22_no_call_is_cheap_enough_to_keep_the_host_busy() {
    let mut cheap = Vec::new();
    for (name, guest) in cheapest() {
        let limits = Limits {
            fuel: FUEL,
            ..limits()
        };
        let outcome = run_with(&load(&guest.bytes()), inputs(limits)).await;
        if outcome.error_class != Some(ErrorClass::FuelExhausted) {
            cheap.push(format!(
                "{name}: {:?} {:?} {:?}, fuel {}, {} ms",
                outcome.status,
                outcome.error_class,
                outcome.message,
                outcome.fuel_used,
                outcome.duration_ms
            ));
        }
    }
    assert!(cheap.is_empty(), "{cheap:#?}");
}

/// Calls that are paid for still let others go on: a time limit strikes between them.
#[tokio::test]
async fn x22_a_time_limit_strikes_between_calls() {
    let limits = Limits {
        fuel: u64::MAX / 2,
        wall: Duration::from_millis(300),
        ..limits()
    };
    for call in ["now", "resolution"] {
        let guest = Guest::new("(loop $again (drop (call $ask)) (br $again)) (unreachable)")
            .import(CLOCKS)
            .call("ask", &format!("$monotonic \"{call}\""), "(result i64)");
        let outcome = run_with(&load(&guest.bytes()), inputs(limits.clone())).await;
        assert_eq!(
            outcome.status,
            vedette_core::Status::Timeout,
            "{outcome:#?}"
        );
    }
}

#[tokio::test]
async fn x22_a_few_calls_cost_nothing_that_is_felt() {
    let guest = Guest::new(times(1_000, "(drop (call $now))"))
        .import(CLOCKS)
        .call("now", "$monotonic \"now\"", "(result i64)");
    assert_success(&run(&guest).await);
}
