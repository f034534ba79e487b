//! Tests of rules: what is accepted, what is refused and where, and that the schema agrees.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::{window::WindowError, *};

/// One rule of each kind, as docs/alerting.md has them, and how it is written back.
const EXAMPLES: &[(&str, &str)] = &[
    (
        r#"{"type":"status_change","consecutive_failures":3}"#,
        r#"{"type":"status_change","consecutive_failures":3,"consecutive_successes":2,"recheck":false}"#,
    ),
    (
        r#"{"type":"status_change","consecutive_failures":1,"consecutive_successes":1,"recheck":true}"#,
        r#"{"type":"status_change","consecutive_failures":1,"consecutive_successes":1,"recheck":true}"#,
    ),
    (
        r#"{"type":"latency","threshold_ms":1000,"operator":">"}"#,
        r#"{"type":"latency","threshold_ms":1000,"operator":">","consecutive":3}"#,
    ),
    (
        r#"{"type":"error","consecutive":3.0}"#,
        r#"{"type":"error","consecutive":3}"#,
    ),
    (
        r#"{"type":"no_data"}"#,
        r#"{"type":"no_data","intervals":3}"#,
    ),
    (
        r#"{"type":"certificate_expiry","days":21}"#,
        r#"{"type":"certificate_expiry","days":21}"#,
    ),
    (
        r#"{"type":"uptime","below_percent":99.5,"window":"24h"}"#,
        r#"{"type":"uptime","below_percent":99.5,"window":"24h"}"#,
    ),
    (
        r#"{"type":"flapping"}"#,
        r#"{"type":"flapping","changes":4,"window":"1h"}"#,
    ),
];

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn rules_are_written_back_with_what_was_left_out() {
    for (given, canonical) in EXAMPLES {
        let rule = RuleDefinition::read(&json_of(given)).expect(given);
        assert_eq!(rule.to_json(), json_of(canonical), "{given}");
        // Text for text: a whole number has no point.
        assert!(!rule.to_json().to_string().contains(".0"), "{given}");
        assert_eq!(RuleDefinition::read(&rule.to_json()), Ok(rule), "{given}");
        assert!(is_valid(&rule_schema(), &json_of(given)), "{given}");
    }
}

#[test]
fn the_docs_show_rules_that_are_accepted() {
    let docs = include_str!("../../../../../../docs/alerting.md");
    let examples: Vec<_> = docs
        .lines()
        .filter(|line| line.starts_with(r#"{"type":"#))
        .map(|line| RuleDefinition::read(&json_of(line)).expect(line))
        .collect();
    for kind in KINDS {
        let is_shown = examples.iter().any(|rule| rule.kind() == kind.name);
        assert!(is_shown, "docs/alerting.md has no example of {}", kind.name);
    }
}

#[test]
fn what_is_wrong_is_named_with_what_is_allowed() {
    for (given, pointer, says) in [
        ("[]", "", "an object"),
        ("{}", "/type", "status_change, latency"),
        (r#"{"type":7}"#, "/type", "one of"),
        (r#"{"type":"statuschange"}"#, "/type", "one of"),
        (
            r#"{"type":"error","a/b~":1}"#,
            "/a~1b~0",
            "it has consecutive",
        ),
        (r#"{"type":"error","days":1}"#, "/days", "no such field"),
        (
            r#"{"type":"latency"}"#,
            "/threshold_ms",
            "is required, and must be a number from 1 to 600000",
        ),
        (
            r#"{"type":"latency","threshold_ms":"1s"}"#,
            "/threshold_ms",
            "a number",
        ),
        (
            r#"{"type":"latency","threshold_ms":0.5}"#,
            "/threshold_ms",
            "from 1 to 600000",
        ),
        (
            r#"{"type":"latency","threshold_ms":9,"operator":"=="}"#,
            "/operator",
            "one of >, >=, <, <=",
        ),
        (
            r#"{"type":"latency","threshold_ms":9,"operator":null}"#,
            "/operator",
            "one of",
        ),
        (
            r#"{"type":"error","consecutive":0}"#,
            "/consecutive",
            "from 1 to 100",
        ),
        (
            r#"{"type":"error","consecutive":101}"#,
            "/consecutive",
            "from 1 to 100",
        ),
        (
            r#"{"type":"error","consecutive":1.5}"#,
            "/consecutive",
            "a whole number",
        ),
        (
            r#"{"type":"error","consecutive":-1}"#,
            "/consecutive",
            "a whole number",
        ),
        (
            r#"{"type":"error","consecutive":1e300}"#,
            "/consecutive",
            "a whole number",
        ),
        (
            r#"{"type":"status_change","recheck":1}"#,
            "/recheck",
            "true or false",
        ),
        (
            r#"{"type":"uptime","below_percent":99}"#,
            "/window",
            "5 to 99 minutes",
        ),
        (
            r#"{"type":"uptime","below_percent":99,"window":60}"#,
            "/window",
            "24h",
        ),
        (
            r#"{"type":"uptime","below_percent":100.1,"window":"1h"}"#,
            "/below_percent",
            "from 1 to 100",
        ),
        (
            r#"{"type":"flapping","changes":21}"#,
            "/changes",
            "from 2 to 20",
        ),
    ] {
        let error = RuleDefinition::read(&json_of(given)).expect_err(given);
        assert_eq!(
            error.pointer,
            format!("/rule_definition{pointer}"),
            "{given}"
        );
        assert!(error.reason.contains(says), "{given}: {}", error.reason);
        assert!(!is_valid(&rule_schema(), &json_of(given)), "{given}");
    }
}

#[test]
fn a_window_has_one_spelling_for_each_length_and_unit() {
    for text in ["5m", "99m", "1h", "9h", "99h", "1d", "30d"] {
        let window: Window = text.parse().expect(text);
        assert_eq!(window.to_string(), text);
    }
    for text in [
        "",
        "m",
        "4m",
        "05m",
        "+5m",
        "100m",
        "0h",
        "100h",
        "31d",
        "1w",
        "1",
        "1.5h",
        "1 h",
        "1H",
        "5é",
        "24h ",
        "999999999999d",
    ] {
        assert_eq!(text.parse::<Window>(), Err(WindowError), "{text}");
    }
    let day: Window = "24h".parse().expect("a window");
    assert_eq!(day.length(), TimeDelta::days(1));
}

#[test]
fn operators_mean_what_they_look_like() {
    let holds = |text: &str, left| text.parse::<Operator>().expect(text).holds(left, 2.0);
    for (text, expected) in [
        (">", [false, false, true]),
        (">=", [false, true, true]),
        ("<", [true, false, false]),
        ("<=", [true, true, false]),
    ] {
        assert_eq!(
            [1.0, 2.0, 3.0].map(|left| holds(text, left)),
            expected,
            "{text}"
        );
        assert!(!holds(text, f64::NAN), "{text}");
    }
}

/// As much of JSON Schema as the schema uses. A keyword that is not known fails.
fn is_valid(schema: &Value, value: &Value) -> bool {
    let members = schema.as_object().expect("a schema is an object");
    members
        .iter()
        .all(|(keyword, wanted)| match keyword.as_str() {
            "$schema" | "title" | "description" | "default" => true,
            "oneOf" => {
                let schemas = wanted.as_array().expect("a list");
                schemas
                    .iter()
                    .filter(|schema| is_valid(schema, value))
                    .count()
                    == 1
            }
            "const" => value == wanted,
            "enum" => wanted.as_array().expect("a list").contains(value),
            "type" => match wanted.as_str().expect("a text") {
                "object" => value.is_object(),
                "boolean" => value.is_boolean(),
                "string" => value.is_string(),
                "number" => value.is_number(),
                "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
                other => panic!("type {other}"),
            },
            "minimum" => value.as_f64() >= wanted.as_f64(),
            "maximum" => value
                .as_f64()
                .is_some_and(|number| Some(number) <= wanted.as_f64()),
            "required" => wanted
                .as_array()
                .expect("a list")
                .iter()
                .all(|name| value.get(name.as_str().expect("a name")).is_some()),
            "properties" => wanted
                .as_object()
                .expect("an object")
                .iter()
                .all(|(name, schema)| {
                    value
                        .get(name)
                        .is_none_or(|member| is_valid(schema, member))
                }),
            "additionalProperties" => value.as_object().is_none_or(|members_given| {
                let known = members["properties"].as_object().expect("an object");
                members_given.keys().all(|name| known.contains_key(name))
            }),
            "pattern" => value.as_str().is_some_and(is_window),
            other => panic!("keyword {other}"),
        })
}

/// The one pattern of the schema, spelled out: all texts that it matches.
fn is_window(text: &str) -> bool {
    assert_eq!(
        Window::PATTERN,
        "^(([5-9]|[1-9][0-9])m|[1-9][0-9]?h|([1-9]|[12][0-9]|30)d)$"
    );
    let minutes = (5..=99).map(|count| format!("{count}m"));
    let hours = (1..=99).map(|count| format!("{count}h"));
    let days = (1..=30).map(|count| format!("{count}d"));
    minutes
        .chain(hours)
        .chain(days)
        .any(|window| window == text)
}

fn member_values() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-2..120_i64).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => (0.0..110.0_f64).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        2 => prop::sample::select(vec![">", ">=", "<", "<=", "!="]).prop_map(Value::from),
        2 => (0..110_u32, prop::sample::select(vec!["m", "h", "d", "", "s"]))
            .prop_map(|(count, unit)| format!("{count}{unit}").into()),
    ]
}

/// Rules with fields of any kind and of none, many of them valid.
fn rules() -> impl Strategy<Value = Value> {
    let names: Vec<_> = KINDS
        .iter()
        .map(|kind| kind.name)
        .chain(["other"])
        .collect();
    let of_kind = prop::sample::select(names).prop_flat_map(|name| {
        let kind = KINDS.iter().find(|kind| kind.name == name);
        let own = kind.map_or_else(Vec::new, |kind| {
            kind.fields.iter().map(|field| field.name).collect()
        });
        let fields: Vec<_> = own.into_iter().chain(["extra"]).collect();
        let members =
            prop::collection::vec(prop::option::weighted(0.7, member_values()), fields.len());
        members.prop_map(move |values| {
            let mut rule = json!({ "type": name });
            for (field, value) in fields.iter().zip(values) {
                // Most rules have no field that is not known.
                if let Some(value) = value
                    && (*field != "extra" || value == json!(true))
                {
                    rule[*field] = value;
                }
            }
            rule
        })
    });
    prop_oneof![20 => of_kind, 1 => member_values()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The schema accepts exactly what is read, and what was read is written back.
    #[test]
    fn schema_and_reader_agree(json in rules()) {
        let read = RuleDefinition::read(&json);
        prop_assert_eq!(read.is_ok(), is_valid(&rule_schema(), &json), "{:?}", read);
        match read {
            Ok(rule) => {
                prop_assert!(is_valid(&rule_schema(), &rule.to_json()));
                prop_assert_eq!(RuleDefinition::read(&rule.to_json()), Ok(rule));
            }
            Err(error) => prop_assert!(error.pointer.starts_with("/rule_definition")),
        }
    }
}
