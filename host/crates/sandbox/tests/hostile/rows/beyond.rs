//! Rows of the same kinds that the corpus does not list.

use super::{Row, ends::*, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = texts();
    rows.extend(structures());
    rows.extend(callbacks());
    rows.extend(compiler());
    rows
}

fn texts() -> Vec<Row> {
    vec![
        row("B11", &[SUCCESS])
            .body("for (let i = 0; i < 5000; i++) console.log('line ' + i); return { success: true };")
            .body("for (let i = 0; i < 100; i++) console.log('x'.repeat(100000)); return { success: true };")
            .body("for (let i = 0; i < 100; i++) console.log('\u{1f600}'.repeat(3000)); return { success: true };")
            .proof(|outcome| {
                outcome.logs.iter().all(|line| line.message.len() <= 8 * 1024)
                    && outcome.flags == [vedette_core::Flag::LogTruncated]
            }),
        row("B12", &[SUCCESS, SCRIPT]).bodies(&[
            "console.log({ [Symbol.toPrimitive]() { throw 1; } }); return { success: true };",
            "console.log({ toString() { throw 1; }, valueOf: null }); return { success: true };",
            "console.log(new Proxy({}, {}), new Proxy(() => {}, {}), Object.create(null)); return { success: true };",
            "console.log(new Proxy([], { get() { throw 1; } })); return { success: true };",
            "const p = new Proxy({}, { ownKeys() { return ['a']; }, get() { return p; }, \
               getOwnPropertyDescriptor() { return { enumerable: true, configurable: true, value: 1 }; } }); \
             console.log(p); return { success: true };",
            "const e = new Error(); Object.defineProperty(e, 'stack', { get() { throw 1; } }); console.log(e); return { success: true };",
            "console.log(Object.defineProperty(() => {}, 'name', { value: { toString() { throw 1; } } })); return { success: true };",
            "const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); console.log(proxy); return { success: true };",
            "const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy;",
            "const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy;",
            "console.log(new Date(NaN), new Date(8.64e15), -0, 2n ** 64n, Symbol(), /x/, new URL('a:b')); return { success: true };",
        ]),
        row("B12", &[FUEL, MEMORY, SUCCESS]).bodies(&[
            "console.log({ get a() { for (;;) {} } }); return { success: true };",
            "console.log(new Proxy({}, { ownKeys() { for (;;) {} } }));",
            "console.log(Array(1e9)); return { success: true };",
            "const wide = {}; for (let i = 0; i < 1e6; i++) wide[i] = wide; console.log(wide); return { success: true };",
            "const m = new Map(); for (let i = 0; i < 1e6; i++) m.set(m, m).set(i, m); console.log(m); return { success: true };",
        ]),
        // Ropes: texts that are joined later, by an engine that could recurse for it.
        row("B13", &[SUCCESS, MEMORY, FUEL, STACK]).bodies(&[
            "let s = ''; for (let i = 0; i < 1e6; i++) s = s + 'ab'; return { success: s.charCodeAt(1e6) > 0 };",
            "let s = ''; for (let i = 0; i < 1e6; i++) s = 'ab' + s; return { success: s.charCodeAt(1e6) > 0 };",
            "let s = 'x'; for (let i = 0; i < 1e5; i++) s = i % 2 ? s + 'y' : 'z' + s; return { success: s.includes('zx') };",
            "let a = 'a', b = 'b'; for (let i = 0; i < 20; i++) [a, b] = [a + b, b + a]; return { success: a !== b };",
        ]),
        row("B14", &[FUEL]).bodies(&[
            "const r = /(?:)/g; while (r.exec('x')) {}",
            "RegExp.prototype.exec = () => ['x']; 'abc'.replace(/x/g, 'y');",
            "const r = /a/y; r.lastIndex = { valueOf() { for (;;) {} } }; r.test('a');",
            "/(?=(a+))a*b\\1/.test('a'.repeat(1e5)); for (;;) {}",
            "for (const x of { [Symbol.iterator]: () => ({ next: () => ({ value: 1, done: false }) }) }) {}",
        ]),
        row("B15", &[SUCCESS, SCRIPT]).bodies(&[
            "return { success: true, message: new Date(8.64e15).toString() + new Date(-8.64e15).toISOString() };",
            "return { success: true, message: (1e21).toLocaleString() + 'x'.localeCompare('y') + 'i'.toLocaleUpperCase('tr') };",
            "return { success: true, message: (123.456).toString(36) + (5e-324).toFixed(100) + Number.MAX_VALUE.toString(2) };",
            "return { success: 'x'.normalize('NFKD') + '\\u1e9b\\u0323'.normalize('NFC') !== '' };",
            "'x'.normalize('NFX');",
            "return { success: true, data: [1e308 * 10, -0, 5e-324, 2 ** 53 + 1, NaN] };",
        ]),
    ]
}

fn structures() -> Vec<Row> {
    vec![
        row("B21", &[FUEL, MEMORY, TOO_LARGE]).bodies(&[
            "const a = []; a[4294967294] = 1; return { success: true, data: a };",
            "return { success: true, data: new Array(1e9) };",
            "return { success: true, data: { length: 1e9, toJSON() { return new Array(1e8); } } };",
            "return { success: true, data: new Uint8Array(1e7) };",
            "const grow = () => new Proxy({}, { getPrototypeOf: grow, ownKeys: () => [], has: () => true }); \
               return { success: true, data: grow() };",
            "const p = new Proxy({}, { ownKeys: () => ['a'], get: () => p, \
               getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true, value: p }) }); return { success: true, data: p };",
            "const p = new Proxy([], { get(t, key) { return key === 'length' ? 1e9 : key === 'toJSON' ? undefined : 1; } }); \
               return { success: true, data: p };",
        ]),
        row("B22", &[SUCCESS, INVALID, SCRIPT, FUEL]).bodies(&[
            "return new Proxy({ success: true }, { get(t, key) { if (key === 'then') return undefined; return t[key]; } });",
            "return new Proxy({ success: true }, { ownKeys() { throw 1; } });",
            "return new Proxy({ success: true }, { getOwnPropertyDescriptor() { throw 1; } });",
            "let n = 0; return { get success() { return n++ === 0; } };",
            "return Object.create({ success: true });",
            "return new (class { success = true; })();",
            "return Object.assign(() => {}, { success: true });",
            "return Object.assign([], { success: true });",
            "return new Proxy([], { get: (t, key) => key === 'success' });",
            "return new Error('x');",
            "return globalThis;",
        ]),
        // Long chains: what the engine does with them when they die, or when it walks them.
        row("B23", &[SUCCESS, FUEL, MEMORY, STACK, SCRIPT]).fuel(5_000_000_000).bodies(&[
            "let a = null; for (let i = 0; i < 3e5; i++) a = { a }; a = null; return { success: true };",
            "let a = []; for (let i = 0; i < 3e5; i++) a = [a]; a = null; return { success: true };",
            "let p = Promise.resolve(); for (let i = 0; i < 1e5; i++) p = p.then(() => {}); await p; return { success: true };",
            "let p = Promise.resolve(); for (let i = 0; i < 1e4; i++) p = Promise.resolve().then(((q) => () => q)(p)); await p; return { success: true };",
            "let o = {}; for (let i = 0; i < 1e5; i++) o = Object.create(o); return { success: o.missing === undefined };",
            "let f = () => 1; for (let i = 0; i < 1e5; i++) f = ((g) => () => g)(f); f = null; return { success: true };",
            "let m = new Map(); for (let i = 0; i < 1e5; i++) m = new Map([[m, m]]); m = null; return { success: true };",
            "let w = new WeakMap(), k = {}; for (let i = 0; i < 1e5; i++) { const n = {}; w.set(k, n); k = n; } return { success: true };",
            "let o = Object.create(null); try { Object.setPrototypeOf(o, new Proxy(o, {})); o.x; } catch {} return { success: true };",
        ]),
        row("B24", &[SUCCESS, SCRIPT, MEMORY, FUEL]).bodies(&[
            // Buffers that shrink, move or go away in the middle of an operation.
            "const b = new ArrayBuffer(1024, { maxByteLength: 4096 }); const v = new Uint8Array(b); \
               v.fill({ valueOf() { b.resize(0); return 1; } }); return { success: true };",
            "const b = new ArrayBuffer(1024, { maxByteLength: 1 << 20 }); const v = new Uint8Array(b); \
               v.sort((x, y) => { b.resize(b.byteLength ? 0 : 1 << 20); return x - y; }); return { success: true };",
            "const v = new Uint8Array(1024); v.set({ length: 10, get 5() { v.buffer.transfer(); return 1; } }); return { success: true };",
            "const v = new Uint8Array(1024); v.map((x) => { try { v.buffer.transfer(0); } catch {} return x; }); return { success: true };",
            "const b = new ArrayBuffer(64); new DataView(b).setInt32({ valueOf() { b.transfer(); return 8; } }, 1); return { success: true };",
            "const b = new ArrayBuffer(8); b.transfer(); await fetch(params.base, { method: 'POST', body: b }); return { success: true };",
            "const b = new ArrayBuffer(8); const v = new Uint8Array(b); b.transfer(); await fetch(params.base, { method: 'POST', body: v }); return { success: true };",
            "const b = new ArrayBuffer(8, { maxByteLength: 1 << 20 }); const v = new Uint8Array(b); b.resize(4); \
               await fetch(params.base, { method: 'POST', body: v }); return { success: true };",
            "await fetch(params.base, { method: 'POST', body: Object.create(ArrayBuffer.prototype) }); return { success: true };",
            "const a = [1, 2, 3]; a.sort(() => { a.length = 0; return 1; }); return { success: true };",
            "const a = Array(1000).fill(0); a.forEach((_, i) => { a.length = i; }); a.splice(0, { valueOf() { a.length = 0; return 5; } }); return { success: true };",
            "const r = await fetch(params.base + '/json'); const b = await r.arrayBuffer(); b.transfer(); \
               try { await r.text(); } catch {} console.log(b); return { success: b.byteLength === 0 };",
            "new TextDecoder().decode(new ArrayBuffer(8).transfer()); const b = new ArrayBuffer(8); b.transfer(); new TextDecoder().decode(b); return { success: true };",
        ]),
    ]
}

fn callbacks() -> Vec<Row> {
    // Memory is full, and then something is asked for that needs some.
    let full = |then: &str| {
        format!(
            "const kept = []; try {{ for (let n = 1 << 22; n >= 16; n /= 2) {{ try {{ for (;;) kept.push(new Uint8Array(n)); }} catch {{}} }} }} catch {{}} {then}"
        )
    };
    let mut filled = row("B31", &[MEMORY, SUCCESS, SCRIPT, FAILURE]).fuel(5_000_000_000);
    for then in [
        "return { success: true, data: kept.length };",
        "console.log('full', { kept }); return { success: true };",
        "await fetch(params.base + '/json'); return { success: true };",
        "setTimeout(() => {}, 1); await new Promise((done) => setTimeout(done, 5)); return { success: true };",
        "throw new Error('full');",
        "Promise.reject(new Error('left alone')); return { success: true };",
        "new URL('https://example.com/?' + 'x'.repeat(1000)); return { success: true };",
        "for (;;) kept.push({});",
        "return JSON.parse('{\"success\": true, \"data\": [' + '1,'.repeat(1000) + '1]}');",
    ] {
        filled = filled.body(&full(then));
    }
    vec![
        filled,
        row("B32", &[SUCCESS, SCRIPT]).bodies(&[
            "Error.stackTraceLimit = Infinity; const f = (n) => n ? f(n - 1) : new Error().stack; return { success: typeof f(100) === 'string' };",
            "Object.defineProperty(Error, 'stackTraceLimit', { get() { throw 1; } }); throw new Error('x');",
            "Error.stackTraceLimit = -1; null.x;",
            "Error.prepareStackTrace = (e, sites) => { throw 1; }; null.x;",
            "Error.prepareStackTrace = (e, sites) => ({ toString() { throw 1; } }); null.x;",
            "Error.prepareStackTrace = (e, sites) => sites; throw new Error('x');",
            "Error.captureStackTrace?.(globalThis); throw globalThis;",
        ]),
        row("B33", &[FUEL, TIMEOUT, SUCCESS, DEADLOCK, SCRIPT]).wall_ms(2_000).bodies(&[
            "const again = () => { const r = new FinalizationRegistry(again); r.register({}, 1); }; again(); \
               for (let i = 0; i < 1e4; i++) { again(); await null; } return { success: true };",
            "const again = () => queueMicrotask(again); again(); await new Promise(() => {});",
            "const again = () => Promise.resolve().then(again); again(); await new Promise(() => {});",
            "for (let i = 0; i < 1e6; i++) queueMicrotask(() => {}); return { success: true };",
            "async function* g() { for (;;) yield 1; } for await (const x of g());",
            "for (;;) new WeakRef({}).deref();",
            "const id = setInterval(() => { clearInterval(id); for (;;) {} }, 1); await new Promise(() => {});",
        ]),
        row("B34", &[SCRIPT]).bodies(&[
            "setTimeout(() => { throw new Error('from a timer'); }, 1); await new Promise((done) => setTimeout(done, 50)); return { success: true };",
            "queueMicrotask(() => { throw new Error('from a microtask'); }); await new Promise((done) => setTimeout(done, 5)); return { success: true };",
            "setTimeout(5); return { success: true };",
            "setTimeout('code'); return { success: true };",
        ]),
        row("B35", &[SCRIPT, DENIED, FETCH_LIMIT, FAILURE]).bodies(&[
            "await fetch(params.base, { method: 'x'.repeat(1e5) });",
            "await fetch(params.base, { method: 'GET\\r\\nHost: other' });",
            "await fetch(params.base, { headers: { 'a\\r\\nb': 'c' } });",
            "await fetch(params.base, { headers: { a: 'b\\r\\nc: d' } });",
            "await fetch(params.base, { headers: { host: 'other.example' } });",
            "await fetch(params.base, { headers: { 'content-length': '5' } });",
            "await fetch(params.base, { headers: { 'transfer-encoding': 'chunked' } });",
            "await fetch(params.base + '/\\r\\nx', { redirect: 'sideways' });",
            "await fetch('http://' + 'a'.repeat(1e5));",
            "await fetch(params.base + '/' + 'a'.repeat(1e5));",
            "await fetch('file:///etc/passwd');",
            "await fetch('');",
            "await fetch(Symbol());",
            "await fetch(params.base, 5);",
            "await fetch(params.base, { signal: {} });",
        ]),
    ]
}

fn compiler() -> Vec<Row> {
    vec![
        // Every nested function lists what the innermost one uses: 40 KB become 10 MB.
        row("B41", &[REFUSED])
            .module(closures(300, 300, 22))
            .module(closures(300, 300, 60))
            .module(closures(3_000, 500, 1)),
        row("B42", &[REFUSED, SCRIPT, FAILURE]).bodies(&[
            &format!("return {{ success: /{}/.test('x') }};", "(a|b)*".repeat(10_000)),
            &format!("return {{ success: /{}/.test('x') }};", "(".repeat(20_000)),
            &format!("return {{ success: /{}/.test('x') }};", "a{1000}".repeat(5_000)),
            &format!("return {{ success: /[{}]/u.test('x') }};", "\u{1f600}-\u{1f64f}".repeat(5_000)),
            &format!("return {{ success: /{}x/.test('x') }};", "(?<n>a)".repeat(300)),
        ]),
        row("B43", &[REFUSED, NO_EXPORT, SCRIPT])
            .module("")
            .module("\u{feff}")
            // Bytecode of the engine itself, as text.
            .module("\u{18}\u{2}\u{14}monitor.js\u{e}default\u{c}\u{6}\u{a2}\u{1}")
            .module("\0")
            .module("export default \u{2028} 5;")
            .module("export default class { static { for (;;) {} } }".replace("for (;;) {}", "throw 1;"))
            .module("export default null;")
            .module("export default {};")
            .module("export { a as default }; let a = 5;")
            .module("export { a as default }; throw 1; let a = () => 1;")
            .module("export default async () => { await import('monitor.js?'); };")
            .module("/*".repeat(100_000))
            .module("'".to_owned() + &"\\".repeat(100_001))
            .module("`".to_owned() + &"${`".repeat(10_000))
            .module("#!/bin/sh\nexport default 1;")
            .module("<!-- html\nexport default 1;")
            .module("export default import.meta.url.x;"),
        row("B44", &[SCRIPT, INVALID, SUCCESS])
            .module("export default class A {}")
            .module("export default function* () { yield 1; }")
            .module("export default new Proxy(() => ({ success: true }), {});")
            .module("export default new Proxy(() => 1, { apply() { throw 1; } });")
            .module("export default new Proxy(async () => ({ success: true }), { get() { throw 1; } });")
            .module("export default (() => ({ success: true })).bind();")
            .module("export default Date;")
            .module("export default Promise.reject.bind(Promise);"),
        row("B44", &[FUEL])
            .module("for (;;) {} export default () => 1;")
            .module("for (;;) await null; export default () => 1;")
            .module("export default new Proxy(() => 1, { apply() { for (;;) {} } });"),
        // The modules of the engine itself, and names that look like theirs.
        row("B45", &[SCRIPT]).bodies(&[
            "await import('vedette');",
            "await import('vedette:prelude');",
            "await import('vedette:../assert');",
            "await import('vedette:');",
            "await import('vedette:assert\\0.js');",
            "await import({ toString() { throw 1; } });",
        ]),
        row("B45", &[REFUSED])
            .module("import inner from 'vedette'; export default () => ({ success: true });")
            .module("import 'vedette:prelude'; export default () => ({ success: true });"),
    ]
}

/// `nests` arrow functions, each `depth` deep around a use of `names` variables.
fn closures(names: usize, depth: usize, nests: usize) -> String {
    let names: Vec<_> = (0..names).map(|i| format!("a{i}")).collect();
    let names = names.join(",");
    let nest = format!("{}[{names}]", "()=>".repeat(depth));
    format!(
        "let {names};\nexport default [{}];",
        vec![nest; nests].join(",")
    )
}
