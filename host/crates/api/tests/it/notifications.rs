//! Tries of channels, the delivery log, and what is sent again.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use vedette_core::{Clock as _, Status};
use vedette_store::{AfterAttempt, AttemptOutcome, DeliveryAttempt, testing::audit_of_request};

use crate::world::{Account, Answer, World, redacted};

const NOTIFICATIONS: &str = "/api/v1/notifications";
const SOME_ID: &str = "018f3b3e-0000-7000-8000-000000000000";

impl World {
    async fn ntfy(&self, account: &Account, name: &str) -> String {
        self.channel(account, name, "ntfy", json!({ "topic": "x" }))
            .await
    }

    async fn tried(&self, account: &Account, channel: &str) -> Answer {
        self.clock.advance(TimeDelta::seconds(1));
        self.post(account, &format!("{channel}/test"), json!({}))
            .await
    }

    /// Makes the next attempt of all that is due, with this end.
    async fn attempted(&self, next: &AfterAttempt) -> usize {
        let (store, now) = (&self.database.store, self.clock.now());
        let lease = TimeDelta::seconds(60);
        let claimed = store
            .claim_notifications(now, lease, 100, "node")
            .await
            .unwrap();
        let outcome = match next {
            AfterAttempt::Delivered => AttemptOutcome::Delivered,
            AfterAttempt::Again(_) => AttemptOutcome::Retry,
            AfterAttempt::Dead => AttemptOutcome::Refused,
            AfterAttempt::DisableChannel(_) => AttemptOutcome::Gone,
        };
        let is_delivered = outcome == AttemptOutcome::Delivered;
        let attempt = DeliveryAttempt {
            attempted_at: now,
            outcome,
            status: Some(if is_delivered { 200 } else { 403 }),
            duration: Duration::from_millis(125),
            error: (!is_delivered).then(|| "answered 403".to_owned()),
            excerpt: Some("no such topic".to_owned()),
        };
        for one in &claimed {
            let recorded = store.record_attempt(one.id, one.lease_token, &attempt, next);
            assert!(recorded.await.unwrap());
        }
        claimed.len()
    }

    async fn listed(&self, account: &Account, query: &str) -> Vec<Value> {
        let answer = self.get(account, &format!("{NOTIFICATIONS}{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["items"].as_array().unwrap().clone()
    }

    async fn resent(&self, account: &Account, id: &Value) -> Answer {
        let path = format!("{NOTIFICATIONS}/{}/resend", id.as_str().unwrap());
        self.post(account, &path, json!({})).await
    }

    /// A script whose rule tells a channel.
    async fn told(&self, account: &Account, script: &str, channel: &str) {
        let rule = self.rule(account, script, json!({})).await;
        let id = channel.rsplit('/').next().unwrap();
        let body = json!({ "channel_ids": [id] });
        let set = self.put(account, &format!("{rule}/channels"), body).await;
        assert_eq!(set.status, 200, "{}", set.text);
    }
}

#[tokio::test]
async fn a_channel_is_tried() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let channel = world.ntfy(&anna, "phone").await;
    let tried = world.tried(&anna, &channel).await;
    assert_eq!(tried.status, 202, "{}", tried.text);
    let id = tried.json()["notification_id"].as_str().unwrap().to_owned();
    let path = format!("{NOTIFICATIONS}/{id}");
    assert_eq!(tried.header("location"), path);
    let store = &world.database.store;
    let records = audit_of_request(store, tried.header("x-request-id")).await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].action, "channel.test");
    assert_eq!(records[0].target.as_deref(), channel.rsplit('/').next());
    let waits = world.get(&anna, &path).await.json();
    assert_eq!(
        (&waits["status"], &waits["event"], &waits["attempt_count"]),
        (&json!("pending"), &json!("test"), &json!(0))
    );
    assert_eq!(waits["content"]["id"], id.as_str());
    assert_eq!(waits["content"]["event"], "test");
    // What is stored reads as what deliveries send.
    let content =
        serde_json::from_value::<vedette_alerting::Notification>(waits["content"].clone());
    assert!(content.is_ok(), "{content:?}");
    assert_eq!(world.attempted(&AfterAttempt::Delivered).await, 1);
    let read = world.get(&anna, &path).await.json();
    insta::assert_json_snapshot!("notification", redacted(&read));
}

#[tokio::test]
async fn a_channel_that_is_off_is_not_tried() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let channel = world.ntfy(&anna, "phone").await;
    let body = json!({ "name": "phone", "config": { "topic": "x" }, "is_enabled": false });
    assert_eq!(world.put(&anna, &channel, body.clone()).await.status, 200);
    let refused = world.tried(&anna, &channel).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(
        refused
            .text
            .contains("the channel is disabled; enable it first")
    );
    let on = json!({ "name": "phone", "config": { "topic": "x" } });
    assert_eq!(world.put(&anna, &channel, on.clone()).await.status, 200);
    assert_eq!(world.tried(&anna, &channel).await.status, 202);
    let gone = AfterAttempt::DisableChannel("answered 410: nobody listens".to_owned());
    assert_eq!(world.attempted(&gone).await, 1);
    let read = world.get(&anna, &channel).await.json();
    assert_eq!(read["disabled_reason"], "answered 410: nobody listens");
    let refused = world.tried(&anna, &channel).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("answered 410: nobody listens"));
    let read = world.put(&anna, &channel, on).await.json();
    assert_eq!(
        (&read["is_enabled"], &read["disabled_reason"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(world.tried(&anna, &channel).await.status, 202);
    assert_eq!(world.delete(&anna, &channel).await.status, 204);
    assert_eq!(world.tried(&anna, &channel).await.status, 404);
}

#[tokio::test]
async fn nobody_is_flooded_with_tries() {
    let world = World::new().await;
    let (anna, bert) = (world.account("anna").await, world.account("bert").await);
    let (channel, his) = (
        world.ntfy(&anna, "phone").await,
        world.ntfy(&bert, "phone").await,
    );
    let path = format!("{channel}/test");
    for _ in 0..20 {
        assert_eq!(world.post(&anna, &path, json!({})).await.status, 202);
    }
    let refused = world.post(&anna, &path, json!({})).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    assert_eq!(refused.header("retry-after"), "30");
    assert_eq!(world.tried(&bert, &his).await.status, 202);
    world.clock.advance(TimeDelta::seconds(30));
    assert_eq!(world.post(&anna, &path, json!({})).await.status, 202);
}

#[tokio::test]
async fn what_was_told_is_in_the_log_and_what_did_not_arrive_is_sent_again() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let (one, two) = (
        world.ntfy(&anna, "one").await,
        world.ntfy(&anna, "two").await,
    );
    let script = world.script(&anna, json!({})).await;
    world.told(&anna, &script, &one).await;
    world.slot(&script, Status::Failure).await;
    let incident = world.incident(&anna, &script).await;
    assert_eq!(world.attempted(&AfterAttempt::Dead).await, 1);
    world.slot(&script, Status::Success).await;
    assert_eq!(world.attempted(&AfterAttempt::Dead).await, 1);
    world.clock.advance(TimeDelta::seconds(1));
    assert_eq!(world.tried(&anna, &two).await.status, 202);

    let events = |items: &[Value]| -> Vec<String> {
        let events = items
            .iter()
            .map(|item| item["event"].as_str().unwrap().to_owned());
        events.collect()
    };
    let all = world.listed(&anna, "").await;
    assert_eq!(events(&all), ["test", "up", "down"]);
    let (up, down) = (&all[1], &all[2]);
    assert_eq!(down["script_id"], script.as_str());
    assert_eq!(down["incident_id"], incident.as_str());
    assert_eq!(down["last_error"], "answered 403");
    assert_eq!(
        events(&world.listed(&anna, "?status=pending").await),
        ["test"]
    );
    let of_incident = format!("?incident_id={incident}&status=dead");
    assert_eq!(
        events(&world.listed(&anna, &of_incident).await),
        ["up", "down"]
    );
    let to_two = format!("?channel_id={}", two.rsplit('/').next().unwrap());
    assert_eq!(events(&world.listed(&anna, &to_two).await), ["test"]);
    let page = world
        .get(&anna, &format!("{NOTIFICATIONS}?limit=2"))
        .await
        .json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = world.listed(&anna, &format!("?cursor={cursor}")).await;
    assert_eq!(events(&rest), ["down"]);
    for query in [
        "?status=moon",
        "?channel_id=x",
        "?incident_id=x",
        "?moon=1",
        "?limit=0",
    ] {
        let refused = world.get(&anna, &format!("{NOTIFICATIONS}{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
    }

    // With what came after it.
    let resent = world.resent(&anna, &down["id"]).await;
    assert_eq!(
        (resent.status, resent.json()),
        (202, json!({ "sent_again": 2 }))
    );
    let records = audit_of_request(&world.database.store, resent.header("x-request-id")).await;
    assert_eq!(records[0].action, "notification.resend");
    let waits = world.resent(&anna, &down["id"]).await;
    assert_eq!(waits.status, 409, "{}", waits.text);
    assert!(waits.text.contains("only a notification that is `dead`"));
    // `down` and the test; `up` waits until it is its turn.
    assert_eq!(world.attempted(&AfterAttempt::Dead).await, 2);
    assert_eq!(world.attempted(&AfterAttempt::Delivered).await, 1);
    let overtaken = world.resent(&anna, &down["id"]).await;
    assert_eq!(overtaken.status, 409, "{}", overtaken.text);
    assert!(overtaken.text.contains("a later notification"));
    let delivered = world.resent(&anna, &up["id"]).await;
    assert_eq!(delivered.status, 409, "{}", delivered.text);
    let path = format!("{NOTIFICATIONS}/{}", down["id"].as_str().unwrap());
    let attempts = world.get(&anna, &path).await.json()["attempts"].clone();
    assert_eq!(attempts.as_array().unwrap().len(), 2);
    assert_eq!(attempts[0]["outcome"], "refused");
    assert_eq!(attempts[0]["excerpt"], "no such topic");
    // Of another organization, there is none of it.
    let bert = world.account("bert").await;
    assert_eq!(world.listed(&bert, "").await, [Value::Null; 0]);
    assert_eq!(world.listed(&bert, &of_incident).await, [Value::Null; 0]);
    assert_eq!(world.get(&bert, &path).await.status, 404);
    assert_eq!(world.resent(&bert, &down["id"]).await.status, 404);
}

#[tokio::test]
async fn a_role_for_one_project_sees_what_is_told_of_it() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    world.clock.advance(TimeDelta::seconds(1));
    let shop = world
        .post(&owner, "/api/v1/projects", json!({ "name": "shop" }))
        .await;
    let shop = shop.json()["id"].clone();
    let inside = world.script(&owner, json!({ "project_id": shop })).await;
    let channel = world.ntfy(&owner, "phone").await;
    world.told(&owner, &inside, &channel).await;
    world.slot(&inside, Status::Failure).await;
    // Made now, because who claims takes all that is due.
    let outside = world.script(&owner, json!({})).await;
    world.told(&owner, &outside, &channel).await;
    let roles = world.get(&owner, "/api/v1/roles").await.json();
    let editor = json!({ "role_id": roles["items"][2]["id"], "project_id": shop });
    let guest = world.invited(&owner, "guest", editor).await;
    world.slot(&outside, Status::Failure).await;
    assert_eq!(world.tried(&owner, &channel).await.status, 202);

    let all = world.listed(&owner, "").await;
    assert_eq!(all.len(), 3);
    let seen = world.listed(&guest, "").await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0]["script_id"], inside.as_str());
    let absent = world
        .get(&guest, &format!("{NOTIFICATIONS}/{SOME_ID}"))
        .await;
    for notification in &all {
        let path = format!("{NOTIFICATIONS}/{}", notification["id"].as_str().unwrap());
        let is_inside = notification["script_id"] == inside.as_str();
        let read = world.get(&guest, &path).await;
        assert_eq!(
            read.status,
            if is_inside { 200 } else { 404 },
            "{}",
            read.text
        );
        assert!(is_inside || read.text.len() == absent.text.len());
    }
    // Channels are the organization's.
    assert_eq!(world.get(&guest, &channel).await.status, 403);
    assert_eq!(world.resent(&guest, &seen[0]["id"]).await.status, 403);

    // Who may send again, but sees the alerts of one project only, sends those.
    let permissions = json!(["channel:read", "channel:manage"]);
    let body = json!({ "name": "postmaster", "permissions": permissions });
    let role = world.post(&owner, "/api/v1/roles", body).await.json();
    let both = json!({ "roles": [{ "role_id": role["id"] },
        { "role_id": roles["items"][3]["id"], "project_id": shop }] });
    let path = format!("/api/v1/members/{}", guest.id);
    let given = world.put(&owner, &path, both).await;
    assert_eq!(given.status, 200, "{}", given.text);
    assert_eq!(world.attempted(&AfterAttempt::Dead).await, 3);
    for notification in &all {
        let is_inside = notification["script_id"] == inside.as_str();
        let resent = world.resent(&guest, &notification["id"]).await;
        assert_eq!(
            resent.status,
            if is_inside { 202 } else { 404 },
            "{}",
            resent.text
        );
    }
    // A script that is gone is of no project any more.
    let gone = world
        .delete(&owner, &format!("/api/v1/scripts/{inside}"))
        .await;
    assert_eq!(gone.status, 204);
    let path = format!("{NOTIFICATIONS}/{}", seen[0]["id"].as_str().unwrap());
    assert_eq!(world.get(&owner, &path).await.status, 200);
}

#[tokio::test]
async fn notifications_are_read_on_postgresql_too() {
    let Some(database) = vedette_store::testing::TestDatabase::postgres().await else {
        return;
    };
    let world = World::on(database, vedette_api::Registration::Open);
    let anna = world.account("anna").await;
    let channel = world.ntfy(&anna, "phone").await;
    let script = world.script(&anna, json!({})).await;
    world.told(&anna, &script, &channel).await;
    world.slot(&script, Status::Failure).await;
    assert_eq!(world.tried(&anna, &channel).await.status, 202);
    assert_eq!(world.attempted(&AfterAttempt::Dead).await, 2);
    let all = world.listed(&anna, "?status=dead").await;
    assert_eq!(all.len(), 2);
    for notification in &all {
        let resent = world.resent(&anna, &notification["id"]).await;
        assert_eq!(resent.status, 202, "{}", resent.text);
        let path = format!("{NOTIFICATIONS}/{}", notification["id"].as_str().unwrap());
        assert_eq!(world.get(&anna, &path).await.json()["status"], "pending");
    }
}
