//! Incidents and the history of rules: what is shown, what people do about them, and who may.

use chrono::TimeDelta;
use serde_json::{Value, json};
use vedette_core::Status;

use crate::{
    alerting::{rule_body, rules_of},
    world::{Account, Answer, World, redacted},
};

const INCIDENTS: &str = "/api/v1/incidents";
const HISTORY: &str = "/api/v1/alerts/history";
const SOME_ID: &str = "018f3b3e-0000-7000-8000-000000000000";

/// A script that is down, with its rule and its incident.
async fn down(world: &World, account: &Account, change: Value) -> (String, String, String) {
    let script = world.script(account, change).await;
    let rule = world.rule(account, &script, json!({})).await;
    world.slot(&script, Status::Failure).await;
    let incident = world.incident(account, &script).await;
    (script, rule, format!("{INCIDENTS}/{incident}"))
}

/// The ids of a list.
async fn ids(world: &World, account: &Account, path: &str) -> Vec<String> {
    let listed = world.get(account, path).await;
    assert_eq!(listed.status, 200, "{path}: {}", listed.text);
    let items = listed.json()["items"].as_array().unwrap().clone();
    let ids = items.iter().map(|item| item["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

fn kinds(incident: &Value) -> Vec<&str> {
    let timeline = incident["timeline"].as_array().unwrap().iter();
    timeline
        .map(|event| event["kind"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_incident_says_what_happened() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let (script, rule, path) = down(&world, &anna, json!({})).await;
    let shown = world.get(&anna, &path).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    insta::assert_json_snapshot!("incident", redacted(&shown.json()));
    let listed = world.get(&anna, INCIDENTS).await.json();
    insta::assert_json_snapshot!("incidents", redacted(&listed));

    let recovery = world.slot(&script, Status::Success).await;
    let shown = world.get(&anna, &path).await.json();
    assert_eq!(
        (&shown["status"], &shown["resolution"]),
        (&json!("resolved"), &json!("recovered"))
    );
    assert_eq!(shown["resolved_by"], Value::Null);
    assert_eq!(kinds(&shown), ["opened", "rule_fired", "resolved"]);
    assert_eq!(shown["timeline"][2]["execution_id"], recovery.as_str());
    let history = world.get(&anna, HISTORY).await.json();
    insta::assert_json_snapshot!("alert_history", redacted(&history));
    let rule_id = rule.rsplit('/').next().unwrap();
    assert_eq!(history["items"][0]["rule_id"], rule_id);
    // The history outlives the rule.
    assert_eq!(world.delete(&anna, &rule).await.status, 204);
    assert_eq!(world.get(&anna, HISTORY).await.json(), history);
}

#[tokio::test]
async fn people_acknowledge_comment_and_resolve() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let (script, _, path) = down(&world, &anna, json!({})).await;
    let call = async |action: &str| {
        // Entries of one moment come in any order.
        world.clock.advance(TimeDelta::seconds(1));
        let path = format!("{path}/{action}");
        world.call("POST", &path, Some(&anna.token), None).await
    };
    let acknowledged = call("acknowledge").await;
    assert_eq!(acknowledged.status, 200, "{}", acknowledged.text);
    let shown = acknowledged.json();
    assert_eq!(
        (&shown["status"], &shown["acknowledged_by"]),
        (&json!("acknowledged"), &json!(anna.id))
    );
    let again = call("acknowledge").await;
    assert_eq!(again.status, 409);
    assert_eq!(again.json()["type"], "urn:vedette:problem:not-now");
    assert!(
        again.text.contains("acknowledged it already"),
        "{}",
        again.text
    );

    world.clock.advance(TimeDelta::seconds(1));
    let text = "The provider knows.\nüber\u{1f6a8}";
    let body = json!({ "message": text });
    let said = world.post(&anna, &format!("{path}/comments"), body).await;
    assert_eq!(said.status, 200, "{}", said.text);
    let comment = said.json()["timeline"][3].clone();
    assert_eq!(
        (&comment["kind"], &comment["message"], &comment["user_id"]),
        (&json!("comment"), &json!(text), &json!(anna.id))
    );

    let resolved = call("resolve").await;
    assert_eq!(resolved.status, 200, "{}", resolved.text);
    let shown = resolved.json();
    assert_eq!(
        (
            &shown["status"],
            &shown["resolution"],
            &shown["resolved_by"]
        ),
        (&json!("resolved"), &json!("person"), &json!(anna.id))
    );
    for action in ["resolve", "acknowledge"] {
        let late = call(action).await;
        assert_eq!(late.status, 409, "{action}");
        assert!(late.text.contains("is over"), "{action}: {}", late.text);
    }
    // What is over may be talked about.
    world.clock.advance(TimeDelta::seconds(1));
    let body = json!({ "message": "It was the cable." });
    let said = world.post(&anna, &format!("{path}/comments"), body).await;
    assert_eq!(
        kinds(&said.json()),
        [
            "opened",
            "rule_fired",
            "acknowledged",
            "comment",
            "resolved",
            "comment"
        ]
    );
    assert_eq!(world.get(&anna, &path).await.json(), said.json());
    // The rule fires on, and makes no new incident by that.
    world.slot(&script, Status::Failure).await;
    world.incident(&anna, &script).await;
}

#[tokio::test]
async fn each_comment_that_is_wrong_is_refused() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let (_, _, path) = down(&world, &anna, json!({})).await;
    let comments = format!("{path}/comments");
    for (body, pointer) in [
        (json!({}), "/message"),
        (json!({ "message": "" }), "/message"),
        (json!({ "message": " \n" }), "/message"),
        (json!({ "message": 1 }), "/message"),
        (json!({ "message": "ü".repeat(2_001) }), "/message"),
        (json!({ "message": "a\u{1b}[2Jb" }), "/message"),
        (json!({ "message": "a\0b" }), "/message"),
        (json!({ "message": "covered\rup" }), "/message"),
        (json!({ "message": "ok", "user_id": SOME_ID }), "/user_id"),
    ] {
        let refused = world.post(&anna, &comments, body.clone()).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()]),
            "{body}"
        );
    }
    let texts = ["x".to_owned(), "ü".repeat(2_000), "one\r\ntwo\n".to_owned()];
    for text in texts {
        world.clock.advance(TimeDelta::seconds(1));
        let said = world
            .post(&anna, &comments, json!({ "message": text }))
            .await;
        assert_eq!(said.status, 200, "{}", said.text);
        let shown = said.json();
        assert_eq!(
            shown["timeline"].as_array().unwrap().last().unwrap()["message"],
            text
        );
    }
    // These take no body, and say so to whoever sends one.
    for action in ["acknowledge", "resolve"] {
        let path = format!("{path}/{action}");
        let refused = world
            .post(&anna, &path, json!({ "message": "on it" }))
            .await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec!["/message".to_owned()])
        );
    }
    assert_eq!(world.get(&anna, &path).await.json()["status"], "open");
}

#[tokio::test]
async fn a_timeline_that_is_full_takes_no_comment() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let (_, _, path) = down(&world, &anna, json!({})).await;
    world
        .database
        .execute(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 998) \
             INSERT INTO incident_events (id, org_id, incident_id, occurred_at, kind, message) \
             SELECT randomblob(16), org_id, incident_id, occurred_at, 'comment', 'x' \
             FROM incident_events, numbers WHERE kind = 'opened'",
        )
        .await;
    let body = json!({ "message": "one too many" });
    let refused = world.post(&anna, &format!("{path}/comments"), body).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("is full"), "{}", refused.text);
    let resolve = format!("{path}/resolve");
    let resolved = world.call("POST", &resolve, Some(&anna.token), None).await;
    assert_eq!(resolved.status, 200, "it can still be ended");
}

#[tokio::test]
async fn lists_are_filtered_and_read_strictly() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let (first, first_rule, first_path) = down(&world, &anna, json!({})).await;
    let (second, ..) = down(&world, &anna, json!({ "name": "blog" })).await;
    let (third, ..) = down(&world, &anna, json!({ "name": "mail" })).await;
    let incident = async |script: &str| world.incident(&anna, script).await;
    let (of_first, of_second) = (incident(&first).await, incident(&second).await);
    let of_third = incident(&third).await;
    for (path, action) in [(&of_second, "acknowledge"), (&of_third, "resolve")] {
        let path = format!("{INCIDENTS}/{path}/{action}");
        let done = world.call("POST", &path, Some(&anna.token), None).await;
        assert_eq!(done.status, 200, "{}", done.text);
    }
    for (query, expected) in [
        ("", vec![&of_third, &of_second, &of_first]),
        ("?status=open", vec![&of_first]),
        ("?status=acknowledged", vec![&of_second]),
        ("?status=resolved", vec![&of_third]),
        (&format!("?script_id={first}"), vec![&of_first]),
        (&format!("?script_id={first}&status=resolved"), vec![]),
        (&format!("?script_id={SOME_ID}"), vec![]),
    ] {
        let listed = ids(&world, &anna, &format!("{INCIDENTS}{query}")).await;
        assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let page = world
        .get(&anna, &format!("{INCIDENTS}?limit=2"))
        .await
        .json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = ids(
        &world,
        &anna,
        &format!("{INCIDENTS}?limit=2&cursor={cursor}"),
    )
    .await;
    assert_eq!(rest, [of_first.as_str()]);

    let rule = first_rule.rsplit('/').next().unwrap();
    let at = world.get(&anna, &first_path).await.json()["opened_at"].clone();
    let at = at.as_str().unwrap();
    let all = ids(&world, &anna, HISTORY).await;
    assert_eq!(all.len(), 3);
    for (query, expected) in [
        (format!("?script_id={first}"), &all[2..]),
        (format!("?rule_id={rule}"), &all[2..]),
        (format!("?incident_id={of_first}"), &all[2..]),
        (format!("?incident_id={of_second}&rule_id={rule}"), &[]),
        (format!("?from={at}"), &all[..]),
        (format!("?until={at}"), &[]),
        ("?from=2026-11-24T12:00:31Z".to_owned(), &all[..2]),
        ("?until=2026-11-24T12:00:31Z".to_owned(), &all[2..]),
        (format!("?rule_id={SOME_ID}"), &[]),
    ] {
        let listed = ids(&world, &anna, &format!("{HISTORY}{query}")).await;
        assert_eq!(listed, expected, "{query}");
    }
    let page = world.get(&anna, &format!("{HISTORY}?limit=2")).await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = ids(&world, &anna, &format!("{HISTORY}?limit=2&cursor={cursor}")).await;
    assert_eq!(rest, all[2..]);

    for wrong in [
        "/incidents?status=closed",
        "/incidents?status=",
        "/incidents?status=open&status=open",
        "/incidents?script_id=x",
        "/incidents?rule_id=x",
        "/incidents?limit=0",
        "/incidents?cursor=x",
        "/alerts/history?script_id=x",
        "/alerts/history?rule_id=",
        "/alerts/history?incident_id=x",
        "/alerts/history?from=yesterday",
        "/alerts/history?until=9999999-01-01T00:00:00Z",
        "/alerts/history?status=open",
        "/alerts/history?limit=101",
    ] {
        let refused = world.get(&anna, &format!("/api/v1{wrong}")).await;
        assert_eq!(refused.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_project_ends_at_its_edge_for_alerts_too() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    // Later than the first project, which is the default.
    world.clock.advance(TimeDelta::seconds(1));
    let made = world.post(&owner, "/api/v1/projects", json!({ "name": "shop" }));
    let shop = made.await.json()["id"].clone();
    let inside = down(&world, &owner, json!({ "project_id": shop })).await;
    let outside = down(&world, &owner, json!({})).await;
    let roles = world.get(&owner, "/api/v1/roles").await.json();
    let invite = |role: usize| json!({ "role_id": roles["items"][role]["id"], "project_id": shop });
    let editor = world.invited(&owner, "editor", invite(2)).await;
    let viewer = world.invited(&owner, "viewer", invite(3)).await;

    let incident = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    for guest in [&editor, &viewer] {
        assert_eq!(ids(&world, guest, INCIDENTS).await, [incident(&inside.2)]);
        let history = world.get(guest, HISTORY).await.json();
        assert_eq!(history["items"].as_array().unwrap().len(), 1);
        assert_eq!(history["items"][0]["script_id"], inside.0.as_str());
        // What is outside is not there, by whatever is asked for.
        for query in [
            format!("{INCIDENTS}?script_id={}", outside.0),
            format!("{HISTORY}?script_id={}", outside.0),
            format!("{HISTORY}?incident_id={}", incident(&outside.2)),
        ] {
            assert_eq!(ids(&world, guest, &query).await, [""; 0], "{query}");
        }
    }
    let rule = rule_body(&json!({ "name": "guest's" }));
    let operations = |script: &str, rule_path: &str, incident: &str| {
        let list = rules_of(script);
        let try_out = json!({ "rule_definition": { "type": "error" } });
        let comment = json!({ "message": "hello" });
        [
            ("GET", list.clone(), None, 200),
            ("POST", format!("{list}/dry-run"), Some(try_out), 200),
            ("GET", rule_path.to_owned(), None, 200),
            ("GET", incident.to_owned(), None, 200),
            ("POST", list, Some(rule.clone()), 201),
            ("PUT", rule_path.to_owned(), Some(rule.clone()), 409),
            ("POST", format!("{incident}/comments"), Some(comment), 200),
            ("POST", format!("{incident}/acknowledge"), None, 200),
            ("POST", format!("{incident}/resolve"), None, 200),
            ("DELETE", rule_path.to_owned(), None, 204),
        ]
    };
    let absent = operations(
        SOME_ID,
        &format!("/api/v1/alert-rules/{SOME_ID}"),
        &format!("{INCIDENTS}/{SOME_ID}"),
    );
    let without_instance = |answer: &Answer| {
        let mut problem = answer.json();
        problem.as_object_mut().unwrap().remove("instance");
        problem
    };
    for guest in [&editor, &viewer] {
        let foreign = operations(&outside.0, &outside.1, &outside.2);
        for ((method, path, body, _), (_, nothing, ..)) in foreign.into_iter().zip(absent.clone()) {
            let token = Some(guest.token.as_str());
            let there = world.call(method, &path, token, body.clone()).await;
            let none = world.call(method, &nothing, token, body).await;
            assert!([403, 404].contains(&there.status), "{method} {path}");
            assert_eq!(
                (there.status, without_instance(&there)),
                (none.status, without_instance(&none)),
                "{method} {path}"
            );
        }
    }
    for (place, (method, path, body, status)) in operations(&inside.0, &inside.1, &inside.2)
        .into_iter()
        .enumerate()
    {
        // A viewer reads and tries out, and changes nothing.
        let seen = world.call(method, &path, Some(&viewer.token), body.clone());
        let seen = seen.await;
        let expected = if place < 4 { status } else { 403 };
        assert_eq!(seen.status, expected, "{method} {path}: {}", seen.text);
        let done = world.call(method, &path, Some(&editor.token), body).await;
        assert_eq!(done.status, status, "{method} {path}: {}", done.text);
    }
}

#[tokio::test]
async fn a_deleted_script_takes_its_incidents_along() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let (script, rule, incident) = down(&world, &anna, json!({})).await;
    let path = format!("/api/v1/scripts/{script}");
    assert_eq!(world.delete(&anna, &path).await.status, 204);
    for path in [&rule, &incident] {
        assert_eq!(world.get(&anna, path).await.status, 404, "{path}");
    }
    for path in [INCIDENTS, HISTORY] {
        assert_eq!(ids(&world, &anna, path).await, [""; 0], "{path}");
    }
    let body = json!({ "message": "why?" });
    let late = world
        .post(&anna, &format!("{incident}/comments"), body)
        .await;
    assert_eq!(late.status, 404);
}
