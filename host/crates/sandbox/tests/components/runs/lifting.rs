//! X12 to X14: answers that are not what their types say, or too large.

use vedette_core::ErrorClass;

use crate::{
    assert_error, assert_success,
    guest::Guest,
    interfaces::{CONSOLE, FETCH, SENDS},
    load, run,
};

#[tokio::test]
async fn x12_texts_and_lists_lie_inside_of_the_memory() {
    for answer in [
        "(call $message (i32.const 0) (i32.const -1))",
        "(call $message (i32.const -1) (i32.const 1))",
        "(call $message (i32.const -16) (i32.const 32))",
        "(call $data (i32.const 65536) (i32.const 1))",
        "(call $err (i32.const 1) (i32.const 65536))",
        // The result itself.
        "(i32.const -8)",
        "(i32.const 65536)",
        "(i32.const 65528)",
    ] {
        let outcome = run(&Guest::new(answer)).await;
        assert_error(&outcome, ErrorClass::Trap, "out of bounds");
    }
    let outcome = run(&Guest::new("(i32.const 17)")).await;
    assert_error(&outcome, ErrorClass::Trap, "aligned");
    // Nothing of nothing is nowhere.
    assert_success(
        &run(&Guest::new(
            "(call $message (i32.const 65536) (i32.const 0))",
        ))
        .await,
    );
}

/// 63 MiB of a memory of 64.
const HUGE: u32 = 63 * 1024 * 1024;

#[tokio::test]
async fn x13_what_is_too_large_is_not_copied() {
    for answer in ["$message", "$data", "$err"] {
        let body = format!("(call {answer} (i32.const 1024) (i32.const {HUGE}))");
        let outcome = run(&Guest::new(body).pages(1_024)).await;
        assert_error(&outcome, ErrorClass::ResultTooLarge, "MiB");
    }
}

#[tokio::test]
async fn x13_a_verdict_has_its_own_bound() {
    let bytes = crate::limits().result_bytes;
    let of = |answer: &str, bytes: usize| {
        // Digits: JSON as well as text.
        let fill = "(memory.fill (i32.const 1024) (i32.const 49) (i32.const 300000))";
        Guest::new(format!(
            "{fill} (call {answer} (i32.const 1024) (i32.const {bytes}))"
        ))
        .pages(8)
    };
    for answer in ["$message", "$data"] {
        let outcome = run(&of(answer, bytes + 1)).await;
        assert_error(&outcome, ErrorClass::ResultTooLarge, "at most");
    }
    assert_success(&run(&of("$message", bytes)).await);
    // A reason is no verdict: it is cut.
    let outcome = run(&of("$err", bytes)).await;
    assert_eq!(outcome.error_class, Some(ErrorClass::ScriptError));
    assert_eq!(outcome.message.unwrap().len(), 8 * 1024);
}

#[tokio::test]
async fn x14_texts_are_texts() {
    for bytes in [
        "\\ff\\fe",
        // Half of a letter.
        "\\c3",
        // A lone surrogate, as some languages let it stand.
        "\\ed\\a0\\80",
        // Longer than need be.
        "\\c0\\80",
        // Beyond the last letter.
        "\\f5\\80\\80\\80",
    ] {
        let field = format!("(data (i32.const 1024) \"{bytes}\")");
        let count = bytes.len() / 3;
        for answer in ["$message", "$data", "$err"] {
            let body = format!("(call {answer} (i32.const 1024) (i32.const {count}))");
            let outcome = run(&Guest::new(body).fields(&field)).await;
            assert_error(&outcome, ErrorClass::Trap, "utf-8");
        }
    }
}

#[tokio::test]
async fn x14_a_lone_surrogate_in_utf_16_is_no_text() {
    let guest = Guest::new("(call $message (i32.const 1024) (i32.const 2))")
        .fields("(data (i32.const 1024) \"a\\00\\00\\d8\")")
        .lifted_with("string-encoding=utf16");
    assert_error(&run(&guest).await, ErrorClass::Trap, "surrogate");
    let fine = Guest::new("(call $message (i32.const 1024) (i32.const 2))")
        .fields("(data (i32.const 1024) \"\\3d\\d8\\00\\de\")")
        .lifted_with("string-encoding=utf16");
    assert_eq!(run(&fine).await.message.as_deref(), Some("\u{1f600}"));
}

/// Changes one byte of a good verdict.
fn with_byte(at: u32, value: u32) -> Guest {
    Guest::new(format!(
        "(drop (call $success)) (i32.store8 (i32.const {at}) (i32.const {value})) (i32.const 16)"
    ))
}

#[tokio::test]
async fn x14_discriminants_are_known() {
    // Of the result, and of its three options.
    for at in [16, 32, 48, 60] {
        for value in [2, 0xff] {
            let outcome = run(&with_byte(at, value)).await;
            assert_error(&outcome, ErrorClass::Trap, "discriminant");
        }
    }
    // Any other bit is true as well: that is how the canonical ABI reads a `bool`.
    assert_success(&run(&with_byte(24, 0xfe)).await);
}

#[tokio::test]
async fn x14_arguments_are_held_against_their_types_too() {
    let log = Guest::new("(call $log (i32.const 4) (i32.const 0) (i32.const 0)) (call $success)")
        .import(CONSOLE)
        .call("log", "$console \"log\"", "(param i32 i32 i32)");
    assert_error(&run(&log).await, ErrorClass::Trap, "discriminant");
    let zeros = "(i32.const 0) ".repeat(9);
    // What to do with redirects, and whether there is a time limit.
    for arguments in ["(i32.const 3) (i32.const 0)", "(i32.const 0) (i32.const 2)"] {
        let send = Guest::new(format!(
            "(call $send {zeros} {arguments} (i32.const 0) (i32.const 256)) (call $success)"
        ))
        .import(FETCH)
        .call("send", "$fetch \"send\"", SENDS);
        let outcome = run(&send).await;
        assert_error(&outcome, ErrorClass::Trap, "discriminant");
        assert_eq!(outcome.requests, []);
    }
}

/// The same component is no worse after all that.
#[tokio::test]
async fn x14_a_latency_is_a_number() {
    let component = |bits: &str| Guest::new(format!("(call $latency (f64.const {bits}))"));
    for bits in ["nan", "inf", "-1", "-inf"] {
        let outcome = run(&component(bits)).await;
        assert_error(&outcome, ErrorClass::ResultInvalid, "latency");
    }
    let fine = load(&component("12.5").bytes());
    let outcome = crate::run_with(&fine, crate::inputs(crate::limits())).await;
    assert_eq!(outcome.latency_ms, Some(12.5));
}
