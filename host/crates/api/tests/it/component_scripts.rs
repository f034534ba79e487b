//! Scripts that run a component: which may be given, and what holds it.

use axum::http::StatusCode;
use serde_json::{Value, json};
use vedette_core::{ComponentRefusal, ErrorClass};

use crate::{
    components::{ABSENT, COMPONENTS, compile, digest, good, ready},
    world::{Account, Answer, SOURCE, World, script_body},
};

pub(crate) const SCRIPTS: &str = "/api/v1/scripts";

pub(crate) fn running(digest: &str) -> Value {
    script_body(&json!({ "script_body": null, "kind": "component", "component": digest }))
}

pub(crate) async fn put(world: &World, account: &Account, id: &str, body: Value) -> Answer {
    let path = format!("{SCRIPTS}/{id}");
    world
        .call("PUT", &path, Some(&account.token), Some(body))
        .await
}

#[track_caller]
fn refused(answer: &Answer, pointer: &str, said: &str) {
    assert_eq!(
        (answer.status, answer.pointers()),
        (422, vec![pointer.to_owned()]),
        "{}",
        answer.text
    );
    assert!(answer.text.contains(said), "{}", answer.text);
}

#[tokio::test]
async fn a_script_runs_a_component_or_a_source() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let (one, other) = (ready(&world, &anna, 1).await, ready(&world, &anna, 2).await);
    let made = world.post(&anna, SCRIPTS, running(&one)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!(made["kind"], "component");
    assert_eq!(made["component"], one.as_str());
    assert_eq!(made["script_body"], Value::Null);
    assert_eq!(made["language"], Value::Null);
    let id = made["id"].as_str().unwrap().to_owned();
    let read = world.get(&anna, &format!("{SCRIPTS}/{id}")).await.json();
    assert_eq!(read, made);
    let mut renamed = running(&one.to_uppercase());
    renamed["name"] = json!("other");
    let bodies = [
        (renamed, 1, "component"),
        (running(&other), 2, "component"),
        (running(&other), 2, "component"),
        (script_body(&json!({})), 3, "script"),
        (script_body(&json!({ "kind": "script" })), 3, "script"),
        (running(&one), 4, "component"),
    ];
    for (body, version, kind) in bodies {
        let changed = put(&world, &anna, &id, body).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        let changed = changed.json();
        assert_eq!(
            (&changed["version"], &changed["kind"]),
            (&json!(version), &json!(kind))
        );
        let is_source = kind == "script";
        assert_eq!(changed["script_body"] == json!(SOURCE), is_source);
        assert_eq!(changed["component"].is_null(), is_source);
    }
    let ran = world.execution(&anna, &id).await;
    assert!(!ran.is_empty());
}

#[tokio::test]
async fn each_field_that_does_not_fit_is_named() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let digest = ready(&world, &anna, 1).await;
    let template = world.template().await;
    let cases = [
        (json!({ "kind": "wasm" }), "/kind"),
        (json!({ "kind": 1 }), "/kind"),
        (json!({ "component": digest }), "/component"),
        (
            json!({ "kind": "script", "component": digest }),
            "/component",
        ),
        (
            json!({ "kind": "component", "script_body": null }),
            "/component",
        ),
        (
            json!({ "kind": "component", "component": digest }),
            "/script_body",
        ),
        (
            json!({ "kind": "component", "component": digest, "script_body": null,
                "template_id": template }),
            "/template_id",
        ),
        (
            json!({ "kind": "component", "component": digest, "script_body": null,
                "language": "javascript" }),
            "/language",
        ),
        (
            json!({ "kind": "component", "component": "latest", "script_body": null }),
            "/component",
        ),
        (
            json!({ "kind": "component", "component": ABSENT, "script_body": null }),
            "/component",
        ),
    ];
    for (change, pointer) in cases {
        let answer = world.post(&anna, SCRIPTS, script_body(&change)).await;
        refused(&answer, pointer, "");
    }
    assert_eq!(world.get(&anna, SCRIPTS).await.json()["items"], json!([]));
}

#[tokio::test]
async fn only_a_component_that_can_run_is_taken() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let create =
        async |account: &Account, digest: &str| world.post(account, SCRIPTS, running(digest)).await;
    let waiting = digest(&world, &anna, good(1)).await;
    refused(
        &create(&anna, &waiting).await,
        "/component",
        "not compiled yet",
    );
    let refusal = ComponentRefusal {
        class: ErrorClass::CompileError,
        message: "too much code".to_owned(),
    };
    compile(&world, 10, Some(refusal)).await;
    refused(
        &create(&anna, &waiting).await,
        "/component",
        "too much code",
    );
    let good_one = ready(&world, &anna, 2).await;
    refused(
        &create(&boris, &good_one).await,
        "/component",
        "no such component",
    );
    // Bytes that another organization has are not ready sooner than they would be.
    digest(&world, &boris, good(2)).await;
    refused(
        &create(&boris, &good_one).await,
        "/component",
        "not compiled yet",
    );

    let made = create(&anna, &good_one).await;
    assert_eq!(made.status, 201);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let policy = json!({ "requires_signature": true });
    let path = "/api/v1/component-policy";
    world
        .call("PUT", path, Some(&anna.token), Some(policy))
        .await;
    refused(&create(&anna, &good_one).await, "/component", "signed");
    let kept = put(&world, &anna, &id, running(&good_one)).await;
    assert_eq!(kept.status, 200, "what it runs already it may go on to run");
}

#[tokio::test]
async fn a_component_that_a_script_runs_is_not_deleted() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let digest = ready(&world, &anna, 1).await;
    let made = world.post(&anna, SCRIPTS, running(&digest)).await.json();
    let id = made["id"].as_str().unwrap().to_owned();
    let path = format!("{COMPONENTS}/{digest}");
    let delete = async || world.call("DELETE", &path, Some(&anna.token), None).await;
    let held = delete().await;
    assert_eq!(held.status, 409);
    assert_eq!(held.json()["type"], "urn:vedette:problem:in-use");
    assert_eq!(
        put(&world, &anna, &id, script_body(&json!({})))
            .await
            .status,
        200
    );
    assert_eq!(delete().await.status, 204);
    assert_eq!(world.get(&anna, &path).await.status, 404);
    refused(
        &put(&world, &anna, &id, running(&digest)).await,
        "/component",
        "no such component",
    );
    let rollback = format!("{SCRIPTS}/{id}/rollback");
    let back = world.call("POST", &rollback, Some(&anna.token), None).await;
    refused(&back, "/version", "no such component");
    // The same bytes bring it back.
    ready_again(&world, &anna).await;
    let back = world.call("POST", &rollback, Some(&anna.token), None).await;
    assert_eq!(
        StatusCode::from_u16(back.status).unwrap(),
        StatusCode::OK,
        "{}",
        back.text
    );
    assert_eq!(back.json()["component"], digest.as_str());
}

async fn ready_again(world: &World, account: &Account) {
    digest(world, account, good(1)).await;
    world.clock.advance(chrono::TimeDelta::seconds(1));
}
