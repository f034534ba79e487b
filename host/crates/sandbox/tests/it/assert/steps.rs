//! `step` and `check`: what is recorded, and what it means for the outcome.

use vedette_core::{ErrorClass, Flag, Status, Step, StepKind};
use vedette_sandbox::{Limits, RunInputs};

use super::{assert_failure, assert_misuse, run_asserting};
use crate::{assert_error, assert_success, data, run_with};

fn shown(steps: &[Step]) -> Vec<(&str, StepKind, bool, Option<&str>)> {
    let steps = steps.iter();
    steps
        .map(|step| {
            (
                step.name.as_str(),
                step.kind,
                step.passed,
                step.message.as_deref(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_step_gives_what_its_function_gives_and_is_timed() {
    let outcome = run_asserting(
        "const one = await step('waits', async () => {
            await new Promise((done) => setTimeout(done, 30));
            return await step('inner', () => 41);
        });
        check('a number', one === 41);
        return { success: true, data: one + 1 };",
    )
    .await;
    assert_success(&outcome);
    assert_eq!(data(&outcome), 42);
    assert_eq!(
        shown(&outcome.steps),
        [
            ("waits", StepKind::Step, true, None),
            ("inner", StepKind::Step, true, None),
            ("a number", StepKind::Check, true, None)
        ]
    );
    let [waits, inner, check] = outcome.steps.as_slice() else {
        unreachable!()
    };
    assert!(waits.duration_ms.is_some_and(|ms| ms >= 29.0), "{waits:?}");
    assert!(
        inner.started_at_ms >= waits.started_at_ms + 29.0,
        "{inner:?}"
    );
    assert_eq!(check.duration_ms, None);
    assert!(waits.started_at_ms >= 0.0 && check.started_at_ms <= outcome.duration_ms);
}

#[tokio::test]
async fn a_failed_step_names_itself() {
    let outcome =
        run_asserting("await step('log in', () => expect(404, 'status').toBe(200));").await;
    assert_failure(
        &outcome,
        "step \"log in\": expected status 404 to be 200 (monitor.js:3:",
    );
    assert!(!outcome.steps[0].passed);
    let message = outcome.steps[0].message.as_deref().unwrap_or_default();
    assert!(
        message.starts_with("expected status 404 to be 200"),
        "{message}"
    );

    let outcome = run_asserting(
        "await step('outer', () => step('in\"ner', () => { throw new TypeError('mine'); }));",
    )
    .await;
    assert_misuse(
        &outcome,
        "step \"outer\": step \"in\\\"ner\": TypeError: mine",
    );
    let messages: Vec<_> = outcome
        .steps
        .iter()
        .map(|step| step.message.clone().unwrap())
        .collect();
    assert!(
        messages[0].starts_with("step \"in\\\"ner\": TypeError: mine"),
        "{messages:?}"
    );
    assert!(messages[1].starts_with("TypeError: mine"), "{messages:?}");

    // What the script throws stays what it threw, frozen or not.
    let outcome = run_asserting("const mine = Object.freeze(new Error('mine')); try { await step('a', () => { throw mine; }); } catch (error) { return { success: error === mine }; }").await;
    assert_success(&outcome);
    for thrown in [
        "undefined",
        "null",
        "5",
        "Symbol()",
        "new Proxy({}, { get() { throw 1; } })",
    ] {
        let outcome =
            run_asserting(&format!("await step('a', () => {{ throw {thrown}; }});")).await;
        assert_error(&outcome, ErrorClass::ScriptError);
        assert!(
            !outcome.steps[0].passed && outcome.steps[0].message.is_some(),
            "{thrown}"
        );
    }
}

#[tokio::test]
async fn a_request_that_fails_in_a_step_is_still_the_targets_fault() {
    // Nobody listens there any more.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let outcome = run_asserting(&format!(
        "await step('ask', () => fetch('http://{closed}/'));"
    ))
    .await;
    assert_failure(&outcome, "step \"ask\": FetchError: ");
}

#[tokio::test]
async fn failed_checks_decide_in_the_end() {
    let outcome = run_asserting(
        "check('one', true); check('two', false); check('three', false);
         return { success: true, latency: 5, message: 'all fine', data: [1] };",
    )
    .await;
    assert_failure(
        &outcome,
        "2 of 3 checks failed: \"two\", \"three\"; all fine",
    );
    assert_eq!(
        (outcome.latency_ms, data(&outcome)),
        (Some(5.0), serde_json::json!([1]))
    );
    assert!(
        outcome
            .result
            .as_ref()
            .is_some_and(|verdict| !verdict.success)
    );
    assert_eq!(outcome.steps.iter().filter(|step| step.passed).count(), 1);

    let outcome = run_asserting("for (let i = 0; i < 10; i++) check(`c${i}`, false);").await;
    assert_failure(
        &outcome,
        "10 of 10 checks failed: \"c0\", \"c1\", \"c2\", and 7 more",
    );
    let outcome =
        run_asserting("return { success: check('given back', true) && !check('too', false) };")
            .await;
    assert_failure(&outcome, "1 of 2 checks failed: \"too\"");

    // A check that did not pass is no reason to call something else a failure of the target.
    let outcome = run_asserting("check('a', false); return 5;").await;
    assert_error(&outcome, ErrorClass::ResultInvalid);
    let outcome = run_asserting("check('a', false); throw new Error('mine');").await;
    assert_misuse(&outcome, "mine");
    assert!(!outcome.steps[0].passed);
    let outcome = run_asserting("check('a', false); expect(1).toBe(2);").await;
    assert_failure(&outcome, "expected 1 to be 2");
}

#[tokio::test]
async fn a_wrong_use_is_the_scripts_mistake() {
    for (body, message) in [
        (
            "check('a');",
            "check takes a name and a boolean, not undefined",
        ),
        ("check('a', 1);", "check takes a name and a boolean, not 1"),
        (
            "check('a', Promise.resolve(true));",
            "is an `await` missing?",
        ),
        (
            "check(true, 'a');",
            "the name of a check must be a text, not true",
        ),
        ("step('a');", "step takes a name and a function"),
        ("step(() => 1);", "the name of a step must be a text"),
        (
            "await step('a', Promise.resolve());",
            "step takes a name and a function",
        ),
    ] {
        let outcome = run_asserting(&format!("{body} return {{ success: true }};")).await;
        assert_misuse(&outcome, message);
        assert!(outcome.steps.is_empty(), "{outcome:#?}");
    }
}

#[tokio::test]
async fn steps_side_by_side_each_have_their_own() {
    let outcome = run_asserting(
        "const wait = (ms) => new Promise((done) => setTimeout(done, ms));
         const ended = await Promise.allSettled([
            step('a', async () => { await wait(20); expect(1).toBe(2); }),
            step('b', () => wait(10)),
         ]);
         throw ended[0].reason;",
    )
    .await;
    assert_failure(&outcome, "step \"a\": expected 1 to be 2");
    assert_eq!(
        outcome
            .steps
            .iter()
            .map(|step| (step.name.as_str(), step.passed))
            .collect::<Vec<_>>(),
        [("a", false), ("b", true)]
    );
}

/// However the run ends, what was told until then is there.
#[tokio::test]
async fn a_run_that_is_cut_short_shows_how_far_it_came() {
    let before = "check('began', true); await step('done', () => 1);";
    for (cut, class) in [
        ("while (true) {}", ErrorClass::FuelExhausted),
        ("const f = () => f() + 1; f();", ErrorClass::StackOverflow),
        ("await new Promise(() => {});", ErrorClass::Deadlock),
        (
            "const a = []; for (;;) a.push(new Uint8Array(1 << 20));",
            ErrorClass::MemoryLimit,
        ),
    ] {
        let outcome = run_asserting(&format!(
            "{before} await step('hangs', async () => {{ {cut} }});"
        ))
        .await;
        assert_error(&outcome, class);
        let steps: Vec<_> = outcome
            .steps
            .iter()
            .map(|step| (step.name.as_str(), step.passed))
            .collect();
        assert_eq!(
            steps,
            [("began", true), ("done", true), ("hangs", false)],
            "{cut}"
        );
    }
    let source = format!(
        "import {{ check, step }} from 'vedette:assert'; export default async () => {{ \
         {before} await step('waits', () => new Promise((done) => setTimeout(done, 60000))); }}"
    );
    let limits = Limits {
        wall: std::time::Duration::from_millis(300),
        ..Limits::default()
    };
    let inputs = RunInputs {
        limits,
        ..RunInputs::default()
    };
    let outcome = run_with(&source, inputs).await;
    assert_eq!(outcome.status, Status::Timeout, "{outcome:#?}");
    let last = outcome.steps.last().unwrap();
    assert_eq!(
        (last.name.as_str(), last.passed, last.duration_ms),
        ("waits", false, None)
    );
    assert_eq!(
        last.message.as_deref(),
        Some("not finished when the run ended")
    );
}

#[tokio::test]
async fn the_list_is_bounded_and_says_so() {
    let outcome = run_asserting("for (let i = 0; i < 1000; i++) check(`c${i}`, true); for (let i = 0; i < 300; i++) check(`f${i}`, false);").await;
    assert_failure(&outcome, "300 of 1300 checks failed");
    assert_eq!(outcome.flags, [Flag::StepsTruncated]);
    assert_eq!(outcome.steps.len(), 200);
    assert_eq!(outcome.steps[150].name, "f0");
}
