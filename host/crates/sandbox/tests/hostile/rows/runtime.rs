//! Section 6 of the corpus, as far as JavaScript can do it.

use super::{FUEL_OF_A_ROW, Row, ends::*, row};

/// What one call of the cheapest import costs at least, so that a budget bounds the host's time.
const CALL_FUEL: u64 = 1_000;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = stack();
    rows.extend(host_calls());
    rows
}

fn stack() -> Vec<Row> {
    vec![
        row("X06", &[STACK, SCRIPT]).bodies(&[
            "const f = () => f() + 1; f();",
            "const f = () => g() + 1; const g = () => f() + 1; f();",
            "const o = { get a() { return this.a + 1; } }; o.a;",
            "const o = { toString() { return `${this}`; } }; `${o}`;",
            "const p = new Proxy({}, { get(_, key, self) { return self[key]; } }); p.x;",
            "class A { constructor() { new A(); } } new A();",
            "const f = () => [3, 1, 2].sort(f); f();",
            "const f = () => 'abc'.replace(/b/, f); f();",
            "const f = () => Array.from({ length: 1 }, f); f();",
            "const f = () => Reflect.apply(f, null, []); f();",
            "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x;",
            "function* g() { yield* g(); } [...g()];",
            "const a = []; a[0] = a; a.flat(Infinity);",
            "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a);",
            "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; a.toString();",
            "Error.prepareStackTrace = () => { throw new Error(); }; throw new Error().stack;",
        ]),
        // Whatever is called at the bottom of the stack.
        row("X07", &[STACK, SCRIPT]).bodies(&[
            "const f = () => { console.log('deep'); return f() + 1; }; f();",
            "const f = () => { performance.now(); Date.now(); Math.random(); return f() + 1; }; f();",
            "const f = () => { new URL('https://example.com/a?b'); return f() + 1; }; f();",
            "const f = () => { setTimeout(f, 1); return f() + 1; }; f();",
            "const f = () => { JSON.parse('[[[1]]]'); return f() + 1; }; f();",
            "const f = () => { /a(b|c)*d/.test('abcbcd'); return f() + 1; }; f();",
            "const f = () => { Promise.reject(1); return f() + 1; }; f();",
        ]),
        row("X07", &[STACK, SCRIPT, FETCH_LIMIT]).body(
            "const f = () => { fetch(params.base + '/').catch(() => {}); return f() + 1; }; f();",
        ),
        // The script holds out at the bottom and tries again.
        row("X07", &[STACK, SCRIPT, FUEL, SUCCESS]).bodies(&[
            "const f = () => { try { f(); } catch { console.log('bottom'); } }; f(); return { success: true };",
            "const f = () => { try { f(); } finally { performance.now(); } }; f();",
            "const f = () => { try { f(); } catch (e) { fetch(params.base).catch(() => {}); throw e; } }; f();",
            "const f = () => { try { f(); } catch (e) { throw new Error('again', { cause: e }); } }; f();",
        ]),
    ]
}

fn host_calls() -> Vec<Row> {
    let calls = FUEL_OF_A_ROW / (2 * CALL_FUEL);
    let of_calls = |call: &str| {
        format!(
            "const f = {call}; for (let i = 0; i < {calls}; i++) f(''); return {{ success: true }};"
        )
    };
    vec![
        // A wall without fuel: the time limit strikes alone.
        row("X02", &[TIMEOUT])
            .fuel(u64::MAX / 2)
            .wall_ms(300)
            .body("while (true) {}")
            .body("for (;;) await null;")
            .body("/^(a+)+$/.test('a'.repeat(40) + '!');")
            .body("for (;;) performance.now();")
            .proof(|outcome| outcome.duration_ms < 60_000.0),
        row("X08", &[MEMORY, SUCCESS])
            .body(
                "const b = new ArrayBuffer(65536, { maxByteLength: 2 ** 25 }); const view = new Uint8Array(b); \
                 for (let n = 131072; n <= 2 ** 25; n *= 2) { b.resize(n); for (let i = 0; i < n; i += 4096) view[i] = 1; } \
                 return { success: true };",
            )
            .body("const kept = []; for (;;) { const b = new Uint8Array(1 << 16); for (let i = 0; i < 65536; i += 4096) b[i] = 1; kept.push(b); }"),
        row("X10", &[FUEL, TIMEOUT]).wall_ms(3_000).bodies(&[
            "const b = new Uint8Array(1 << 24); for (;;) b.fill(1);",
            "const b = new Uint8Array(1 << 24); for (;;) b.copyWithin(0, 1);",
            "const a = new Uint8Array(1 << 23), b = new Uint8Array(1 << 23); for (;;) a.set(b);",
            "const s = 'x'.repeat(1 << 23); for (;;) s.indexOf('xy');",
            "const a = new Float64Array(1 << 20).map(Math.random); for (;;) { a.sort(); a.reverse(); }",
        ]),
        row("X13", &[TOO_LARGE])
            .fuel(5_000_000_000)
            .body("return { success: true, data: 'x'.repeat(1e7) };")
            .body("return { success: true, message: 'x'.repeat(1e7) };"),
        row("X13", &[MEMORY])
            .body("return { success: true, data: 'x'.repeat(63 * 2 ** 20) };")
            .instead_of("result_too_large: such a text does not fit into a run's memory"),
        row("X16", &[FETCH_LIMIT]).instead_of("quota_exceeded: a script's resources are its requests").body(
            "await Promise.all(Array.from({ length: 2e3 }, () => fetch(params.base + '/'))); return { success: true };",
        ),
        row("X19", &[TIMEOUT]).wall_ms(300).bodies(&[
            "await new Promise((done) => setTimeout(done, 2 ** 63)); return { success: true };",
            "await new Promise((done) => setTimeout(done, Infinity)); return { success: true };",
            "await new Promise((done) => setTimeout(done, 1e300)); return { success: true };",
            "await fetch(params.base + '/hang', { signal: AbortSignal.timeout(2 ** 53 - 1) }); return { success: true };",
        ]),
        row("X19", &[FUEL, TIMEOUT]).wall_ms(3_000).bodies(&[
            "const end = Date.now() + 1e6; while (Date.now() < end); return { success: true };",
            "const end = performance.now() + 1e6; while (performance.now() < end); return { success: true };",
        ]),
        row("X19", &[SUCCESS]).bodies(&[
            "for (const ms of [-1, 0, NaN, -Infinity, '', null, undefined, {}, '1', -(2 ** 63)]) \
               await new Promise((done) => setTimeout(done, ms)); return { success: true };",
        ]),
        row("X19", &[FAILURE, SCRIPT]).bodies(&[
            "await fetch(params.base + '/hang', { signal: AbortSignal.timeout(0) }); return { success: true };",
            "await fetch(params.base + '/hang', { signal: AbortSignal.timeout(-1) }); return { success: true };",
            "await fetch(params.base + '/hang', { signal: AbortSignal.timeout(NaN) }); return { success: true };",
        ]),
        row("X20", &[SCRIPT, MEMORY])
            .body("crypto.getRandomValues(new Uint8Array(2 ** 40)); return { success: true };"),
        row("X22", &[FUEL, TIMEOUT])
            .body(&of_calls("Date.now"))
            .body(&of_calls("performance.now"))
            .body(&of_calls("console.log"))
            .body(&of_calls("() => clearTimeout(setTimeout(() => {}, 1))"))
            .body(&of_calls("() => new URL('a:b')")),
        row("X23", &[FETCH_LIMIT])
            .fuel(10_000_000_000)
            .bodies(&[
                "await fetch(params.base, { headers: Array(101).fill(['set-cookie', '']) });",
                "await fetch(params.base, { headers: Array.from({ length: 1e5 }, (_, i) => ['x' + i, '']) });",
                "await fetch(params.base, { headers: { a: 'x'.repeat(1e6) } });",
                "await fetch(params.base, { headers: { ['x'.repeat(1e6)]: 'a' } });",
                "await fetch(params.base, { method: 'POST', body: 'x'.repeat(7e6) });",
                "await fetch(params.base, { method: 'POST', body: new Uint8Array(1e7) });",
                "for (let i = 0; i < 10; i++) await fetch(params.base, { method: 'POST', body: new Uint8Array(4e6) });",
            ]),
        row("X23", &[FUEL, MEMORY])
            .body("await fetch(params.base, { headers: Array(1e6).fill(['set-cookie', '']) });")
            .instead_of("fetch_limit: a million fields are too many for the fuel already"),
        row("X24", &[SUCCESS]).body(
            "const f = new Float64Array(1), u = new Uint32Array(f.buffer); const seen = new Set(); \
             for (const x of [0 / 0, Infinity - Infinity, Math.sqrt(-1), -NaN, NaN * 2, Math.log(-1), parseFloat('x'), 5e-324 * NaN]) { \
               f[0] = x; seen.add(`${u[0]}:${u[1]}`); } return { success: seen.size === 1, data: [...seen] };",
        ),
    ]
}
