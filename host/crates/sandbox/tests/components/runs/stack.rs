//! X06 and X07: recursion.

use vedette_core::ErrorClass;

use crate::{
    assert_error, assert_success, guard, guest::Guest, inputs, interfaces::CONSOLE, limits, load,
    run,
};

fn recursing() -> [Guest; 3] {
    [
        Guest::new("(call $f (i32.const 1))").fields(
            "(func $f (param i32) (result i32)
               (i32.add (call $f (local.get 0)) (i32.const 1)))",
        ),
        // Two functions that call each other by a table.
        Guest::new("(call $even (i32.const 1))").fields(
            "(type $t (func (param i32) (result i32)))
             (table 2 2 funcref) (elem (i32.const 0) $even $odd)
             (func $even (type $t)
               (i32.add (call_indirect (type $t) (local.get 0) (i32.const 1)) (i32.const 1)))
             (func $odd (type $t)
               (i32.add (call_indirect (type $t) (local.get 0) (i32.const 0)) (i32.const 1)))",
        ),
        // Few calls with much on the stack of each.
        Guest::new("(call $f (i32.const 1))").fields(&{
            let locals = "f64 ".repeat(1_000);
            let kept = (1..1_000)
                .map(|n| format!("(local.set {n} (f64.load (i32.const {})))", n * 8))
                .collect::<Vec<_>>()
                .concat();
            let used = (1..1_000)
                .map(|n| format!("(f64.store (i32.const {}) (local.get {n}))", n * 8))
                .collect::<Vec<_>>()
                .concat();
            format!(
                "(func $f (param i32) (result i32) (local {locals}) {kept}
                   (i32.add (call $f (local.get 0)) (i32.const 1)) {used})"
            )
        }),
    ]
}

#[tokio::test]
async fn x06_recursion_ends_at_the_stack_and_not_in_the_host() {
    for guest in recursing() {
        let outcome = run(&guest).await;
        assert_error(&outcome, ErrorClass::StackOverflow, "recursed too deeply");
    }
}

/// The stack of a guest is its own, whatever thread it runs on.
#[test]
fn x06_a_thread_with_a_small_stack_is_enough() {
    let [recursing, ..] = recursing();
    let component = load(&recursing.bytes());
    let guard = guard();
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(component.run(
            &guard,
            std::sync::Arc::new(vedette_core::SystemClock),
            inputs(limits()),
        ))
    };
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    let outcome = small.spawn(work).unwrap().join().unwrap();
    assert_error(&outcome, ErrorClass::StackOverflow, "recursed too deeply");
}

/// Each level calls the host: some call is the last that fits.
#[tokio::test]
async fn x07_the_host_has_stack_left_at_the_bottom() {
    let guest = Guest::new("(call $f (i32.const 1))")
        .import(CONSOLE)
        .call("log", "$console \"log\"", "(param i32 i32 i32)")
        .text(1024, "deeper")
        .fields(
            "(func $f (param i32) (result i32)
               (call $log (i32.const 1) (i32.const 1024) (i32.const 6))
               (i32.add (call $f (local.get 0)) (i32.const 1)))",
        );
    let outcome = run(&guest).await;
    assert_error(&outcome, ErrorClass::StackOverflow, "recursed too deeply");
    assert_eq!(outcome.logs.len(), limits().log_lines);
}

/// The host calls back into the guest, which recurses there.
#[tokio::test]
async fn x07_recursion_inside_a_call_of_the_host() {
    let guest = Guest::new("(call $get (i32.const 100)) (call $success)")
        .import(crate::interfaces::PARAMS)
        .call("get", "$params \"get\"", "(param i32)")
        .realloc("(i32.add (call 0 (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1)) (i32.const 1))");
    let outcome = run(&guest).await;
    assert_error(&outcome, ErrorClass::StackOverflow, "recursed too deeply");
}

#[tokio::test]
async fn what_is_deep_and_ends_works() {
    let guest = Guest::new("(call $count (call $f (i32.const 10000)))").fields(
        "(func $f (param i32) (result i32)
           (if (result i32) (local.get 0)
             (then (i32.add (call $f (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
             (else (i32.const 0))))",
    );
    let outcome = run(&guest).await;
    assert_success(&outcome);
    assert_eq!(outcome.latency_ms, Some(10_000.0));
}
