//! Tests of the limits on what a user saves: the limit itself passes, one more does not, and
//! the message points at the field.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn pointer<T: std::fmt::Debug>(checked: Result<T, ScriptError>) -> String {
    checked.expect_err("a refusal").pointer
}

fn parameters(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => Map::from_iter([("value".to_owned(), other)]),
    }
}

fn env_vars(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

/// `levels` arrays inside each other; the innermost is empty.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!([]), |inner, _| json!([inner]))
}

#[test]
fn names_are_counted_in_characters() {
    assert_eq!(check_name(&"é".repeat(MAX_NAME_CHARS)), Ok(()));
    assert_eq!(
        pointer(check_name(&"é".repeat(MAX_NAME_CHARS + 1))),
        "/name"
    );
    assert_eq!(pointer(check_name("")), "/name");
    assert_eq!(pointer(check_name(" \t ")), "/name");
    assert_eq!(pointer(check_name("a\u{1b}[31m")), "/name");
}

#[test]
fn sources_are_counted_in_bytes() {
    assert_eq!(check_source(&"x".repeat(MAX_SOURCE_BYTES)), Ok(()));
    assert_eq!(
        pointer(check_source(&"x".repeat(MAX_SOURCE_BYTES + 1))),
        "/script_body"
    );
    assert_eq!(
        pointer(check_source(&"é".repeat(MAX_SOURCE_BYTES / 2 + 1))),
        "/script_body"
    );
    assert_eq!(pointer(check_source("\n")), "/script_body");
    assert_eq!(pointer(check_source("let a = '\0';")), "/script_body");
}

#[test]
fn parameters_are_bounded_in_bytes() {
    // {"a":"…"} is eight bytes around the text.
    let fits = parameters(json!({ "a": "x".repeat(MAX_PARAMETERS_BYTES - 8) }));
    assert_eq!(check_parameters(&fits), Ok(()));
    let too_large = parameters(json!({ "a": "x".repeat(MAX_PARAMETERS_BYTES - 7) }));
    assert_eq!(pointer(check_parameters(&too_large)), "/parameters");
}

#[test]
fn parameters_are_bounded_in_depth() {
    // The object itself is the first level.
    let fits = parameters(json!({ "deep": nested(MAX_PARAMETERS_DEPTH - 1) }));
    assert_eq!(check_parameters(&fits), Ok(()));
    let too_deep = parameters(json!({ "a/b~c": nested(MAX_PARAMETERS_DEPTH) }));
    assert_eq!(pointer(check_parameters(&too_deep)), "/parameters/a~1b~0c");
}

#[test]
fn parameters_are_bounded_in_nodes() {
    // The array counts, and each of its elements.
    let fits = parameters(json!({ "a": vec![0; MAX_PARAMETERS_NODES - 1] }));
    assert_eq!(check_parameters(&fits), Ok(()));
    let too_many = parameters(json!({ "a": vec![0; MAX_PARAMETERS_NODES] }));
    assert_eq!(pointer(check_parameters(&too_many)), "/parameters");
}

#[test]
fn parameters_hold_no_nul_anywhere() {
    let refused = [
        json!({ "a": "\0" }),
        json!({ "a": ["ok", { "b": "x\0" }] }),
        json!({ "a": { "b\0": 1 } }),
    ];
    for value in refused {
        assert_eq!(
            pointer(check_parameters(&parameters(value.clone()))),
            "/parameters/a",
            "{value}"
        );
    }
    assert_eq!(
        pointer(check_parameters(&parameters(json!({ "a\0": 1 })))),
        "/parameters"
    );
}

#[test]
fn env_names_are_posix_names() {
    for name in ["A", "_", "a_1", &"A".repeat(MAX_ENV_NAME_BYTES)] {
        assert_eq!(check_env_vars(&env_vars(name, "v")), Ok(()), "{name}");
    }
    for name in [
        "",
        "1A",
        "a-b",
        "A=B",
        "É",
        "A\0",
        " A",
        &"A".repeat(MAX_ENV_NAME_BYTES + 1),
    ] {
        assert_eq!(
            pointer(check_env_vars(&env_vars(name, "v"))),
            format!("/env_vars/{name}")
        );
    }
    assert_eq!(
        pointer(check_env_vars(&env_vars("a/b~c", "v"))),
        "/env_vars/a~1b~0c"
    );
}

#[test]
fn env_values_and_their_number_are_bounded() {
    assert_eq!(
        check_env_vars(&env_vars("A", &"x".repeat(MAX_ENV_VALUE_BYTES))),
        Ok(())
    );
    let too_long = env_vars("A", &"x".repeat(MAX_ENV_VALUE_BYTES + 1));
    assert_eq!(pointer(check_env_vars(&too_long)), "/env_vars/A");
    assert_eq!(
        pointer(check_env_vars(&env_vars("A", "a\0"))),
        "/env_vars/A"
    );

    let many = |count: usize| {
        (0..count)
            .map(|n| (format!("V{n}"), String::new()))
            .collect()
    };
    assert_eq!(check_env_vars(&many(MAX_ENV_VARS)), Ok(()));
    assert_eq!(
        pointer(check_env_vars(&many(MAX_ENV_VARS + 1))),
        "/env_vars"
    );
}

#[test]
fn timeouts_are_within_their_range() {
    for seconds in [1, DEFAULT_TIMEOUT_SECONDS, 60] {
        assert_eq!(check_timeout_seconds(seconds), Ok(()));
    }
    for seconds in [0, 61, u32::MAX] {
        assert_eq!(pointer(check_timeout_seconds(seconds)), "/timeout_seconds");
    }
}

proptest! {
    #[test]
    fn a_pointer_leads_back_to_the_name(token in "[~/a01]{0,12}") {
        let escaped = escape_pointer(&token);
        prop_assert!(!escaped.contains('/'));
        // RFC 6901 section 4: first `~1`, then `~0`.
        prop_assert_eq!(escaped.replace("~1", "/").replace("~0", "~"), token);
    }
}
