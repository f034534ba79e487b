//! What any request may meet before, and around, a handler.

use std::sync::atomic::Ordering;

use axum::{
    body::Body,
    http::{Request, header},
};
use insta::assert_json_snapshot;
use serde_json::json;

use crate::world::{World, redacted, script_body};

const LOGIN: &str = "/api/v1/auth/login";

fn login(body: impl Into<Body>, kind: Option<&str>) -> Request<Body> {
    let mut request = Request::post(LOGIN);
    if let Some(kind) = kind {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there() {
    let world = World::new().await;
    for path in [
        "/",
        "/nothing",
        "/api/v1/",
        "/api/v1/scripts/",
        "/api/v2/scripts",
        "/docs/../x",
    ] {
        assert_eq!(
            world.call("GET", path, None, None).await.status,
            404,
            "{path}"
        );
    }
    let refused = world.call("PATCH", LOGIN, None, None).await;
    assert_eq!(
        (refused.status, refused.header(header::ALLOW)),
        (405, "POST")
    );
    assert_json_snapshot!("method_not_allowed", redacted(&refused.json()));
    let refused = world.call("POST", "/openapi.json", None, None).await;
    assert_eq!(
        (refused.status, refused.header(header::ALLOW)),
        (405, "GET,HEAD")
    );
}

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let world = World::new().await;
    let json = Some("application/json");
    let good = r#"{"username":"a","password":"b"}"#;
    let cases = [
        (login(good, None), 415),
        (login(good, Some("text/plain")), 415),
        (login(good, Some("application/x-www-form-urlencoded")), 415),
        (login(good, Some("application/jsonp")), 415),
        (login(good, Some("Application/JSON; charset=utf-8")), 401),
        (login("", json), 400),
        (login("\0", json), 400),
        (login("{\"username\":", json), 400),
        (login(vec![b'{', 0xff, b'}'], json), 400),
        (login("[".repeat(1_000_000), json), 422),
        (login("[\"a\",\"b\"]", json), 422),
        (
            login(r#"{"username":"a","password":"b","username":"c"}"#, json),
            422,
        ),
        (login("x".repeat(2 * 1024 * 1024 + 1), json), 413),
        (
            login(" ".repeat(2 * 1024 * 1024 - good.len()) + good, json),
            401,
        ),
    ];
    for (number, (request, status)) in cases.into_iter().enumerate() {
        let answer = world.send(request).await;
        assert_eq!(answer.status, status, "case {number}: {}", answer.text);
    }
    let broken = world.send(login("{\n\"username\" 1}", json)).await;
    assert_json_snapshot!("not_json", redacted(&broken.json()));
}

#[tokio::test]
async fn a_body_without_a_length_is_bounded_too() {
    let world = World::new().await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Vec<u8>>(1);
    let sending = tokio::spawn(async move {
        let mut sent = 0;
        while sent < 1_000 && sender.send(vec![b' '; 64 * 1024]).await.is_ok() {
            sent += 1;
        }
        sent
    });
    let body = Body::from_stream(futures::stream::unfold(receiver, async |mut chunks| {
        let chunk = chunks.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), chunks))
    }));
    assert_eq!(
        world
            .send(login(body, Some("application/json")))
            .await
            .status,
        413
    );
    let sent = sending.await.unwrap();
    assert!(sent < 40, "{sent} chunks of 64 KiB were taken");
}

#[tokio::test]
async fn ids_in_paths_are_uuids() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    for id in [
        "1",
        "x",
        "..%2f..%2fetc",
        "%00",
        "%ff",
        "018f3b3e-0000-7000-8000-00000000000g",
    ] {
        for path in [
            format!("/api/v1/scripts/{id}"),
            format!("/api/v1/scripts/{id}/executions"),
            format!("/api/v1/executions/{id}"),
            format!("/api/v1/script-templates/{id}"),
            format!("/api/v1/scripts/{id}/versions"),
        ] {
            assert_eq!(world.get(&anna, &path).await.status, 400, "{path}");
        }
        // Components are named by digests; what is none names nothing.
        let path = format!("/api/v1/components/{id}");
        assert_eq!(world.get(&anna, &path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let body = script_body(&json!({ "script_body": "panic" }));
    let failed = world.post(&anna, "/api/v1/scripts", body).await;
    assert_eq!(failed.status, 500);
    assert_json_snapshot!("panic", redacted(&failed.json()));
    assert_eq!(
        world.get(&anna, "/api/v1/users/me").await.status,
        200,
        "the next is served"
    );
}

#[tokio::test]
async fn ready_means_that_the_database_answers_and_scripts_can_run() {
    let world = World::new().await;
    assert_eq!(
        world.call("GET", "/health/live", None, None).await.json(),
        json!({ "status": "live" })
    );
    assert_eq!(
        world.call("GET", "/health/ready", None, None).await.status,
        200
    );
    world.engine.is_unable.store(true, Ordering::SeqCst);
    let ready = world.call("GET", "/health/ready", None, None).await;
    assert_eq!(ready.status, 503);
    world.engine.is_unable.store(false, Ordering::SeqCst);
    world.database.store.close().await;
    let ready = world.call("GET", "/health/ready", None, None).await;
    assert_eq!(
        (ready.status, ready.header(header::RETRY_AFTER)),
        (503, "2")
    );
    assert_eq!(
        world.call("GET", "/health/live", None, None).await.status,
        200
    );
}

#[tokio::test]
async fn a_request_id_is_kept_only_if_it_is_harmless() {
    let world = World::new().await;
    let with = |ids: &[&str]| {
        let mut request = Request::get("/nothing");
        for id in ids {
            request = request.header("x-request-id", *id);
        }
        request.body(Body::empty()).unwrap()
    };
    assert_eq!(
        world.send(with(&["abc-123"])).await.header("x-request-id"),
        "abc-123"
    );
    for ids in [
        &["a b"][..],
        &["a\tb"],
        &[""],
        &["x\u{e9}"],
        &[&"x".repeat(65)],
        &["a", "b"],
    ] {
        let answer = world.send(with(ids)).await;
        assert_eq!(answer.header("x-request-id").len(), 36, "{ids:?}");
        assert_eq!(answer.headers.get_all("x-request-id").iter().count(), 1);
    }
}
