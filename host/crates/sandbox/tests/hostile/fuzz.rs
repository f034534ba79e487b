//! Section 8 of the corpus, the targets for today's code: arbitrary values to the reader of
//! verdicts, arbitrary programs under little fuel, and the platform's own functions replaced.
//!
//! Each takes a second or two of a processor, or as much as `VEDETTE_FUZZ_SECONDS` says.

mod grammar;

use std::{cell::Cell, time::Duration};

use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use vedette_core::{ErrorClass, Outcome, Status};
use vedette_sandbox::{Bytecode, Limits, RunInputs};

use crate::{
    alone, assert_bounded, check, compile, process,
    rows::{
        Ending,
        poison::{CALLED, ITS_OWN, POISONS, poisoned},
    },
    sandbox,
    server::Server,
    setting,
};

/// Depth of a verdict's data.
const DEPTH: usize = 64;

#[expect(clippy::print_stdout, reason = "how much was tried is worth knowing")]
fn report(line: &str) {
    println!("{line}");
}

/// Runs a property for as much of a processor's time as was asked for, each case in turn.
fn fuzz<S: Strategy>(
    name: &str,
    strategy: &S,
    property: impl Fn(&Runtime, S::Value) -> Result<(), TestCaseError>,
) {
    let seconds = setting("VEDETTE_FUZZ_SECONDS").map_or(2, |text| text.parse().unwrap());
    let runtime = Runtime::new().unwrap();
    let _alone = runtime.block_on(alone());
    let config = Config {
        cases: 16,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    // Compiling the engine is not part of it.
    sandbox();
    let (started, cases) = (process::processor_time(), Cell::new(0_u64));
    let spent = || process::processor_time().saturating_sub(started);
    // The first cases are run whatever they take.
    while cases.get() == 0 || spent() < Duration::from_secs(seconds) {
        // A runner counts over all that it runs, and does nothing once it has its number.
        let ended = TestRunner::new(config.clone()).run(strategy, |value| {
            cases.set(cases.get() + 1);
            property(&runtime, value)
        });
        if let Err(error) = ended {
            panic!("{name}: {error}");
        }
    }
    report(&format!(
        "{name}: {} cases in {:.0?} of a processor",
        cases.get(),
        spent()
    ));
    assert_eq!(process::panics(), 0, "something panicked in this process");
}

fn run_with(runtime: &Runtime, bytecode: &Bytecode, params: Value, limits: &Limits) -> Outcome {
    let Value::Object(params) = params else {
        unreachable!("the callers give objects")
    };
    let inputs = RunInputs {
        params,
        limits: limits.clone(),
        ..RunInputs::default()
    };
    runtime.block_on(sandbox().run(bytecode, inputs))
}

fn compiled(runtime: &Runtime, source: &str) -> Bytecode {
    runtime.block_on(compile(source)).unwrap()
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[\\x00-\\x1f\\u{80}-\\u{ff}\\u{2028}\\u{ffff}\\u{1f600}\"\\\\]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(80, 200, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,6}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A value that is a verdict, or nearly one, or something else.
fn nearly_a_verdict() -> impl Strategy<Value = Value> {
    let success = prop_oneof![4 => any::<bool>().prop_map(Value::from), 1 => arbitrary_json()];
    let latency = prop_oneof![
        any::<f64>().prop_map(Value::from),
        (0.0..1e6).prop_map(Value::from),
        arbitrary_json()
    ];
    let message = prop_oneof![3 => ".{0,40}".prop_map(Value::from), 1 => arbitrary_json()];
    let fields = (
        prop::option::weighted(0.9, success),
        prop::option::of(latency),
        prop::option::of(message),
        prop::option::of(arbitrary_json()),
        prop::option::weighted(0.1, ("[a-z_]{1,12}", arbitrary_json())),
    );
    let object = fields.prop_map(|(success, latency, message, data, other)| {
        let fields = [
            ("success", success),
            ("latency", latency),
            ("message", message),
            ("data", data),
        ];
        let mut object: serde_json::Map<String, Value> = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect();
        object.extend(other);
        Value::Object(object)
    });
    prop_oneof![4 => object, 1 => arbitrary_json()]
}

/// Success, latency, message, data.
type Expected = (bool, Option<f64>, Option<String>, Option<Value>);

/// What a verdict must be, in words of its own: `None` where it is none.
fn expected(value: &Value) -> Option<Expected> {
    let object = value.as_object()?;
    let known = ["success", "latency", "message", "data"];
    if object.keys().any(|name| !known.contains(&name.as_str())) {
        return None;
    }
    let success = object.get("success")?.as_bool()?;
    let latency = match object.get("latency") {
        None => None,
        Some(value) => Some(value.as_f64().filter(|ms| *ms >= 0.0)?),
    };
    let message = match object.get("message") {
        None => None,
        Some(value) => Some(value.as_str()?.replace('\0', "\u{fffd}")),
    };
    Some((success, latency, message, object.get("data").map(storable)))
}

/// JSON as it is kept: without NUL, and with the numbers that JavaScript has.
fn storable(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Number(number) => json!(number.as_f64().unwrap()),
        Value::Array(items) => items.iter().map(storable).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.replace('\0', "\u{fffd}"), storable(member)))
            .collect(),
        other => other.clone(),
    }
}

/// Equal, but for the last digit of a number: `serde_json` reads JSON fast and not exactly.
fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one, other) {
        (Some(Value::Number(one)), Some(Value::Number(other))) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= one.abs() * 4.0 * f64::EPSILON + f64::from_bits(4)
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(one, other)| is_same(Some(one), Some(other)))
        }
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let mut members = one.iter();
            one.len() == other.len()
                && members.all(|(name, value)| is_same(Some(value), other.get(name)))
        }
        _ => one == other,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Target 4, by the script's own way.
#[test]
fn any_value_is_read_as_the_verdict_that_it_is() {
    let runtime = Runtime::new().unwrap();
    let bytecode = compiled(&runtime, &check("return params.verdict;"));
    let limits = Limits::default();
    fuzz(
        "values to verdicts",
        &nearly_a_verdict(),
        |runtime, verdict| {
            let outcome = run_with(runtime, &bytecode, json!({ "verdict": verdict }), &limits);
            assert_bounded("a verdict", &outcome, &limits);
            let deep = verdict.get("data").is_some_and(|data| depth(data) > DEPTH);
            match expected(&verdict) {
                Some(_) if deep => {
                    prop_assert_eq!(
                        outcome.error_class,
                        Some(ErrorClass::ResultTooLarge),
                        "{:#?}",
                        outcome
                    );
                }
                Some((success, latency, message, data)) => {
                    let status = if success {
                        Status::Success
                    } else {
                        Status::Failure
                    };
                    prop_assert_eq!(outcome.status, status, "{:#?}", outcome);
                    let read = outcome.result.unwrap();
                    prop_assert_eq!(read.latency, latency);
                    prop_assert_eq!(&read.message, &message);
                    let read = read.data.as_ref().map(storable);
                    prop_assert!(
                        is_same(read.as_ref(), data.as_ref()),
                        "{:?} is not {:?}",
                        read,
                        data
                    );
                }
                None => prop_assert_eq!(
                    outcome.error_class,
                    Some(ErrorClass::ResultInvalid),
                    "{:#?}",
                    outcome
                ),
            }
            Ok(())
        },
    );
}

/// Target 4, past the reader in the engine: a script forges what the engine hands to the host.
#[test]
fn a_forged_verdict_is_judged_by_the_host_too() {
    let forged = check(
        "Array.prototype.then = (resolve) => { Array.prototype.then = undefined; \
           resolve(params.parts.map((part) => part === 'NaN' ? NaN : part === 'none' ? undefined : part)); }; \
         return { success: true };",
    );
    let runtime = Runtime::new().unwrap();
    let bytecode = compiled(&runtime, &forged);
    let limits = Limits::default();
    let text = prop_oneof![
        any::<String>().prop_map(Value::from),
        arbitrary_json().prop_map(|value| value.to_string().into()),
        (arbitrary_json(), any::<prop::sample::Index>()).prop_map(|(value, at)| {
            let text = value.to_string();
            text.chars()
                .take(at.index(text.len()))
                .collect::<String>()
                .into()
        }),
        (1..400_usize).prop_map(|depth| ("[".repeat(depth) + &"]".repeat(depth)).into()),
        (0..2_000_000_usize).prop_map(|length| "\u{20ac}".repeat(length / 3).into()),
    ];
    let part = prop_oneof![
        text,
        arbitrary_json(),
        Just(json!("none")),
        Just(json!("NaN")),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ];
    let parts = prop::collection::vec(part, 0..6);
    fuzz("forged verdicts", &parts, |runtime, parts| {
        let outcome = run_with(runtime, &bytecode, json!({ "parts": parts }), &limits);
        assert_bounded("a forged verdict", &outcome, &limits);
        let accepted = [Ending::Success, Ending::Failure].contains(&Ending::of(&outcome));
        if accepted {
            let read = outcome.result.unwrap();
            prop_assert!(read.latency.is_none_or(|ms| ms.is_finite() && ms >= 0.0));
            prop_assert!(read.data.as_ref().is_none_or(|data| depth(data) <= DEPTH));
            prop_assert_eq!(parts.first().and_then(Value::as_bool), Some(read.success));
        } else {
            let refusals = [
                ErrorClass::ResultInvalid,
                ErrorClass::ResultTooLarge,
                ErrorClass::MemoryLimit,
            ];
            prop_assert!(
                refusals.contains(&outcome.error_class.unwrap()),
                "{:#?}",
                outcome
            );
        }
        Ok(())
    });
}

/// Target 6.
#[test]
fn any_program_ends_in_a_class_of_its_own() {
    let limits = Limits {
        fuel: 30_000_000,
        wall: Duration::from_secs(5),
        ..Limits::default()
    };
    let (refused, ran) = (Cell::new(0_u64), Cell::new(0_u64));
    fuzz("programs", &grammar::program(), |runtime, source| {
        let ending = match runtime.block_on(compile(&source)) {
            Ok(bytecode) => {
                ran.set(ran.get() + 1);
                let params = json!({ "base": "http://127.0.0.1:1" });
                let outcome = run_with(runtime, &bytecode, params, &limits);
                assert_bounded(&source, &outcome, &limits);
                Ending::of(&outcome)
            }
            Err(error) => {
                refused.set(refused.get() + 1);
                Ending::of_compilation(&error)
            }
        };
        let fine = ending == Ending::Refused || ITS_OWN.contains(&ending);
        prop_assert!(fine, "{:?}", ending);
        Ok(())
    });
    println!(
        "programs: {} ran, {} were refused",
        ran.get(),
        refused.get()
    );
    assert!(ran.get() > 0, "no program compiled");
}

/// Functions that the platform's own JavaScript calls, replaced in any combination.
#[test]
fn any_poisons_fool_the_script_only() {
    let limits = Limits {
        fuel: 100_000_000,
        wall: Duration::from_secs(5),
        ..Limits::default()
    };
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(Server::start());
    let base = server.url("");
    let poison = (prop::sample::select(CALLED), prop::sample::select(POISONS));
    fuzz(
        "poisons",
        &prop::collection::vec(poison, 1..6),
        |runtime, poisons| {
            let bytecode = runtime.block_on(compile(&poisoned(&poisons))).unwrap();
            let outcome = run_with(runtime, &bytecode, json!({ "base": base }), &limits);
            assert_bounded("poisons", &outcome, &limits);
            let ending = Ending::of(&outcome);
            prop_assert!(ITS_OWN.contains(&ending), "{:?}", ending);
            Ok(())
        },
    );
}
