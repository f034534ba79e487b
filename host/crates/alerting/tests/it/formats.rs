//! The messages of every kind, as snapshots.

use chrono::TimeDelta;
use serde_json::json;
use vedette_alerting::{ChannelKind, Event, Outgoing, render, sample};

use crate::channels::{SECRET, body, channel, mail, read, request};

#[test]
fn messages_of_every_kind() {
    for kind in ChannelKind::ALL
        .iter()
        .filter(|kind| **kind != ChannelKind::Email)
    {
        let kind = kind.as_str();
        for (event, notification) in [
            ("down", sample::down()),
            ("up", sample::up()),
            ("digest", sample::digest()),
        ] {
            let request = request(&channel(kind), &notification);
            let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
            let whole = json!({ "url": request.url, "headers": request.headers, "body": body });
            insta::assert_json_snapshot!(format!("{kind}_{event}"), whole);
        }
    }
}

#[test]
fn mails() {
    let down = mail(&sample::down());
    insta::assert_snapshot!(
        "mail_down_text",
        format!("{}\n\n{}", down.subject(), down.text())
    );
    insta::assert_snapshot!("mail_down_html", down.html());
    let digest = mail(&sample::digest());
    insta::assert_snapshot!(
        "mail_digest_text",
        format!("{}\n\n{}", digest.subject(), digest.text())
    );
    assert_eq!(down.to(), ["anna@example.com", "boris@example.com"]);
    assert_eq!(down.incident(), sample::down().incident);
}

#[test]
fn services_that_keep_incidents_are_told_of_each_change() {
    let mut notification = sample::down();
    for (event, action, path) in [
        (Event::Down, "trigger", ""),
        (Event::Reminder, "trigger", ""),
        (Event::Escalated, "trigger", ""),
        (
            Event::Acknowledged,
            "acknowledge",
            "/00000000-0000-0000-0000-000000000002/acknowledge?identifierType=alias",
        ),
        (
            Event::Up,
            "resolve",
            "/00000000-0000-0000-0000-000000000002/close?identifierType=alias",
        ),
    ] {
        notification.event = event;
        let pagerduty = body("pagerduty", &notification);
        assert_eq!(pagerduty["event_action"], action);
        assert_eq!(
            pagerduty["dedup_key"],
            "00000000-0000-0000-0000-000000000002"
        );
        let opsgenie = request(&channel("opsgenie"), &notification);
        assert_eq!(
            opsgenie.url,
            format!("https://api.eu.opsgenie.com/v2/alerts{path}")
        );
    }
    let tracking: Vec<_> = ChannelKind::ALL
        .iter()
        .filter(|kind| kind.tracks_incidents())
        .map(|kind| kind.as_str())
        .collect();
    assert_eq!(tracking, ["pagerduty", "opsgenie"]);
}

#[test]
fn a_body_of_the_users_own_is_sent_in_its_format() {
    for (format, template, content_type, expected) in [
        (
            "json",
            "{\"t\":\"{{message}}\"}",
            "application/json",
            r#"{"t":"a \"b\" \u0026 c"}"#,
        ),
        (
            "text",
            "{{message}}",
            "text/plain; charset=utf-8",
            r#"a "b" & c"#,
        ),
        (
            "html",
            "<p>{{message}}</p>",
            "text/html; charset=utf-8",
            "<p>a &quot;b&quot; &amp; c</p>",
        ),
        (
            "form",
            "t={{message}}&x=1",
            "application/x-www-form-urlencoded",
            "t=a%20%22b%22%20%26%20c&x=1",
        ),
    ] {
        let channel = read(
            "webhook",
            &json!({
                "url": "https://example.com/", "secret": SECRET, "body_format": format, "body_template": template,
            }),
        );
        let mut notification = sample::down();
        notification.message = r#"a "b" & c"#.to_owned();
        let request = request(&channel, &notification);
        assert_eq!(request.body, expected);
        assert!(
            request
                .headers
                .contains(&("content-type".to_owned(), content_type.to_owned()))
        );
        assert_eq!(
            request
                .headers
                .iter()
                .filter(|(name, _)| name == "content-type")
                .count(),
            1
        );
        assert_eq!(request.template_problem, None);
    }
}

/// A notification must not be lost because a template meets what nobody thought of.
#[test]
fn a_template_that_fails_gives_way_to_the_standard_body() {
    // No JSON when a request has a status and no other.
    let template = r#"{"first": [{{#requests}}{{#status}}{{status}},{{/status}}{{/requests}} 0 {{^last_good_at}}x{{/last_good_at}}{{#failing_step}}{{/failing_step}}]}"#;
    let template = template.replace(
        "{{^last_good_at}}x{{/last_good_at}}",
        "{{#requests_omitted}}x{{/requests_omitted}}",
    );
    let channel = read(
        "webhook",
        &json!({
            "url": "https://example.com/", "secret": SECRET, "body_template": template,
        }),
    );
    let mut notification = sample::down();
    assert_eq!(request(&channel, &notification).template_problem, None);
    notification.requests = vec![notification.requests[0].clone(); 50];
    let request = request(&channel, &notification);
    assert!(request.template_problem.unwrap().contains("no JSON"));
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["type"], "notification.down");
    assert_eq!(body["data"]["requests_omitted"], 40);
}

#[test]
fn all_attempts_have_the_same_body() {
    for kind in ChannelKind::ALL {
        let stored = serde_json::to_string(&sample::down()).unwrap();
        let later = sample::down().occurred_at + TimeDelta::hours(5);
        let first = render(
            &channel(kind.as_str()),
            &sample::down(),
            sample::down().occurred_at,
        );
        let second = render(
            &channel(kind.as_str()),
            &serde_json::from_str(&stored).unwrap(),
            later,
        );
        match (first, second) {
            (Outgoing::Request(first), Outgoing::Request(second)) => {
                assert_eq!(first.body, second.body);
                let id = |request: &vedette_alerting::OutgoingRequest| {
                    request
                        .headers
                        .iter()
                        .find(|(name, _)| name == "webhook-id")
                        .cloned()
                };
                assert_eq!(id(&first), id(&second));
            }
            (Outgoing::Mail(first), Outgoing::Mail(second)) => assert_eq!(first, second),
            mixed => panic!("{mixed:?}"),
        }
    }
}

#[test]
fn what_is_shown_of_a_request_has_no_secret() {
    for kind in ChannelKind::ALL
        .iter()
        .filter(|kind| **kind != ChannelKind::Email)
    {
        let request = request(&channel(kind.as_str()), &sample::down());
        let shown = format!("{request:?} {request:#?}");
        for secret in [
            "hidden",
            "XXXX",
            "abcdefghijkl",
            "ABC-DEF",
            "0123456789abcdef",
            "1111-2222",
            "whsec",
        ] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn the_template_of_the_documentation_is_one() {
    let documentation = include_str!("../../../../../docs/channels.md");
    let (_, rest) = documentation.split_once("```text\n").unwrap();
    let (template, _) = rest.split_once("```").unwrap();
    let config =
        json!({ "url": "https://example.com/", "secret": SECRET, "body_template": template });
    let request = request(&read("webhook", &config), &sample::down());
    assert_eq!(request.template_problem, None);
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(
        body["lines"][1],
        "POST https://shop.example.com/orders: connection refused"
    );
}

/// The body that the documentation shows has the fields of the one that is sent.
#[test]
fn the_body_of_the_documentation_is_the_one() {
    let documentation = include_str!("../../../../../docs/channels.md");
    let (_, rest) = documentation.split_once("```json\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let shown: serde_json::Value = serde_json::from_str(shown).unwrap();
    let sent = body("webhook", &sample::down());
    let names = |value: &serde_json::Value| {
        let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    for path in ["", "/data", "/data/requests/0"] {
        assert_eq!(
            names(shown.pointer(path).unwrap()),
            names(sent.pointer(path).unwrap())
        );
    }
}
