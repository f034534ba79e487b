//! The versions of a script, and going back to one.

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};

use crate::{
    component_scripts::{SCRIPTS, put, running},
    components::ready,
    world::{Account, Answer, World, script_body},
};

async fn rollback(world: &World, account: &Account, id: &str, body: Option<Value>) -> Answer {
    let path = format!("{SCRIPTS}/{id}/rollback");
    world.call("POST", &path, Some(&account.token), body).await
}

async fn numbers(world: &World, account: &Account, id: &str) -> Vec<i64> {
    let listed = world
        .get(account, &format!("{SCRIPTS}/{id}/versions"))
        .await
        .json();
    let items = listed["items"].as_array().unwrap().clone();
    items
        .iter()
        .map(|version| version["number"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn an_earlier_program_becomes_a_new_version() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let component = ready(&world, &anna, 1).await;
    let id = world
        .script(&anna, json!({ "script_body": "let one;", "name": "first" }))
        .await;
    let two = script_body(&json!({
        "script_body": "let two: string;", "language": "typescript", "name": "second",
        "timeout_seconds": 7,
    }));
    assert_eq!(put(&world, &anna, &id, two).await.status, 200);
    assert_eq!(
        put(&world, &anna, &id, running(&component)).await.status,
        200
    );

    let back = rollback(&world, &anna, &id, None).await;
    assert_eq!(back.status, 200, "{}", back.text);
    assert_eq!(back.header(header::ETAG), "\"4\"");
    let now = back.json();
    assert_eq!(now["script_body"], "let two: string;");
    assert_eq!(
        (&now["language"], &now["version"]),
        (&json!("typescript"), &json!(4))
    );
    // The rest stays as it is.
    assert_eq!(
        (&now["name"], &now["timeout_seconds"]),
        (&json!("shop"), &json!(30))
    );
    let back = rollback(&world, &anna, &id, Some(json!({ "version": 1 })))
        .await
        .json();
    assert_eq!(
        (&back["script_body"], &back["version"]),
        (&json!("let one;"), &json!(5))
    );
    let back = rollback(&world, &anna, &id, Some(json!({ "version": 3 })))
        .await
        .json();
    assert_eq!(
        (&back["component"], &back["version"]),
        (&json!(component), &json!(6))
    );
    assert_eq!(
        back,
        world.get(&anna, &format!("{SCRIPTS}/{id}")).await.json()
    );

    assert_eq!(numbers(&world, &anna, &id).await, [6, 5, 4, 3, 2, 1]);
    let listed = world
        .get(&anna, &format!("{SCRIPTS}/{id}/versions?limit=2"))
        .await
        .json();
    let newest = &listed["items"][0];
    assert_eq!(newest["version_id"], back["version_id"]);
    assert_eq!(
        (&newest["kind"], &newest["component"]),
        (&json!("component"), &json!(component))
    );
    assert_eq!(
        (&newest["language"], &newest["created_by"]),
        (&Value::Null, &json!(anna.id))
    );
    assert_eq!(listed["items"][1]["kind"], "script");
    assert_eq!(listed["items"][1]["language"], "javascript");
    let cursor = listed["next_cursor"].as_str().unwrap().to_owned();
    let path = format!("{SCRIPTS}/{id}/versions?limit=2&cursor={cursor}");
    let next = world.get(&anna, &path).await.json();
    assert_eq!(next["items"][0]["number"], 4);
}

#[tokio::test]
async fn going_nowhere_is_refused() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let id = world.script(&anna, json!({})).await;
    let first = rollback(&world, &anna, &id, None).await;
    assert_eq!(
        (first.status, first.pointers()),
        (422, vec!["/version".to_owned()])
    );
    for wrong in [
        json!(0),
        json!(-1),
        json!(1),
        json!(2),
        json!("1"),
        json!(1.5),
    ] {
        let refused = rollback(&world, &anna, &id, Some(json!({ "version": wrong }))).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec!["/version".to_owned()])
        );
    }
    let unknown = rollback(&world, &anna, &id, Some(json!({ "number": 1 }))).await;
    assert_eq!(unknown.pointers(), ["/number"]);
    let foreign = rollback(&world, &boris, &id, None).await;
    assert_eq!(foreign.status, 404);
    let foreign = world.get(&boris, &format!("{SCRIPTS}/{id}/versions")).await;
    assert_eq!(foreign.status, 404);
    world.set_role(&anna, "viewer").await;
    assert_eq!(rollback(&world, &anna, &id, None).await.status, 403);
    assert_eq!(numbers(&world, &anna, &id).await, [1]);
}

#[tokio::test]
async fn a_rollback_may_be_meant_for_one_revision() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let id = world.script(&anna, json!({})).await;
    let two = script_body(&json!({ "script_body": "let two;" }));
    let tag = put(&world, &anna, &id, two)
        .await
        .header(header::ETAG)
        .to_owned();
    let guarded = async |tag: &str, kind: Option<&str>, body: &'static str| {
        let mut request = Request::post(format!("{SCRIPTS}/{id}/rollback"))
            .header(header::AUTHORIZATION, format!("Bearer {}", anna.token))
            .header(header::IF_MATCH, tag);
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        world
            .send(request.body(Body::from(body)).unwrap())
            .await
            .status
    };
    for stale in ["\"1\"", "W/\"2\"", "nonsense"] {
        assert_eq!(guarded(stale, None, "").await, 412, "{stale}");
    }
    assert_eq!(guarded(&tag, Some("text/plain"), "{}").await, 415);
    assert_eq!(guarded(&tag, None, "").await, 200);
    assert_eq!(guarded(&tag, None, "").await, 412);
    assert_eq!(guarded("*", Some("application/json"), "{}").await, 200);
    assert_eq!(numbers(&world, &anna, &id).await, [4, 3, 2, 1]);
}
