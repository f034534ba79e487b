//! Settings of channels that are refused, each with its field.

use serde_json::{Value, json};

use crate::{
    channels::{CHANNELS, named, webhook},
    world::{Account, World},
};

impl World {
    /// A new channel with these settings is refused, and these fields are named.
    async fn refused(&self, account: &Account, kind: &str, config: &Value, pointers: &[&str]) {
        let body = json!({ "name": "new", "type": kind, "config": config });
        let refused = self.post(account, CHANNELS, body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, named(pointers)),
            "{config}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_webhook_is_named() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let path = world
        .channel(&anna, "hook", "webhook", webhook(&json!({})))
        .await;
    for (change, pointer) in [
        (json!({ "moon": 1 }), "/config/moon"),
        (json!({ "url": "ftp://example.com" }), "/config/url"),
        (json!({ "url": "http://127.0.0.1/" }), "/config/url"),
        (json!({ "url": "http://2130706433/" }), "/config/url"),
        (json!({ "url": "http://[::1]/" }), "/config/url"),
        (json!({ "url": "http://169.254.169.254/" }), "/config/url"),
        (
            json!({ "url": "http://metadata.google.internal/" }),
            "/config/url",
        ),
        (json!({ "url": "https://example.com:6379/" }), "/config/url"),
        (json!({ "url": "https://a:b@example.com/" }), "/config/url"),
        (json!({ "secret": "whsec_short" }), "/config/secret"),
        (
            json!({ "headers": { "Host": "x" } }),
            "/config/headers/Host",
        ),
        (
            json!({ "headers": { "X-A": "a\u{0}" } }),
            "/config/headers/X-A",
        ),
        (
            json!({ "body_template": "\"{{mesage}}\"" }),
            "/config/body_template",
        ),
        (
            json!({ "body_template": "{{#link}}\"\"" }),
            "/config/body_template",
        ),
        (
            json!({ "body_template": "a\u{0}" }),
            "/config/body_template",
        ),
        (
            json!({ "body_template": "no json" }),
            "/config/body_template",
        ),
        (json!({ "body_format": "xml" }), "/config/body_format"),
    ] {
        let config = webhook(&change);
        world.refused(&anna, "webhook", &config, &[pointer]).await;
        // Nor is one that is there changed to it.
        let body = json!({ "name": "new", "config": config });
        let refused = world.put(&anna, &path, body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, named(&[pointer])),
            "{change}"
        );
    }
    // The type stays.
    let body = json!({ "name": "new", "type": "ntfy", "config": webhook(&json!({})) });
    assert_eq!(world.put(&anna, &path, body).await.pointers(), ["/type"]);
    let line = webhook(&json!({ "body_template": "\"\n{{mesage}}\"" }));
    let body = json!({ "name": "new", "type": "webhook", "config": line });
    let refused = world.post(&anna, CHANNELS, body).await.json();
    let detail = refused["errors"][0]["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("line 2: ") && detail.contains("mesage"),
        "{detail}"
    );
    assert_eq!(world.get(&anna, &path).await.json()["revision"], 1);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let many: Vec<String> = (0..21)
        .map(|number| format!("a{number}@example.com"))
        .collect();
    let addresses = json!([
        "Anna <anna@example.com>",
        "a@example.com",
        "a@b.de\r\nBcc: c@d.de"
    ]);
    for (kind, config, pointers) in [
        ("moon", json!({}), &["/type"][..]),
        ("webhook", json!([]), &["/config"]),
        ("webhook", json!({}), &["/config/secret", "/config/url"]),
        (
            "slack",
            json!({ "url": "http://hooks.slack.com/x" }),
            &["/config/url"],
        ),
        (
            "slack",
            json!({ "url": "https://10.0.0.1/x" }),
            &["/config/url"],
        ),
        (
            "email",
            json!({ "recipients": [] }),
            &["/config/recipients"],
        ),
        (
            "email",
            json!({ "recipients": many }),
            &["/config/recipients"],
        ),
        (
            "email",
            json!({ "recipients": addresses }),
            &["/config/recipients/0", "/config/recipients/2"],
        ),
        (
            "telegram",
            json!({ "bot_token": "1:a/b", "chat_id": "x" }),
            &["/config/bot_token", "/config/chat_id"],
        ),
        (
            "pagerduty",
            json!({ "routing_key": "short" }),
            &["/config/routing_key"],
        ),
        ("ntfy", json!({ "topic": "a b" }), &["/config/topic"]),
    ] {
        world.refused(&anna, kind, &config, pointers).await;
    }
    for (change, pointers) in [
        (json!({ "name": "" }), &["/name"][..]),
        (json!({ "name": "a\u{0}" }), &["/name"]),
        (json!({ "is_enabled": 1 }), &["/is_enabled"]),
        (json!({ "owner_id": 1 }), &["/owner_id"]),
        (json!({ "destination": "x" }), &["/destination"]),
        (
            json!({ "name": "", "config": {} }),
            &["/config/topic", "/name"],
        ),
    ] {
        let mut body = json!({ "name": "new", "type": "ntfy", "config": { "topic": "x" } });
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let refused = world.post(&anna, CHANNELS, body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, named(pointers)),
            "{change}"
        );
    }
}
