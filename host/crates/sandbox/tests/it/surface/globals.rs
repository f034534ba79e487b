//! Events, signals, encodings, `structuredClone`, and what is not there.

use serde_json::json;
use vedette_core::ErrorClass;

use super::{run_at, value};
use crate::assert_error;

#[tokio::test]
async fn events_are_dispatched() {
    let found = value(
        r"
        const target = new EventTarget(), seen = [];
        const note = (name) => (event) => seen.push([name, event.type, event.target === target, event.currentTarget === target]);
        const gone = note('gone'), twice = note('twice'), controller = new AbortController();
        target.addEventListener('a', twice); target.addEventListener('a', twice); target.addEventListener('a', gone);
        target.addEventListener('a', note('once'), { once: true });
        target.addEventListener('a', { handleEvent: (event) => { seen.push(['object', event.detail]); } });
        target.addEventListener('a', note('signal'), { signal: controller.signal });
        target.addEventListener('a', note('never'), { signal: AbortSignal.abort() });
        target.addEventListener('a', null);
        target.removeEventListener('a', gone);
        const event = new CustomEvent('a', { detail: 5, cancelable: true });
        const first = target.dispatchEvent(event);
        controller.abort();
        target.addEventListener('a', (e) => { e.preventDefault(); e.stopImmediatePropagation(); }); target.addEventListener('a', note('stopped'));
        const again = target.dispatchEvent(event);
        return [first, again, event.defaultPrevented, event.currentTarget, event.isTrusted, seen, await fails(() => target.dispatchEvent({ type: 'a' })),
          await fails(() => target.addEventListener('a', 5)), new Event('x', { bubbles: true }).bubbles];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            true,
            false,
            true,
            null,
            false,
            [
                ["twice", "a", true, true],
                ["once", "a", true, true],
                ["object", 5],
                ["signal", "a", true, true],
                ["twice", "a", true, true],
                ["object", 5]
            ],
            "TypeError",
            "TypeError",
            true
        ])
    );
}

#[tokio::test]
async fn what_a_listener_throws_ends_the_run_and_not_the_dispatch() {
    let outcome = run_at(
        "",
        "const target = new EventTarget(); \
         target.addEventListener('a', () => { throw new Error('from a listener'); }); \
         target.addEventListener('a', () => console.log('told')); target.dispatchEvent(new Event('a')); \
         await new Promise((resolve) => setTimeout(resolve, 1)); return { success: true };",
    )
    .await;
    assert_error(&outcome, ErrorClass::ScriptError);
    assert!(outcome.message.unwrap().contains("from a listener"));
    assert_eq!(outcome.logs[0].message, "told");
}

#[tokio::test]
async fn signals_have_the_semantics_of_the_standard() {
    let found = value(
        r"
        const a = new AbortController(), b = new AbortController(), order = [];
        const any = AbortSignal.any([a.signal, b.signal]), nested = AbortSignal.any([any]);
        a.signal.onabort = (event) => order.push(['source', any.aborted, nested.aborted, event.isTrusted]);
        any.addEventListener('abort', () => order.push('any')); nested.addEventListener('abort', () => order.push('nested'), { once: true });
        a.abort('why'); b.abort('late'); a.abort('again');
        const timeout = AbortSignal.timeout(5);
        await new Promise((resolve) => timeout.addEventListener('abort', resolve));
        const handled = []; const c = new AbortController(); c.signal.onabort = () => handled.push(1); c.signal.onabort = () => handled.push(2); c.abort();
        return [order, any.reason, nested.reason, a.signal.reason, AbortSignal.any([]).aborted, AbortSignal.any([a.signal]).reason,
          [timeout.reason.name, timeout.reason.code, timeout.reason instanceof DOMException], handled, AbortSignal.abort().reason.name,
          await fails(() => any.throwIfAborted()), a.signal instanceof EventTarget, await fails(() => new AbortSignal()),
          await fails(() => AbortSignal.timeout(-1)), await fails(() => AbortSignal.timeout(NaN)), await fails(() => AbortSignal.any([{}])), a.signal === a.signal];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            [["source", true, true, true], "any", "nested"],
            "why",
            "why",
            "why",
            false,
            "why",
            ["TimeoutError", 23, true],
            [2],
            "AbortError",
            null,
            true,
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
            true
        ])
    );
}

#[tokio::test]
async fn text_is_encoded_and_decoded() {
    let found = value(
        r"
        const decode = (label, bytes, options) => new TextDecoder(label, options).decode(new Uint8Array(bytes));
        const encoder = new TextEncoder(), small = new Uint8Array(4);
        const stream = new TextDecoder();
        const parts = [stream.decode(new Uint8Array([0xef, 0xbb]), { stream: true }), stream.decode(new Uint8Array([0xbf, 0xe2, 0x82]), { stream: true }),
          stream.decode(new Uint8Array([0xac]), { stream: true }), stream.decode(new Uint8Array([0xe2]), { stream: true }), stream.decode()];
        const wide = new TextDecoder('utf-16'); const halves = [wide.decode(new Uint8Array([0x3d, 0xd8, 0x00]), { stream: true }), wide.decode(new Uint8Array([0xde]))];
        const fatal = (label, bytes) => fails(() => new TextDecoder(label, { fatal: true }).decode(new Uint8Array(bytes)));
        return [[...encoder.encode('\u00e4\ud800')], [...encoder.encode()], encoder.encodeInto('a\u20acb', small), [...small], encoder.encodeInto('\ud83d\ude00\ud83d\ude00', small),
          encoder.encodeInto('a\u20acb', new Uint8Array(2)), decode(' UTF8 ', [0xef, 0xbb, 0xbf, 97]), decode('utf-8', [0xef, 0xbb, 0xbf], { ignoreBOM: true }).length,
          decode('utf-8', [0xf0, 0x9f, 97, 0xc0, 0x80]), decode('latin1', [0x80, 0xe4, 0x81]), decode('utf-16le', [97, 0, 0, 0xd8, 98, 0]), decode('utf-16be', [0, 97, 0]), parts, halves,
          await fatal('utf-8', [0xff]), await fatal('utf-8', [97]), await fatal('utf-16le', [0]), await fails(() => new TextDecoder('shift_jis')), await fails(() => new TextDecoder().decode('x')),
          new TextDecoder('ascii').encoding, new TextDecoder().decode(new DataView(new Uint8Array([97, 98]).buffer, 1)), new TextDecoder().decode()];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            [0xc3, 0xa4, 0xef, 0xbf, 0xbd], [], {"read": 2, "written": 4}, [97, 0xe2, 0x82, 0xac], {"read": 2, "written": 4},
            {"read": 1, "written": 1}, "a", 1, "\u{fffd}a\u{fffd}\u{fffd}", "\u{20ac}\u{e4}\u{81}", "a\u{fffd}b", "a\u{fffd}",
            ["", "", "\u{20ac}", "", "\u{fffd}"], ["", "\u{1f600}"],
            "TypeError", "no error", "TypeError", "RangeError", "TypeError", "windows-1252", "b", ""
        ])
    );
}

#[tokio::test]
async fn base64_is_to_the_letter() {
    let found = value(
        r"
        const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
        const bad = ['a', 'ab=', 'ab==c', 'abc==', '=', 'a===', 'a-_b', 'ab\u00a0cd', 'abcd=', 'abc=====', '\u0100'];
        return [btoa(''), btoa('a'), btoa('ab'), btoa('abc'), btoa('\u00ff'), atob(btoa(all)) === all, atob(' Y\tW\nJ\fj\r'), atob('YQ'), atob('YQ=='), atob('YR=='), atob(''),
          btoa(null), atob(null).length, await Promise.all(bad.map((text) => fails(() => atob(text)))), await fails(() => btoa('\u0100')), await fails(() => btoa()), await fails(() => atob())];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            "",
            "YQ==",
            "YWI=",
            "YWJj",
            "/w==",
            true,
            "abc",
            "a",
            "a",
            "a",
            "",
            "bnVsbA==",
            3,
            vec!["InvalidCharacterError"; 11],
            "InvalidCharacterError",
            "TypeError",
            "TypeError"
        ])
    );
}

#[tokio::test]
async fn values_are_cloned_with_their_structure() {
    let found = value(
        r"
        const buffer = new Uint8Array([1, 2, 3, 4]).buffer;
        const source = { date: new Date(5), regexp: /a/gi, map: new Map([[{ k: 1 }, 'v']]), set: new Set([1]), list: [1, , 3], big: 5n, nan: NaN, none: undefined,
          bytes: new Uint8Array(buffer, 1, 2), view: new DataView(buffer, 2), error: new RangeError('r', { cause: 1 }), boxed: new Number(7), blob: new Blob(['b'], { type: 't/x' }),
          dom: new DOMException('m', 'AbortError') };
        source.self = source; source.error.extra = 1;
        const copy = structuredClone(source);
        const deep = []; let at = deep; for (let i = 0; i < 50000; i++) { at.push([]); at = at[0]; }
        class Point { x = 1; get y() { return 2; } }
        const point = structuredClone(new Point());
        return [copy !== source, copy.self === copy, copy.date.getTime(), String(copy.regexp), [...copy.map][0], copy.set.has(1), 1 in copy.list, copy.list.length, String(copy.big), Number.isNaN(copy.nan), 'none' in copy,
          [...copy.bytes], copy.bytes.buffer === copy.view.buffer, copy.bytes.buffer !== buffer, copy.view.byteLength,
          [copy.error instanceof RangeError, copy.error.message, copy.error.cause, copy.error.extra === undefined], copy.boxed + 1, await copy.blob.text(), [copy.dom.name, copy.dom instanceof DOMException],
          Array.isArray(structuredClone(deep)), [point instanceof Point, point.x, point.y === undefined], structuredClone('text'), structuredClone(null)];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            true, true, 5, "/a/gi", [{"k": 1}, "v"], true, false, 3, "5", true, true,
            [2, 3], true, true, 2, [true, "r", 1, true], 8, "b", ["AbortError", true],
            true, [false, 1, true], "text", null
        ])
    );
}

#[tokio::test]
async fn what_cannot_be_cloned_is_refused() {
    let found = value(
        r"
        const refused = [() => {}, Symbol(), { f() {} }, [Symbol()], new Map([[1, () => {}]]), Promise.resolve(), new WeakMap(), new Response(), new Headers(), new URL('https://a.test'),
          new EventTarget(), new AbortController().signal, new FormData(), new ReadableStream(), Object(Symbol())];
        const buffer = new ArrayBuffer(8), copy = structuredClone({ buffer }, { transfer: [buffer] });
        const kept = new ArrayBuffer(8);
        return [await Promise.all(refused.map((value) => fails(() => structuredClone(value)))), copy.buffer.byteLength, buffer.detached, await fails(() => structuredClone(1, { transfer: [buffer] })),
          await fails(() => structuredClone(1, { transfer: [kept, kept] })), await fails(() => structuredClone(() => {}, { transfer: [kept] })), kept.byteLength,
          await fails(() => structuredClone(1, { transfer: [{}] })), await fails(() => structuredClone()), await fails(() => structuredClone({ get a() { throw new EvalError(); } }))];",
    )
    .await;
    let refused = "DataCloneError";
    assert_eq!(
        found,
        json!([
            vec![refused; 15],
            8,
            true,
            refused,
            refused,
            refused,
            8,
            refused,
            "TypeError",
            "EvalError"
        ])
    );
}

#[tokio::test]
async fn small_globals_are_there() {
    let found = value(
        r"
        const origin = performance.timeOrigin; await new Promise((resolve) => setTimeout(resolve, 5));
        const names = ['URL', 'Request', 'Blob', 'AbortSignal', 'ReadableStream', 'FormData', 'TextDecoder'];
        const keys = Object.keys(globalThis).filter((key) => key !== 'params' && key !== 'env');
        return [self === globalThis, navigator.userAgent, origin === performance.timeOrigin, Math.abs(origin - Date.now()) < 60000, (() => {}) instanceof Function,
          names.map((name) => globalThis[name].prototype[Symbol.toStringTag] === name), keys, new DOMException().code, new DOMException('m', 'toString').code];",
    )
    .await;
    assert_eq!(
        found,
        json!([true, "Vedette", true, true, true, vec![true; 7], [], 0, 0])
    );
}

#[tokio::test]
async fn a_global_can_be_replaced_before_and_after_it_is_used() {
    let found = value(
        r"
        globalThis.Blob = 5; const before = Blob;
        new TextEncoder(); globalThis.TextEncoder = 6; delete globalThis.File;
        return [before, TextEncoder, typeof File, typeof structuredClone, await new Response(new URLSearchParams('a=b')).text()];",
    )
    .await;
    assert_eq!(found, json!([5, 6, "undefined", "function", "a=b"]));
}

#[tokio::test]
async fn search_params_have_all_of_the_standard() {
    let found = value(
        r"
        const q = new URLSearchParams([['b', '1'], ['a', '2'], ['b', '3'], ['\ud83d\ude00', '4'], ['\uffff', '5']]);
        const has = [q.has('b'), q.has('b', '3'), q.has('b', '9'), q.has('b', undefined)];
        q.delete('b', '1'); const size = q.size; q.sort(); const sorted = [...q.keys()];
        q.delete('b', undefined);
        const url = new URL('https://a.test/?x=1'), params = url.searchParams;
        params.append('y', ' +&'); const href = url.href; url.search = '?z=%FF&%'; const after = [...params]; params.delete('z'); params.delete('%');
        const live = new URLSearchParams('a=1&b=2'); const seen = []; for (const [name] of live) { seen.push(name); if (name === 'a') live.append('c', '3'); }
        return [has, size, sorted, q.has('b'), href, after, url.href, seen, String(new URLSearchParams('?\ufeffa=%EF%BB%BF')), String(new URLSearchParams({ a: '*-._~!', b: '\ud800' })),
          new URLSearchParams(new URLSearchParams('k=v')).get('k'), new URLSearchParams('a').get('a'), new URLSearchParams('').size, await fails(() => new URLSearchParams([['a']])), await fails(() => new URLSearchParams([5]))];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            [true, true, false, true],
            4,
            ["a", "b", "\u{1f600}", "\u{ffff}"],
            false,
            "https://a.test/?x=1&y=+%2B%26",
            [["z", "\u{fffd}"], ["%", ""]],
            "https://a.test/",
            ["a", "b", "c"],
            "%EF%BB%BFa=%EF%BB%BF",
            "a=*-._%7E%21&b=%EF%BF%BD",
            "v",
            "",
            0,
            "TypeError",
            "TypeError"
        ])
    );
}

#[tokio::test]
async fn what_is_not_there_is_explained() {
    for (name, word) in [
        ("process", "env"),
        ("require", "vedette:"),
        ("Buffer", "Uint8Array"),
        ("XMLHttpRequest", "fetch"),
        ("WebSocket", "HTTP"),
        ("Worker", "Promise.all"),
        ("SharedArrayBuffer", "Promise.all"),
        ("localStorage", "data"),
        ("document", "text"),
        ("window", "text"),
        ("__dirname", "vedette:"),
        ("setImmediate", "setTimeout"),
        ("WebAssembly", "JavaScript"),
        ("Intl", "toISOString"),
    ] {
        let outcome = run_at(
            "",
            &format!("return {{ success: typeof {name} !== 'undefined' || {name}.x }};"),
        )
        .await;
        assert_error(&outcome, ErrorClass::ScriptError);
        let message = outcome.message.unwrap();
        assert!(
            message.contains(&format!("{name} is not available in a check, by design"))
                && message.contains(word)
                && message.contains("monitor.js:1:"),
            "{message}"
        );
    }
    // Only for what other runtimes have, and only for the engine's own error.
    for body in [
        "return nothingLikeThat;",
        "throw new Error('process is not defined');",
        "throw new ReferenceError('__proto__ is not defined');",
    ] {
        let message = run_at("", body).await.message.unwrap();
        assert!(!message.contains("by design"), "{message}");
    }
}
