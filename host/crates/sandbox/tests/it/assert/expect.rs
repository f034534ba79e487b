//! `expect`: each matcher both ways, and whose fault it is when it does not hold.

use super::{assert_failure, assert_misuse, run_asserting};
use crate::assert_success;

/// What holds, and hence fails with `not`.
const HOLDS: &[(&str, &str)] = &[
    ("1", "toBe(1)"),
    ("NaN", "toBe(NaN)"),
    ("'a'", "toBe('a')"),
    ("10n", "toBe(10n)"),
    ("{ a: [1, { b: 'x' }] }", "toEqual({ a: [1, { b: 'x' }] })"),
    ("{ a: 1, b: undefined }", "toEqual({ a: 1 })"),
    ("[undefined]", "toEqual([undefined])"),
    ("new Date(5)", "toEqual(new Date(5))"),
    ("/a/g", "toEqual(/a/g)"),
    (
        "new Map([['a', { b: 1 }]])",
        "toEqual(new Map([['a', { b: 1 }]]))",
    ),
    ("new Set([1, { b: 1 }])", "toEqual(new Set([{ b: 1 }, 1]))"),
    ("new Uint8Array([1, 2])", "toEqual(new Uint8Array([1, 2]))"),
    ("new URL('https://a/b')", "toEqual(new URL('https://a/b'))"),
    (
        "new Headers({ a: 'b' })",
        "toEqual(new Headers({ A: 'b' }))",
    ),
    ("new Error('a')", "toEqual(new Error('a'))"),
    ("Object.create(null)", "toEqual({})"),
    ("{ a: 1 }", "toStrictEqual({ a: 1 })"),
    (
        "{ a: { b: 1, c: 2 }, d: [{ e: 1, f: 2 }] }",
        "toMatchObject({ a: { b: 1 }, d: [{ e: 1 }] })",
    ),
    (
        "new Response('', { status: 201 })",
        "toMatchObject({ status: 201 })",
    ),
    ("'a big tree'", "toMatch(/b.g/)"),
    ("'a big tree'", "toMatch('big')"),
    ("'abc'", "toContain('bc')"),
    ("[1, NaN]", "toContain(NaN)"),
    ("new Set([1])", "toContain(1)"),
    ("new Uint8Array([7])", "toContain(7)"),
    ("'abc'", "toHaveLength(3)"),
    ("[1, 2]", "toHaveLength(2)"),
    ("{ a: { b: [1, { c: 2 }] } }", "toHaveProperty('a.b[1].c')"),
    (
        "{ a: { b: [1, { c: 2 }] } }",
        "toHaveProperty('a.b[1]', { c: 2 })",
    ),
    ("{ 'a.b': 1 }", "toHaveProperty(['a.b'], 1)"),
    ("{ a: undefined }", "toHaveProperty('a', undefined)"),
    ("new Response('')", "toHaveProperty('status', 200)"),
    ("'abc'", "toHaveProperty('length', 3)"),
    ("1", "toBeTruthy()"),
    ("''", "toBeFalsy()"),
    ("null", "toBeNull()"),
    ("undefined", "toBeUndefined()"),
    ("null", "toBeDefined()"),
    ("NaN", "toBeNaN()"),
    ("1", "toBeLessThan(2)"),
    ("2", "toBeLessThanOrEqual(2)"),
    ("3n", "toBeGreaterThan(2)"),
    ("2", "toBeGreaterThanOrEqual(2)"),
    ("0.1 + 0.2", "toBeCloseTo(0.3)"),
    ("1.04", "toBeCloseTo(1, 1)"),
    ("new TypeError('a')", "toBeInstanceOf(Error)"),
    ("'b'", "toBeOneOf(['a', 'b'])"),
    ("() => { throw new Error('boom'); }", "toThrow()"),
    ("() => { throw new Error('boom'); }", "toThrow('oo')"),
    (
        "() => { throw new TypeError('boom'); }",
        "toThrow(TypeError)",
    ),
    ("() => { throw 'boom'; }", "toThrow(/^boom$/)"),
    (
        "async () => { throw new Error('boom'); }",
        "toThrow('boom')",
    ),
    ("Promise.reject(new Error('boom'))", "toThrow('boom')"),
    ("{ a: 1 }", "toMatchSchema({ required: ['a'] })"),
];

#[tokio::test]
async fn every_matcher_holds_and_its_opposite_fails() {
    for (actual, matcher) in HOLDS {
        let body = format!("await expect({actual}).{matcher};");
        assert_success(&run_asserting(&body).await);
        let body = format!("await expect({actual}, 'the value').not.{matcher};");
        let outcome = run_asserting(&body).await;
        assert_failure(&outcome, "expected the value ");
        assert_failure(&outcome, " not to ");
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn what_does_not_hold_says_what_was_expected_and_what_came() {
    for (body, message) in [
        (
            "expect(404, 'status').toBe(200);",
            "expected status 404 to be 200 (monitor.js:3:",
        ),
        ("expect(404).toBe(200);", "expected 404 to be 200"),
        ("expect('1').toBe(1);", "expected \"1\" to be 1"),
        ("expect(0).toBe(-0);", "expected 0 to be "),
        ("expect({}).toBe({});", "toEqual compares what they hold"),
        (
            "expect({ a: [1, { b: 2 }] }).toEqual({ a: [1, { b: 3 }] });",
            "at a[1].b: 2 instead of 3",
        ),
        (
            "expect({ a: { 'b c': 1 } }).toEqual({ a: { 'b c': 2 } });",
            "at a[\"b c\"]: 1 instead of 2",
        ),
        (
            "expect({ a: 1 }).toEqual({ a: 1, b: 2 });",
            "\"b\" is missing",
        ),
        (
            "expect({ a: 1, b: 2 }).toEqual({ a: 1 });",
            "\"b\" is not expected",
        ),
        ("expect([1, 2]).toEqual([1]);", "2 elements instead of 1"),
        (
            "expect([1]).toEqual({ 0: 1 });",
            "an array instead of an object",
        ),
        (
            "expect({ a: new Date(5) }).toEqual({ a: new Date(6) });",
            "at a: ",
        ),
        (
            "expect(new Map([['a', 1]])).toEqual(new Map([['a', 2]]));",
            "at a: 1 instead of 2",
        ),
        (
            "expect(new Set([1])).toEqual(new Set([2]));",
            "2 is missing",
        ),
        (
            "expect(new Uint8Array([1, 2])).toEqual(new Uint8Array([1, 3]));",
            "byte 1 is 2 instead of 3",
        ),
        (
            "expect(new Response('a')).toEqual(new Response('b'));",
            "without members to compare",
        ),
        (
            "expect({ a: undefined }).toStrictEqual({});",
            "\"a\" is not expected",
        ),
        (
            "expect(new (class A { a = 1 })()).toStrictEqual({ a: 1 });",
            "of different classes",
        ),
        (
            "expect({ a: { b: 1 } }).toMatchObject({ a: { b: 2 } });",
            "at a.b: 1 instead of 2",
        ),
        (
            "expect([1, 2]).toMatchObject([1]);",
            "2 elements instead of 1",
        ),
        (
            "expect('x'.repeat(5000) + 'ab').toBe('x'.repeat(5000) + 'ac');",
            "from character 5002",
        ),
        (
            "expect('abc').toMatch(/d/);",
            "expected \"abc\" to match /d/",
        ),
        (
            "expect([1]).toContain('1');",
            "expected [ 1 ] to contain \"1\"",
        ),
        ("expect([1]).toHaveLength(2);", "its length is 1"),
        (
            "expect({ a: {} }, 'body').toHaveProperty('a.b');",
            "to have the property \"a.b\": at a: there is no \"b\"",
        ),
        (
            "expect({ a: { b: 1 } }).toHaveProperty('a.b', 2);",
            "at a.b: 1 instead of 2",
        ),
        (
            "expect({}).toHaveProperty('toString');",
            "there is no \"toString\"",
        ),
        ("expect(5).toBeLessThan(5);", "expected 5 to be less than 5"),
        (
            "expect(5).toBeGreaterThanOrEqual(5.1);",
            "expected 5 to be at least 5.1",
        ),
        (
            "expect(1.01).toBeCloseTo(1, 2);",
            "expected 1.01 to be close to 1",
        ),
        (
            "expect('c').toBeOneOf([1, 2]);",
            "expected \"c\" to be one of [ 1, 2 ]",
        ),
        (
            "expect(new Error('a')).toBeInstanceOf(TypeError);",
            "to be an instance of ",
        ),
        ("expect(() => 1).toThrow();", "nothing was thrown"),
        (
            "await expect(async () => 1).toThrow();",
            "nothing was thrown",
        ),
        (
            "await expect(Promise.resolve(1)).toThrow();",
            "nothing was thrown",
        ),
        (
            "expect(() => { throw new Error('boom'); }).toThrow('bang');",
            "it threw Error: boom",
        ),
        (
            "expect({ a: 'x' }).toMatchSchema({ properties: { a: { type: 'number' } } });",
            "/a: is not a number, but \"x\"",
        ),
    ] {
        assert_failure(&run_asserting(body).await, message);
    }
}

/// `not` must not be fulfilled by a value that is missing or of another kind.
#[tokio::test]
async fn a_value_of_another_kind_fails_both_ways() {
    for (actual, matcher) in [
        ("undefined", "toBeLessThan(5)"),
        ("'4'", "toBeGreaterThan(5)"),
        ("NaN", "toBeLessThanOrEqual(5)"),
        ("null", "toBeGreaterThanOrEqual(5)"),
        ("undefined", "toBeCloseTo(5)"),
        ("undefined", "toMatch(/a/)"),
        ("5", "toMatch('a')"),
        ("undefined", "toContain(1)"),
        ("{}", "toContain(1)"),
        ("undefined", "toHaveLength(1)"),
        ("undefined", "toHaveProperty('a')"),
        ("null", "toHaveProperty('a', 1)"),
        ("'a'", "toMatchObject({})"),
        ("undefined", "toMatchSchema({})"),
    ] {
        for not in ["", ".not"] {
            let body = format!("expect({actual}, 'it'){not}.{matcher};");
            assert_failure(&run_asserting(&body).await, "expected it ");
        }
    }
}

#[tokio::test]
async fn a_wrong_use_is_the_scripts_mistake() {
    for (body, message) in [
        (
            "expect(1).toBeLessThan('5');",
            "a limit must be a number, not \"5\"",
        ),
        ("expect(1).toBeLessThan(NaN);", "a limit must be a number"),
        (
            "expect(1).toBeLessThan();",
            "a limit must be a number, not undefined",
        ),
        (
            "expect('a').toMatch(5);",
            "toMatch takes a text or a regular expression",
        ),
        ("expect('a').toContain(5);", "a text contains texts only"),
        (
            "expect('a').toHaveLength('1');",
            "a length must be a whole number",
        ),
        (
            "expect({}).toHaveProperty();",
            "toHaveProperty takes a path",
        ),
        (
            "expect({}).toHaveProperty('');",
            "toHaveProperty takes a path",
        ),
        (
            "expect({}).toMatchObject(5);",
            "toMatchObject takes an object",
        ),
        ("expect(1).toBeCloseTo('1');", "toBeCloseTo takes a number"),
        (
            "expect(1).toBeCloseTo(1, 'x');",
            "the digits of toBeCloseTo",
        ),
        (
            "expect(1).toBeInstanceOf('Error');",
            "toBeInstanceOf takes a class",
        ),
        ("expect(1).toBeOneOf(1);", "toBeOneOf takes an array"),
        ("expect(1).toThrow();", "takes a function or a promise"),
        (
            "expect(() => 1).toThrow(5);",
            "toThrow takes a text, a regular expression or a class",
        ),
        ("expect(1).toBeFoo();", "TypeError: "),
        (
            "expect(1, 5).toBe(1);",
            "the label of an expectation must be a text",
        ),
        (
            "expect(Promise.resolve(1)).toBe(1);",
            "is an `await` missing?",
        ),
        (
            "expect(fetch('http://127.0.0.1:9/')).not.toBeNull();",
            "is an `await` missing?",
        ),
        (
            "expect({ get a() { throw new Error('mine'); } }).toEqual({ a: 1 });",
            "Error: mine",
        ),
    ] {
        assert_misuse(&run_asserting(body).await, message);
    }
}

#[tokio::test]
async fn what_the_script_catches_is_its_own_business() {
    let body = "
        let tries = 0;
        for (;;) {
            try { expect(++tries).toBe(3); break; } catch (error) {
                if (error.name !== 'AssertionError') throw error;
            }
        }
        return { success: tries === 3 };";
    assert_success(&run_asserting(body).await);
    // As a cause it still says that the target is not well.
    let body =
        "try { expect(1).toBe(2); } catch (cause) { throw new Error('no luck', { cause }); }";
    assert_failure(&run_asserting(body).await, "Error: no luck");
    let body = "await Promise.any([Promise.resolve().then(() => expect(1).toBe(2))]);";
    assert_failure(&run_asserting(body).await, "");
    let body = "await Promise.any([Promise.resolve().then(() => expect(1).toBe(2)), Promise.reject(new Error('mine'))]);";
    assert_misuse(&run_asserting(body).await, "AggregateError");
}

#[tokio::test]
async fn nothing_returned_is_well_only_after_something_held() {
    use vedette_core::ErrorClass::ResultInvalid;
    for body in [
        "expect(1).toBe(1);",
        "check('a', true);",
        "await step('a', () => 1);",
    ] {
        assert_success(&run_asserting(body).await);
    }
    for body in [
        "",
        "expect(1);",
        "expect(1).toBe;",
        "try { expect(1).toBe(2); } catch {}",
    ] {
        crate::assert_error(&run_asserting(body).await, ResultInvalid);
    }
    crate::assert_error(
        &run_asserting("check('a', true); return null;").await,
        ResultInvalid,
    );
}

/// The classic false green.
#[tokio::test]
async fn a_forgotten_await_is_never_green() {
    let green = "return { success: true };";
    let outcome = run_asserting(&format!(
        "expect(async () => 1).toThrow(); await null; await null; await null; await null; {green}"
    ))
    .await;
    assert_failure(&outcome, "nothing was thrown");
    let outcome = run_asserting(&format!("(async () => expect(1).toBe(2))(); {green}")).await;
    assert_failure(&outcome, "expected 1 to be 2");
    let outcome = run_asserting(&format!(
        "expect(() => new Promise((done) => setTimeout(done, 50))).toThrow(); {green}"
    ))
    .await;
    assert_misuse(
        &outcome,
        "was still going on when the script returned: is an `await` missing?",
    );
    let outcome = run_asserting(&format!(
        "step('slow', () => new Promise((done) => setTimeout(done, 50))); {green}"
    ))
    .await;
    assert_misuse(&outcome, "step \"slow\" was still going on");
    let outcome = run_asserting(&format!("for (let i = 0; i < 500; i++) Promise.reject(new Error('mine')); (async () => expect(1).toBe(2))(); {green}")).await;
    assert_failure(&outcome, "expected 1 to be 2");
    assert_eq!(outcome.logs.len(), 10);
    let outcome = run_asserting("setTimeout(() => expect(1).toBe(2), 1); await new Promise((done) => setTimeout(done, 50)); return { success: true };").await;
    assert_failure(&outcome, "expected 1 to be 2");
}

#[tokio::test]
async fn messages_are_bounded() {
    for body in [
        "expect('x'.repeat(1e6)).toBe('y'.repeat(1e6));",
        "expect(Array.from({ length: 1e5 }, (_, i) => i)).toEqual([]);",
        "expect(1, 'label '.repeat(1e5)).toBe(2);",
        "const a = {}; a.a = a; expect(a).toBe(1);",
        "let a = {}; const top = a; for (let i = 0; i < 5e4; i++) a = a.a = {}; let b = structure(); function structure() { let c = {}; const t = c; for (let i = 0; i < 5e4; i++) c = c.a = {}; c.end = 1; return t; } expect(top).toEqual(b);",
        "expect(() => { throw new Error('x'.repeat(1e6)); }).toThrow('y');",
    ] {
        let outcome = run_asserting(body).await;
        assert_failure(&outcome, "expected ");
        let bytes = outcome.message.unwrap().len();
        assert!(bytes < 10_000, "{bytes} bytes: {body}");
    }
}
