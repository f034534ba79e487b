//! Scopes and matchers: what they cover, and what is refused.

use std::time::Instant;

use uuid::Uuid;

use super::*;
use crate::{ProjectId, ScriptId, script::MAX_TAG_CHARS};

fn script_id() -> ScriptId {
    ScriptId::from_uuid(Uuid::from_u128(1))
}

fn project_id() -> ProjectId {
    ProjectId::from_uuid(Uuid::from_u128(2))
}

fn labels(tags: &[String]) -> ScriptLabels<'_> {
    ScriptLabels {
        script_id: script_id(),
        script_name: "shop checkout",
        project_id: project_id(),
        project_name: "Shop",
        tags,
    }
}

fn text((label, operator, value): (&str, &str, &str)) -> MatcherText {
    MatcherText {
        label: label.to_owned(),
        operator: operator.to_owned(),
        value: value.to_owned(),
    }
}

/// Whether an alert of a critical latency rule of the script above is matched by all of them.
fn matched(matchers: &[(&str, &str, &str)], tags: &[&str]) -> bool {
    let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
    let alert = AlertLabels {
        script: labels(&tags),
        severity: "critical",
        rule_type: "latency",
    };
    let texts: Vec<MatcherText> = matchers.iter().copied().map(text).collect();
    let matchers = Matchers::parse(&texts).expect("matchers that are accepted");
    matchers.match_alert(&alert)
}

fn pointers(matchers: &[(&str, &str, &str)]) -> Vec<String> {
    let texts: Vec<MatcherText> = matchers.iter().copied().map(text).collect();
    let errors = Matchers::parse(&texts).expect_err("a refusal");
    errors.into_iter().map(|error| error.pointer).collect()
}

#[test]
fn a_scope_covers_what_it_says() {
    let tags = ["prod".to_owned(), "shop".to_owned()];
    let script = labels(&tags);
    let tag = |name: &str| Scope::Tag {
        name: name.to_owned(),
    };
    assert!(Scope::Organization.covers(&script));
    assert!(Scope::Project { id: project_id() }.covers(&script));
    assert!(Scope::Script { id: script_id() }.covers(&script));
    assert!(tag("shop").covers(&script));
    assert!(!tag("sho").covers(&script));
    assert!(!tag("Shop").covers(&script));
    let other = Uuid::from_u128(3);
    assert!(
        !Scope::Project {
            id: ProjectId::from_uuid(other)
        }
        .covers(&script)
    );
    assert!(
        !Scope::Script {
            id: ScriptId::from_uuid(other)
        }
        .covers(&script)
    );
}

#[test]
fn the_whole_organization_has_to_be_said() {
    let read = serde_json::from_str::<Scope>;
    assert_eq!(
        read(r#"{"kind": "organization"}"#).expect("a scope"),
        Scope::Organization
    );
    let tag = Scope::Tag {
        name: "shop".to_owned(),
    };
    assert_eq!(
        serde_json::to_string(&tag).expect("JSON"),
        r#"{"kind":"tag","name":"shop"}"#
    );
    for text in ["{}", r#"{"kind":"all"}"#, r#"{"kind":"script"}"#, "null"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn tags_have_bounds() {
    for tag in ["prod", "team a", "über", &"x".repeat(MAX_TAG_CHARS)] {
        assert_eq!(check_tag(tag), Ok(()), "{tag}");
    }
    for tag in [
        "",
        " ",
        " prod",
        "a*",
        "a\nb",
        &"x".repeat(MAX_TAG_CHARS + 1),
    ] {
        assert_eq!(check_tag(tag).expect_err(tag).pointer, "/tag");
    }
}

#[test]
fn each_label_is_looked_at() {
    let id = script_id().to_string();
    assert!(matched(&[("script", "=", "shop checkout")], &[]));
    assert!(matched(&[("script", "=", &id)], &[]));
    assert!(!matched(&[("script", "=", "checkout")], &[]));
    assert!(!matched(&[("script", "!=", &id)], &[]));
    assert!(matched(&[("project", "=", "Shop")], &[]));
    assert!(matched(&[("project", "=", &project_id().to_string())], &[]));
    assert!(matched(&[("severity", "=", "critical")], &[]));
    assert!(!matched(&[("severity", "!=", "critical")], &[]));
    assert!(matched(&[("rule_type", "!=", "status_change")], &[]));
}

#[test]
fn of_tags_one_is_enough_for_is_and_too_much_for_is_not() {
    let tags = ["prod", "shop"];
    assert!(matched(&[("tag", "=", "shop")], &tags));
    assert!(matched(
        &[("tag", "=", "shop"), ("tag", "=", "prod")],
        &tags
    ));
    assert!(!matched(
        &[("tag", "=", "shop"), ("tag", "=", "test")],
        &tags
    ));
    assert!(!matched(&[("tag", "!=", "shop")], &tags));
    assert!(matched(&[("tag", "!=", "test")], &tags));
    // With a tag, and without any.
    assert!(matched(&[("tag", "=", "*")], &tags));
    assert!(!matched(&[("tag", "=", "*")], &[]));
    assert!(matched(&[("tag", "!=", "*")], &[]));
    assert!(matched(&[("tag", "!=", "shop")], &[]));
}

#[test]
fn a_star_stands_for_any_text() {
    for (pattern, fits) in [
        ("shop*", true),
        ("*checkout", true),
        ("*op ch*", true),
        ("s*p*c*t", true),
        ("shop checkout*", true),
        ("**shop**", true),
        ("Shop*", false),
        ("shop*shop checkout", false),
        ("*shop checkout checkout", false),
        ("s*x*t", false),
        ("shop.checkout", false),
        ("s?op checkout", false),
    ] {
        assert_eq!(matched(&[("script", "=", pattern)], &[]), fits, "{pattern}");
    }
}

#[test]
fn a_pattern_of_many_stars_takes_no_time() {
    let pattern = "a*".repeat(MAX_LABEL_CHARS / 2);
    let matchers = Matchers::parse(&[text(("script", "=", &pattern))]).expect("accepted");
    let name = format!("{}b", "a".repeat(100_000));
    let alert = AlertLabels {
        script: ScriptLabels {
            script_name: &name,
            ..labels(&[])
        },
        severity: "critical",
        rule_type: "latency",
    };
    let started = Instant::now();
    assert!(matchers.match_alert(&alert));
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn what_would_silence_everything_is_refused() {
    assert_eq!(pointers(&[]), ["/matchers"]);
    assert_eq!(pointers(&[("script", "=", "*")]), ["/matchers/0/value"]);
    assert_eq!(
        pointers(&[("tag", "=", "a"), ("severity", "!=", "**")]),
        ["/matchers/1/value"]
    );
    let many = [("tag", "=", "a"); MAX_MATCHERS + 1];
    assert_eq!(pointers(&many), ["/matchers"]);
}

#[test]
fn what_is_wrong_is_said_at_its_field() {
    let long = "x".repeat(MAX_LABEL_CHARS + 1);
    let wrong = [
        ("host", "=", "a"),
        ("script", "=~", "a.*"),
        ("script", "=", ""),
        ("script", "=", "a\u{7}"),
        ("script", "=", long.as_str()),
        ("", "", ""),
    ];
    assert_eq!(
        pointers(&wrong),
        [
            "/matchers/0/label",
            "/matchers/1/operator",
            "/matchers/2/value",
            "/matchers/3/value",
            "/matchers/4/value",
            "/matchers/5/label",
            "/matchers/5/operator",
            "/matchers/5/value",
        ]
    );
}

#[test]
fn a_silence_has_an_end_and_matchers() {
    let (from, until) = (at("2027-01-01T00:00:00Z"), at("2027-01-01T01:00:00Z"));
    let matchers = [text(("tag", "=", "shop"))];
    let silence = Silence::parse(from, until, &matchers).expect("accepted");
    let tags = ["shop".to_owned()];
    let mut alert = AlertLabels {
        script: labels(&tags),
        severity: "critical",
        rule_type: "latency",
    };
    assert!(silence.silences(&alert, from));
    assert!(!silence.silences(&alert, until));
    alert.script.tags = &[];
    assert!(!silence.silences(&alert, from));
    let errors = Silence::parse(until, from, &[]).expect_err("a refusal");
    let pointers: Vec<_> = errors.iter().map(|error| &error.pointer).collect();
    assert_eq!(pointers, ["/until", "/matchers"]);
}
