//! Variables: what is accepted, who sees what, and that a secret never comes back.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use crate::world::{Account, Answer, World, redacted};

const VARIABLES: &str = "/api/v1/variables";
const CANARY: &str = "canary-55d1e0";
const ABSENT: &str = "018f3b3e-0000-7000-8000-000000000000";

fn plain(name: &str, value: &str) -> Value {
    json!({ "name": name, "kind": "plain", "value": value })
}

fn secret(name: &str, value: &str) -> Value {
    json!({ "name": name, "kind": "secret", "value": value })
}

async fn made(world: &World, account: &Account, path: &str, body: Value) -> String {
    let created = world.post(account, path, body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let location = format!("{VARIABLES}/{id}");
    assert_eq!(created.header("location"), location);
    assert_eq!(created.header("etag"), "\"1\"");
    assert!(!created.text.contains(CANARY));
    location
}

async fn put(world: &World, account: &Account, path: &str, body: Value) -> Answer {
    world
        .call("PUT", path, Some(&account.token), Some(body))
        .await
}

#[tokio::test]
async fn a_variable_is_made_read_changed_and_deleted() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let mut body = plain("REGION", "eu");
    body["description"] = json!("Where the shop is.");
    let created = world.post(&anna, VARIABLES, body).await;
    insta::assert_json_snapshot!("variable_plain", redacted(&created.json()));
    let created = world.post(&anna, VARIABLES, secret("TOKEN", CANARY)).await;
    assert!(!created.text.contains(CANARY));
    insta::assert_json_snapshot!("variable_secret", redacted(&created.json()));
    let path = format!("{VARIABLES}/{}", created.json()["id"].as_str().unwrap());
    let read = world.get(&anna, &path).await;
    assert_eq!((read.status, &read.text), (200, &created.text));
    assert_eq!(read.header("etag"), "\"1\"");

    let described = put(
        &world,
        &anna,
        &path,
        json!({ "description": "For orders." }),
    )
    .await;
    let shown = described.json();
    assert_eq!(described.status, 200, "{}", described.text);
    assert_eq!(
        (&shown["revision"], &shown["is_set"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(shown["description"], "For orders.");
    let changed = put(
        &world,
        &anna,
        &path,
        json!({ "value": "canary-55d1e0-new" }),
    )
    .await;
    assert_eq!(
        (changed.status, changed.json()["revision"].as_i64()),
        (200, Some(3))
    );
    assert!(!changed.text.contains(CANARY));
    assert_eq!(changed.json()["description"], Value::Null);

    let listed = world.get(&anna, VARIABLES).await;
    assert!(!listed.text.contains(CANARY));
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 2);
    for expected in [204, 404] {
        let deleted = world.call("DELETE", &path, Some(&anna.token), None).await;
        assert_eq!(deleted.status, expected);
    }
    assert_eq!(world.get(&anna, &path).await.status, 404);
    let listed = world.get(&anna, VARIABLES).await.json();
    assert_eq!(listed["items"][0]["name"], "REGION");
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn each_level_has_its_own() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    let shown = world.get(&anna, &format!("/api/v1/scripts/{script}")).await;
    let project = shown.json()["project_id"].as_str().unwrap().to_owned();
    let levels = [
        ("organization", VARIABLES.to_owned()),
        ("project", format!("{VARIABLES}?project_id={project}")),
        ("script", format!("{VARIABLES}?script_id={script}")),
    ];
    for (level, path) in &levels {
        let first = made(&world, &anna, path, secret("TOKEN", CANARY)).await;
        let again = world.post(&anna, path, plain("TOKEN", CANARY)).await;
        assert_eq!(
            (again.status, again.pointers()),
            (409, vec!["/name".to_owned()])
        );
        let shown = world.get(&anna, &first).await.json();
        assert_eq!(shown["level"], *level);
        let is_project = *level == "project";
        assert_eq!(shown["project_id"] == project.as_str(), is_project);
        assert_eq!(shown["script_id"] == script.as_str(), *level == "script");
    }
    for (level, path) in &levels {
        let items = world.get(&anna, path).await.json()["items"].clone();
        assert_eq!(items.as_array().unwrap().len(), 1, "{level}");
        assert_eq!(items[0]["level"], *level);
    }
    let path = format!("/api/v1/scripts/{script}");
    let deleted = world.call("DELETE", &path, Some(&anna.token), None).await;
    assert_eq!(deleted.status, 204);
    assert_eq!(world.get(&anna, &levels[2].1).await.status, 404);
}

#[tokio::test]
async fn pages_and_queries_are_read_strictly() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let mut names = Vec::new();
    for number in 0..3 {
        world.clock.advance(chrono::TimeDelta::seconds(1));
        let name = format!("N{number}");
        made(&world, &anna, VARIABLES, plain(&name, "x")).await;
        names.insert(0, name);
    }
    let first = world
        .get(&anna, &format!("{VARIABLES}?limit=2"))
        .await
        .json();
    let cursor = first["next_cursor"].as_str().unwrap().to_owned();
    let path = format!("{VARIABLES}?limit=2&cursor={cursor}");
    let second = world.get(&anna, &path).await.json();
    assert_eq!(second["next_cursor"], Value::Null);
    let pages = [&first["items"], &second["items"]];
    let seen: Vec<_> = pages
        .iter()
        .flat_map(|items| items.as_array().unwrap())
        .map(|item| item["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(seen, names);
    let both = format!("project_id={ABSENT}&script_id={ABSENT}");
    for wrong in [
        "project_id=x",
        "script_id=",
        &both,
        "org_id=x",
        "script_id=x&script_id=x",
    ] {
        let path = format!("{VARIABLES}?{wrong}");
        assert_eq!(world.get(&anna, &path).await.status, 400, "{wrong}");
        let refused = world.post(&anna, &path, plain("A", "x")).await;
        assert_eq!(refused.status, 400, "{wrong}");
    }
    for wrong in ["limit=0", "limit=101", "cursor=x"] {
        let path = format!("{VARIABLES}?{wrong}");
        assert_eq!(world.get(&anna, &path).await.status, 400, "{wrong}");
    }
    let path = format!("{VARIABLES}?limit=1");
    let refused = world.post(&anna, &path, plain("A", "x"));
    assert_eq!(refused.await.status, 400);
}

#[tokio::test]
async fn each_field_that_is_wrong_is_named() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let large = "x".repeat(16 * 1024 + 1);
    for (body, pointers) in [
        (plain("2A", "x"), &["/name"][..]),
        (plain("a-b", "x\0"), &["/name", "/value"]),
        (plain("A", &large), &["/value"]),
        (secret("A", "abc"), &["/value"]),
        (
            json!({ "name": "A", "kind": "hidden", "value": "x" }),
            &["/kind"],
        ),
        (
            json!({ "name": "", "kind": "", "value": large }),
            &["/kind", "/name", "/value"],
        ),
        (json!({ "kind": "plain", "value": "x" }), &["/name"]),
        (json!({ "name": "A", "value": "x" }), &["/kind"]),
        (json!({ "name": "A", "kind": "plain" }), &["/value"]),
        (
            json!({ "name": "A", "kind": "plain", "value": 1 }),
            &["/value"],
        ),
        (
            json!({ "name": "A", "kind": "plain", "value": "x", "description": "\u{1b}[2J" }),
            &["/description"],
        ),
    ] {
        let refused = world.post(&anna, VARIABLES, body.clone()).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, named(pointers)),
            "{body}"
        );
    }
    // What is decided by the server cannot be sent.
    for (field, value) in [
        ("id", json!(ABSENT)),
        ("org_id", json!(ABSENT)),
        ("project_id", json!(ABSENT)),
        ("ciphertext", json!("x")),
        ("key_version", json!(1)),
        ("is_set", json!(true)),
        ("revision", json!(1)),
        ("created_by", json!(ABSENT)),
    ] {
        let mut body = plain("A", "x");
        body[field] = value;
        let refused = world.post(&anna, VARIABLES, body).await;
        assert_eq!(refused.status, 422, "{field}");
    }
    let path = made(&world, &anna, VARIABLES, secret("TOKEN", CANARY)).await;
    for (body, pointers) in [
        (json!({ "value": "abc" }), &["/value"][..]),
        (json!({ "value": large }), &["/value"]),
        (
            json!({ "value": "a\0bcd", "description": "\u{7}" }),
            &["/description", "/value"],
        ),
        (json!({ "kind": "plain" }), &["/kind"]),
        (json!({ "name": "OTHER" }), &["/name"]),
    ] {
        let refused = put(&world, &anna, &path, body.clone()).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, named(pointers)),
            "{body}"
        );
    }
    assert_eq!(world.get(&anna, &path).await.json()["revision"], 1);
}

fn named(pointers: &[&str]) -> Vec<String> {
    pointers
        .iter()
        .map(|pointer| (*pointer).to_owned())
        .collect()
}

#[tokio::test]
async fn a_level_has_limits() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let largest = "x".repeat(16 * 1024);
    for number in 0..8 {
        made(
            &world,
            &anna,
            VARIABLES,
            secret(&format!("L{number}"), &largest),
        )
        .await;
    }
    let refused = world.post(&anna, VARIABLES, plain("A", "x")).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, named(&["/value"]))
    );
    assert!(refused.text.contains("128 KiB"), "{}", refused.text);
    let boris = world.account("boris").await;
    let mut path = String::new();
    for number in 0..100 {
        path = made(&world, &boris, VARIABLES, plain(&format!("N{number}"), "x")).await;
    }
    let refused = world.post(&boris, VARIABLES, plain("A", "x")).await;
    assert_eq!(refused.status, 429);
    assert!(refused.text.contains("100 variables"), "{}", refused.text);
    let deleted = world.call("DELETE", &path, Some(&boris.token), None).await;
    assert_eq!(deleted.status, 204);
    made(&world, &boris, VARIABLES, plain("A", "x")).await;
}

#[tokio::test]
async fn a_change_is_for_the_revision_that_was_read() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let path = made(&world, &anna, VARIABLES, plain("A", "one")).await;
    for (tag, status) in [
        ("\"2\"", 412),
        ("W/\"1\"", 412),
        ("\"1\"", 200),
        ("\"1\"", 412),
        ("*", 200),
    ] {
        let request = Request::put(&path)
            .header("authorization", format!("Bearer {}", anna.token))
            .header("content-type", "application/json")
            .header("if-match", tag);
        let body = Body::from(json!({ "value": "two" }).to_string());
        let answer = world.send(request.body(body).unwrap()).await;
        assert_eq!(answer.status, status, "{tag}");
    }
    assert_eq!(world.get(&anna, &path).await.json()["revision"], 3);
}

#[tokio::test]
async fn a_foreign_variable_and_an_absent_one_answer_the_same() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let script = world.script(&anna, json!({})).await;
    let theirs = made(&world, &anna, VARIABLES, secret("TOKEN", CANARY)).await;
    let before = world.get(&anna, VARIABLES).await.text;
    let absent = format!("{VARIABLES}/{ABSENT}");
    let of_script = |id: &str| format!("{VARIABLES}?script_id={id}");
    let of_project = |id: &str| format!("{VARIABLES}?project_id={id}");
    let shown = world.get(&anna, &format!("/api/v1/scripts/{script}")).await;
    let project = shown.json()["project_id"].as_str().unwrap().to_owned();
    for (method, foreign, absent, body) in [
        ("GET", theirs.clone(), absent.clone(), None),
        (
            "PUT",
            theirs.clone(),
            absent.clone(),
            Some(json!({ "value": "mine now" })),
        ),
        (
            "PUT",
            theirs.clone(),
            absent.clone(),
            Some(json!({ "value": "a\0" })),
        ),
        ("DELETE", theirs.clone(), absent, None),
        ("GET", of_script(&script), of_script(ABSENT), None),
        ("GET", of_project(&project), of_project(ABSENT), None),
        (
            "POST",
            of_script(&script),
            of_script(ABSENT),
            Some(secret("MINE", "mine now")),
        ),
        (
            "POST",
            of_project(&project),
            of_project(ABSENT),
            Some(plain("MINE", "mine")),
        ),
    ] {
        let mut answers = Vec::new();
        for path in [foreign, absent] {
            let answer = world
                .call(method, &path, Some(&boris.token), body.clone())
                .await;
            assert_eq!(answer.status, 404, "{method} {path}");
            let mut headers = answer.headers.clone();
            headers.remove("x-request-id");
            answers.push((headers, redacted(&answer.json()), answer.text.len()));
        }
        assert_eq!(answers[0], answers[1], "{method}");
    }
    assert_eq!(world.get(&anna, VARIABLES).await.text, before);
    let own = world.get(&boris, VARIABLES).await.json();
    assert_eq!(own, json!({ "items": [], "next_cursor": null }));
}

#[tokio::test]
async fn a_viewer_reads_but_changes_nothing() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let path = made(&world, &anna, VARIABLES, secret("TOKEN", CANARY)).await;
    world.set_role(&anna, "viewer").await;
    for (method, path, body) in [
        ("POST", VARIABLES, Some(plain("A", "x"))),
        ("PUT", path.as_str(), Some(json!({ "value": "other" }))),
        ("DELETE", path.as_str(), None),
    ] {
        let refused = world.call(method, path, Some(&anna.token), body).await;
        assert_eq!(refused.status, 403, "{method}");
    }
    let read = world.get(&anna, &path).await;
    assert_eq!(read.status, 200);
    assert!(!read.text.contains(CANARY));
}

/// Nor do its side files.
#[tokio::test]
async fn the_database_does_not_hold_the_value() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    made(&world, &anna, VARIABLES, secret("TOKEN", CANARY)).await;
    made(&world, &anna, VARIABLES, plain("REGION", "plain-region-9d")).await;
    let file = world.database.url.strip_prefix("sqlite://").unwrap();
    let mut bytes = Vec::new();
    for side in ["", "-wal"] {
        bytes.extend(std::fs::read(format!("{file}{side}")).unwrap());
    }
    let has = |text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(
        has("plain-region-9d"),
        "the plain one shows that the search finds"
    );
    assert!(!has(CANARY));
}

#[tokio::test]
async fn a_run_by_hand_is_given_them() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let own = json!({ "env_vars": { "OWN": "own", "WIDE": "over" } });
    let script = world.script(&anna, own).await;
    made(&world, &anna, VARIABLES, secret("TOKEN", CANARY)).await;
    made(&world, &anna, VARIABLES, secret("WIDE", CANARY)).await;
    let narrow = format!("{VARIABLES}?script_id={script}");
    made(&world, &anna, &narrow, plain("REGION", "eu")).await;
    world.execution(&anna, &script).await;
    let given = world.engine.given.lock().unwrap().take().unwrap();
    let expected = [
        ("OWN", "own"),
        ("REGION", "eu"),
        ("TOKEN", CANARY),
        ("WIDE", "over"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(given.values, expected.into());
    assert_eq!(given.secrets, ["TOKEN".to_owned()].into());
    // A run that cannot have its variables does not begin, and says nothing of them.
    let garbage = "UPDATE variables SET ciphertext = X'00' WHERE name = 'TOKEN'";
    world.database.execute(garbage).await;
    let path = format!("/api/v1/scripts/{script}/run");
    let refused = world.call("POST", &path, Some(&anna.token), None).await;
    assert_eq!(refused.status, 500);
    let path = format!("/api/v1/scripts/{script}/executions");
    let executions = world.get(&anna, &path).await.json();
    assert_eq!(executions["items"].as_array().unwrap().len(), 1);
}
