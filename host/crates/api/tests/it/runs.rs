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
async fn a_run_takes_no_body() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    let path = format!("/api/v1/scripts/{script}/run");
    assert_eq!(world.post(&anna, &path, json!({})).await.status, 200);
    let refused = world.post(&anna, &path, json!({ "timeout": 5 })).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/timeout".to_owned()])
    );
    assert_eq!(world.post(&anna, &path, json!([])).await.status, 422);
    let mut odd = run_request(&anna, &script, None);
    *odd.body_mut() = Body::from("run");
    assert_eq!(world.send(odd).await.status, 400);
    assert_eq!(world.engine.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn one_organization_has_so_many_runs_at_once() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let script = world
        .script(&anna, json!({ "parameters": { "act": "wait" } }))
        .await;
    let mut begun = Vec::new();
    for _ in 0..32 {
        world.clock.advance(chrono::TimeDelta::milliseconds(1));
        let run = world
            .send(run_request(&anna, &script, Some("respond-async")))
            .await;
        assert_eq!(run.status, 202, "{}", run.text);
        begun.push(run.header(header::LOCATION).to_owned());
    }
    let refused = world.send(run_request(&anna, &script, None)).await;
    assert_eq!(
        (refused.status, refused.header(header::RETRY_AFTER)),
        (503, "2")
    );
    let list = format!("/api/v1/scripts/{script}/executions?limit=100");
    let list = world.get(&anna, &list).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 32, "no row for it");

    let others = world.script(&boris, json!({})).await;
    let other = world.send(run_request(&boris, &others, None)).await;
    assert_eq!(other.status, 200, "another organization has its own");

    world.engine.waiting.may_end.add_permits(32);
    for path in &begun {
        assert_eq!(ended(&world, &anna, path).await["status"], "success");
    }
    world.engine.waiting.may_end.add_permits(1);
    let asking = async {
        // A place comes back a moment after the row is written.
        while world.send(run_request(&anna, &script, None)).await.status == 503 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking)
        .await
        .expect("there is room again");
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

#[tokio::test]
async fn a_recording_is_given_as_it_was_kept() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let script = world.script(&anna, json!({})).await;
    let execution = world.execution(&anna, &script).await;
    let path = format!("/api/v1/executions/{execution}/recording");
    let kept = world.get(&anna, &path).await;
    assert_eq!((kept.status, kept.text.as_str()), (200, r#"{"format":1}"#));
    assert_eq!(kept.header(header::CONTENT_TYPE), "application/json");

    // An execution that has none is answered as one that is not there.
    let limited = json!({ "parameters": { "act": "limit" } });
    let script = world.script(&anna, limited).await;
    let execution = world.execution(&anna, &script).await;
    for id in [execution.as_str(), "018f3b3e-0000-7000-8000-000000000000"] {
        let path = format!("/api/v1/executions/{id}/recording");
        assert_eq!(world.get(&anna, &path).await.status, 404, "{id}");
    }
    let path = "/api/v1/executions/nonsense/recording";
    assert_eq!(world.get(&anna, path).await.status, 400);
}
