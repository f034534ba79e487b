//! `err`: a check that comes to no verdict may say which kind of reason it has, and no more.

use vedette_core::{ErrorClass, Status};

use crate::{guest::Guest, run};

async fn class_of(reason: &str) -> (ErrorClass, String) {
    let body = format!("(call $err (i32.const 1024) (i32.const {}))", reason.len());
    let outcome = run(&Guest::new(body).text(1024, reason)).await;
    assert_eq!(outcome.status, Status::Error, "{outcome:#?}");
    (outcome.error_class.unwrap(), outcome.message.unwrap())
}

#[tokio::test]
async fn a_reason_may_name_its_class() {
    for (word, class) in [
        ("script_error", ErrorClass::ScriptError),
        ("deadlock", ErrorClass::Deadlock),
        ("fetch_denied", ErrorClass::FetchDenied),
        ("fetch_limit", ErrorClass::FetchLimit),
        ("memory_limit", ErrorClass::MemoryLimit),
        ("result_invalid", ErrorClass::ResultInvalid),
        ("result_too_large", ErrorClass::ResultTooLarge),
        ("missing_export", ErrorClass::MissingExport),
    ] {
        let found = class_of(&format!("[{word}] nothing settles it")).await;
        assert_eq!(found, (class, "nothing settles it".to_owned()));
    }
}

#[tokio::test]
async fn no_reason_claims_a_class_that_is_the_hosts_to_give() {
    for reason in [
        "[platform_error] it is your fault",
        "[quota_exceeded] no more for you",
        "[fuel_exhausted] it was long",
        "[stack_overflow] it was deep",
        "[trap] it was one",
        "[compile_error] at run time",
        "[invalid_component] after all",
        "[forbidden_import] after all",
        "[abi_mismatch] after all",
        "[success] all is well",
        "[Deadlock] in capitals",
        "[deadlock]without a blank",
        " [deadlock] after a blank",
        "deadlock: in words",
    ] {
        let found = class_of(reason).await;
        assert_eq!(found, (ErrorClass::ScriptError, reason.to_owned()));
    }
}

#[tokio::test]
async fn a_reason_with_a_nul_is_not_lost() {
    let (class, message) = class_of("a\0b: no verdict").await;
    assert_eq!(
        (class, message.as_str()),
        (ErrorClass::ScriptError, "a\u{fffd}b: no verdict")
    );
}
