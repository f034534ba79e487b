//! Organizations see nothing of each other, and a viewer changes nothing.

use serde_json::{Value, json};

use crate::world::{Account, World, redacted, script_body};

/// Each operation on an object, with the part of the path that is its id.
fn operations(script: &str, execution: &str) -> Vec<(&'static str, String, Option<Value>)> {
    vec![
        ("GET", format!("/api/v1/scripts/{script}"), None),
        (
            "PUT",
            format!("/api/v1/scripts/{script}"),
            Some(script_body(&json!({}))),
        ),
        (
            "PUT",
            format!("/api/v1/scripts/{script}"),
            Some(script_body(&json!({ "name": "" }))),
        ),
        ("DELETE", format!("/api/v1/scripts/{script}"), None),
        ("POST", format!("/api/v1/scripts/{script}/run"), None),
        ("GET", format!("/api/v1/scripts/{script}/executions"), None),
        ("GET", format!("/api/v1/executions/{execution}"), None),
        (
            "GET",
            format!("/api/v1/executions/{execution}/recording"),
            None,
        ),
    ]
}

async fn everything(
    world: &World,
    account: &Account,
    script: &str,
    execution: &str,
) -> Vec<String> {
    let mut texts = Vec::new();
    for path in [
        "/api/v1/scripts".to_owned(),
        format!("/api/v1/scripts/{script}"),
        format!("/api/v1/scripts/{script}/executions"),
        format!("/api/v1/executions/{execution}"),
        format!("/api/v1/executions/{execution}/recording"),
    ] {
        let answer = world.get(account, &path).await;
        assert_eq!(answer.status, 200, "{path}");
        texts.push(answer.text);
    }
    texts
}

#[tokio::test]
async fn a_foreign_object_and_an_absent_one_answer_the_same() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let script = world.script(&anna, json!({})).await;
    let execution = world.execution(&anna, &script).await;
    let deleted = world.script(&anna, json!({})).await;
    let path = format!("/api/v1/scripts/{deleted}");
    assert_eq!(
        world
            .call("DELETE", &path, Some(&anna.token), None)
            .await
            .status,
        204
    );
    let before = everything(&world, &anna, &script, &execution).await;

    let absent = "018f3b3e-0000-7000-8000-000000000000";
    let foreign = operations(&script, &execution);
    let others = operations(absent, absent)
        .into_iter()
        .zip(operations(&deleted, absent));
    for ((method, path, body), (nothing, gone)) in foreign.into_iter().zip(others) {
        let theirs = world
            .call(method, &path, Some(&boris.token), body.clone())
            .await;
        assert_eq!(theirs.status, 404, "{method} {path}");
        for (_, path, _) in [nothing, gone] {
            let none = world
                .call(method, &path, Some(&boris.token), body.clone())
                .await;
            let rest = |answer: &crate::world::Answer| {
                let mut headers = answer.headers.clone();
                headers.remove("x-request-id");
                (
                    answer.status,
                    headers,
                    redacted(&answer.json()),
                    answer.text.len(),
                )
            };
            assert_eq!(rest(&theirs), rest(&none), "{method} {path}");
        }
    }
    assert_eq!(everything(&world, &anna, &script, &execution).await, before);
    let own = world.get(&boris, "/api/v1/scripts").await.json();
    assert_eq!(own, json!({ "items": [], "next_cursor": null }));
}

#[tokio::test]
async fn a_foreign_cursor_shows_nothing_foreign() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let mine = world.script(&boris, json!({})).await;
    for _ in 0..3 {
        world.script(&anna, json!({})).await;
    }
    let cursor = world.get(&anna, "/api/v1/scripts?limit=1").await.json()["next_cursor"].clone();
    let path = format!("/api/v1/scripts?cursor={}", cursor.as_str().unwrap());
    let items = world.get(&boris, &path).await.json()["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 1);
    assert_eq!(items[0]["id"], mine.as_str());
}

#[tokio::test]
async fn an_organization_in_the_request_is_not_honoured() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let script = world.script(&anna, json!({})).await;
    let org = world.get(&anna, "/api/v1/users/me").await.json()["organization_id"].clone();
    let org = org.as_str().unwrap();
    let request = axum::http::Request::get(format!("/api/v1/scripts/{script}?tenant={org}"))
        .header("authorization", format!("Bearer {}", boris.token))
        .header("x-tenant-id", org)
        .header("x-organization-id", org);
    assert_eq!(
        world
            .send(request.body(axum::body::Body::empty()).unwrap())
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_role_counts_from_the_moment_it_is_given() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    let execution = world.execution(&anna, &script).await;
    for (role, may_write) in [
        ("viewer", false),
        ("editor", true),
        ("admin", true),
        ("owner", true),
    ] {
        world.set_role(&anna, role).await;
        let before = everything(&world, &anna, &script, &execution).await;
        let create = (
            "POST",
            "/api/v1/scripts".to_owned(),
            Some(script_body(&json!({}))),
        );
        let writes = operations(&script, &execution)
            .into_iter()
            .filter(|(method, _, body)| {
                let is_bad = body.as_ref().is_some_and(|body| body["name"] == "");
                *method != "GET" && !is_bad && (!may_write || *method != "DELETE")
            })
            .chain([create]);
        for (method, path, body) in writes {
            let answer = world.call(method, &path, Some(&anna.token), body).await;
            let expected = if may_write { 200..300 } else { 403..404 };
            assert!(
                expected.contains(&answer.status),
                "{role} {method} {path}: {}",
                answer.status
            );
        }
        if !may_write {
            assert_eq!(everything(&world, &anna, &script, &execution).await, before);
        }
    }
}
