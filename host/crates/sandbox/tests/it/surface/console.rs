//! `console` (Console standard): formats, shapes, the rarer methods, and values that fight back.

use vedette_core::{
    ErrorClass,
    LogLevel::{Error, Info, Warn},
    Outcome,
};

use super::run_at;
use crate::{assert_error, assert_success};

async fn logged(body: &str) -> Vec<String> {
    let outcome = run_at("", &format!("{body} return {{ success: true }};")).await;
    assert_success(&outcome);
    lines(&outcome)
}

fn lines(outcome: &Outcome) -> Vec<String> {
    outcome
        .logs
        .iter()
        .map(|line| line.message.clone())
        .collect()
}

#[tokio::test]
async fn plain_values_are_joined() {
    let found = logged("console.log('a', 1, null, undefined, true); console.log(); console.log('100%'); console.log(5n, Symbol('s'), -1.5);").await;
    assert_eq!(
        found,
        ["a 1 null undefined true", "", "100%", "5n Symbol(s) -1.5"]
    );
}

#[tokio::test]
async fn specifiers_take_what_follows() {
    let found = logged(
        r"
        console.log('%s is %d years and %i', 'Ada', 36.7, '12px', 'more', { a: 1 });
        console.log('%f %j %o %O %c!%%', '1.5x', { a: [1] }, 'text', { b: 2 }, 'color: red');
        console.log('%s %s', 'one'); console.log('%d %d', Symbol(), {}); console.log('%x %s', 1); console.log('%s', Symbol('s'), 5n);
        console.log(1, '%s', 2); console.log('%%'); console.log('%j', (() => { const o = {}; o.o = o; return o; })());",
    )
    .await;
    assert_eq!(
        found,
        [
            "Ada is 36 years and 12 more { a: 1 }",
            "1.5 {\"a\":[1]} \"text\" { b: 2 } !%",
            "one %s",
            "NaN NaN",
            "%x 1",
            "Symbol(s) 5n",
            "1 %s 2",
            "%%",
            "[no JSON]",
        ]
    );
}

#[tokio::test]
async fn objects_are_shown_by_their_kind() {
    let found = logged(
        r"
        class Point { x = 1; #hidden = 2; get y() { return 3; } }
        console.log(new Point(), Object.create(null), { 'a b': 1, get g() { throw 1; }, set s(v) {}, f() {}, C: Point });
        console.log([1, , 'x'], new Map([['k', { v: 1 }]]), new Set([1, 'a']), new Uint8Array([1, 2]), new ArrayBuffer(3), new DataView(new ArrayBuffer(2)));
        console.log(new Date(0), new Date(NaN), /a/g, new URL('https://a.test/'), new URLSearchParams('a=1'), new Headers({ h: '1' }), new WeakMap());
        console.log(new Response('x', { status: 201 }), new Request('https://a.test/'), AbortSignal.abort(), new Event('e'), new Blob(['abc']), new File([], 'n'));
        const round = { a: [] }; round.a.push(round); console.log(round, { a: { b: { c: { d: { e: 1 } } } } });
        const form = new FormData(); form.append('a', '1'); console.log(form, new ReadableStream(), class extends Point {}, async () => {}, new (class extends Array {})(2));",
    )
    .await;
    assert_eq!(
        found,
        [
            "Point { x: 1 } [no prototype] {} { \"a b\": 1, g: [Getter], s: [Setter], f: [function f], C: [class Point] }",
            "[ 1, empty, \"x\" ] Map { \"k\" => { v: 1 } } Set { 1, \"a\" } Uint8Array [ 1, 2 ] ArrayBuffer(3 bytes) DataView(2 bytes)",
            "1970-01-01T00:00:00.000Z Invalid Date /a/g https://a.test/ a=1 Headers { \"h\" => \"1\" } WeakMap {}",
            "Response { status: 201, url: \"\" } Request { method: \"GET\", url: \"https://a.test/\" } AbortSignal { aborted: true } \
             Event { type: \"e\" } Blob { size: 3, type: \"\" } File { name: \"n\", size: 0, type: \"\" }",
            "{ a: [ [circular] ] } { a: { b: { c: { d: [object] } } } }",
            "FormData { \"a\" => \"1\" } ReadableStream { locked: false } [class anonymous] [function anonymous] [ empty, empty ]",
        ]
    );
}

#[tokio::test]
async fn errors_are_shown_with_their_place_and_cause() {
    let found = logged(
        "console.error(new TypeError('outer', { cause: new Error('inner') })); console.log({ e: new RangeError('r') }); \
         console.log(new DOMException('d', 'AbortError'));",
    )
    .await;
    assert!(
        found[0].starts_with("TypeError: outer\n") && found[0].contains("monitor.js:1:"),
        "{found:?}"
    );
    assert!(found[0].ends_with("\ncause: [Error: inner]"), "{found:?}");
    assert_eq!(found[1], "{ e: [RangeError: r] }");
    assert!(found[2].starts_with("AbortError: d"), "{found:?}");
}

#[tokio::test]
async fn the_rarer_methods_work() {
    let outcome = run_at(
        "",
        r"
        console.assert(true, 'silent'); console.assert(false, 'n is %d', 5); console.assert();
        console.count(); console.count('x'); console.count(); console.countReset(); console.count(); console.countReset('y');
        console.group('outer'); console.log('in\nside'); console.group(); console.warn('deeper'); console.groupEnd(); console.groupEnd(); console.groupEnd(); console.log('out');
        console.time('t'); console.time('t'); console.timeLog('t', 'so far'); console.timeEnd('t'); console.timeEnd('t');
        console.dir({ a: 1 }, { depth: 0 }); console.table([{ a: 1, b: 'x' }, { a: 2 }, 5]); console.table({ r: { a: 1, b: 2 } }, ['b']); console.table('text'); console.trace('here');
        return { success: true };",
    )
    .await;
    assert_success(&outcome);
    let found: Vec<_> = outcome
        .logs
        .iter()
        .map(|line| (line.log_level, line.message.as_str()))
        .collect();
    let (timing, rest): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|(_, text)| text.starts_with("t: ") && text.contains(" ms"));
    assert_eq!(timing.len(), 2, "{timing:?}");
    assert!(timing[0].1.ends_with(" ms so far"), "{timing:?}");
    let (trace, rest) = rest.split_last().unwrap();
    assert!(
        trace.1.starts_with("Trace here") && trace.1.contains("monitor.js:"),
        "{trace:?}"
    );
    assert_eq!(
        rest,
        [
            (Error, "Assertion failed: n is 5"),
            (Error, "Assertion failed"),
            (Info, "default: 1"),
            (Info, "x: 1"),
            (Info, "default: 2"),
            (Info, "default: 1"),
            (Warn, "nothing was counted as y"),
            (Info, "outer"),
            (Info, "  in\n  side"),
            (Warn, "    deeper"),
            (Info, "out"),
            (Warn, "the timer t runs already"),
            (Warn, "there is no timer t"),
            (Info, "{ a: 1 }"),
            (
                Info,
                "(index)  a  b    value\n-------  -  ---  -----\n0        1  \"x\"\n1        2\n2                5"
            ),
            (Info, "(index)  b\n-------  -\nr        2"),
            (Info, "text"),
        ]
    );
}

#[tokio::test]
async fn values_that_fight_back_do_no_harm() {
    let found = logged(
        r"
        const throwing = new Proxy({}, { get() { throw 1; }, ownKeys() { throw 2; }, getPrototypeOf() { throw 3; }, getOwnPropertyDescriptor() { throw 4; } });
        console.log(throwing, { inner: throwing });
        console.log(Object.create(Error.prototype, { message: { get() { throw 1; } }, stack: { get() { throw 2; } }, name: { get() { throw 3; } } }));
        const revoked = Proxy.revocable([], {}); revoked.revoke(); console.log(revoked.proxy);
        console.log({ toString() { throw 1; }, [Symbol.toPrimitive]() { throw 2; }, get constructor() { throw 3; } });
        console.log(Object.create(Date.prototype), Object.create(Map.prototype), Object.create(Response.prototype), Object.create(Uint8Array.prototype));
        console.log('%s %d %j', throwing, throwing, throwing);",
    )
    .await;
    assert_eq!(found[0], "[cannot be shown] { inner: [cannot be shown] }");
    assert_eq!(found[1], "Error");
    assert_eq!(found[2], "[cannot be shown]");
    assert_eq!(
        found[3],
        "{ toString: [function toString], constructor: [Getter] }"
    );
    assert_eq!(found.len(), 6);
}

#[tokio::test]
async fn what_is_shown_is_bounded() {
    let outcome = run_at(
        "",
        r"
        const wide = Array.from({ length: 1e5 }, (_, i) => i), many = {}; for (let i = 0; i < 1e4; i++) many['key' + i] = wide;
        let deep = {}; for (let i = 0; i < 1e5; i++) deep = { deep };
        let cause = new Error('0'); for (let i = 0; i < 1e4; i++) cause = new Error('n', { cause });
        console.log(wide); console.log(many); console.log(deep); console.log(cause); console.log('x'.repeat(1e6)); console.log(['x'.repeat(1e6)]);
        console.log('%s', 'x'.repeat(1e6)); console.table(Array(1e4).fill(many)); console.log(new Map(wide.map((n) => [n, many]))); console.log(Object.keys(many).join('%s'), ...wide.slice(0, 6e4));
        return { success: true };",
    )
    .await;
    assert_success(&outcome);
    assert_eq!(outcome.logs.len(), 10);
    assert!(
        outcome
            .logs
            .iter()
            .all(|line| line.message.len() <= 8 * 1024 + 16)
    );
    assert!(lines(&outcome)[0].ends_with("99900 more ]"));
    let outcome = run_at(
        "",
        "console.log({ get a() { for (;;); } }, new Proxy({}, { ownKeys() { for (;;); } }));",
    )
    .await;
    assert_error(&outcome, ErrorClass::FuelExhausted);
}
