//! What is shown to whoever sets a channel up.

use serde_json::{Value, json};
use vedette_alerting::{ChannelKind, Event, Policy, Preview, preview};

use crate::channels::SECRET;

fn shown(kind: &str, config: &Value, event: Event) -> Preview {
    preview(kind, config, &Policy::default(), event).unwrap()
}

fn places(kind: &str, config: &Value) -> Vec<(String, String)> {
    let errors = preview(kind, config, &Policy::default(), Event::Down).unwrap_err();
    let errors = errors.0.into_iter();
    errors.map(|error| (error.pointer, error.reason)).collect()
}

#[test]
fn every_kind_is_shown_without_settings() {
    for kind in ChannelKind::ALL {
        for event in Event::ALL {
            match shown(kind.as_str(), &json!({}), *event) {
                Preview::Request {
                    host,
                    headers,
                    body,
                } => {
                    assert!(!host.is_empty() && !host.contains('/'), "{host}");
                    assert!(headers.iter().any(|name| name == "content-type"));
                    assert!(body.contains("checkout") || *event != Event::Down, "{body}");
                    assert!(!body.contains("whsec_"), "{body}");
                }
                Preview::Mail { to, subject, .. } => {
                    assert_eq!(to, ["somebody@example.com"]);
                    assert!(!subject.is_empty());
                }
            }
        }
    }
}

#[test]
fn secrets_that_are_given_are_not_shown() {
    for (kind, config, secrets) in [
        (
            "webhook",
            json!({ "url": "https://example.com/hidden-path", "secret": SECRET,
                "headers": { "X-Key": "hidden-key" }, "body_template": "\"hidden-key {{script}}\"" }),
            vec![SECRET, "hidden-key", "hidden-path"],
        ),
        (
            "slack",
            json!({ "url": "https://hooks.slack.com/services/T0/B0/hidden-url" }),
            vec!["hidden-url"],
        ),
        (
            "telegram",
            json!({ "bot_token": "123456:hidden-token-of-some-length" }),
            vec!["hidden-token"],
        ),
        (
            "pagerduty",
            json!({ "routing_key": "hiddenkey0123456789abcdefghijklm" }),
            vec!["hiddenkey"],
        ),
        (
            "opsgenie",
            json!({ "api_key": "hidden-key" }),
            vec!["hidden-key"],
        ),
        (
            "ntfy",
            json!({ "topic": "hidden-topic", "token": "tk_hidden" }),
            vec!["hidden-topic", "tk_hidden"],
        ),
    ] {
        for event in Event::ALL {
            let preview = format!("{:?}", shown(kind, &config, *event));
            for secret in &secrets {
                assert!(!preview.contains(secret), "{kind}: {preview}");
            }
        }
    }
}

#[test]
fn settings_that_were_read_are_shown_again() {
    let config = json!({ "url": "https://example.com:8443/hook", "headers": { "X-Key": null },
        "secret": null, "body_format": "text", "body_template": "{{script}} is {{event}}" });
    let Preview::Request {
        host,
        headers,
        body,
    } = shown("webhook", &config, Event::Acknowledged)
    else {
        panic!("it is a request");
    };
    assert_eq!(host, "example.com:8443");
    assert_eq!(body, "checkout is acknowledged");
    for name in ["content-type", "webhook-id", "webhook-signature", "X-Key"] {
        assert!(headers.iter().any(|known| known == name), "{headers:?}");
    }
}

#[test]
fn what_would_not_be_saved_is_refused() {
    let template = |text: &str| json!({ "body_template": text });
    let one = |kind: &str, config: &Value| {
        let [(place, reason)] = places(kind, config).try_into().unwrap();
        (place, reason)
    };
    let (place, reason) = one("webhook", &template("{\n\"a\": \"{{mesage}}\"}"));
    assert_eq!(place, "/config/body_template");
    assert!(reason.starts_with("line 2: "), "{reason}");
    // Of one event only.
    let (place, reason) = one(
        "webhook",
        &template("{{#link}}1{{/link}}{{^link}}x{{/link}}"),
    );
    assert_eq!(place, "/config/body_template");
    assert!(reason.contains("of the event `test`"), "{reason}");
    for (kind, config, place) in [
        ("moon", json!({}), "/type"),
        ("slack", json!([]), "/config"),
        ("slack", json!({ "moon": 1 }), "/config/moon"),
        (
            "slack",
            json!({ "url": "http://hooks.slack.com/x" }),
            "/config/url",
        ),
        (
            "webhook",
            json!({ "url": "http://127.0.0.1/" }),
            "/config/url",
        ),
        ("webhook", json!({ "secret": "x" }), "/config/secret"),
        (
            "email",
            json!({ "recipients": ["anna"] }),
            "/config/recipients/0",
        ),
    ] {
        assert_eq!(one(kind, &config).0, place, "{kind} {config}");
    }
}
