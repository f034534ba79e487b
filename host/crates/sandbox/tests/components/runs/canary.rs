//! X26: nothing of a run is there in the next one.

use crate::{assert_success, guest::Guest, inputs, limits, load, run_with};

/// Counts what is not as it was declared, then writes to everything that there is.
const LOOK_AND_WRITE: &str = "
  (local $at i32) (local $found i32)
  (block $seen (loop $next
    (br_if $seen (i32.ge_u (local.get $at) (i32.mul (memory.size) (i32.const 65536))))
    (if (i64.ne (i64.load (local.get $at)) (i64.const 0))
      (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br $next)))
  (if (i32.ne (memory.size) (i32.const 16))
    (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
  (drop (memory.grow (i32.const 300)))
  (loop $grown
    (if (i64.ne (i64.load (local.get $at)) (i64.const 0))
      (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br_if $grown (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))
  (if (i64.ne (global.get $global) (i64.const 0))
    (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
  (if (i32.ne (table.size $table) (i32.const 100))
    (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
  (drop (table.grow $table (ref.null func) (i32.const 900)))
  (local.set $at (i32.const 0))
  (loop $elements
    (if (i32.eqz (ref.is_null (table.get $table (local.get $at))))
      (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br_if $elements (i32.lt_u (local.get $at) (table.size $table))))
  (global.set $global (i64.const 0x63616e617279))
  (table.fill $table (i32.const 0) (ref.func $success) (table.size $table))
  (memory.fill (i32.const 0) (i32.const 0xca) (i32.mul (memory.size) (i32.const 65536)))
  (call $count (local.get $found))";

#[tokio::test]
async fn x26_memory_tables_and_globals_are_new_in_every_run() {
    let guest = Guest::new(LOOK_AND_WRITE).pages(16).fields(
        "(global $global (mut i64) (i64.const 0))
         (table $table 100 funcref) (elem declare func $success)",
    );
    let component = load(&guest.bytes());
    for round in 0..5 {
        let outcome = run_with(&component, inputs(limits())).await;
        assert_success(&outcome);
        assert_eq!(
            outcome.latency_ms,
            Some(0.0),
            "so much is left in round {round}"
        );
    }
}

/// A component with data gets its data again, and not what became of them.
#[tokio::test]
async fn x26_data_are_as_they_were_made() {
    let guest = Guest::new(
        "(i32.store8 (i32.const 40000) (i32.add (i32.load8_u (i32.const 40000)) (i32.const 1)))
         (call $count (i32.load8_u (i32.const 40000)))",
    )
    .text(40_000, "A");
    let component = load(&guest.bytes());
    for _ in 0..3 {
        let outcome = run_with(&component, inputs(limits())).await;
        assert_eq!(outcome.latency_ms, Some(66.0), "{outcome:#?}");
    }
}
