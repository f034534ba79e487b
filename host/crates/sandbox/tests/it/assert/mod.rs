//! The module `vedette:assert`.

mod expect;
mod hostile;
mod markup;
mod schema;
mod steps;
mod tokens;

use vedette_core::{ErrorClass, Outcome, Status};

use crate::{assert_error, run};

/// Runs the body of a check that imports all of the module.
async fn run_asserting(body: &str) -> Outcome {
    run(&format!(
        "import {{ check, expect, step, formFields, formToken, xmlValue, hmacSign, totp, jwt }} from 'vedette:assert';\n\
         export default async function ({{ params, env }}) {{\n{body}\n}}"
    ))
    .await
}

#[track_caller]
fn assert_failure(outcome: &Outcome, message: &str) {
    assert_eq!(outcome.status, Status::Failure, "{outcome:#?}");
    assert_eq!(outcome.error_class, None);
    let found = outcome.message.as_deref().unwrap_or_default();
    assert!(found.contains(message), "{message} is not in: {found}");
}

#[track_caller]
fn assert_misuse(outcome: &Outcome, message: &str) {
    assert_error(outcome, ErrorClass::ScriptError);
    let found = outcome.message.as_deref().unwrap_or_default();
    assert!(found.contains(message), "{message} is not in: {found}");
}
