//! X08 and X10: memory and tables that grow, and operations on all of them at once.

use std::time::Duration;

use vedette_core::ErrorClass;
use vedette_sandbox::Limits;

use crate::{assert_error, assert_success, guest::Guest, inputs, limits, load, run, run_with};

const GROW: &str = "
  (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";

const TOUCH: &str = "
  (local $at i32)
  (loop $next
    (i32.store (local.get $at) (i32.const -1))
    (local.set $at (i32.add (local.get $at) (i32.const 4096)))
    (br_if $next (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))";

#[tokio::test]
async fn x08_memory_grows_to_the_limit_and_every_page_is_there() {
    let guest = Guest::new(format!(
        "{TOUCH} {GROW} (call $touch) (call $count (memory.size))"
    ))
    .fields(&format!("(func $touch {TOUCH})"));
    let outcome = run(&guest).await;
    assert_success(&outcome);
    let most = limits().memory_bytes as u64;
    assert_eq!(outcome.peak_memory_bytes, most);
    #[expect(clippy::cast_precision_loss, reason = "a thousand pages")]
    let pages = (most / 65_536) as f64;
    assert_eq!(outcome.latency_ms, Some(pages));
}

#[tokio::test]
async fn x08_a_trap_after_a_refusal_is_about_memory() {
    let guest = Guest::new(format!("{GROW} (unreachable)"));
    assert_error(&run(&guest).await, ErrorClass::MemoryLimit, "more memory");
    let far = Guest::new("(drop (memory.grow (i32.const 65535))) (i32.load (i32.const -8))");
    assert_error(&run(&far).await, ErrorClass::MemoryLimit, "more memory");
}

#[tokio::test]
async fn x08_a_smaller_limit_is_a_limit() {
    let limits = Limits {
        memory_bytes: 4 * 65_536,
        ..limits()
    };
    let guest = Guest::new(format!("{GROW} (call $count (memory.size))"));
    let outcome = run_with(&load(&guest.bytes()), inputs(limits.clone())).await;
    assert_eq!(outcome.latency_ms, Some(4.0), "{outcome:#?}");
    let larger = Guest::new("(call $success)").pages(5);
    let outcome = run_with(&load(&larger.bytes()), inputs(limits)).await;
    assert_error(&outcome, ErrorClass::MemoryLimit, "more memory");
}

const TABLE: &str = "(table $t 0 funcref) (elem declare func $success)";

#[tokio::test]
async fn x10_tables_grow_to_the_limit() {
    let guest = Guest::new(
        "(loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))
         (call $count (table.size $t))",
    )
    .fields(TABLE);
    let outcome = run(&guest).await;
    assert_success(&outcome);
    let elements = outcome.latency_ms.unwrap();
    assert!((90_000.0..=100_000.0).contains(&elements), "{elements}");
}

/// A time limit that only a broken budget lets come.
#[tokio::test]
async fn x10_bulk_operations_are_paid_for() {
    let forever = |operation: &str| format!("(loop $again {operation} (br $again)) (unreachable)");
    let memory = |operation: &str| Guest::new(forever(operation)).pages(1_000);
    let fill = "(memory.fill (i32.const 0) (i32.const 1) (i32.const 65536000))";
    let copy = "(memory.copy (i32.const 0) (i32.const 32768000) (i32.const 32768000))";
    let table = Guest::new(format!(
        "(drop (table.grow $t (ref.null func) (i32.const 90000))) {}",
        forever("(table.fill $t (i32.const 0) (ref.func $success) (i32.const 90000))")
    ))
    .fields(TABLE);
    for guest in [memory(fill), memory(copy), table] {
        let limits = Limits {
            wall: Duration::from_secs(20),
            ..limits()
        };
        let outcome = run_with(&load(&guest.bytes()), inputs(limits)).await;
        assert_error(&outcome, ErrorClass::FuelExhausted, "computing budget");
    }
}

/// It is stopped long before its budget is used up: to refuse costs the host more than to ask.
#[tokio::test]
async fn x10_who_is_refused_for_ever_is_stopped() {
    for grow in [
        "(memory.grow (i32.const 1000))",
        "(table.grow $t (ref.null func) (i32.const 1))",
    ] {
        let guest = Guest::new(format!(
            "(loop $again (drop {grow}) (br $again)) (unreachable)"
        ));
        let outcome = run(&guest.fields(TABLE)).await;
        assert_error(&outcome, ErrorClass::MemoryLimit, "more memory");
        assert!(outcome.fuel_used < limits().fuel / 10, "{outcome:#?}");
    }
}

/// Many allocators ask for much first, and then for less.
#[tokio::test]
async fn x10_a_hundred_refusals_are_no_reason_to_stop() {
    let guest = Guest::new(
        "(local $n i32) (local.set $n (i32.const 100))
         (loop $again (drop (memory.grow (i32.const 1024)))
           (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
         (call $count (memory.size))",
    );
    assert_eq!(run(&guest).await.latency_ms, Some(1.0));
}
