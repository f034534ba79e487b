//! `wasi:cli`: standard input, output and error, the environment, and `exit`.

use vedette_core::{ErrorClass, Flag, LogLevel, Outcome};
use vedette_sandbox::Limits;

use crate::{
    assert_error, assert_success, guest::Guest, inputs, interfaces::STDIO, limits, load, run,
    run_with,
};

fn streams(run: &str) -> Guest {
    Guest::new(run)
        .import(STDIO)
        .call("stdin", "$stdin \"get-stdin\"", "(result i32)")
        .call("stdout", "$stdout \"get-stdout\"", "(result i32)")
        .call("stderr", "$stderr \"get-stderr\"", "(result i32)")
        .call(
            "read",
            "$streams \"[method]input-stream.blocking-read\"",
            "(param i32 i64 i32)",
        )
        .call(
            "write",
            "$streams \"[method]output-stream.blocking-write-and-flush\"",
            "(param i32 i32 i32 i32)",
        )
}

#[tokio::test]
async fn standard_input_has_ended() {
    // `err(closed)`: the second case of the error.
    let guest = streams(
        "(call $read (call $stdin) (i64.const 100) (i32.const 100))
         (if (i32.ne (i32.load8_u (i32.const 100)) (i32.const 1)) (then (unreachable)))
         (call $count (i32.load8_u (i32.const 104)))",
    );
    let outcome = run(&guest).await;
    assert_success(&outcome);
    assert_eq!(outcome.latency_ms, Some(1.0));
}

fn lines(outcome: &Outcome) -> Vec<(LogLevel, &str)> {
    let lines = outcome.logs.iter();
    lines
        .map(|line| (line.log_level, line.message.as_str()))
        .collect()
}

/// Writes the text at 1024.
fn writes(to: &str, bytes: usize) -> String {
    format!("(call $write (call {to}) (i32.const 1024) (i32.const {bytes}) (i32.const 100))")
}

#[tokio::test]
async fn standard_output_and_error_are_lines_of_the_log() {
    let text = "one\r\ntwo\n\nthree";
    let guest = streams(&format!(
        "{} {} (call $success)",
        writes("$stdout", text.len()),
        writes("$stderr", 4)
    ))
    .text(1024, text);
    let outcome = run(&guest).await;
    assert_success(&outcome);
    let info = LogLevel::Info;
    let mut found = lines(&outcome);
    // Those of one stream keep their order; the last one ends with the run.
    found.retain(|(level, _)| *level == info);
    assert_eq!(
        found,
        [(info, "one"), (info, "two"), (info, ""), (info, "three")]
    );
    let of_error = lines(&outcome);
    assert!(of_error.contains(&(LogLevel::Error, "one")), "{of_error:?}");
    assert_eq!(outcome.flags, []);
}

#[tokio::test]
async fn what_a_component_writes_before_a_trap_is_kept() {
    let guest = streams(&format!("{} (unreachable)", writes("$stderr", 4))).text(1024, "why?");
    let outcome = run(&guest).await;
    assert_error(&outcome, ErrorClass::Trap, "unreachable");
    assert_eq!(lines(&outcome), [(LogLevel::Error, "why?")]);
}

/// `fill` of letters, with a line's end every `width`.
async fn flood(width: u32, writes: u32) -> Outcome {
    let fill = format!(
        "(local $at i32) (local $out i32) (local $n i32)
         (memory.fill (i32.const 65536) (i32.const 120) (i32.const 4096))
         (local.set $at (i32.const {width}))
         (block $done (loop $next
           (br_if $done (i32.ge_u (local.get $at) (i32.const 4096)))
           (i32.store8 offset=65536 (local.get $at) (i32.const 10))
           (local.set $at (i32.add (local.get $at) (i32.const {width})))
           (br $next)))
         (local.set $out (call $stdout))
         (local.set $n (i32.const {writes}))
         (loop $again
           (call $write (local.get $out) (i32.const 65536) (i32.const 4096) (i32.const 100))
           (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
         (call $success)"
    );
    run(&streams(&fill).pages(4)).await
}

#[tokio::test]
async fn a_flood_is_cut_at_the_limits_of_the_log() {
    let limits = limits();
    // One long line; many short ones; many bytes.
    for (width, writes) in [(100_000, 1_000), (1, 10), (500, 1_000)] {
        let outcome = flood(width, writes).await;
        assert_success(&outcome);
        assert_eq!(outcome.flags, [Flag::LogTruncated], "{width}");
        let longest = outcome.logs.iter().map(|line| line.message.len()).max();
        assert!(longest <= Some(limits.log_line_bytes), "{longest:?}");
        assert!(outcome.logs.len() <= limits.log_lines, "{width}");
        let bytes: usize = outcome.logs.iter().map(|line| line.message.len()).sum();
        assert!(bytes <= limits.log_bytes, "{bytes}");
    }
    assert_eq!(flood(100_000, 1_000).await.logs.len(), 1);
    assert_eq!(flood(1, 10).await.logs.len(), limits.log_lines);
    assert_eq!(flood(500, 1).await.flags, []);
}

/// The two kinds of output and the contract's own console share one log.
#[tokio::test]
async fn a_smaller_log_is_shared_by_all_who_write_to_it() {
    let text = "123456789\n";
    let again = |to: &str| writes(to, text.len()).repeat(4);
    let guest = streams(&format!(
        "{} {} (call $success)",
        again("$stdout"),
        again("$stderr")
    ))
    .text(1024, text);
    let limits = Limits {
        log_lines: 5,
        ..limits()
    };
    let outcome = run_with(&load(&guest.bytes()), inputs(limits)).await;
    assert_eq!(outcome.logs.len(), 5);
    assert_eq!(outcome.flags, [Flag::LogTruncated]);
}

const EXIT: &str = r#"
  (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))"#;

#[tokio::test]
async fn exit_is_no_verdict() {
    for status in [0, 1] {
        let guest = Guest::new(format!("(call $exit (i32.const {status})) (call $success)"))
            .import(EXIT)
            .call("exit", "$exit \"exit\"", "(param i32)");
        let outcome = run(&guest).await;
        assert_error(
            &outcome,
            ErrorClass::ScriptError,
            "wasi:cli/exit, without a verdict",
        );
    }
}

const ENVIRONMENT: &str = r#"
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))
    (export "get-arguments" (func (result (list string))))
    (export "initial-cwd" (func (result (option string))))))"#;

fn environment(run: &str) -> Guest {
    Guest::new(run)
        .import(ENVIRONMENT)
        .call(
            "environment",
            "$environment \"get-environment\"",
            "(param i32)",
        )
        .call("arguments", "$environment \"get-arguments\"", "(param i32)")
        .call("folder", "$environment \"initial-cwd\"", "(param i32)")
}

#[tokio::test]
async fn the_environment_is_that_of_the_run() {
    let of_run = [("ANSWER", "42"), ("REGION", "eu")];
    let mut inputs = inputs(limits());
    for (name, value) in of_run {
        inputs.env.insert(name.to_owned(), value.to_owned());
    }
    // The texts of the list lie one after the other, as `cabi_realloc` gave places to them.
    let guest = environment(
        "(local $list i32) (call $environment (i32.const 100))
         (if (i32.ne (i32.load (i32.const 104)) (i32.const 2)) (then (unreachable)))
         (local.set $list (i32.load (i32.const 100)))
         (call $message (i32.load (local.get $list)) (i32.const 16))",
    );
    let outcome = run_with(&load(&guest.bytes()), inputs).await;
    assert_success(&outcome);
    assert_eq!(outcome.message.as_deref(), Some("ANSWER42REGIONeu"));
}

#[tokio::test]
async fn without_variables_there_is_no_environment_at_all() {
    for call in ["environment", "arguments"] {
        let guest = environment(&format!(
            "(call ${call} (i32.const 100)) (call $count (i32.load (i32.const 104)))"
        ))
        .fields("(data (i32.const 104) \"\\ff\")");
        assert_eq!(run(&guest).await.latency_ms, Some(0.0), "{call}");
    }
    let guest =
        environment("(call $folder (i32.const 100)) (call $count (i32.load8_u (i32.const 100)))")
            .fields("(data (i32.const 100) \"\\ff\")");
    assert_eq!(run(&guest).await.latency_ms, Some(0.0));
}
