//! Notification channels: what is kept, what is never shown, and what is refused.

use std::sync::Arc;

use chrono::TimeDelta;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use url::Url;
use vedette_alerting::Policy;
use vedette_api::{ApiConfig, ApiState, Registration};
use vedette_store::testing::TestDatabase;

use crate::{
    smtp::{MailServer, Manner},
    world::{Account, World, redacted},
};

pub(crate) const CHANNELS: &str = "/api/v1/notification-channels";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

impl World {
    /// Makes a channel, and gives its path.
    pub(crate) async fn channel(
        &self,
        account: &Account,
        name: &str,
        kind: &str,
        config: Value,
    ) -> String {
        self.clock.advance(TimeDelta::seconds(1));
        let body = json!({ "name": name, "type": kind, "config": config });
        let made = self.post(account, CHANNELS, body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        format!("{CHANNELS}/{}", made.json()["id"].as_str().unwrap())
    }

    /// What is stored of a channel's secret.
    async fn secret(&self, account: &Account, path: &str) -> String {
        let me = self.get(account, "/api/v1/users/me").await.json();
        let org = me["organization_id"].as_str().unwrap().parse().unwrap();
        let id = path.rsplit('/').next().unwrap().parse().unwrap();
        let opened = self.database.store.open_channel(org, id).await;
        opened.unwrap().unwrap().secret.expose_secret().to_owned()
    }

    async fn put_if(&self, account: &Account, path: &str, tag: &str, body: &Value) -> u16 {
        let request = axum::http::Request::put(path)
            .header("authorization", format!("Bearer {}", account.token))
            .header("content-type", "application/json")
            .header("if-match", tag);
        let request = request.body(axum::body::Body::from(body.to_string()));
        self.send(request.unwrap()).await.status
    }
}

fn config() -> ApiConfig {
    ApiConfig {
        registration: Registration::Open,
        requests_per_minute: 0,
        ..ApiConfig::default()
    }
}

async fn built(finish: impl FnOnce(ApiState) -> ApiState) -> World {
    World::built(TestDatabase::sqlite().await, config(), finish)
}

pub(crate) fn webhook(change: &Value) -> Value {
    let mut config = json!({ "url": "https://example.com/hook", "secret": SECRET });
    for (name, value) in change.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    config
}

#[tokio::test]
async fn a_channel_is_kept_without_its_secret_on_sqlite() {
    a_channel_is_kept_without_its_secret(World::new().await).await;
}

#[tokio::test]
async fn a_channel_is_kept_without_its_secret_on_postgresql() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    a_channel_is_kept_without_its_secret(World::on(database, Registration::Open)).await;
}

async fn a_channel_is_kept_without_its_secret(world: World) {
    let anna = world.account("anna").await;
    for hidden in [SECRET, OTHER_SECRET, "hidden-key"] {
        world.hide(hidden);
    }
    let config = webhook(&json!({ "headers": { "X-Key": "hidden-key" } }));
    let body = json!({ "name": "hook", "type": "webhook", "config": config });
    let made = world.post(&anna, CHANNELS, body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    if world.database.url.starts_with("sqlite") {
        insta::assert_json_snapshot!("channel", redacted(&made.json()));
    }
    let path = made.header("location").to_owned();
    assert_eq!(made.header("etag"), "\"1\"");
    let read = world.get(&anna, &path).await;
    assert_eq!((read.status, read.json()), (200, made.json()));
    let stored = world.secret(&anna, &path).await;
    assert!(stored.contains(SECRET) && stored.contains("hidden-key"));

    // What was read, with another name and another path: the secrets are not in it, and stay.
    let mut config = made.json()["config"].clone();
    config["url"] = "https://example.com/other".into();
    let body = json!({ "name": "other", "config": config, "is_enabled": false });
    assert_eq!(world.put_if(&anna, &path, "\"2\"", &body).await, 412);
    assert_eq!(world.put_if(&anna, &path, "x", &body).await, 412);
    assert_eq!(world.put_if(&anna, &path, "\"1\"", &body).await, 200);
    let read = world.get(&anna, &path).await;
    let shown = read.json();
    assert_eq!(
        (&shown["name"], &shown["revision"]),
        (&json!("other"), &json!(2))
    );
    assert_eq!(shown["config"]["url"], "https://example.com/other");
    assert_eq!(shown["config"]["headers"], json!({ "X-Key": null }));
    assert_eq!(
        (&shown["is_enabled"], &shown["type"]),
        (&json!(false), &json!("webhook"))
    );
    assert_eq!(world.secret(&anna, &path).await, stored);

    // Another host needs them again.
    config["url"] = "https://example.org/hook".into();
    let moved = json!({ "name": "other", "config": config });
    let refused = world.put(&anna, &path, moved).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (
            422,
            vec![
                "/config/headers/X-Key".to_owned(),
                "/config/secret".to_owned()
            ]
        )
    );
    assert_eq!(world.secret(&anna, &path).await, stored);
    config["secret"] = OTHER_SECRET.into();
    config["headers"] = json!({ "X-Key": "hidden-key" });
    let moved = world
        .put(&anna, &path, json!({ "name": "other", "config": config }))
        .await;
    assert_eq!(moved.status, 200, "{}", moved.text);
    assert_eq!(moved.json()["destination"], "example.org");
    assert!(world.secret(&anna, &path).await.contains(OTHER_SECRET));

    let bert = world.account("bert").await;
    let listed = world.get(&bert, CHANNELS).await.json();
    assert_eq!(listed, json!({ "items": [], "next_cursor": null }));
    assert_eq!(world.get(&bert, &path).await.status, 404);
    assert_eq!(world.delete(&bert, &path).await.status, 404);
    assert_eq!(world.delete(&anna, &path).await.status, 204);
    assert_eq!(world.get(&anna, &path).await.status, 404);
}

#[tokio::test]
async fn no_type_shows_its_secret() {
    let server = MailServer::start(Manner::Takes).await;
    let mailer = Arc::new(server.mailer());
    let url = Url::parse("https://vedette.example.com").unwrap();
    let world = built(|state| state.with_mail(mailer, url)).await;
    let anna = world.account("anna").await;
    world.hide("hidden");
    let types = [
        (
            "webhook",
            webhook(&json!({ "headers": { "X-Key": "hidden" } })),
            "example.com",
        ),
        (
            "email",
            json!({ "recipients": ["anna@example.com"] }),
            "anna@example.com",
        ),
        (
            "slack",
            json!({ "url": "https://hooks.slack.com/services/hidden" }),
            "hooks.slack.com",
        ),
        (
            "discord",
            json!({ "url": "https://discord.com/api/webhooks/1/hidden" }),
            "discord.com",
        ),
        (
            "teams",
            json!({ "url": "https://prod-1.logic.azure.com/workflows/x?sig=hidden" }),
            "prod-1.logic.azure.com",
        ),
        (
            "telegram",
            json!({ "bot_token": "123456:hidden-token-of-some-length", "chat_id": -1001 }),
            "chat -1001",
        ),
        (
            "pagerduty",
            json!({ "routing_key": "hiddenkey0123456789abcdefghijklm" }),
            "PagerDuty (us)",
        ),
        (
            "opsgenie",
            json!({ "api_key": "hidden-key", "region": "eu" }),
            "Opsgenie (eu)",
        ),
        (
            "ntfy",
            json!({ "topic": "hidden-topic", "token": "tk_hidden" }),
            "ntfy.sh",
        ),
    ];
    for (kind, config, destination) in &types {
        let path = world.channel(&anna, kind, kind, config.clone()).await;
        let read = world.get(&anna, &path).await.json();
        assert_eq!(read["destination"], *destination);
        // As it was read, it can be written again.
        let body = json!({ "name": kind, "config": read["config"] });
        let written = world.put(&anna, &path, body).await;
        assert_eq!(written.status, 200, "{}", written.text);
        assert_eq!(written.json()["config"], read["config"]);
        assert_eq!(written.json()["destination"], *destination);
        // Nothing of it is in the log of who changed what.
        let log = world.get(&anna, "/api/v1/audit-log?action=channel.").await;
        assert_eq!(log.status, 200);
    }
    let listed = world
        .get(&anna, &format!("{CHANNELS}?limit=5"))
        .await
        .json();
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 5);
    assert_eq!(
        (&items[0]["type"], &items[0]["destination"]),
        (&json!("ntfy"), &json!("ntfy.sh"))
    );
    let cursor = listed["next_cursor"].as_str().unwrap();
    let rest = world
        .get(&anna, &format!("{CHANNELS}?cursor={cursor}"))
        .await
        .json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 4);
}

pub(crate) fn named(pointers: &[&str]) -> Vec<String> {
    pointers
        .iter()
        .map(|pointer| (*pointer).to_owned())
        .collect()
}

#[tokio::test]
async fn names_are_taken_once_and_channels_are_counted() {
    let world = World::new().await;
    let (anna, bert) = (world.account("anna").await, world.account("bert").await);
    let topic = json!({ "topic": "x" });
    world.channel(&anna, "one", "ntfy", topic.clone()).await;
    world.channel(&bert, "one", "ntfy", topic.clone()).await;
    let two = world.channel(&anna, "two", "ntfy", topic.clone()).await;
    let body = json!({ "name": "one", "type": "ntfy", "config": topic });
    let again = world.post(&anna, CHANNELS, body).await;
    let renamed = world
        .put(&anna, &two, json!({ "name": "one", "config": topic }))
        .await;
    for taken in [again, renamed] {
        assert_eq!((taken.status, taken.pointers()), (409, named(&["/name"])));
    }
    for number in 3..=100 {
        world
            .channel(&anna, &number.to_string(), "ntfy", topic.clone())
            .await;
    }
    let body = json!({ "name": "one too many", "type": "ntfy", "config": topic });
    let refused = world.post(&anna, CHANNELS, body.clone()).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    assert_eq!(refused.json()["error_class"], "quota_exceeded");
    assert_eq!(world.delete(&anna, &two).await.status, 204);
    assert_eq!(world.post(&anna, CHANNELS, body).await.status, 201);
}

#[tokio::test]
async fn mail_is_for_installations_that_send_some() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let config = json!({ "recipients": ["anna@example.com"] });
    let body = json!({ "name": "mail", "type": "email", "config": config });
    let refused = world.post(&anna, CHANNELS, body).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (409, named(&["/type"]))
    );
    assert_eq!(refused.json()["type"], "urn:vedette:problem:not-set-up");
    let preview = json!({ "type": "email", "config": config });
    let shown = world
        .post(&anna, &format!("{CHANNELS}/preview"), preview)
        .await;
    assert_eq!(shown.json()["mail"]["to"], json!(["anna@example.com"]));
}

#[tokio::test]
async fn what_the_installation_allows_is_allowed_to_channels() {
    let policy = Policy {
        allow: vec!["10.0.0.0/8".parse().unwrap()],
        ..Policy::default()
    };
    let world = built(|state| state.with_channel_policy(policy)).await;
    let anna = world.account("anna").await;
    let inside = webhook(&json!({ "url": "http://10.1.2.3:8080/hook" }));
    let path = world.channel(&anna, "inside", "webhook", inside).await;
    assert_eq!(
        world.get(&anna, &path).await.json()["destination"],
        "10.1.2.3:8080"
    );
    let other = webhook(&json!({ "url": "http://192.168.0.1/hook" }));
    let body = json!({ "name": "other", "type": "webhook", "config": other });
    assert_eq!(
        world.post(&anna, CHANNELS, body).await.pointers(),
        ["/config/url"]
    );
}

#[tokio::test]
async fn a_message_is_shown_before_it_is_ever_sent() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    world.hide(SECRET);
    world.hide("hidden");
    let path = format!("{CHANNELS}/preview");
    let preview = async |body: Value| world.post(&anna, &path, body).await;
    let template = webhook(&json!({
        "url": "https://example.com/hidden", "headers": { "X-Key": "hidden" },
        "body_template": "{\"text\": \"{{script}} is {{event}}\"}",
    }));
    let shown = preview(json!({ "type": "webhook", "config": template, "event": "up" })).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    insta::assert_json_snapshot!("channel_preview", shown.json());
    // Nothing but the type is needed.
    for kind in [
        "webhook",
        "email",
        "slack",
        "discord",
        "teams",
        "telegram",
        "pagerduty",
        "opsgenie",
        "ntfy",
    ] {
        for event in [
            "down",
            "up",
            "acknowledged",
            "reminder",
            "escalated",
            "test",
            "digest",
        ] {
            let shown = preview(json!({ "type": kind, "event": event })).await;
            assert_eq!(shown.status, 200, "{}", shown.text);
            let is_mail = kind == "email";
            assert_eq!(shown.json()["mail"].is_null(), !is_mail);
            assert_eq!(shown.json()["request"].is_null(), is_mail);
        }
    }
    for (body, pointers) in [
        (json!({}), &["/type"][..]),
        (
            json!({ "type": "moon", "event": "moon" }),
            &["/event", "/type"],
        ),
        (
            json!({ "type": "slack", "config": { "moon": 1 } }),
            &["/config/moon"],
        ),
        (
            json!({ "type": "webhook", "config": { "url": "http://127.0.0.1/" } }),
            &["/config/url"],
        ),
        (
            json!({ "type": "webhook", "config": { "body_template": "{{moon}}" } }),
            &["/config/body_template"],
        ),
        (
            json!({ "type": "slack", "channel_id": 1 }),
            &["/channel_id"],
        ),
    ] {
        let refused = preview(body.clone()).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, named(pointers)),
            "{body}"
        );
    }
    let nobody = json!({ "type": "slack", "event": "down" });
    assert_eq!(
        world.call("POST", &path, None, Some(nobody)).await.status,
        401
    );
}

#[tokio::test]
async fn a_rule_tells_the_channels_that_it_is_given() {
    let world = World::new().await;
    let (anna, bert) = (world.account("anna").await, world.account("bert").await);
    let script = world.script(&anna, json!({})).await;
    let rule = world.rule(&anna, &script, json!({})).await;
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let topic = json!({ "topic": "x" });
    let one = id(&world.channel(&anna, "one", "ntfy", topic.clone()).await);
    let two = id(&world.channel(&anna, "two", "ntfy", topic.clone()).await);
    let his = id(&world.channel(&bert, "one", "ntfy", topic).await);
    let path = format!("{rule}/channels");
    let set = async |ids: Value| world.put(&anna, &path, json!({ "channel_ids": ids })).await;
    assert_eq!(
        world.get(&anna, &path).await.json(),
        json!({ "channel_ids": [] })
    );
    let both = json!({ "channel_ids": [one, two] });
    let done = set(json!([two, one, two])).await;
    assert_eq!((done.status, done.json()), (200, both.clone()));
    for (ids, place) in [
        (json!([one, his]), "/channel_ids/1"),
        (
            json!([one, two, "018f3b3e-0000-7000-8000-000000000000"]),
            "/channel_ids/2",
        ),
        (json!([one, "x"]), "/channel_ids/1"),
        (json!(vec![&one; 101]), "/channel_ids"),
        (json!(one), "/channel_ids"),
        (Value::Null, "/channel_ids"),
    ] {
        let refused = set(ids).await;
        assert_eq!((refused.status, refused.pointers()), (422, named(&[place])));
    }
    assert_eq!(world.get(&anna, &path).await.json(), both);
    let read = world.get(&anna, &rule).await.json();
    assert_eq!(read["channel_ids"], both["channel_ids"]);
    let other = world.rule(&anna, &script, json!({ "name": "other" })).await;
    let listed = world
        .get(&anna, &crate::alerting::rules_of(&script))
        .await
        .json();
    assert_eq!(listed["items"][0]["channel_ids"], json!([]));
    assert_eq!(listed["items"][1]["channel_ids"], both["channel_ids"]);
    let body = crate::alerting::rule_body(&json!({}));
    let changed = world.put(&anna, &rule, body).await;
    assert_eq!(
        changed.json()["channel_ids"],
        both["channel_ids"],
        "they are set apart"
    );
    assert_eq!(world.get(&bert, &path).await.status, 404);
    // Who is gone is told nothing.
    assert_eq!(
        world
            .delete(&anna, &format!("{CHANNELS}/{one}"))
            .await
            .status,
        204
    );
    assert_eq!(
        world.get(&anna, &path).await.json(),
        json!({ "channel_ids": [two] })
    );
    assert_eq!(world.delete(&anna, &other).await.status, 204);
    let gone = world.get(&anna, &format!("{other}/channels")).await;
    assert_eq!(gone.status, 404);
}
