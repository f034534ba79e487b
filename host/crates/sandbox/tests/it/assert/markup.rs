//! `xmlValue`, `formToken` and `formFields`: what they read, and what they do with a bomb.

use serde_json::json;
use vedette_core::{ErrorClass, Outcome, Status};

use super::{assert_failure, assert_misuse, run_asserting};
use crate::{assert_success, data};

const XML: &str = r#"<?xml version="1.0"?><!-- a > b --><s:Env xmlns:s="urn:s">
  <s:Body at='1 &lt; 2 > 1'><item>one</item><item id="7">t&amp;wo &#x1f6a8;<![CDATA[<raw> & ]]><b>bold</b> </item>
  <empty/><list><item>deep</item></list><more x = "a"  y='b' ></more ></s:Body>
</s:Env>"#;

async fn read(function: &str, text: &str, argument: &str) -> Outcome {
    let text = serde_json::to_string(text).unwrap();
    run_asserting(&format!(
        "return {{ success: true, data: {function}({text}, {argument}) }};"
    ))
    .await
}

#[tokio::test]
async fn xml_values_are_read_by_path() {
    for (path, value) in [
        ("/s:Env/s:Body/item", "one"),
        ("s:Env/s:Body/item[1]", "one"),
        ("/s:Env/s:Body/item[2]", "t&wo \u{1f6a8}<raw> & bold"),
        ("/s:Env/s:Body/item[2]/@id", "7"),
        ("/s:Env/s:Body/item[2]/b", "bold"),
        ("/s:Env/s:Body/@at", "1 < 2 > 1"),
        ("/s:Env/s:Body/empty", ""),
        ("/s:Env/s:Body/more/@y", "b"),
        ("/s:Env/s:Body/list/item", "deep"),
        ("/s:Env/@xmlns:s", "urn:s"),
    ] {
        let outcome = read("xmlValue", XML, &format!("{path:?}")).await;
        assert_success(&outcome);
        assert_eq!(data(&outcome), value, "{path}");
    }
    for path in [
        "/Env",
        "/s:Env/item",
        "/s:Env/s:Body/item[3]",
        "/s:Env/s:Body/item/@id2",
        "/s:Env/s:Body/list/item[2]",
    ] {
        assert_failure(
            &read("xmlValue", XML, &format!("{path:?}")).await,
            &format!("the XML has nothing at \"{path}\""),
        );
    }
    for path in [
        "''",
        "'//item'",
        "'/a/b['",
        "'/a[0]'",
        "'/@a/b'",
        "'@a'",
        "'/a/@b[1]'",
        "'a b'",
        "5",
        "undefined",
    ] {
        assert_misuse(&read("xmlValue", XML, path).await, "path");
    }
    assert_misuse(
        &run_asserting("xmlValue(fetch('http://127.0.0.1:1/').catch(() => 1), '/a');").await,
        "is an `await` missing?",
    );
}

#[tokio::test]
async fn broken_xml_is_the_targets_fault() {
    for (xml, message) in [
        ("", "the XML has no element"),
        ("down for maintenance", "text outside of the root"),
        ("<a>", "<a> has no end"),
        ("<a><b></a></b>", "line 1: </a> ends what is not open"),
        ("<a>\n\n</b></a>", "line 3: </b> ends what is not open"),
        ("<a/><a/>", "there is a second root"),
        ("<a/>x", "text outside of the root"),
        ("<a b=1/>", "a tag is not written correctly"),
        ("<a b/>", "a tag is not written correctly"),
        ("<a b='1'c='2'/>", "a tag is not written correctly"),
        ("<a b='1", "an attribute has no end"),
        ("<a><!-- </a>", "a comment has no end"),
        ("<a><![CDATA[ </a>", "a CDATA section has no end"),
        (
            "<a>&nbsp;</a>",
            "\"&nbsp;\" does not begin with a character",
        ),
        ("<a>&x</a>", "\"&x\" does not begin with a character"),
        ("<a>&#0;</a>", "\"&#0;\" does not begin with a character"),
        (
            "<a>&#xd800;</a>",
            "\"&#xd800;\" does not begin with a character",
        ),
        ("<>x</>", "a tag has no name"),
    ] {
        assert_failure(&read("xmlValue", xml, "'/a'").await, message);
    }
    let bomb = "<!DOCTYPE a [<!ENTITY b 'bb'><!ENTITY c SYSTEM 'file:///etc/passwd'>]><a>&c;</a>";
    assert_misuse(
        &read("xmlValue", bomb, "'/a'").await,
        "does not read XML with a document type",
    );
}

const HTML: &str = r#"<html><head><meta name="csrf-token" content="m&#43;t"><title><input name=csrf value=title></title>
<script>var x = "<input name=csrf value=script>"</script><!-- <input name=csrf value=comment> --></head>
<FORM id=login class="a b" action="/login" method=post><INPUT TYPE=hidden NAME="csrf" VALUE='a&quot;b&amp;c&unknown; &lt'>
<input name=user value><input name=user2 value=bare/quoted><input name=box type=checkbox><input type=checkbox checked name=on>
<input type=radio name=r value=1><input type=radio name=r value=2 checked><input type=submit name=go value=Go>
<input name=off disabled value=x><input value=nameless></form>
<form action='/other'><input name=q value="1>2"><p <input name=stray value=s></form><form id=third><input name=open value=end"#;

#[tokio::test]
async fn form_tokens_are_found() {
    for (name, value) in [
        ("csrf", "a\"b&c&unknown; &lt"),
        ("csrf-token", "m+t"),
        ("user2", "bare/quoted"),
        ("q", "1>2"),
    ] {
        let outcome = read("formToken", HTML, &format!("{name:?}")).await;
        assert_success(&outcome);
        assert_eq!(data(&outcome), value, "{name}");
    }
    for name in ["nothing", "user", "constructor"] {
        assert_failure(
            &read("formToken", HTML, &format!("{name:?}")).await,
            &format!("the page has no form token \"{name}\""),
        );
    }
    assert_failure(
        &read("formToken", "", "'csrf'").await,
        "the page has no form token",
    );
    assert_misuse(
        &read("formToken", HTML, "5").await,
        "the name of a form token must be a text",
    );
    assert_misuse(
        &run_asserting("formToken(undefined, 'csrf');").await,
        "the page must be a text",
    );
}

#[tokio::test]
async fn form_fields_are_what_a_browser_would_send() {
    let login = json!({ "csrf": "a\"b&c&unknown; &lt", "user": "", "user2": "bare/quoted", "on": "on", "r": "2" });
    for selector in [
        "undefined",
        "'form'",
        "'#login'",
        "'form#login'",
        "'.b'",
        "'[action=\"/login\"]'",
        "'form[method=post]'",
    ] {
        let outcome = read("formFields", HTML, selector).await;
        assert_success(&outcome);
        assert_eq!(data(&outcome), login, "{selector}");
    }
    let outcome = read("formFields", HTML, "'[action=\"/other\"]'").await;
    assert_eq!(data(&outcome)["q"], "1>2");
    let outcome = read(
        "formFields",
        "<form><input name=__proto__ value=x></form>",
        "'form'",
    )
    .await;
    assert_eq!(data(&outcome), json!({ "__proto__": "x" }));
    assert_failure(
        &read("formFields", HTML, "'#nothing'").await,
        "the page has no form \"#nothing\"",
    );
    for selector in ["''", "'div'", "'#'", "'form > input'", "'[href=x]'", "5"] {
        assert_misuse(&read("formFields", HTML, selector).await, "selector");
    }
}

/// Each takes the target 5 MB at most, which a response may have: read in one pass, or stopped.
#[tokio::test]
async fn bombs_are_read_or_stopped_and_never_green() {
    for (text, message) in [
        ("'<a>'.repeat(1e6)", "nested more than 1000 levels deep"),
        (
            "'<a>'.repeat(3e5) + 'x' + '</a>'.repeat(3e5)",
            "nested more than 1000 levels deep",
        ),
        ("'<a ' + 'b=\"1\" '.repeat(5e5)", "not written correctly"),
        ("'<a b=\"' + 'x'.repeat(4e6)", "has no end"),
        ("'<'.repeat(2e6)", "has no name"),
        (
            "'<a>' + '&'.repeat(1e6) + '</a>'",
            "does not begin with a character",
        ),
        ("'<a>' + '<!-- -->'.repeat(3e5)", "has no end"),
        ("'<a>' + '<![CDATA['.repeat(3e5)", "has no end"),
        ("' '.repeat(4e6)", "no element"),
    ] {
        for call in ["xmlValue(text, '/a/z')", "xmlValue(text, '/a')"] {
            let outcome = run_asserting(&format!(
                "const text = {text}; expect({call}).toBe('never');"
            ))
            .await;
            // What lies beside the path is skipped and not judged.
            let skipped = "the XML has nothing at \"/a/z\"";
            let is_told = outcome
                .message
                .as_deref()
                .is_some_and(|found| found.contains(message) || found.contains(skipped));
            assert!(
                outcome.status == Status::Failure && is_told,
                "{text}: {outcome:#?}"
            );
        }
    }
    for text in [
        "'<input '.repeat(5e5)",
        "'<input name=a '.repeat(3e5)",
        "'<input ' + 'a=1 '.repeat(1e6) + '>'",
        "'<input name=\"' + 'x'.repeat(4e6)",
        "'<'.repeat(4e6)",
        "'<script>'.repeat(5e5)",
        "'<!--'.repeat(1e6)",
        "'<textarea></text'.repeat(2e5)",
        "'<form>'.repeat(5e5)",
        "'&'.repeat(4e6)",
        "'</'.repeat(2e6)",
        "'\"=/'.repeat(1e6)",
    ] {
        let outcome =
            run_asserting(&format!("const text = {text}; formToken(text, 'csrf');")).await;
        assert_told_or_stopped(&outcome, text);
        let outcome = run_asserting(&format!(
            "const text = {text}; expect(formFields(text)).toHaveProperty('csrf');"
        ))
        .await;
        assert_told_or_stopped(&outcome, text);
    }
}

/// A million tags or attributes may cost more than a run may compute.
#[track_caller]
fn assert_told_or_stopped(outcome: &Outcome, text: &str) {
    let is_stopped = outcome.error_class == Some(ErrorClass::FuelExhausted);
    assert!(
        outcome.status == Status::Failure || is_stopped,
        "{text}: {outcome:#?}"
    );
}
