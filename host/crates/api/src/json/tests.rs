//! What the reader refuses, and the field that it names.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read only by the derived reader")]
struct Body {
    name: String,
    count: Option<u32>,
    #[serde(default)]
    words: BTreeMap<String, String>,
    #[serde(default)]
    anything: Map<String, Value>,
}

/// Status, pointer of the field, and what is said about it.
fn refusal(text: &str) -> (u16, String, String) {
    let problem = parse::<Body>(text.as_bytes()).expect_err(text);
    let value = serde_json::to_value(&problem).unwrap();
    let error = &value["errors"][0];
    let detail = if error.is_null() {
        &value["detail"]
    } else {
        &error["detail"]
    };
    let pointer = error["pointer"].as_str().unwrap_or_default();
    let status = u16::try_from(value["status"].as_u64().unwrap()).unwrap();
    (
        status,
        pointer.to_owned(),
        detail.as_str().unwrap().to_owned(),
    )
}

#[track_caller]
fn names_field(text: &str, pointer: &str, said: &str) {
    let (status, found, detail) = refusal(text);
    assert_eq!((status, found.as_str()), (422, pointer), "{detail}");
    assert!(detail.contains(said), "{detail}");
}

#[test]
fn a_good_body_is_read() {
    let body: Body = parse(br#" {"name":"a","words":{"x":"y"},"anything":{"b":[1,{}]}} "#).unwrap();
    assert_eq!(body.name, "a");
}

#[test]
fn what_is_no_json_is_told_with_line_and_column() {
    for text in [
        "",
        "{",
        "{\"name\":\"a\",}",
        "{\"name\":\"a\"} {}",
        "nul",
        "\u{feff}{}",
        "{'a':1}",
    ] {
        let (status, _, detail) = refusal(text);
        assert_eq!(status, 400, "{text}");
        assert!(detail.contains("line 1 column"), "{detail}");
    }
    assert!(refusal("{\n\"name\" 1}").2.contains("line 2 column 8"));
    assert_eq!(refusal(r#"{"name":"a","anything":{"n":1e999}}"#).0, 400);
    assert_eq!(refusal(r#"{"name":"\ud800"}"#).0, 400);
}

#[test]
fn fields_at_fault_are_named() {
    names_field(r#"{"name":5}"#, "/name", "expected a string");
    names_field(r#"{"name":null}"#, "/name", "expected a string");
    names_field(r#"{"name":"a","count":-1}"#, "/count", "expected u32");
    names_field(r#"{"count":1}"#, "/name", "missing field");
    names_field(r#"{"name":"a","org_id":1}"#, "/org_id", "unknown field");
    names_field(
        r#"{"name":"a","words":{"a/b":5}}"#,
        "/words/a~1b",
        "expected a string",
    );
    names_field(
        r#"{"name":"a","anything":[]}"#,
        "/anything",
        "expected a map",
    );
}

#[test]
fn a_key_given_twice_is_refused_at_any_depth() {
    names_field(r#"{"name":"a","name":"b"}"#, "/name", "duplicate");
    names_field(r#"{"name":"a","n\u0061me":"b"}"#, "/name", "duplicate");
    names_field(
        r#"{"name":"a","words":{"x":"1","x":"2"}}"#,
        "/words/x",
        "duplicate",
    );
    let deep = r#"{"name":"a","anything":{"l":[{},{"x":1,"x":1}]}}"#;
    names_field(deep, "/anything/l/1/x", "duplicate");
}

#[test]
fn an_array_is_no_object() {
    names_field(r#"["a",1]"#, "", "must be an object");
    names_field("5", "", "must be an object");
    names_field("null", "", "must be an object");
}

#[test]
fn nesting_has_an_end() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"name":"a","anything":{{"deep":{open}{close}}}}}"#)
    };
    assert!(parse::<Body>(nested(MAX_DEPTH - 2).as_bytes()).is_ok());
    assert!(refusal(&nested(MAX_DEPTH - 1)).2.contains("64 levels"));
    assert!(refusal(&"[".repeat(1_000_000)).2.contains("64 levels"));
}
