//! What settings are accepted, and that secrets stay where they belong.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Settings of each kind with every field, and the values in them that are secret.
fn complete() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    vec![
        (
            "webhook",
            json!({
                "url": "https://example.com/hook",
                "secret": SECRET,
                "previous_secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "headers": { "Authorization": "Bearer hidden-one", "X-Team": "hidden-two" },
                "body_format": "json",
                "body_template": "{\"text\": \"{{headline}}\"}",
            }),
            vec![
                SECRET,
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "hidden-one",
                "hidden-two",
            ],
        ),
        (
            "email",
            json!({ "recipients": ["anna@example.com", "b.o+x@mail.example.org"] }),
            vec![],
        ),
        (
            "slack",
            json!({ "url": "https://hooks.slack.com/services/T0/B0/hidden-url" }),
            vec!["hidden-url", "/services"],
        ),
        (
            "discord",
            json!({ "url": "https://discord.com/api/webhooks/1/hidden-url" }),
            vec!["hidden-url"],
        ),
        (
            "teams",
            json!({ "url": "https://prod-1.logic.azure.com:443/workflows/x?sig=hidden-url" }),
            vec!["hidden-url"],
        ),
        (
            "telegram",
            json!({ "bot_token": "123456:hidden-token-of-some-length", "chat_id": "-1001234" }),
            vec!["hidden-token"],
        ),
        (
            "pagerduty",
            json!({ "routing_key": "hiddenkey0123456789abcdefghijklm", "region": "eu" }),
            vec!["hiddenkey"],
        ),
        (
            "opsgenie",
            json!({ "api_key": "hidden-key", "region": "eu" }),
            vec!["hidden-key"],
        ),
        (
            "ntfy",
            json!({ "server": "https://ntfy.example.com", "topic": "hidden-topic", "token": "tk_hidden" }),
            vec!["hidden-topic", "tk_hidden"],
        ),
    ]
}

fn read(kind: &str, config: &Value) -> Result<Channel, ConfigErrors> {
    Channel::read(kind, config, &Policy::default())
}

/// Places and reasons of what is wrong.
fn wrong(kind: &str, config: &Value) -> Vec<(String, String)> {
    let errors = read(kind, config).expect_err("this is wrong").0;
    errors
        .into_iter()
        .map(|error| (error.pointer, error.reason))
        .collect()
}

fn places(kind: &str, config: &Value) -> Vec<String> {
    wrong(kind, config)
        .into_iter()
        .map(|(place, _)| place)
        .collect()
}

#[test]
fn every_kind_is_read_split_and_put_together_again() {
    let complete = complete();
    assert_eq!(complete.len(), ChannelKind::ALL.len());
    for (kind, config, secrets) in complete {
        let channel = read(kind, &config).unwrap();
        assert_eq!(channel.kind().as_str(), kind);
        let parts = channel.split();
        let public = parts.public.to_string();
        let shown = format!(
            "{channel:?} {channel:#?} {parts:?} {}",
            channel.destination()
        );
        for secret in secrets {
            assert!(!public.contains(secret), "{kind}: {public}");
            assert!(!shown.contains(secret), "{kind}: {shown}");
            assert!(parts.secret.expose_secret().contains(secret), "{kind}");
        }
        let again = Channel::join(kind, &parts).unwrap().split();
        assert_eq!(again.public, parts.public);
        assert_eq!(again.secret.expose_secret(), parts.secret.expose_secret());
        assert!(!channel.destination().is_empty());
    }
}

#[test]
fn fields_that_there_are_not_and_kinds_that_there_are_not_are_refused() {
    for (kind, mut config, _) in complete() {
        config["ur/l~"] = json!(1);
        assert_eq!(places(kind, &config), ["/config/ur~1l~0"], "{kind}");
        assert_eq!(places(kind, &json!([])), ["/config"], "{kind}");
        assert!(!places(kind, &json!({})).is_empty(), "{kind}");
    }
    assert_eq!(places("carrier_pigeon", &json!({})), ["/type"]);
    assert_eq!(places("Slack", &json!({})), ["/type"]);
}

#[test]
fn every_field_that_is_wrong_is_named() {
    let config = json!({
        "url": 1,
        "secret": "whsec_c2hvcnQ=",
        "headers": { "Host": "x", "Webhook-Id": "x", "a b": "x", "X-A": "a\nb", "X-B": 2, "Transfer-Encoding": "chunked" },
        "body_template": "{{nothing}}",
        "more": true,
    });
    let places = places("webhook", &config);
    for place in [
        "url",
        "secret",
        "headers/Host",
        "headers/Webhook-Id",
        "headers/a b",
        "headers/X-A",
        "headers/X-B",
        "headers/Transfer-Encoding",
        "body_template",
        "more",
    ] {
        assert!(
            places.contains(&format!("/config/{place}")),
            "{place}: {places:?}"
        );
    }
    assert_eq!(places.len(), 10);
}

#[test]
fn urls_are_judged_by_the_guard_when_they_are_saved() {
    for url in [
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://user:password@example.com/",
        "http://127.0.0.1/",
        "http://0x7f.1/",
        "http://[::1]:8080/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.1.2.3/",
        "http://localhost/",
        "http://metadata.google.internal/",
        "https://example.com:6379/",
        "https://printer.local/",
        "not a url",
        "//example.com/",
    ] {
        let config = json!({ "url": url, "secret": SECRET });
        assert_eq!(places("webhook", &config), ["/config/url"], "{url}");
        for kind in ["slack", "discord", "teams"] {
            assert_eq!(
                places(kind, &json!({ "url": url })),
                ["/config/url"],
                "{kind} {url}"
            );
        }
        let config = json!({ "server": url, "topic": "alerts" });
        assert!(
            places("ntfy", &config).contains(&"/config/server".to_owned()),
            "{url}"
        );
    }
    assert_eq!(
        places(
            "slack",
            &json!({ "url": "http://hooks.slack.com/services/x" })
        ),
        ["/config/url"]
    );
    assert_eq!(
        places(
            "ntfy",
            &json!({ "server": "https://ntfy.sh/topic", "topic": "t" })
        ),
        ["/config/server"]
    );
    // What the operator allows is allowed here too.
    let policy = Policy {
        allow: vec!["10.0.0.0/8".parse().unwrap()],
        ..Policy::default()
    };
    let config = json!({ "url": "http://10.1.2.3/hook", "secret": SECRET });
    assert!(Channel::read("webhook", &config, &policy).is_ok());
}

#[test]
fn recipients_are_addresses_and_nothing_but_that() {
    for address in [
        "anna@example.com\r\nBcc: boris@example.com",
        "anna@example.com, boris@example.com",
        "Anna <anna@example.com>",
        "anna",
        "anna@localhost",
        "anna@exa mple.com",
        "a@b@example.com",
        "\"a b\"@example.com",
        "anna@-example.com",
        "a..b@example.com",
        "anna@[10.0.0.1]",
        "",
    ] {
        let config = json!({ "recipients": ["good@example.com", address] });
        assert_eq!(
            places("email", &config),
            ["/config/recipients/1"],
            "{address}"
        );
    }
    assert_eq!(
        places("email", &json!({ "recipients": [] })),
        ["/config/recipients"]
    );
    assert_eq!(
        places("email", &json!({ "recipients": "a@example.com" })),
        ["/config/recipients"]
    );
    let many = vec!["a@example.com"; MAX_RECIPIENTS + 1];
    assert_eq!(
        places("email", &json!({ "recipients": many })),
        ["/config/recipients"]
    );
    let twice = read(
        "email",
        &json!({ "recipients": ["a@example.com", "A@example.com"] }),
    )
    .unwrap();
    assert_eq!(twice.destination(), "a@example.com");
}

#[test]
fn bodies_are_tried_when_they_are_saved() {
    let body = |format: &str, template: &str| {
        let config = json!({
            "url": "https://example.com/", "secret": SECRET, "body_format": format, "body_template": template,
        });
        wrong("webhook", &config)
    };
    let [(place, reason)] = &body("json", "{\"text\":\n \"{{mesage}}\"}")[..] else {
        panic!()
    };
    assert_eq!(place, "/config/body_template");
    assert!(
        reason.starts_with("line 2: `mesage` is not known"),
        "{reason}"
    );
    let [(_, reason)] = &body("json", "{\"text\": {{headline}}}")[..] else {
        panic!()
    };
    assert!(reason.contains("no JSON"), "{reason}");
    // There is a rule in some notifications only.
    let [(_, reason)] = &body("json", "{ {{#rule}}\"rule\": 1{{/rule}}, \"a\": 1 }")[..] else {
        panic!()
    };
    assert!(reason.contains("of the event `test`"), "{reason}");
    assert_eq!(body("xml", "x")[0].0, "/config/body_format");
}

#[test]
fn secrets_that_are_left_out_stay() {
    let policy = Policy::default();
    let old = read("webhook", &complete().remove(0).1).unwrap();
    let same = old.update(&old.split().public, &policy).unwrap();
    assert_eq!(
        same.split().secret.expose_secret(),
        old.split().secret.expose_secret()
    );

    let config = json!({
        "url": "https://example.com/another/path", "previous_secret": null,
        "headers": { "authorization": null, "X-Team": "new" },
    });
    let secret = old.update(&config, &policy).unwrap().split().secret;
    let secret = secret.expose_secret();
    assert!(
        secret.contains(SECRET) && secret.contains("hidden-one"),
        "{secret}"
    );
    assert!(
        !secret.contains("hidden-two") && !secret.contains("previous"),
        "{secret}"
    );

    for (kind, config, _) in complete() {
        let old = read(kind, &config).unwrap();
        let same = old.update(&old.split().public, &policy).unwrap();
        assert_eq!(
            same.split().secret.expose_secret(),
            old.split().secret.expose_secret(),
            "{kind}"
        );
    }
    let unknown = old.update(
        &json!({ "url": "https://example.com/", "headers": { "X-New": null } }),
        &policy,
    );
    assert_eq!(unknown.unwrap_err().0[0].pointer, "/config/headers/X-New");
}

/// Otherwise whoever may change a channel, but not see its secrets, could have them sent to a server of their own.
#[test]
fn secrets_do_not_go_along_to_another_host() {
    let policy = Policy::default();
    let old = read("webhook", &complete().remove(0).1).unwrap();
    for url in [
        "https://evil.example.org/",
        "http://example.com/hook",
        "https://example.com:8443/hook",
    ] {
        let config = json!({ "url": url, "secret": SECRET, "headers": { "Authorization": null } });
        let errors = old.update(&config, &policy).unwrap_err().0;
        let places: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(
            places,
            ["/config/headers/Authorization", "/config/previous_secret"],
            "{url}"
        );
    }
    let config = json!({
        "url": "https://evil.example.org/", "secret": SECRET, "previous_secret": null, "headers": {},
    });
    assert!(old.update(&config, &policy).is_ok());
    let ntfy = read("ntfy", &complete().remove(8).1).unwrap();
    let moved = ntfy
        .update(&json!({ "topic": "t" }), &policy)
        .unwrap_err()
        .0;
    assert_eq!(moved[0].pointer, "/config/token");
}

#[test]
fn secrets_for_signatures_are_made_and_read() {
    let made = SigningSecret::from_random(&[7; 32]);
    assert!(SigningSecret::parse(made.text().expose_secret()).is_some());
    assert_eq!(made.bytes(), [7; 32]);
    for text in [
        "",
        "whsec_",
        "whsec_c2hvcnQ=",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_%%%",
    ] {
        assert!(SigningSecret::parse(text).is_none(), "{text}");
    }
}

/// Any JSON, as a value of a field.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "https://[a-z.]{1,20}/[ -~]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// What is accepted survives being stored; what is not is told with a place below the settings.
    #[test]
    fn any_settings_are_accepted_or_refused(index in 0..9_usize, field in 0..6_usize, value in any_json()) {
        let (kind, mut config, _) = complete().swap_remove(index);
        let names: Vec<String> = config.as_object().unwrap().keys().cloned().collect();
        config[&names[field % names.len()]] = value.clone();
        for config in [config, value] {
            match read(kind, &config) {
                Ok(channel) => prop_assert!(Channel::join(kind, &channel.split()).is_ok()),
                Err(errors) => {
                    prop_assert!(!errors.0.is_empty());
                    prop_assert!(errors.0.iter().all(|error| error.pointer.starts_with("/config")));
                }
            }
        }
    }
}
