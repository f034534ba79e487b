//! Maintenance windows and silences: what is accepted, what is refused and where, who may do what, and that nobody is
//! told while one is active.

use chrono::TimeDelta;
use serde_json::{Value, json};
use vedette_core::Status;

use crate::world::{Account, Answer, World, redacted};

const WINDOWS: &str = "/api/v1/maintenance-windows";
const SILENCES: &str = "/api/v1/silences";
const SOME_ID: &str = "018f3b3e-0000-7000-8000-000000000000";

/// With members replaced, or left out where the change says null.
fn changed(mut body: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().into_iter().flatten() {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}

/// Two hours each night, in the whole organization. Tests begin at noon.
pub(crate) fn window_body(change: &Value) -> Value {
    let body = json!({
        "name": "backup", "scope": { "kind": "organization" },
        "window": { "cron_expression": "0 2 * * *", "duration_minutes": 120 },
    });
    changed(body, change)
}

/// Of all that is no more than a warning, for a day.
pub(crate) fn silence_body(change: &Value) -> Value {
    let body = json!({
        "matchers": [{ "label": "severity", "operator": "!=", "value": "critical" }],
        "ends_at": "2026-11-25T12:00:00Z",
    });
    changed(body, change)
}

fn pointers(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 422, "{}", answer.text);
    let problem = answer.json();
    let errors = problem["errors"].as_array().unwrap().iter();
    errors
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect()
}

async fn made(world: &World, account: &Account, path: &str, body: Value) -> String {
    world.clock.advance(TimeDelta::seconds(1));
    let made = world.post(account, path, body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let shown = format!("{path}/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(
        (made.header("location"), made.header("etag")),
        (shown.as_str(), "\"1\"")
    );
    shown
}

async fn ids(world: &World, account: &Account, path: &str) -> Vec<String> {
    let listed = world.get(account, path).await;
    assert_eq!(listed.status, 200, "{}", listed.text);
    let listed = listed.json();
    let items = listed["items"].as_array().unwrap().iter();
    items
        .map(|item| format!("{path}/{}", item["id"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn a_window_is_made_read_changed_and_deleted() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let path = made(&world, &anna, WINDOWS, window_body(&json!({}))).await;
    let read = world.get(&anna, &path).await;
    insta::assert_json_snapshot!("maintenance_window", redacted(&read.json()));
    assert_eq!(
        ids(&world, &anna, WINDOWS).await,
        std::slice::from_ref(&path)
    );

    let script = world.script(&anna, json!({})).await;
    let body = json!({
        "name": "move", "scope": { "kind": "script", "id": script },
        "window": { "from": "2026-11-24T11:00:00Z", "until": "2026-11-24T13:00:00Z" },
    });
    let replaced = world.put(&anna, &path, body.clone()).await;
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    let shown = replaced.json();
    assert_eq!(
        (&shown["scope"], &shown["window"], &shown["revision"]),
        (&body["scope"], &body["window"], &json!(2))
    );
    assert_eq!(
        (&shown["is_active"], &shown["active_until"], &shown["next"]),
        (&json!(true), &json!("2026-11-24T13:00:00Z"), &json!([]))
    );
    // Its end does not belong to it, and what is over is seen.
    world.clock.advance(TimeDelta::hours(1));
    let anna = world.again("anna").await;
    let over = world.get(&anna, &path).await.json();
    assert_eq!(
        (&over["is_active"], &over["active_until"], &over["next"]),
        (&json!(false), &Value::Null, &json!([]))
    );
    for expected in [204, 404] {
        assert_eq!(world.delete(&anna, &path).await.status, expected);
    }
    let gone = world.put(&anna, &path, window_body(&json!({}))).await;
    assert_eq!(
        (gone.status, world.get(&anna, &path).await.status),
        (404, 404)
    );
    assert_eq!(ids(&world, &anna, WINDOWS).await, [""; 0]);
}

#[tokio::test]
async fn a_silence_is_made_read_changed_and_deleted() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let path = made(&world, &anna, SILENCES, silence_body(&json!({}))).await;
    let read = world.get(&anna, &path).await;
    insta::assert_json_snapshot!("silence", redacted(&read.json()));
    let later = json!({ "starts_at": "2026-11-25T00:00:00Z", "comment": "Tried out.\nTwice." });
    let later = world.put(&anna, &path, silence_body(&later)).await;
    assert_eq!(later.status, 200, "{}", later.text);
    assert_eq!(
        (&later.json()["is_active"], &later.json()["comment"]),
        (&json!(false), &json!("Tried out.\nTwice."))
    );
    assert_eq!(later.header("etag"), "\"2\"");
    assert_eq!(
        ids(&world, &anna, SILENCES).await,
        std::slice::from_ref(&path)
    );
    for expected in [204, 404] {
        assert_eq!(world.delete(&anna, &path).await.status, expected);
    }
    let gone = world.put(&anna, &path, silence_body(&json!({}))).await;
    assert_eq!(
        (gone.status, world.get(&anna, &path).await.status),
        (404, 404)
    );
}

#[tokio::test]
async fn a_change_may_be_for_one_revision() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    for (noun, body) in [
        (WINDOWS, window_body(&json!({}))),
        (SILENCES, silence_body(&json!({}))),
    ] {
        let path = made(&world, &anna, noun, body.clone()).await;
        for (tag, expected) in [
            ("\"1\"", 200),
            ("\"1\"", 412),
            ("nonsense", 412),
            ("*", 200),
        ] {
            let request = axum::http::Request::put(&path)
                .header("authorization", format!("Bearer {}", anna.token))
                .header("content-type", "application/json")
                .header("if-match", tag)
                .body(axum::body::Body::from(body.to_string()));
            let answer = world.send(request.unwrap()).await;
            assert_eq!(answer.status, expected, "{path} {tag}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn each_field_of_a_window_that_is_wrong_is_named() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let window = |window: Value| json!({ "window": window });
    let scope = |scope: Value| json!({ "scope": scope });
    for (change, expected) in [
        (json!({ "name": "" }), "/name"),
        (json!({ "name": null }), "/name"),
        (json!({ "colour": "red" }), "/colour"),
        (json!({ "scope": null }), "/scope"),
        (scope(json!({ "kind": "everything" })), "/scope/kind"),
        (scope(json!({ "kind": "script" })), "/scope/id"),
        (scope(json!({ "kind": "script", "id": "x" })), "/scope/id"),
        (
            scope(json!({ "kind": "script", "id": SOME_ID })),
            "/scope/id",
        ),
        (
            scope(json!({ "kind": "project", "id": SOME_ID })),
            "/scope/id",
        ),
        (
            scope(json!({ "kind": "organization", "id": SOME_ID })),
            "/scope/id",
        ),
        (
            scope(json!({ "kind": "organization", "name": "x" })),
            "/scope/name",
        ),
        (scope(json!({ "kind": "tag" })), "/scope/name"),
        (
            scope(json!({ "kind": "tag", "name": "sh*p" })),
            "/scope/name",
        ),
        (
            scope(json!({ "kind": "tag", "name": "shop", "where": 1 })),
            "/scope/where",
        ),
        (window(json!({})), "/window/from"),
        (window(json!({ "from": "tomorrow" })), "/window/from"),
        (
            window(json!({ "from": "2027-01-02T00:00:00Z", "until": "2027-01-01T00:00:00Z" })),
            "/window/until",
        ),
        (
            window(json!({ "from": "2026-11-23T00:00:00Z", "until": "2026-11-24T12:00:00Z" })),
            "/window",
        ),
        (
            window(json!({ "cron_expression": "*/5 * * * *", "duration_minutes": 1 })),
            "/window/cron_expression",
        ),
        (
            window(json!({ "cron_expression": "0 2 * * *" })),
            "/window/duration_minutes",
        ),
        (
            window(
                json!({ "rrule": "FREQ=HOURLY", "dtstart": "2027-01-03T02:00", "duration_minutes": 5 }),
            ),
            "/window/rrule",
        ),
        (
            window(json!({ "rrule": "FREQ=DAILY", "duration_minutes": 5 })),
            "/window/dtstart",
        ),
        (
            window(
                json!({ "cron_expression": "0 2 * * *", "duration_minutes": 5, "timezone": "Mars" }),
            ),
            "/window/timezone",
        ),
        (
            window(json!({ "cron_expression": "0 2 * * *", "duration_minutes": 5, "every": 2 })),
            "/window/every",
        ),
    ] {
        let body = window_body(&change);
        let refused = world.post(&anna, WINDOWS, body.clone()).await;
        assert_eq!(pointers(&refused), [expected], "{change}");
        // The preview refuses what is wrong of the window, as long as it is not over.
        if expected.starts_with("/window/") {
            let body = json!({ "window": body["window"] });
            let refused = world.post(&anna, &format!("{WINDOWS}/preview"), body).await;
            assert_eq!(pointers(&refused), [expected], "{change}");
        }
    }
    let all = json!({
        "name": "", "scope": { "kind": "x" },
        "window": { "cron_expression": "x", "duration_minutes": 0 },
    });
    let refused = world.post(&anna, WINDOWS, all).await;
    assert_eq!(
        pointers(&refused),
        [
            "/name",
            "/scope/kind",
            "/window/duration_minutes",
            "/window/cron_expression"
        ]
    );
    assert_eq!(ids(&world, &anna, WINDOWS).await, [""; 0]);
}

#[tokio::test]
async fn each_field_of_a_silence_that_is_wrong_is_named() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let matcher = |label: &str, operator: &str, value: &str| json!({ "matchers": [{ "label": label, "operator": operator, "value": value }] });
    for (change, expected) in [
        (json!({ "matchers": [] }), "/matchers"),
        (json!({ "matchers": null }), "/matchers"),
        (matcher("colour", "=", "red"), "/matchers/0/label"),
        (matcher("script", "=~", "x"), "/matchers/0/operator"),
        (matcher("script", "=", "*"), "/matchers/0/value"),
        (matcher("project", "=", SOME_ID), "/matchers"),
        (json!({ "ends_at": null }), "/ends_at"),
        (
            json!({ "ends_at": "2026-11-24T11:00:00Z", "starts_at": "2026-11-24T10:00:00Z" }),
            "/ends_at",
        ),
        (json!({ "ends_at": "2028-11-24T11:00:00Z" }), "/ends_at"),
        (json!({ "starts_at": "2026-12-24T11:00:00Z" }), "/ends_at"),
        (json!({ "starts_at": "1066-12-24T11:00:00Z" }), "/starts_at"),
        (json!({ "comment": "\u{7}" }), "/comment"),
        (json!({ "comment": "x".repeat(501) }), "/comment"),
        (json!({ "forever": true }), "/forever"),
    ] {
        let refused = world.post(&anna, SILENCES, silence_body(&change)).await;
        assert_eq!(pointers(&refused), [expected], "{change}");
        assert!(!refused.text.contains("`from`"), "{}", refused.text);
    }
    assert_eq!(ids(&world, &anna, SILENCES).await, [""; 0]);
}

#[tokio::test]
async fn a_preview_shows_what_a_rule_means() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let window = json!({
        "rrule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU", "dtstart": "2027-01-03T02:00",
        "duration_minutes": 120, "timezone": "Europe/Berlin", "until": "2027-02-01T00:00:00Z",
    });
    let body = json!({ "window": window });
    let seen = world.post(&anna, &format!("{WINDOWS}/preview"), body).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    let interval = |day: &str| json!({ "from": format!("2027-01-{day}T01:00:00Z"), "until": format!("2027-01-{day}T03:00:00Z") });
    assert_eq!(
        seen.json(),
        json!({
            "is_active": false, "active_until": null,
            "next": [interval("03"), interval("17"), interval("31")],
        })
    );
    assert_eq!(ids(&world, &anna, WINDOWS).await, [""; 0]);
}

#[tokio::test]
async fn a_role_for_a_project_is_for_its_maintenance() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    world.clock.advance(TimeDelta::seconds(1));
    let shop = world.post(&owner, "/api/v1/projects", json!({ "name": "shop" }));
    let shop = shop.await.json()["id"].clone();
    let inside = world.script(&owner, json!({ "project_id": shop })).await;
    let outside = world.script(&owner, json!({})).await;
    let projects = world.get(&owner, "/api/v1/projects").await.json();
    let other = projects["items"][0]["id"].clone();
    assert_ne!(other, shop);
    let roles = world.get(&owner, "/api/v1/roles").await.json();
    let invite = |role: usize| json!({ "role_id": roles["items"][role]["id"], "project_id": shop });
    let editor = world.invited(&owner, "editor", invite(2)).await;
    let viewer = world.invited(&owner, "viewer", invite(3)).await;

    let of = |kind: &str, id: &Value| window_body(&json!({ "scope": { "kind": kind, "id": id } }));
    let matched = |project: &Value| {
        let only = json!({ "label": "project", "operator": "=", "value": project });
        let mild = json!({ "label": "severity", "operator": "=", "value": "info" });
        silence_body(&json!({ "matchers": [mild, only] }))
    };
    let tag = window_body(&json!({ "scope": { "kind": "tag", "name": "shop" } }));
    let within = [
        (WINDOWS, of("project", &shop)),
        (WINDOWS, of("script", &json!(inside))),
        (SILENCES, matched(&shop)),
    ];
    let beyond = [
        (WINDOWS, window_body(&json!({})), 403),
        (WINDOWS, tag, 403),
        (WINDOWS, of("project", &other), 422),
        (WINDOWS, of("script", &json!(outside)), 422),
        (SILENCES, silence_body(&json!({})), 403),
        (SILENCES, matched(&other), 422),
    ];
    let mut own = Vec::new();
    for (noun, body) in within.clone() {
        assert_eq!(world.post(&viewer, noun, body.clone()).await.status, 403);
        own.push((made(&world, &editor, noun, body.clone()).await, body));
    }
    for (noun, body, status) in beyond {
        let refused = world.post(&editor, noun, body.clone()).await;
        assert_eq!(refused.status, status, "{body}: {}", refused.text);
        // Nor by a change of what is the editor's own.
        let (path, _) = own.iter().find(|(path, _)| path.starts_with(noun)).unwrap();
        let refused = world.put(&editor, path, body.clone()).await;
        assert_eq!(refused.status, status, "{body}: {}", refused.text);
        // What others made beyond is not there.
        let foreign = made(&world, &owner, noun, body.clone()).await;
        for guest in [&editor, &viewer] {
            assert_eq!(world.get(guest, &foreign).await.status, 404, "{body}");
        }
        assert_eq!(world.put(&editor, &foreign, body.clone()).await.status, 404);
        assert_eq!(world.delete(&editor, &foreign).await.status, 404);
    }
    for guest in [&editor, &viewer] {
        let windows = [own[1].0.clone(), own[0].0.clone()];
        assert_eq!(ids(&world, guest, WINDOWS).await, windows);
        assert_eq!(ids(&world, guest, SILENCES).await, [own[2].0.clone()]);
    }
    assert_eq!(ids(&world, &owner, WINDOWS).await.len(), 6);
    for (path, body) in own {
        assert_eq!(world.get(&viewer, &path).await.status, 200);
        assert_eq!(world.put(&viewer, &path, body.clone()).await.status, 403);
        assert_eq!(world.delete(&viewer, &path).await.status, 403);
        assert_eq!(world.put(&editor, &path, body).await.status, 200);
        assert_eq!(world.delete(&editor, &path).await.status, 204);
    }
}

#[tokio::test]
async fn windows_go_with_what_they_cover() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    world.clock.advance(TimeDelta::seconds(1));
    let project = world.post(&anna, "/api/v1/projects", json!({ "name": "shop" }));
    let project = project.await.json()["id"].as_str().unwrap().to_owned();
    let script = world.script(&anna, json!({})).await;
    for (kind, id, path) in [
        ("script", &script, format!("/api/v1/scripts/{script}")),
        ("project", &project, format!("/api/v1/projects/{project}")),
    ] {
        let body = window_body(&json!({ "scope": { "kind": kind, "id": id } }));
        let window = made(&world, &anna, WINDOWS, body).await;
        assert_eq!(world.delete(&anna, &path).await.status, 204);
        assert_eq!(world.get(&anna, &window).await.status, 404, "{kind}");
        assert_eq!(ids(&world, &anna, WINDOWS).await, [""; 0]);
    }
}

#[tokio::test]
async fn nobody_is_told_while_one_is_active() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    world.rule(&anna, &script, json!({})).await;
    let open = async || {
        let path = "/api/v1/incidents?status=open";
        let listed = world.get(&anna, path).await.json();
        listed["items"].as_array().unwrap().len()
    };
    let now = json!({ "from": "2026-11-24T11:00:00Z", "until": "2026-11-24T13:00:00Z" });
    for (noun, body) in [
        (WINDOWS, window_body(&json!({ "window": now }))),
        (SILENCES, silence_body(&json!({}))),
    ] {
        let path = made(&world, &anna, noun, body).await;
        assert_eq!(world.get(&anna, &path).await.json()["is_active"], true);
        world.slot(&script, Status::Failure).await;
        assert_eq!(open().await, 0, "{noun}");
        // Deleted, it ends.
        assert_eq!(world.delete(&anna, &path).await.status, 204);
        world.slot(&script, Status::Failure).await;
        assert_eq!(open().await, 1, "{noun}");
        world.slot(&script, Status::Success).await;
        assert_eq!(open().await, 0, "{noun}");
    }
}
