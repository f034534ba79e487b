//! Scripts, and targets, that mean harm to the assertions: bounded, and never green.

use vedette_core::{ErrorClass, Flag, Status};

use super::{assert_failure, assert_misuse, run_asserting};
use crate::{assert_error, assert_success};

#[tokio::test]
async fn a_million_checks_are_counted_and_not_kept() {
    let outcome = run_asserting("for (let i = 0; i < 1e6; i++) check('again', i !== 5e5);").await;
    assert_failure(&outcome, "1 of 1000000 checks failed: \"again\"");
    assert_eq!(outcome.flags, [Flag::StepsTruncated]);
    assert_eq!(outcome.steps.len(), 151);
    assert!(!outcome.steps[150].passed);
}

#[tokio::test]
async fn names_of_a_megabyte_are_cut() {
    let outcome = run_asserting(
        "const long = '\\u{1f6a8}'.repeat(5e5);
         for (let i = 0; i < 300; i++) check(long, false);
         await step(long, () => 1);",
    )
    .await;
    assert_failure(&outcome, "300 of 300 checks failed");
    assert!(outcome.message.unwrap().len() < 5_000);
    assert!(outcome.steps.iter().all(|step| step.name.len() <= 200));
    // A name without a valid end of its own.
    let outcome =
        run_asserting("check('\\ud800', true); await step('a\\0\\udfff', () => 1);").await;
    assert_success(&outcome);
    assert_eq!(outcome.steps[1].name, "a\u{fffd}\u{fffd}");
}

#[tokio::test]
async fn steps_do_not_nest_without_an_end() {
    let outcome = run_asserting("const nest = () => step('deeper', nest); await nest();").await;
    assert_misuse(&outcome, "RangeError: more than 100 steps are open at once");
    assert_eq!(outcome.steps.len(), 100);
    assert!(
        outcome
            .steps
            .iter()
            .all(|step| !step.passed && step.duration_ms.is_some())
    );
    let outcome = run_asserting("const all = []; for (let i = 0; i < 101; i++) all.push(step('a', () => new Promise(() => {})));").await;
    assert_misuse(&outcome, "more than 100 steps");
    let outcome = run_asserting("for (let i = 0; i < 1e5; i++) await step('a', () => i);").await;
    assert_success(&outcome);
    assert_eq!(outcome.steps.len(), 150);
}

/// A script that breaks its own realm harms nobody but itself.
#[tokio::test]
async fn builtins_that_the_script_replaced_do_no_harm() {
    let outcome = run_asserting(
        "String.prototype.slice = () => 'y'.repeat(3e6); String.prototype.toWellFormed = function () { return this; };
         check('x', true); await step('x', () => 1); return { success: true };",
    )
    .await;
    assert!(
        outcome.steps.iter().all(|step| step.name.len() <= 200),
        "{outcome:#?}"
    );
    assert_success(&outcome);
}

#[tokio::test]
async fn values_that_contain_themselves_are_compared() {
    let body = "
        const one = { n: 1 }; one.self = one; one.list = [one];
        const two = { n: 1 }; two.self = two; two.list = [two];
        expect(one).toEqual(two);
        const a = {}; a.next = a;
        const b = {}; const c = {}; b.next = c; c.next = b;
        expect(a).toEqual(b);
        const map = new Map(); map.set('self', map);
        const map2 = new Map(); map2.set('self', map2);
        expect(map).toEqual(map2);";
    assert_success(&run_asserting(body).await);
    let body = "
        const one = { n: 1 }; one.self = { self: one };
        const two = { n: 2 }; two.self = { self: two };
        expect(one.self).toEqual(two.self);";
    assert_failure(&run_asserting(body).await, "at self.n: 1 instead of 2");
}

#[tokio::test]
async fn deep_values_need_no_stack() {
    let body = "
        const deep = (end) => { let value = end; for (let i = 0; i < 1e5; i++) value = i % 2 ? { value } : [value]; return value; };
        expect(deep(1)).toEqual(deep(1));";
    assert_success(&run_asserting(body).await);
    let body = "
        const deep = (end) => { let value = end; for (let i = 0; i < 1e5; i++) value = { a: value }; return value; };
        expect(deep(1)).toEqual(deep(2));";
    assert_failure(&run_asserting(body).await, "1 instead of 2");
}

#[tokio::test]
async fn values_without_an_end_are_stopped() {
    for body in [
        "expect({ get a() { return { get a() { return {}; } }; } }).not.toEqual({ a: 1 });",
        "const endless = () => ({ get next() { return endless(); } }); expect(endless()).toEqual(endless());",
        "expect({ *[Symbol.iterator]() { for (;;) yield 1; } }).toContain(2);",
        "expect(new Proxy({}, { ownKeys() { return ['a']; }, getOwnPropertyDescriptor() { return { enumerable: true, configurable: true, value: 1 }; } })).toEqual({ a: 1 });",
        "expect('a'.repeat(40) + '!').toMatch(/^(a+)+$/);",
    ] {
        let outcome = run_asserting(body).await;
        let is_bounded = matches!(
            (outcome.status, outcome.error_class),
            (Status::Success | Status::Failure, None)
                | (
                    Status::Error,
                    Some(
                        ErrorClass::FuelExhausted
                            | ErrorClass::MemoryLimit
                            | ErrorClass::ScriptError
                    )
                )
        );
        assert!(is_bounded, "{body}: {outcome:#?}");
    }
}

#[tokio::test]
async fn a_large_list_is_compared() {
    let body = "
        const list = (last) => Array.from({ length: 20000 }, (_, id) => ({ id: id === 19999 ? last : id, name: 'x' }));
        expect(list(1)).toEqual(list(1));
        expect(list(1)).not.toEqual(list(2));
        expect(Array.from({ length: 5e5 }, (_, i) => i)).toEqual(Array.from({ length: 5e5 }, (_, i) => i));";
    assert_success(&run_asserting(body).await);
}

#[tokio::test]
async fn memory_that_ran_out_is_not_the_targets_fault() {
    let body = "expect(() => { const a = []; for (;;) a.push(new Array(1000).fill(0)); }).toThrow(); return { success: true };";
    let outcome = run_asserting(body).await;
    assert_error(&outcome, ErrorClass::MemoryLimit);
}
