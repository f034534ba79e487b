//! The rules that scripts of a project begin with: what is accepted, what is refused, and what scripts get.

use serde_json::{Value, json};

use crate::{
    alerting::{rule_body, rules_of},
    world::{Account, World, script_body},
};

const SOME_ID: &str = "018f3b3e-0000-7000-8000-000000000000";

/// The path of the defaults of an account's first project.
async fn defaults_of(world: &World, account: &Account) -> String {
    let projects = world.get(account, "/api/v1/projects").await.json();
    let id = projects["items"][0]["id"].as_str().unwrap();
    format!("/api/v1/projects/{id}/default-alert-rules")
}

fn rules(rules: &[Value]) -> Value {
    json!({ "rules": rules })
}

#[tokio::test]
async fn a_script_begins_with_the_defaults_of_its_project() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let path = defaults_of(&world, &anna).await;
    let none = world.get(&anna, &path).await;
    assert_eq!((none.status, none.json()), (200, rules(&[])));
    let channel = world.stored_channel(&anna, "night").await;
    let first = json!({
        "name": "down", "rule_definition": { "type": "status_change" }, "severity": "critical",
        "remind_after_minutes": 60, "channel_ids": [channel],
        "escalation": [{ "after_minutes": 15, "channel_ids": [channel] }],
    });
    let second = rule_body(&json!({ "name": "all", "is_enabled": false }));
    let set = world.put(&anna, &path, rules(&[first, second])).await;
    assert_eq!(set.status, 200, "{}", set.text);
    // With what was left out filled in.
    let shown = |name, severity, is_enabled, definition: Value| {
        json!({
            "name": name, "severity": severity, "is_enabled": is_enabled, "rule_definition": definition,
            "remind_after_minutes": null, "escalation": [], "channel_ids": [],
        })
    };
    let definition = |failures, successes| {
        json!({
            "type": "status_change", "consecutive_failures": failures,
            "consecutive_successes": successes, "recheck": false,
        })
    };
    let mut down = shown("down", "critical", true, definition(3, 2));
    down["remind_after_minutes"] = json!(60);
    down["escalation"] = json!([{ "after_minutes": 15, "channel_ids": [channel] }]);
    down["channel_ids"] = json!([channel]);
    let expected = [down, shown("all", "warning", false, definition(1, 1))];
    assert_eq!(set.json(), rules(&expected));
    assert_eq!(world.get(&anna, &path).await.text, set.text);

    let script = world.script(&anna, json!({})).await;
    let listed = world.get(&anna, &rules_of(&script)).await.json();
    let made = listed["items"].as_array().unwrap();
    assert_eq!(made.len(), 2, "{listed}");
    // Newest first.
    for (rule, default) in made.iter().rev().zip(&expected) {
        for (member, value) in default.as_object().unwrap() {
            assert_eq!(rule[member], *value, "{member}");
        }
        assert_eq!(rule["script_id"], script.as_str());
    }
    // They are the script's own from then on.
    let set = world.put(&anna, &path, rules(&[])).await;
    assert_eq!((set.status, set.json()), (200, rules(&[])));
    assert_eq!(world.get(&anna, &rules_of(&script)).await.json(), listed);
}

#[tokio::test]
async fn only_a_script_that_is_made_gets_them_and_only_if_it_is_to() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let path = defaults_of(&world, &anna).await;
    let set = world
        .put(&anna, &path, rules(&[rule_body(&json!({}))]))
        .await;
    assert_eq!(set.status, 200, "{}", set.text);
    for (wanted, count) in [(true, 1), (false, 0)] {
        let script = world
            .script(&anna, json!({ "default_alert_rules": wanted }))
            .await;
        let listed = world.get(&anna, &rules_of(&script)).await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), count);
        let script = format!("/api/v1/scripts/{script}");
        let body = script_body(&json!({ "default_alert_rules": wanted }));
        let refused = world.put(&anna, &script, body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec!["/default_alert_rules".to_owned()])
        );
    }
}

#[tokio::test]
async fn each_field_that_is_wrong_is_named() {
    let world = World::new().await;
    let (anna, bert) = (world.account("anna").await, world.account("bert").await);
    let path = defaults_of(&world, &anna).await;
    let own = world.stored_channel(&anna, "own").await;
    let his = world.stored_channel(&bert, "his").await;
    let good = rules(&[rule_body(&json!({ "name": "good" }))]);
    let set = world.put(&anna, &path, good).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let slow = json!({ "type": "latency", "threshold_ms": 0, "operator": ">" });
    let other = |change: Value| rule_body(&change);
    let step = |channels: Value| json!([{ "after_minutes": 5, "channel_ids": channels }]);
    let many: Vec<Value> = (0..21)
        .map(|number| other(json!({ "name": format!("rule {number}") })))
        .collect();
    for (body, pointers) in [
        (json!({}), &["/rules"][..]),
        (rules(&many), &["/rules"]),
        (json!({ "rules": [], "more": 1 }), &["/more"]),
        (
            rules(&[json!({ "name": "x" })]),
            &["/rules/0/rule_definition"],
        ),
        (rules(&[other(json!({ "id": SOME_ID }))]), &["/rules/0/id"]),
        (
            rules(&[other(json!({})), other(json!({ "name": "down" }))]),
            &["/rules/1/name"],
        ),
        (
            rules(&[
                other(json!({ "rule_definition": slow, "severity": "loud" })),
                other(json!({ "name": "", "remind_after_minutes": 4 })),
            ]),
            &[
                "/rules/0/rule_definition/threshold_ms",
                "/rules/0/severity",
                "/rules/1/name",
                "/rules/1/remind_after_minutes",
            ],
        ),
        (
            rules(&[
                other(json!({ "channel_ids": [own, his] })),
                other(json!({ "name": "x", "escalation": step(json!([his, own])) })),
            ]),
            &[
                "/rules/0/channel_ids/1",
                "/rules/1/escalation/0/channel_ids/0",
            ],
        ),
        (
            rules(&[other(json!({ "channel_ids": vec![SOME_ID; 101] }))]),
            &["/rules/0/channel_ids"],
        ),
        (
            rules(&[other(json!({ "escalation": step(json!([])) }))]),
            &["/rules/0/escalation/0/channel_ids"],
        ),
    ] {
        let refused = world.put(&anna, &path, body.clone()).await;
        let pointers: Vec<String> = pointers.iter().map(|one| (*one).to_owned()).collect();
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, pointers),
            "{body}"
        );
    }
    assert_eq!(world.get(&anna, &path).await.text, set.text);
    // As many as a script may have, and it gets them all.
    let set = world.put(&anna, &path, rules(&many[..20])).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let script = world.script(&anna, json!({})).await;
    let listed = world.get(&anna, &rules_of(&script)).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn they_are_of_those_who_see_to_the_alerts_of_the_project() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let path = defaults_of(&world, &anna).await;
    let set = world
        .put(&anna, &path, rules(&[rule_body(&json!({}))]))
        .await;
    assert_eq!(set.status, 200, "{}", set.text);
    let roles = world.get(&anna, "/api/v1/roles").await.json();
    let shop = world.post(&anna, "/api/v1/projects", json!({ "name": "shop" }));
    let shop = shop.await.json()["id"].clone();
    let (editor, viewer) = (&roles["items"][2]["id"], &roles["items"][3]["id"]);
    let viewer = world
        .invited(&anna, "viewer", json!({ "role_id": viewer }))
        .await;
    let elsewhere = json!({ "role_id": editor, "project_id": shop });
    let elsewhere = world.invited(&anna, "elsewhere", elsewhere).await;
    let shop = format!(
        "/api/v1/projects/{}/default-alert-rules",
        shop.as_str().unwrap()
    );
    for (account, path, may_read, may_set) in [
        (&viewer, &path, 200, 403),
        (&elsewhere, &path, 404, 404),
        (&elsewhere, &shop, 200, 200),
    ] {
        assert_eq!(world.get(account, path).await.status, may_read, "{path}");
        let set = world.put(account, path, rules(&[])).await;
        assert_eq!(set.status, may_set, "{path}: {}", set.text);
    }
    let kept = world.get(&anna, &path).await;
    assert_eq!(kept.text, set.text);
}
