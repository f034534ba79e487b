//! Runs by hand: every one that began has a row that ends, whoever goes away.

use std::{sync::atomic::Ordering, time::Duration};

use axum::{
    body::Body,
    http::{Request, header},
};
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::world::{Account, World, redacted};

fn run_request(account: &Account, script: &str, prefer: Option<&str>) -> Request<Body> {
    let mut request = Request::post(format!("/api/v1/scripts/{script}/run"))
        .header(header::AUTHORIZATION, format!("Bearer {}", account.token));
    if let Some(prefer) = prefer {
        request = request.header("prefer", prefer);
    }
    request.body(Body::empty()).unwrap()
}

/// Asks until it is not running any more.
async fn ended(world: &World, account: &Account, path: &str) -> Value {
    let asking = async {
        loop {
            let execution = world.get(account, path).await.json();
            if execution["status"] != "running" {
                return execution;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking)
        .await
        .expect("the run ends")
}

#[tokio::test]
async fn a_run_answers_with_its_execution() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world
        .script(&anna, json!({ "env_vars": { "REGION": "eu" } }))
        .await;
    let ran = world
        .send(run_request(&anna, &script, Some("wait=10")))
        .await;
    assert_eq!(ran.status, 200);
    assert_json_snapshot!("execution", redacted(&ran.json()));
    assert_eq!(ran.json()["script_id"], script.as_str());
    let path = format!("/api/v1/executions/{}", ran.json()["id"].as_str().unwrap());
    assert_eq!(world.get(&anna, &path).await.json(), ran.json());
    let list = world
        .get(&anna, &format!("/api/v1/scripts/{script}/executions"))
        .await;
    assert_json_snapshot!("executions", redacted(&list.json()));
}

#[tokio::test]
async fn a_run_without_a_verdict_is_an_answer_too() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    for (act, class) in [("limit", "fuel_exhausted"), ("panic", "platform_error")] {
        let script = world
            .script(&anna, json!({ "parameters": { "act": act } }))
            .await;
        let ran = world.send(run_request(&anna, &script, None)).await;
        assert_eq!(ran.status, 200, "{act}");
        let ran = ran.json();
        assert_eq!(
            (&ran["status"], &ran["error_class"]),
            (&json!("error"), &json!(class))
        );
        assert_eq!(ran["result"], Value::Null);
    }
}

#[tokio::test]
async fn a_client_may_prefer_not_to_wait() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world
        .script(&anna, json!({ "parameters": { "act": "wait" } }))
        .await;
    let accepted = world
        .send(run_request(&anna, &script, Some("foo, Respond-Async")))
        .await;
    assert_eq!(
        (accepted.status, &accepted.json()["status"]),
        (202, &json!("running"))
    );
    let path = accepted.header(header::LOCATION).to_owned();
    assert_eq!(
        path,
        format!(
            "/api/v1/executions/{}",
            accepted.json()["id"].as_str().unwrap()
        )
    );
    assert_eq!(world.get(&anna, &path).await.json(), accepted.json());
    world.engine.waiting.may_end.add_permits(1);
    assert_eq!(ended(&world, &anna, &path).await["status"], "success");
}

#[tokio::test]
async fn a_run_is_kept_when_its_client_goes_away() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world
        .script(&anna, json!({ "parameters": { "act": "wait" } }))
        .await;
    let client = world
        .router
        .clone()
        .oneshot(run_request(&anna, &script, None));
    let client = tokio::spawn(client);
    world.engine.waiting.begun.acquire().await.unwrap().forget();
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    world.engine.waiting.may_end.add_permits(1);
    let list = world
        .get(&anna, &format!("/api/v1/scripts/{script}/executions"))
        .await
        .json();
    let path = format!(
        "/api/v1/executions/{}",
        list["items"][0]["id"].as_str().unwrap()
    );
    assert_eq!(ended(&world, &anna, &path).await["status"], "success");
    assert_eq!(world.engine.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_script_that_is_deleted_takes_its_run_along() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world
        .script(&anna, json!({ "parameters": { "act": "wait" } }))
        .await;
    let client = tokio::spawn(
        world
            .router
            .clone()
            .oneshot(run_request(&anna, &script, None)),
    );
    world.engine.waiting.begun.acquire().await.unwrap().forget();
    let path = format!("/api/v1/scripts/{script}");
    assert_eq!(
        world
            .call("DELETE", &path, Some(&anna.token), None)
            .await
            .status,
        204
    );
    world.engine.waiting.may_end.add_permits(1);
    assert_eq!(client.await.unwrap().unwrap().status(), 404);
}
