//! Scripts that change what the platform's own JavaScript works with. They may fool themselves:
//! the verdict is theirs. They must not get a class that blames somebody else, nor crash anything.

use super::{Ending, Row, ends::*, row};

/// Any end that is the script's own doing.
pub(crate) const ITS_OWN: &[Ending] = &[
    SUCCESS,
    FAILURE,
    SCRIPT,
    FUEL,
    MEMORY,
    STACK,
    DEADLOCK,
    INVALID,
    TOO_LARGE,
    DENIED,
    FETCH_LIMIT,
    TIMEOUT,
];

/// What the platform's JavaScript calls after a script ran, or could come to call.
pub(crate) const CALLED: &[&str] = &[
    "Array.from",
    "Array.isArray",
    "Array.prototype.concat",
    "Array.prototype.find",
    "Array.prototype.flat",
    "Array.prototype.forEach",
    "Array.prototype.includes",
    "Array.prototype.indexOf",
    "Array.prototype.join",
    "Array.prototype.map",
    "Array.prototype.pop",
    "Array.prototype.push",
    "Array.prototype.slice",
    "Array.prototype.some",
    "Array.prototype.sort",
    "Array.prototype[Symbol.iterator]",
    "ArrayBuffer.isView",
    "ArrayBuffer.prototype.slice",
    "Date.now",
    "Date.prototype.toISOString",
    "Error.prototype.toString",
    "JSON.parse",
    "JSON.stringify",
    "Map.prototype.delete",
    "Map.prototype.get",
    "Map.prototype.has",
    "Map.prototype.keys",
    "Map.prototype.set",
    "Map.prototype[Symbol.iterator]",
    "Math.floor",
    "Math.max",
    "Math.min",
    "Number",
    "Number.isInteger",
    "Object.defineProperty",
    "Object.entries",
    "Object.freeze",
    "Object.getPrototypeOf",
    "Object.keys",
    "Promise.prototype.then",
    "Promise.resolve",
    "RegExp.prototype.exec",
    "RegExp.prototype.test",
    "RegExp.prototype[Symbol.replace]",
    "Set.prototype.add",
    "Set.prototype.delete",
    "Set.prototype.has",
    "Set.prototype[Symbol.iterator]",
    "String",
    "String.prototype.charCodeAt",
    "String.prototype.includes",
    "String.prototype.replace",
    "String.prototype.slice",
    "String.prototype.toLowerCase",
    "String.prototype.toUpperCase",
    "String.prototype.toWellFormed",
    "Symbol.prototype.toString",
    "TextDecoder.prototype.decode",
    "TextEncoder.prototype.encode",
    "Uint8Array",
    "Uint8Array.prototype.slice",
];

/// What stands in the place of a function.
pub(crate) const POISONS: &[&str] = &[
    "() => { throw 1; }",
    "() => undefined",
    "() => null",
    "() => ({})",
    "() => '\\ud800'",
    "() => 'x'.repeat(2e7)",
    "() => [1, 2, 3]",
    "() => new Proxy({}, { get() { throw 1; } })",
    "() => NaN",
    "() => -1",
    "() => true",
    "function () { return this; }",
    "() => new ArrayBuffer(8).transfer() && new ArrayBuffer(8)",
    "() => { for (;;) {} }",
    "5",
    "undefined",
];

/// Uses everything that the platform has, and ends in a verdict.
pub(crate) const EVERYTHING: &str = "
  console.log('text', { a: [1, { b: null }] }, new Map([[1, 2]]), new Error('e'), Symbol('s'), 5n);
  setTimeout(() => console.warn('timer'), 1);
  const each = await Promise.allSettled([
    fetch(params.base + '/json', { method: 'POST', headers: { a: 'b' }, body: new Uint8Array(3) }).then((r) => r.json()),
    fetch(new URL('/redirect', params.base)).then((r) => r.clone().text()),
    fetch('http://10.0.0.1/'),
  ]);
  new URL('?a=b#c', 'https://example.com').searchParams.append('x', 'y');
  new Headers([['a', 'b']]).forEach(() => {});
  const controller = new AbortController(); controller.signal.addEventListener('abort', () => {}); controller.abort();
  atob(btoa('text'));
  Promise.reject(new Error('left alone'));
  await new Promise((done) => setTimeout(done, 2));
  return { success: each.length === 3, latency: 1, message: 'done', data: { a: [1, 'x', null, { b: 2 }] } };";

/// A module that puts `poisons` in place before, and then uses everything.
pub(crate) fn poisoned(poisons: &[(&str, &str)]) -> String {
    // A name that is not there, or cannot be written to, is no matter.
    let replaced = poisons
        .iter()
        .map(|(place, poison)| format!("try {{ {place} = {poison}; }} catch {{}}\n"));
    let replaced: Vec<_> = replaced.collect();
    format!(
        "{}export default async function ({{ params }}) {{{EVERYTHING}}}",
        replaced.concat()
    )
}

pub(super) fn rows() -> Vec<Row> {
    let mut each_function = row("B01", ITS_OWN).wall_ms(5_000);
    // One function with one poison in turn; the fuzz target tries the combinations.
    for (index, place) in CALLED.iter().enumerate() {
        let poison = POISONS[index % POISONS.len()];
        each_function = each_function.module(poisoned(&[(place, poison)]));
    }
    vec![
        each_function.fuel(200_000_000),
        row("B02", &[SUCCESS, FAILURE, SCRIPT, INVALID, FUEL]).bodies(&[
            "Object.defineProperty(Object.prototype, 'success', { get() { return true; } }); return {};",
            "Object.defineProperty(Object.prototype, 'success', { set() { throw 1; } }); return {};",
            "Object.prototype.toJSON = () => 'other'; return { success: true, data: { a: 1 } };",
            "Array.prototype.toJSON = () => { throw 1; }; return { success: true, data: [1] };",
            "Object.prototype.extra = 1; return { success: true };",
            "Object.prototype.cause = new Error('x'); throw new Error('y');",
            "Object.setPrototypeOf(Object.prototype, null); Object.freeze(Object.prototype); return { success: true };",
            "Object.defineProperty(globalThis, 'env', { set() { throw 1; } }); return { success: true };",
            "delete globalThis.params; delete globalThis.console; delete globalThis.Promise; return { success: true };",
            "for (const name of Object.getOwnPropertyNames(globalThis)) { try { delete globalThis[name]; } catch {} } return { success: true };",
            "for (const name of Reflect.ownKeys(Array.prototype)) { try { delete Array.prototype[name]; } catch {} } return { success: true, data: [1] };",
            "for (const name of Reflect.ownKeys(Map.prototype)) { try { delete Map.prototype[name]; } catch {} } return { success: true };",
        ]),
        row("B03", ITS_OWN).wall_ms(2_000).bodies(&[
            "Object.prototype.then = function (resolve) { resolve(5); }; return { success: true };",
            "Array.prototype.then = (resolve) => resolve('none'); return { success: true };",
            "Array.prototype.then = (resolve) => { Array.prototype.then = undefined; resolve(['x'.repeat(1e7), 5, {}, Symbol()]); }; return { success: true };",
            "Array.prototype.then = (resolve) => { Array.prototype.then = undefined; resolve([true, NaN, null, '{']); }; return { success: true };",
            "Array.prototype.then = (resolve) => { Array.prototype.then = undefined; \
               resolve(Object.defineProperty([true, 1], 3, { get() { throw 1; } })); }; return { success: true };",
            "Array.prototype.then = () => {}; return { success: true };",
            "return { then(resolve) { resolve(this); } };",
            "Promise.prototype.then = () => { throw 1; }; return { success: true };",
            "Object.defineProperty(Promise.prototype, 'constructor', { get() { throw 1; } }); return { success: true };",
            "Object.defineProperty(Promise, Symbol.species, { get() { return function () { throw 1; }; } }); \
               await Promise.resolve(1).then(() => {}); return { success: true };",
            "class P extends Promise { constructor(f) { super(f); for (;;); } } return P.resolve({ success: true });",
        ]),
        // More than passes out of the sandbox in one call, from where the platform takes texts.
        row("B04", &[TOO_LARGE]).fuel(5_000_000_000).bodies(&[
            "String.prototype.toWellFormed = () => 'x'.repeat(2e7); return { success: true, message: 'a' };",
            "JSON.stringify = () => 'x'; String.prototype.includes = () => true; \
               String.prototype.replace = () => 'x'.repeat(2e7); return { success: true, data: 'a' };",
            "Array.prototype.then = (resolve) => { Array.prototype.then = undefined; resolve([true, undefined, 'x'.repeat(1e7), undefined]); }; \
               return { success: true };",
        ]),
        row("B05", &[SUCCESS])
            .fuel(5_000_000_000)
            .body("String.prototype.toWellFormed = () => 'x'.repeat(2e7); console.log('a'); return { success: true };")
            .proof(|outcome| outcome.logs.len() == 1 && outcome.logs[0].message.len() <= 8 * 1024 && outcome.flags.len() == 1),
        row("B06", &[TOO_LARGE]).bodies(&[
            // Shallow while it is looked at, deep when it is written.
            "let n = 0; const deep = () => { let o = {}; for (let i = 0; i < 100; i++) o = { o }; return o; }; \
               return { success: true, data: { toJSON: deep } };",
            "const deep = () => { let o = {}; for (let i = 0; i < 1000; i++) o = { o }; return o; }; \
               return { success: true, data: { toJSON: deep } };",
        ]),
        row("B07", &[FAILURE, SCRIPT, DENIED, MEMORY, FETCH_LIMIT]).bodies(&[
            // Errors of the platform's own classes, made by the script: its word, as a verdict would be.
            "let E; try { await fetch('http://10.0.0.1/'); } catch (e) { E = e.constructor; } throw new E('platform', 'x');",
            "let E; try { await fetch('http://10.0.0.1/'); } catch (e) { E = e.constructor; } throw new E('constructor', 'x');",
            "let E; try { await fetch('http://10.0.0.1/'); } catch (e) { E = e.constructor; } throw new E({}, 'x');",
            "throw new InternalError('out of memory');",
            "throw null;",
            "Object.defineProperty(InternalError, Symbol.hasInstance, { value: () => { throw 1; } }); throw new Error('x');",
            "throw new AggregateError([new Proxy({}, { get() { throw 1; } })]);",
        ]),
    ]
}
