//! X11, and X24: what a processor would do in its own way.

use vedette_core::ErrorClass;

use crate::{assert_error, assert_success, guest::Guest, run};

#[tokio::test]
async fn x11_each_trap_has_plain_words() {
    let table = "(type $none (func)) (type $other (func (param i64)))
      (table $t 2 funcref) (elem (table $t) (i32.const 0) func $nothing) (func $nothing)";
    for (body, says) in [
        ("(unreachable)", "unreachable"),
        (
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            "divide by zero",
        ),
        (
            "(drop (i64.rem_s (i64.const 1) (i64.const 0)))",
            "divide by zero",
        ),
        (
            "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))",
            "overflow",
        ),
        (
            "(drop (i32.trunc_f64_s (f64.const nan)))",
            "invalid conversion",
        ),
        ("(drop (i32.trunc_f64_s (f64.const 1e300)))", "overflow"),
        (
            "(drop (i32.load (i32.const 65533)))",
            "out of bounds memory",
        ),
        (
            "(drop (i64.load offset=4294967295 (i32.const -1)))",
            "out of bounds memory",
        ),
        (
            "(memory.fill (i32.const 0) (i32.const 1) (i32.const 65537))",
            "out of bounds memory",
        ),
        (
            "(memory.copy (i32.const 65535) (i32.const 0) (i32.const 2))",
            "out of bounds memory",
        ),
        ("(call_indirect $t (i32.const 1))", "uninitialized"),
        (
            "(call_indirect $t (type $other) (i64.const 1) (i32.const 0))",
            "indirect call",
        ),
        ("(call_indirect $t (i32.const 2))", "out of bounds"),
        ("(call_indirect $t (i32.const -1))", "out of bounds"),
        ("(drop (table.get $t (i32.const 2)))", "out of bounds"),
    ] {
        let guest = Guest::new(format!("{body} (call $success)")).fields(table);
        let outcome = run(&guest).await;
        assert_error(
            &outcome,
            ErrorClass::Trap,
            "the sandbox stopped the component: ",
        );
        assert_error(&outcome, ErrorClass::Trap, says);
    }
}

/// Only bits that are the same everywhere come out of operations that make a NaN.
#[tokio::test]
async fn x24_a_nan_tells_nothing_of_the_processor() {
    let noisy = "(f64.reinterpret_i64 (i64.const 0x7ff4dead0000beef))";
    let operations = [
        "(f64.div (f64.const 0) (f64.const 0))".to_owned(),
        "(f64.sqrt (f64.const -1))".to_owned(),
        "(f64.sub (f64.const inf) (f64.const inf))".to_owned(),
        format!("(f64.add {noisy} (f64.const 1))"),
        format!("(f64.mul {noisy} {noisy})"),
        format!("(f64.min {noisy} (f64.const 1))"),
        format!("(f64.max (f64.const -nan) {noisy})"),
        format!("(f64.floor {noisy})"),
        format!("(f64.promote_f32 (f32.demote_f64 {noisy}))"),
    ];
    let same = operations
        .iter()
        .map(|nan| {
            format!(
                "(if (i64.ne (i64.reinterpret_f64 {nan}) (i64.const 0x7ff8000000000000))
                   (then (local.set $other (i32.add (local.get $other) (i32.const 1)))))"
            )
        })
        .collect::<Vec<_>>()
        .concat();
    let guest = Guest::new(format!(
        "(local $other i32) {same} (call $count (local.get $other))"
    ));
    let outcome = run(&guest).await;
    assert_success(&outcome);
    assert_eq!(outcome.latency_ms, Some(0.0), "so many had other bits");
}

#[tokio::test]
async fn x24_denormals_are_not_flushed() {
    let guest = Guest::new(
        "(call $count (i32.wrap_i64 (i64.reinterpret_f64
           (f64.div (f64.reinterpret_i64 (i64.const 8)) (f64.const 2)))))",
    );
    assert_eq!(run(&guest).await.latency_ms, Some(4.0));
}
