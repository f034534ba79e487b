//! X03 to X05: code of the guest that runs where nobody calls `run`.

use vedette_core::ErrorClass;

use crate::{
    assert_error, assert_success,
    guest::Guest,
    interfaces::{CONSOLE, ENV, PARAMS},
    run,
};

const LOOP: &str = "(loop $for-ever (br $for-ever))";

#[tokio::test]
async fn x03_a_start_function_is_inside_the_budgets() {
    let starts = |body: &str| {
        let function = format!("(func $begin {body}) (start $begin)");
        Guest::new("(call $success)").fields(&function)
    };
    let outcome = run(&starts(LOOP)).await;
    assert_error(&outcome, ErrorClass::FuelExhausted, "computing budget");
    let outcome = run(&starts("(unreachable)")).await;
    assert_error(&outcome, ErrorClass::Trap, "unreachable");
    let outcome = run(&starts("(call $begin)")).await;
    assert_error(&outcome, ErrorClass::StackOverflow, "recursed too deeply");
    assert_success(&run(&starts("(nop)")).await);
}

#[tokio::test]
async fn x03_a_start_function_may_not_grow_beyond_the_limit_either() {
    let outcome = run(&Guest::new("(call $success)").fields(
        "(func $begin (if (i32.eq (memory.grow (i32.const 2000)) (i32.const -1)) (then (unreachable))))
         (start $begin)",
    ))
    .await;
    assert_error(&outcome, ErrorClass::MemoryLimit, "more memory");
}

/// The parameters come as a text, which needs a place; the names of variables as a list of texts,
/// whose place has to be aligned.
fn receives(realloc: &str) -> [Guest; 2] {
    [
        Guest::new("(call $get (i32.const 100)) (call $success)")
            .import(PARAMS)
            .call("get", "$params \"get\"", "(param i32)")
            .realloc(realloc),
        Guest::new("(call $names (i32.const 100)) (call $success)")
            .import(ENV)
            .call("names", "$env \"names\"", "(param i32)")
            .realloc(realloc),
    ]
}

#[tokio::test]
async fn x04_a_hostile_cabi_realloc_writes_nowhere_else() {
    let loops = format!("{LOOP} (unreachable)");
    for (realloc, class, says) in [
        (
            loops.as_str(),
            ErrorClass::FuelExhausted,
            "computing budget",
        ),
        ("(unreachable)", ErrorClass::Trap, "unreachable"),
        ("(i32.const -1)", ErrorClass::Trap, "realloc"),
        ("(i32.const -65536)", ErrorClass::Trap, "realloc"),
        ("(i32.const 65535)", ErrorClass::Trap, "realloc"),
        ("(i32.const 0x7fffffff)", ErrorClass::Trap, "realloc"),
    ] {
        let [text, _] = receives(realloc);
        assert_error(&run(&text).await, class, says);
    }
    let grown = "(memory.grow (i32.const 1)) (drop) (i32.mul (memory.size) (i32.const 65536))";
    let [text, _] = receives(grown);
    assert_error(&run(&text).await, ErrorClass::Trap, "realloc");
}

/// One variable: the list is not empty.
#[tokio::test]
async fn x04_a_misaligned_place_is_refused() {
    let [_, names] = receives("(i32.const 40001)");
    let mut inputs = crate::inputs(crate::limits());
    inputs.env.insert("NAME".to_owned(), "value".to_owned());
    let component = crate::load(&names.bytes());
    let outcome = crate::run_with(&component, inputs).await;
    assert_error(&outcome, ErrorClass::Trap, "realloc");
    assert!(outcome.message.unwrap().contains("align"));
}

/// Address 0 is an address like any other: there is memory.
#[tokio::test]
async fn x04_address_zero_is_inside_of_the_memory() {
    let [text, _] = receives("(i32.const 0)");
    assert_success(&run(&text).await);
}

const LOGS: &str = "(call $log (i32.const 1) (i32.const 1024) (i32.const 6))";

/// A post-return function cannot call the host, so that its being called is told by what becomes of
/// the run: it is part of it, and its end is the run's.
#[tokio::test]
async fn x05_post_return_is_inside_the_budgets() {
    let after = |body: &str| {
        Guest::new(format!("{LOGS} (call $success)"))
            .import(CONSOLE)
            .call("log", "$console \"log\"", "(param i32 i32 i32)")
            .text(1024, "before")
            .fields(&format!("(func (export \"after\") (param i32) {body})"))
            .lifted_with("(post-return (func $guest \"after\"))")
    };
    for (body, class, says) in [
        (LOOP, ErrorClass::FuelExhausted, "computing budget"),
        ("(unreachable)", ErrorClass::Trap, "unreachable"),
        (LOGS, ErrorClass::Trap, "cannot leave"),
    ] {
        let outcome = run(&after(body)).await;
        assert_error(&outcome, class, says);
        assert_eq!(outcome.logs[0].message, "before");
    }
    assert_success(&run(&after("(nop)")).await);
}
