//! What an honest script meets: verdicts, globals, errors with their place.

use serde_json::json;
use vedette_core::{ErrorClass, LogLevel, SourceLanguage, Status};
use vedette_sandbox::CompileError;

use crate::{assert_error, assert_success, data, run, run_body, sandbox};

#[tokio::test]
async fn a_verdict_becomes_the_outcome() {
    let outcome = run_body(
        "return { success: false, latency: 12.5, message: 'slow', data: { a: [1, null, 'x'] } };",
    )
    .await;
    assert_eq!(outcome.status, Status::Failure);
    assert_eq!(outcome.error_class, None);
    assert_eq!(outcome.message.as_deref(), Some("slow"));
    assert_eq!(outcome.latency_ms, Some(12.5));
    assert_eq!(data(&outcome), json!({"a": [1, null, "x"]}));
    assert!(outcome.fuel_used > 0 && outcome.peak_memory_bytes > 0);
}

#[tokio::test]
async fn what_is_no_verdict_is_never_up() {
    for body in [
        "",
        "return undefined;",
        "return null;",
        "return true;",
        "return 'true';",
        "return 1;",
        "return [];",
        "return {};",
        "return { success: 1 };",
        "return { success: 'true' };",
        "return { success: true, latency: '5' };",
        "return { success: true, latency: NaN };",
        "return { success: true, latency: -1 };",
        "return { success: true, latency: Infinity };",
        "return { success: true, latency: null };",
        "return { success: true, message: 5 };",
        "return { success: true, extra: 1 };",
        "return { success: true, data: () => 1 };",
        "return { success: true, data: 5n };",
        "return { success: true, data: Symbol() };",
    ] {
        assert_error(&run_body(body).await, ErrorClass::ResultInvalid);
    }
}

#[tokio::test]
async fn a_verdict_has_a_size_and_a_depth() {
    for body in [
        "return { success: true, data: 'x'.repeat(300 * 1024) };",
        "return { success: true, message: 'x'.repeat(300 * 1024) };",
        "const o = {}; for (let i = 0; i < 2e5; i++) o['k' + i] = i; return { success: true, data: o };",
        "let o = {}; for (let i = 0; i < 10000; i++) o = { o }; return { success: true, data: o };",
        "const o = {}; o.o = o; return { success: true, data: o };",
    ] {
        assert_error(&run_body(body).await, ErrorClass::ResultTooLarge);
    }
}

#[tokio::test]
async fn odd_text_is_made_storable() {
    let outcome = run_body(
        "console.log('a\\0b', '\\ud800'); \
         return { success: true, message: 'x\\0\\udfff', data: { 'k\\0': '\\ud800\\0' } };",
    )
    .await;
    assert_success(&outcome);
    assert_eq!(outcome.message.as_deref(), Some("x\u{fffd}\u{fffd}"));
    assert_eq!(data(&outcome), json!({"k\u{fffd}": "\u{fffd}\u{fffd}"}));
    assert_eq!(outcome.logs[0].message, "a\u{fffd}b \u{fffd}");
}

#[tokio::test]
async fn a_compile_error_names_its_place() {
    let source = "export default () => {\n  const a = ;\n};\n";
    let Err(CompileError::Source {
        message,
        line,
        column,
    }) = sandbox().compile(source, SourceLanguage::JavaScript).await
    else {
        panic!("it compiles");
    };
    assert!(message.contains("SyntaxError"), "{message}");
    assert_eq!(line, Some(2));
    assert!(
        column.is_some_and(|column| (13..=15).contains(&column)),
        "{column:?}"
    );
}

#[tokio::test]
async fn a_module_cannot_be_closed_or_imported_from_outside() {
    for source in [
        "}); hostThing(); (()=>{",
        "import fs from 'fs'; export default () => ({ success: true });",
        "import 'https://example.com/x.js'; export default () => ({ success: true });",
    ] {
        let compiled = sandbox().compile(source, SourceLanguage::JavaScript).await;
        assert!(
            matches!(compiled, Err(CompileError::Source { .. })),
            "{source}: {compiled:?}"
        );
    }
}

#[tokio::test]
async fn a_script_without_a_default_function_says_so() {
    assert_error(&run("export const a = 1;").await, ErrorClass::MissingExport);
    assert_error(&run("export default 5;").await, ErrorClass::MissingExport);
}

#[tokio::test]
async fn what_is_thrown_is_told_with_its_place() {
    let outcome = run("export default () => {\n  null.x;\n};").await;
    assert_error(&outcome, ErrorClass::ScriptError);
    let message = outcome.message.unwrap();
    assert!(
        message.starts_with("TypeError: ") && message.contains("monitor.js:2:"),
        "{message}"
    );
    for body in [
        "throw undefined;",
        "throw null;",
        "throw 1;",
        "throw {};",
        "throw Symbol();",
        "throw { get message() { throw 1; } };",
        "throw Object.create(Error.prototype, { stack: { get() { throw 1; } }, name: { get() { throw 2; } } });",
        "throw new Error('x'.repeat(5e6));",
        "let e = new Error('0'); for (let i = 0; i < 1e5; i++) e = new Error('n', { cause: e }); throw e;",
        "throw new Proxy({}, { get() { throw 1; }, has() { throw 1; }, getPrototypeOf() { throw 1; } });",
    ] {
        let outcome = run_body(body).await;
        assert_error(&outcome, ErrorClass::ScriptError);
        let message = outcome.message.expect("a message is made up");
        assert!(
            !message.is_empty() && message.len() <= 8 * 1024,
            "{} bytes",
            message.len()
        );
    }
}

#[tokio::test]
async fn the_console_keeps_levels_and_shapes() {
    let outcome = run_body(
        "console.debug(1); console.info('a', { b: [1, 'x'] }); console.warn(null); \
         console.error(new Map([[1, 2]])); return { success: true };",
    )
    .await;
    let lines: Vec<_> = outcome
        .logs
        .iter()
        .map(|line| (line.log_level, line.message.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (LogLevel::Debug, "1"),
            (LogLevel::Info, "a { b: [ 1, \"x\" ] }"),
            (LogLevel::Warn, "null"),
            (LogLevel::Error, "Map { 1 => 2 }"),
        ]
    );
}

#[tokio::test]
async fn globals_do_what_they_should() {
    let outcome = run_body(
        "const url = new URL('../c?x=1#h', 'https://ex\u{e4}mple.com:8080/a/b'); \
         url.searchParams.append('y', 'a b&'); \
         const q = new URLSearchParams('?a=1&a=2&b=%20+c'); \
         const h = new Headers({ 'X-B': ' 1 ', 'x-a': '2' }); h.append('x-b', '3'); \
         return { success: true, data: [ url.href, url.host, [...q], q.getAll('a'), [...h], \
           new TextDecoder().decode(new TextEncoder().encode('\u{e4}\u{20ac}')), \
           btoa('hello'), atob('aGVsbG8='), URL.canParse('nope'), typeof performance.now() ] };",
    )
    .await;
    assert_success(&outcome);
    assert_eq!(
        data(&outcome),
        json!([
            "https://xn--exmple-cua.com:8080/c?x=1&y=a+b%26#h",
            "xn--exmple-cua.com:8080",
            [["a", "1"], ["a", "2"], ["b", "  c"]],
            ["1", "2"],
            [["x-a", "2"], ["x-b", "1, 3"]],
            "\u{e4}\u{20ac}",
            "aGVsbG8=",
            "hello",
            false,
            "number"
        ])
    );
}

#[tokio::test]
async fn what_must_not_be_there_is_not() {
    let outcome = run_body(
        "const gone = ['process', 'std', 'os', 'scriptArgs', 'bjson', 'Worker', 'SharedArrayBuffer', \
           'Atomics', 'require', 'Javy', 'host'].filter((name) => name in globalThis); \
         const refuses = [() => eval('1'), () => new Function('return 1'), () => (0, eval)('1'), \
           () => (() => {}).constructor('return 1')(), () => (async () => {}).constructor('return 1')(), \
           () => this.constructor.constructor('return this')()] \
           .filter((f) => { try { f(); return true; } catch { return false; } }); \
         let imported = 'no'; try { await import('fs'); imported = 'yes'; } catch {} \
         return { success: true, data: [gone, refuses.length, imported] };",
    )
    .await;
    assert_success(&outcome);
    assert_eq!(data(&outcome), json!([[], 0, "no"]));
}

#[tokio::test]
async fn time_and_chance_differ_between_runs() {
    let body =
        "return { success: true, data: [Math.random(), Date.now(), new Date().getFullYear()] };";
    let (first, second) = (data(&run_body(body).await), data(&run_body(body).await));
    assert_ne!(
        first[0], second[0],
        "the snapshot's random numbers would be the same"
    );
    assert!(first[2].as_i64().unwrap() >= 2026, "{first}");
    assert!(second[1].as_i64() >= first[1].as_i64());
}

#[tokio::test]
async fn timers_fire_in_order_and_intervals_stop() {
    let outcome = run_body(
        "const seen = []; \
         setTimeout(() => seen.push('b'), 20); setTimeout((x) => seen.push(x), 5, 'a'); \
         const gone = setTimeout(() => seen.push('never'), 1); clearTimeout(gone); \
         let n = 0; await new Promise((done) => { const i = setInterval(() => { \
           if (++n === 3) { clearInterval(i); done(); } }, 10); }); \
         await new Promise((done) => setTimeout(done, 20)); \
         return { success: true, data: [seen, n] };",
    )
    .await;
    assert_success(&outcome);
    assert_eq!(data(&outcome), json!([["a", "b"], 3]));
}

#[tokio::test]
async fn a_rejection_that_nobody_handles_is_logged() {
    let outcome = run_body(
        "const check = async () => { throw new Error('the login failed'); }; \
         check(); check().catch(() => {}); return { success: true };",
    )
    .await;
    assert_success(&outcome);
    let [line] = &outcome.logs[..] else {
        panic!("{:#?}", outcome.logs)
    };
    assert_eq!(line.log_level, vedette_core::LogLevel::Error);
    assert!(
        line.message.contains("the login failed"),
        "{}",
        line.message
    );
    assert!(line.message.contains("await"), "{}", line.message);
}

#[tokio::test]
async fn what_a_microtask_throws_ends_the_run() {
    let outcome = run_body(
        "queueMicrotask(() => { throw new Error('from a microtask'); }); \
         await new Promise((resolve) => setTimeout(resolve, 1)); return { success: true };",
    )
    .await;
    assert_error(&outcome, ErrorClass::ScriptError);
}
