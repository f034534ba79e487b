//! What templates can say, and what they cannot.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::sample;

fn filled_for(source: &str, target: Target, notification: &Notification) -> String {
    let template = Template::parse(source, target).unwrap();
    template.fill(notification).unwrap()
}

fn filled(source: &str) -> String {
    filled_for(source, Target::Plain, &sample::down())
}

fn refused(source: &str) -> TemplateError {
    Template::parse(source, Target::Plain).unwrap_err()
}

#[test]
fn variables_sections_and_their_opposites() {
    assert_eq!(filled("{{script}} {{ event }}!"), "checkout down!");
    assert_eq!(
        filled("{{#link}}see {{link}}{{/link}}{{^link}}none{{/link}}"),
        "see https://vedette.example.com/incidents/1"
    );
    assert_eq!(
        filled("{{#ended_at}}over{{/ended_at}}{{^ended_at}}open{{/ended_at}}"),
        "open"
    );
    assert_eq!(
        filled("{{#items}}x{{/items}}{{^items}}no items{{/items}}"),
        "no items"
    );
    assert_eq!(
        filled("{{#requests_omitted}}more{{/requests_omitted}}."),
        "."
    );
    assert_eq!(
        filled(
            "{{#requests}}[{{method}} {{#status}}{{status}}{{/status}}{{^status}}{{error}}{{/status}} {{script}}]{{/requests}}"
        ),
        "[GET 200 checkout][POST connection refused checkout]"
    );
    assert_eq!(
        filled("a{{! a remark }}b {not} }} a tag"),
        "ab {not} }} a tag"
    );
}

#[test]
fn inside_of_a_list_a_name_is_the_elements() {
    let digest = filled_for(
        "{{script}}:{{#items}}{{script}},{{/items}}",
        Target::Plain,
        &sample::digest(),
    );
    assert_eq!(digest, ":checkout,login,search,");
}

#[test]
fn a_line_with_a_section_tag_only_leaves_nothing() {
    let source = "one\n  {{#requests}}\n- {{method}}\n  {{/requests}}\n{{! remark }}\ntwo\n";
    assert_eq!(filled(source), "one\n- GET\n- POST\ntwo\n");
    assert_eq!(filled("{{#link}}\r\nx\r\n{{/link}}\r\n"), "x\r\n");
    assert_eq!(filled("a {{#link}}\nb{{/link}}"), "a \nb");
    assert_eq!(filled("{{#link}}{{/link}}\n{{#link}}\n{{/link}}"), "\n");
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (source, line, part) in [
        (
            "a\nb {{mesage}}",
            2,
            "`mesage` is not known here; known are id, event",
        ),
        (
            "{{#requests}}\n{{#items}}\n{{/items}}{{/requests}}",
            2,
            "cannot stand inside of a list",
        ),
        (
            "{{#requests}}\n\n{{verb}}{{/requests}}",
            3,
            "known are method, url",
        ),
        ("{{method}}", 1, "inside of `{{#requests}}` only"),
        ("{{requests}}", 1, "`requests` is a list"),
        ("\n{{#link}}\n", 2, "has no `{{/link}}`"),
        ("{{#link}}\n{{/rule}}", 2, "where `{{/link}}` should be"),
        ("\n\n{{/link}}", 3, "was not begun"),
        ("x\n{{script", 2, "has no `}}`"),
        ("{{}}", 1, "no name"),
        ("{{{message}}}", 1, "always escaped"),
        ("{{&message}}", 1, "always escaped"),
        ("{{> partial}}", 1, "a tag is"),
        ("{{=<% %>=}}", 1, "a tag is"),
        ("{{message.length}}", 1, "not known"),
        ("{{constructor}}", 1, "not known"),
        ("{{#if message}}x{{/if}}", 1, "not known"),
        ("a\n\0", 1, "NUL"),
    ] {
        let error = refused(source);
        assert!(error.reason.contains(part), "{source:?}: {error}");
        assert_eq!(error.line, line, "{source:?}: {error}");
    }
    let deep = format!("{}{}", "{{#link}}".repeat(9), "{{/link}}".repeat(9));
    assert!(refused(&deep).reason.contains("nested"));
    let long = refused(&format!("{{{{{}}}}}", "ü".repeat(8_000)));
    assert!(
        long.reason.len() < 600 && long.reason.contains('…'),
        "{long}"
    );
    assert!(
        refused(&" ".repeat(MAX_TEMPLATE_BYTES + 1))
            .reason
            .contains("at most 16384")
    );
}

#[test]
fn size_and_time_have_bounds() {
    let source = format!("{{{{#items}}}}{}{{{{/items}}}}", "x".repeat(16_000));
    let template = Template::parse(&source, Target::Plain).unwrap();
    let mut many = sample::digest();
    many.items = vec![many.items[0].clone(); 1_000];
    assert_eq!(template.fill(&many), Err(OutputTooLarge));
    for source in [
        "{{".repeat(8_000),
        "{{#link}}".repeat(1_800),
        "\n".repeat(16_000),
        "{{!}}\n".repeat(2_700),
    ] {
        let started = std::time::Instant::now();
        let _ = Template::parse(&source, Target::Plain);
        assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
    }
}

#[test]
fn a_value_is_never_a_template() {
    let mut hostile = sample::down();
    hostile.message = "{{script}} {{#requests}}{{{link}}}".to_owned();
    let text = filled_for("<{{message}}>", Target::Plain, &hostile);
    assert_eq!(text, "<{{script}} {{#requests}}{{{link}}}>");
}

#[test]
fn values_are_escaped_for_where_they_go() {
    let mut hostile = sample::down();
    hostile.message = "\"</script>\n&\\".to_owned();
    let by = |target| filled_for("{{message}}", target, &hostile);
    assert_eq!(by(Target::Json), "\\\"\\u003c/script\\u003e\\n\\u0026\\\\");
    assert_eq!(by(Target::Html), "&quot;&lt;/script&gt;\n&amp;\\");
    assert_eq!(by(Target::Url), "%22%3C%2Fscript%3E%0A%26%5C");
    assert_eq!(by(Target::Plain), hostile.message);
}

/// The names are those that there are.
#[test]
fn every_name_has_a_value() {
    let mut notification = sample::down();
    notification.items = sample::digest().items;
    let values = serde_json::to_value(Told::new(&notification)).unwrap();
    let names = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let lists = LISTS.iter().map(|(list, _)| *list);
    let known: BTreeSet<String> = VARIABLES
        .iter()
        .copied()
        .chain(lists)
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(names(&values), known);
    for (list, fields) in LISTS {
        let known: BTreeSet<String> = fields.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(names(&values[list][0]), known);
    }
}

proptest! {
    /// Pieces of tags in any order.
    #[test]
    fn whatever_is_written_is_read_or_refused(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "{{", "}}", "{", "}", "#", "^", "/", "!", " ", "\n", "\r\n", "link", "requests", "url", "message",
                "{{#requests}}", "{{/requests}}", "{{^link}}", "{{/link}}", "{{message}}", "ü", "🚒", "\u{0}",
            ]),
            0..40,
        ),
        other: String,
    ) {
        for source in [pieces.concat(), other] {
            match Template::parse(&source, Target::Json) {
                Ok(template) => {
                    prop_assert!(template.fill(&sample::down()).is_ok());
                    prop_assert!(template.fill(&sample::digest()).is_ok());
                }
                Err(error) => prop_assert!((1..=source.lines().count().max(1) + 1).contains(&error.line)),
            }
        }
    }
}
