//! Uploaded components from outside: what is refused and why, what the others come to, and what
//! hostile ones cost.
//!
//! `corpora/hostile_guests.md` of the hostile scripts has the rows: W rows are in `admission/` and
//! `flips`, X rows in `runs/`. What kills a compiler is tested with the binary, in
//! `host/tests/components`. `golden` runs what compilers made, with outcomes that stay.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod admission;
mod flips;
mod golden;
mod guest;
mod interfaces;
mod runs;
#[path = "../it/server.rs"]
mod server;

use std::{sync::Arc, time::Duration};

use vedette_core::{ErrorClass, Outcome, Status, SystemClock};
use vedette_egress::{Guard, Policy};
use vedette_sandbox::{
    Limits, RunInputs,
    component::{LoadedComponent, compile, inspect},
};

use crate::guest::Guest;

/// Fuel of a run that does not need the platform's: a loop ends after a twentieth of a second.
const FUEL: u64 = 1_000_000_000;

/// A machine that is very busy is no reason to time out.
const WALL: Duration = Duration::from_mins(2);

fn limits() -> Limits {
    Limits {
        fuel: FUEL,
        wall: WALL,
        ..Limits::default()
    }
}

fn inputs(limits: Limits) -> RunInputs {
    RunInputs {
        limits,
        ..RunInputs::default()
    }
}

/// A guard that lets these tests reach their own servers.
fn guard() -> Guard {
    let policy = Policy {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..Policy::default()
    };
    Guard::new(policy).unwrap()
}

/// Takes all steps of an upload.
#[track_caller]
fn load(bytes: &[u8]) -> LoadedComponent {
    inspect(bytes).expect("it is admitted");
    let artifact = compile(bytes).expect("it compiles");
    LoadedComponent::load(&artifact).expect("it fits the contract")
}

async fn run_with(component: &LoadedComponent, inputs: RunInputs) -> Outcome {
    component.run(&guard(), Arc::new(SystemClock), inputs).await
}

async fn run(guest: &Guest) -> Outcome {
    run_with(&load(&guest.bytes()), inputs(limits())).await
}

#[track_caller]
fn assert_error(outcome: &Outcome, class: ErrorClass, says: &str) {
    assert_eq!(
        (outcome.status, outcome.error_class),
        (Status::Error, Some(class)),
        "{outcome:#?}"
    );
    let message = outcome.message.as_deref().unwrap_or_default();
    assert!(message.contains(says), "{message}");
    assert_sentence(message);
}

#[track_caller]
fn assert_success(outcome: &Outcome) {
    assert_eq!(outcome.status, Status::Success, "{outcome:#?}");
}

/// Something that can stand in a list of messages: one line, one sentence, no final dot.
#[track_caller]
fn assert_sentence(message: &str) {
    let characters = message.chars().count();
    assert!((10..=300).contains(&characters), "{characters}: {message}");
    let is_one = !message.contains(". ") && !message.ends_with('.') && !message.contains("\\u{a}");
    assert!(is_one, "{message:?}");
    assert!(!message.chars().any(char::is_control), "{message:?}");
    let begins = message.chars().next().unwrap();
    assert!(begins.is_lowercase() || begins == '`', "{message}");
}
