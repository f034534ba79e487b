//! Alert rules: what is accepted, what is refused, where each stands, and what one would have done.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use vedette_core::{Status, slot::RECHECK_DELAY};

use crate::{
    alerting::{rule_body, rules_of},
    world::{Account, World, redacted, script_body},
};

const SOME_ID: &str = "018f3b3e-0000-7000-8000-000000000000";

fn named(pointers: &[&str]) -> Vec<String> {
    let pointers = pointers.iter().map(|pointer| (*pointer).to_owned());
    pointers.collect()
}

#[tokio::test]
async fn a_rule_is_made_read_changed_and_deleted() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    let body = json!({
        "name": "down", "rule_definition": { "type": "status_change", "consecutive_failures": 5 },
    });
    let made = world.post(&anna, &rules_of(&script), body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    insta::assert_json_snapshot!("alert_rule", redacted(&made.json()));
    let path = format!(
        "/api/v1/alert-rules/{}",
        made.json()["id"].as_str().unwrap()
    );
    assert_eq!(
        (made.header("location"), made.header("etag")),
        (path.as_str(), "\"1\"")
    );
    let read = world.get(&anna, &path).await;
    assert_eq!((read.status, &read.text), (200, &made.text));
    assert_eq!(read.header("etag"), "\"1\"");

    let latency = json!({ "type": "latency", "threshold_ms": 1000, "operator": ">=" });
    let body = json!({ "name": "slow", "rule_definition": latency, "severity": "critical" });
    let changed = world.put(&anna, &path, body).await;
    let shown = changed.json();
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(
        (&shown["name"], &shown["severity"], &shown["revision"]),
        (&json!("slow"), &json!("critical"), &json!(2))
    );
    let full = json!({
        "type": "latency", "threshold_ms": 1000, "operator": ">=", "consecutive": 3,
    });
    assert_eq!(shown["rule_definition"], full);
    assert_eq!(changed.header("etag"), "\"2\"");
    // What is left out gets its default, not its old value.
    let disabled = rule_body(&json!({ "is_enabled": false }));
    let disabled = world.put(&anna, &path, disabled).await.json();
    assert_eq!(
        (&disabled["phase"], &disabled["severity"]),
        (&Value::Null, &json!("warning"))
    );
    let enabled = world.put(&anna, &path, rule_body(&json!({}))).await.json();
    assert_eq!(
        (&enabled["phase"], &enabled["is_enabled"]),
        (&json!("ok"), &json!(true))
    );
    for expected in [204, 404] {
        assert_eq!(world.delete(&anna, &path).await.status, expected);
    }
    assert_eq!(world.get(&anna, &path).await.status, 404);
    let gone = world.put(&anna, &path, rule_body(&json!({}))).await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn a_rule_shows_where_it_stands() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    let definition =
        json!({ "type": "status_change", "consecutive_failures": 2, "consecutive_successes": 2 });
    let path = world
        .rule(&anna, &script, json!({ "rule_definition": definition }))
        .await;
    for (status, phase) in [
        (Status::Failure, "pending"),
        (Status::Failure, "firing"),
        (Status::Success, "recovering"),
        (Status::Success, "ok"),
    ] {
        world.slot(&script, status).await;
        let shown = world.get(&anna, &path).await.json();
        assert_eq!(shown["phase"], phase);
        let listed = world.get(&anna, &rules_of(&script)).await.json();
        assert_eq!(listed["items"], json!([shown]));
    }
    // Of a script that nobody looks at nothing is known, and a rule that is enabled has a phase.
    let paused = script_body(&json!({ "is_enabled": false }));
    let script = format!("/api/v1/scripts/{script}");
    assert_eq!(world.put(&anna, &script, paused).await.status, 200);
    assert_eq!(world.get(&anna, &path).await.json()["phase"], "ok");
}

#[tokio::test]
async fn a_failure_is_rechecked_before_it_counts() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    let definition = json!({ "type": "status_change", "consecutive_failures": 1, "recheck": true });
    let path = world
        .rule(&anna, &script, json!({ "rule_definition": definition }))
        .await;
    let script_path = format!("/api/v1/scripts/{script}");
    for (confirmed, phase, incidents) in
        [(Status::Success, "ok", 0), (Status::Failure, "firing", 1)]
    {
        world.slot(&script, Status::Failure).await;
        assert_eq!(world.get(&anna, &path).await.json()["phase"], "ok");
        let due = world.get(&anna, &script_path).await.json()["next_run_at"].clone();
        let id = world.slot_after(RECHECK_DELAY, &script, confirmed).await;
        let execution = world
            .get(&anna, &format!("/api/v1/executions/{id}"))
            .await
            .json();
        assert_eq!(
            (&execution["trigger"], &execution["scheduled_at"]),
            (&json!("recheck"), &due)
        );
        assert_eq!(world.get(&anna, &path).await.json()["phase"], phase);
        let listed = world.get(&anna, "/api/v1/incidents").await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), incidents);
    }
    let listed = world
        .get(&anna, &format!("{script_path}/executions"))
        .await
        .json();
    let items = listed["items"].as_array().unwrap().iter();
    let triggers: Vec<_> = items
        .map(|item| item["trigger"].as_str().unwrap())
        .collect();
    assert_eq!(triggers, ["recheck", "schedule", "recheck", "schedule"]);
}

#[tokio::test]
async fn a_change_is_for_one_revision() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    let path = world.rule(&anna, &script, json!({})).await;
    for (tag, status) in [
        ("\"2\"", 412),
        ("\"1\"", 200),
        ("\"1\"", 412),
        ("W/\"2\"", 412),
        ("nonsense", 412),
        ("*", 200),
    ] {
        let request = Request::put(&path)
            .header("authorization", format!("Bearer {}", anna.token))
            .header("content-type", "application/json")
            .header("if-match", tag)
            .body(Body::from(rule_body(&json!({})).to_string()));
        let answer = world.send(request.unwrap()).await;
        assert_eq!(answer.status, status, "{tag}: {}", answer.text);
    }
    assert_eq!(world.get(&anna, &path).await.json()["revision"], 3);
}

/// A rule with this change is refused, and these fields are named.
async fn refused(
    world: &World,
    account: &Account,
    script: &str,
    rule: &str,
    change: &Value,
    pointers: &[&str],
) {
    let body = rule_body(change);
    let created = world.post(account, &rules_of(script), body.clone()).await;
    let updated = world.put(account, rule, body).await;
    for refused in [created, updated] {
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, named(pointers)),
            "{change}"
        );
    }
}

#[tokio::test]
async fn each_field_that_is_wrong_is_named() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    let rule = world.rule(&anna, &script, json!({ "name": "other" })).await;
    let long = "x".repeat(201);
    let definition = |definition: Value| json!({ "rule_definition": definition });
    for (change, pointers) in [
        (json!({ "name": null }), &["/name"][..]),
        (json!({ "name": " " }), &["/name"]),
        (json!({ "name": long }), &["/name"]),
        (json!({ "name": "a\u{7}" }), &["/name"]),
        (json!({ "rule_definition": null }), &["/rule_definition"]),
        (definition(json!("down")), &["/rule_definition"]),
        (definition(json!({})), &["/rule_definition/type"]),
        (
            definition(json!({ "type": "moon" })),
            &["/rule_definition/type"],
        ),
        (
            definition(json!({ "type": "status_change", "moon": 1 })),
            &["/rule_definition/moon"],
        ),
        (
            definition(json!({ "type": "status_change", "consecutive_failures": 101 })),
            &["/rule_definition/consecutive_failures"],
        ),
        (
            definition(json!({ "type": "latency" })),
            &["/rule_definition/threshold_ms"],
        ),
        (
            definition(json!({ "type": "status_change", "recheck": 1 })),
            &["/rule_definition/recheck"],
        ),
        (json!({ "severity": "fatal" }), &["/severity"]),
        (json!({ "severity": 1 }), &["/severity"]),
        (json!({ "is_enabled": "yes" }), &["/is_enabled"]),
        (json!({ "script_id": SOME_ID }), &["/script_id"]),
        (json!({ "phase": "ok" }), &["/phase"]),
        (json!({ "revision": 1 }), &["/revision"]),
        (
            json!({ "name": "", "rule_definition": {}, "severity": "" }),
            &["/name", "/rule_definition/type", "/severity"],
        ),
    ] {
        refused(&world, &anna, &script, &rule, &change, pointers).await;
    }
    assert_eq!(world.get(&anna, &rule).await.json()["revision"], 1);
}

fn step(after_minutes: u32, channels: &[&str]) -> Value {
    json!({ "after_minutes": after_minutes, "channel_ids": channels })
}

#[tokio::test]
async fn each_field_of_telling_again_that_is_wrong_is_named() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    let rule = world.rule(&anna, &script, json!({ "name": "other" })).await;
    let steps = [1, 2, 3, 4, 5, 6].map(|minutes| step(minutes, &[SOME_ID]));
    let many: Vec<String> = (0..11)
        .map(|id| format!("018f3b3e-0000-7000-8000-0000000000{id:02}"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (change, pointers) in [
        (
            json!({ "remind_after_minutes": 4 }),
            &["/remind_after_minutes"][..],
        ),
        (
            json!({ "remind_after_minutes": 10_081 }),
            &["/remind_after_minutes"],
        ),
        (
            json!({ "remind_after_minutes": "5" }),
            &["/remind_after_minutes"],
        ),
        (
            json!({ "remind_after_minutes": 5.5 }),
            &["/remind_after_minutes"],
        ),
        (json!({ "escalation": {} }), &["/escalation"]),
        (
            json!({ "escalation": [{ "after_minutes": 5, "channel_ids": ["x"] }] }),
            &["/escalation/0/channel_ids/0"],
        ),
        (
            json!({ "escalation": [{ "after_minutes": 5, "channel_ids": [SOME_ID], "moon": 1 }] }),
            &["/escalation/0/moon"],
        ),
        (
            json!({ "escalation": [step(0, &[SOME_ID]), step(10_081, &[SOME_ID])] }),
            &["/escalation/0/after_minutes", "/escalation/1/after_minutes"],
        ),
        (
            json!({ "escalation": [step(5, &[SOME_ID]), step(5, &[SOME_ID])] }),
            &["/escalation/1/after_minutes"],
        ),
        (
            json!({ "escalation": [step(5, &[]), step(6, &[SOME_ID, SOME_ID])] }),
            &["/escalation/0/channel_ids", "/escalation/1/channel_ids/1"],
        ),
        (
            json!({ "escalation": [step(5, &many)] }),
            &["/escalation/0/channel_ids"],
        ),
        (json!({ "escalation": steps }), &["/escalation"]),
        // Well-formed, and no channel of this organization.
        (
            json!({ "escalation": [step(5, &[SOME_ID])] }),
            &["/escalation/0/channel_ids/0"],
        ),
    ] {
        refused(&world, &anna, &script, &rule, &change, pointers).await;
    }
}

#[tokio::test]
async fn a_rule_says_who_is_told_when_nobody_acknowledges() {
    let world = World::new().await;
    let (anna, bert) = (world.account("anna").await, world.account("bert").await);
    let script = world.script(&anna, json!({})).await;
    let one = world.stored_channel(&anna, "one").await;
    let foreign = world.stored_channel(&bert, "foreign").await;
    let said = |channels: &[&str]| {
        let steps = json!([step(1, channels), step(10_080, &[&one])]);
        json!({ "remind_after_minutes": 10_080, "escalation": steps })
    };
    let path = world.rule(&anna, &script, said(&[&one])).await;
    let read = world.get(&anna, &path).await.json();
    assert_eq!(read["remind_after_minutes"], 10_080);
    assert_eq!(read["escalation"], said(&[&one])["escalation"]);
    // Another organization's channel does not exist.
    for unknown in [foreign.as_str(), SOME_ID] {
        let body = rule_body(&said(&[&one, unknown]));
        let refused = world.put(&anna, &path, body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, named(&["/escalation/0/channel_ids/1"]))
        );
        assert!(refused.text.contains("no such channel"), "{}", refused.text);
    }
    assert_eq!(world.get(&anna, &path).await.json(), read);
    // What is left out is no more.
    let changed = world.put(&anna, &path, rule_body(&json!({}))).await.json();
    assert_eq!(
        (&changed["remind_after_minutes"], &changed["escalation"]),
        (&Value::Null, &json!([]))
    );
}

#[tokio::test]
async fn names_are_taken_once_a_script_and_rules_are_counted() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    let other = world.script(&anna, json!({ "name": "blog" })).await;
    world.rule(&anna, &script, json!({})).await;
    world.rule(&anna, &other, json!({})).await;
    let second = world
        .rule(&anna, &script, json!({ "name": "second" }))
        .await;
    let again = world
        .post(&anna, &rules_of(&script), rule_body(&json!({})))
        .await;
    let renamed = world.put(&anna, &second, rule_body(&json!({}))).await;
    for taken in [again, renamed] {
        assert_eq!((taken.status, taken.pointers()), (409, named(&["/name"])));
    }
    for number in 3..=20 {
        let name = format!("rule {number}");
        world.rule(&anna, &script, json!({ "name": name })).await;
    }
    let body = rule_body(&json!({ "name": "one too many" }));
    let refused = world.post(&anna, &rules_of(&script), body.clone()).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    assert_eq!(refused.json()["error_class"], "quota_exceeded");
    assert!(!refused.header("retry-after").is_empty());
    assert!(refused.text.contains("20 alert rules"), "{}", refused.text);
    assert_eq!(world.delete(&anna, &second).await.status, 204);
    let made = world.post(&anna, &rules_of(&script), body).await;
    assert_eq!(made.status, 201, "{}", made.text);

    let mut path = format!("{}?limit=15", rules_of(&script));
    let mut names = Vec::new();
    loop {
        let page = world.get(&anna, &path).await.json();
        let items = page["items"].as_array().unwrap().iter();
        names.extend(items.map(|rule| rule["name"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("{}?limit=15&cursor={cursor}", rules_of(&script));
    }
    assert_eq!(names.len(), 20);
    assert_eq!(
        names.last().map(String::as_str),
        Some("down"),
        "newest first"
    );
    assert!(!names.contains(&"second".to_owned()));
}

#[tokio::test]
async fn the_schema_is_that_of_the_reader() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let schema = world.get(&anna, "/api/v1/alert-rules/schema").await;
    assert_eq!(schema.status, 200);
    assert_eq!(schema.header("content-type"), "application/schema+json");
    assert_eq!(schema.json(), vedette_core::alert::rule::rule_schema());
    // Else any path below would be taken for an id.
    let other = world.get(&anna, "/api/v1/alert-rules/schemas").await;
    assert_eq!(other.status, 400);
}

#[tokio::test]
async fn a_dry_run_says_when_a_rule_would_have_fired() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    let path = format!("{}/dry-run", rules_of(&script));
    let rule =
        json!({ "type": "status_change", "consecutive_failures": 2, "consecutive_successes": 1 });
    let body = json!({ "rule_definition": rule });
    let nothing = world.post(&anna, &path, body.clone()).await;
    assert_eq!(nothing.status, 200, "{}", nothing.text);
    assert_eq!(nothing.json()["firings"], json!([]));
    assert_eq!(nothing.json()["executions"], 0);

    for status in [
        Status::Success,
        Status::Failure,
        Status::Failure,
        Status::Success,
        Status::Timeout,
        Status::Failure,
    ] {
        world.slot(&script, status).await;
    }
    world.clock.advance(chrono::TimeDelta::seconds(1));
    let played = world.post(&anna, &path, body).await.json();
    let firings = json!([
        { "fired_at": "2026-11-24T12:01:30Z", "recovered_at": "2026-11-24T12:02:00Z" },
        { "fired_at": "2026-11-24T12:03:00Z", "recovered_at": null },
    ]);
    assert_eq!(played["firings"], firings);
    assert_eq!(
        (&played["executions"], &played["is_cut"]),
        (&json!(6), &json!(false))
    );
    // Not before there was a script.
    assert_eq!(played["from"], "2026-11-24T12:00:01Z");
    assert_eq!(played["until"], "2026-11-24T12:03:02Z");
    // Nothing was kept, and nobody was told.
    let rules = world.get(&anna, &rules_of(&script)).await.json();
    assert_eq!(rules["items"], json!([]));
    let incidents = world.get(&anna, "/api/v1/incidents").await.json();
    assert_eq!(incidents["items"], json!([]));

    // An hour later, an hour sees the silence only; two see all of it.
    world.clock.advance(chrono::TimeDelta::hours(1));
    for (hours, executions) in [(1, 0), (2, 6)] {
        let silence = json!({ "rule_definition": { "type": "no_data" }, "hours": hours });
        let anna = world.again("anna").await;
        let played = world.post(&anna, &path, silence).await.json();
        assert_eq!(played["executions"], executions, "{played}");
        assert_eq!(played["firings"].as_array().unwrap().len(), 1, "{played}");
        assert_eq!(played["firings"][0]["recovered_at"], Value::Null);
    }
}

#[tokio::test]
async fn a_dry_run_takes_the_newest_of_too_many() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world
        .script(&anna, json!({ "cron_expression": "*/10 * * * * *" }))
        .await;
    world.slot(&script, Status::Success).await;
    let copies = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10001) \
             INSERT INTO script_executions (id, org_id, script_id, script_version_id, location, trigger_kind, \
             scheduled_at, executed_at, duration_ms, status, fuel_used, peak_memory_bytes, requests, flags) \
             SELECT randomblob(16), org_id, script_id, script_version_id, location, trigger_kind, \
             strftime('%Y-%m-%dT%H:%M:%S+00:00', scheduled_at, '+' || (10 + n) || ' seconds'), \
             executed_at, 0, 'failure', 0, 0, '[]', '[]' \
             FROM script_executions, numbers WHERE status = 'success'";
    world.database.execute(copies).await;
    world.clock.advance(chrono::TimeDelta::hours(3));
    let anna = world.again("anna").await;
    let path = format!("{}/dry-run", rules_of(&script));
    let body = json!({ "rule_definition": { "type": "status_change" } });
    let played = world.post(&anna, &path, body).await.json();
    assert_eq!(
        (&played["executions"], &played["is_cut"]),
        (&json!(10_000), &json!(true)),
        "{played}"
    );
    // The oldest failure is left out with all that was before, of which the rule knows nothing.
    assert_eq!(played["from"], "2026-11-24T12:00:42Z");
    assert_eq!(played["firings"][0]["fired_at"], "2026-11-24T12:00:44Z");
}

#[tokio::test]
async fn each_field_of_a_dry_run_that_is_wrong_is_named() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    let path = format!("{}/dry-run", rules_of(&script));
    let down = json!({ "type": "status_change" });
    for (body, pointers) in [
        (json!({}), &["/rule_definition"][..]),
        (json!({ "rule_definition": [] }), &["/rule_definition"]),
        (
            json!({ "rule_definition": { "type": "no_data", "intervals": 0 } }),
            &["/rule_definition/intervals"],
        ),
        (json!({ "rule_definition": down, "hours": 0 }), &["/hours"]),
        (json!({ "rule_definition": down, "hours": 25 }), &["/hours"]),
        (json!({ "rule_definition": down, "hours": -1 }), &["/hours"]),
        (
            json!({ "rule_definition": down, "hours": 1.5 }),
            &["/hours"],
        ),
        (
            json!({ "rule_definition": down, "quorum": "any" }),
            &["/quorum"],
        ),
        (
            json!({ "rule_definition": {}, "hours": 25 }),
            &["/hours", "/rule_definition/type"],
        ),
    ] {
        let refused = world.post(&anna, &path, body.clone()).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, named(pointers)),
            "{body}"
        );
    }
    for body in [
        json!({ "rule_definition": down, "hours": 1 }),
        json!({ "rule_definition": down, "hours": 24 }),
        json!({ "rule_definition": { "type": "status_change", "recheck": true } }),
    ] {
        assert_eq!(world.post(&anna, &path, body).await.status, 200);
    }
}
