//! Each keyword of the schema, from both sides.

use serde_json::json;

use super::*;

/// Pointers of what does not fit.
fn misfits(property: &Value, value: Value) -> Vec<String> {
    let schema = json!({ "type": "object", "properties": { "a/b": property } });
    let mut parameters = Map::from_iter([("a/b".to_owned(), value)]);
    apply(&schema, &mut parameters)
        .into_iter()
        .map(|error| error.pointer)
        .collect()
}

#[test]
fn each_keyword_is_checked() {
    let uri = json!({ "type": "string", "format": "uri" });
    let status = json!({ "type": "integer", "minimum": 100, "maximum": 599 });
    let cases = [
        (json!({ "type": "string" }), json!("x"), json!(1)),
        (json!({ "type": "boolean" }), json!(true), json!("true")),
        (json!({ "type": "number" }), json!(1.5), json!("1.5")),
        (json!({ "type": "integer" }), json!(2.0), json!(2.5)),
        (json!({ "type": "array" }), json!([]), json!({})),
        (json!({ "type": "object" }), json!({}), json!([])),
        (status.clone(), json!(100), json!(99)),
        (status.clone(), json!(599), json!(600)),
        (status, json!(200), json!(null)),
        (
            json!({ "enum": ["present", "absent"] }),
            json!("absent"),
            json!("Absent"),
        ),
        (
            json!({ "type": "string", "minLength": 2 }),
            json!("éé"),
            json!("é"),
        ),
        (
            uri.clone(),
            json!("https://example.com/ä?q=1"),
            json!("example.com"),
        ),
        (uri.clone(), json!("http://[::1]:8080/"), json!("http://")),
        (
            uri.clone(),
            json!("HTTP://EXAMPLE.COM"),
            json!("javascript:alert(1)"),
        ),
        (uri, json!("http://a"), json!("file:///etc/passwd")),
    ];
    for (property, good, bad) in cases {
        assert!(
            misfits(&property, good.clone()).is_empty(),
            "{property} {good}"
        );
        assert_eq!(
            misfits(&property, bad.clone()),
            ["/parameters/a~1b"],
            "{property} {bad}"
        );
    }
}

#[test]
fn defaults_are_filled_in_and_everything_wrong_is_told() {
    let schema = json!({
        "type": "object",
        "required": ["url", "keyword"],
        "properties": {
            "url": { "type": "string", "format": "uri" },
            "keyword": { "type": "string" },
            "expected_status": { "type": "integer", "default": 200 },
        },
    });
    let mut parameters = Map::from_iter([
        ("url".to_owned(), json!("nowhere")),
        ("other".to_owned(), json!(1)),
    ]);
    let errors = apply(&schema, &mut parameters);
    let mut pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/parameters/keyword",
            "/parameters/other",
            "/parameters/url"
        ]
    );
    assert_eq!(parameters["expected_status"], 200);

    let mut given = Map::from_iter([
        ("url".to_owned(), json!("http://a/")),
        ("keyword".to_owned(), json!("k")),
        ("expected_status".to_owned(), json!(204)),
    ]);
    assert!(apply(&schema, &mut given).is_empty());
    assert_eq!(given["expected_status"], 204, "a default replaces nothing");
}

#[test]
fn a_schema_that_says_nothing_takes_nothing() {
    assert!(apply(&json!({}), &mut Map::new()).is_empty());
    let mut parameters = Map::from_iter([("a".to_owned(), json!(1))]);
    assert_eq!(
        apply(&json!({ "type": "object" }), &mut parameters).len(),
        1
    );
}
