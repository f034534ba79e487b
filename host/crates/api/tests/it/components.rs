//! Uploads: what is taken, what is refused before and after it is read, and what others learn.

use std::{convert::Infallible, sync::atomic::Ordering};

use axum::{
    body::{Body, Bytes},
    http::{Request, header},
};
use chrono::TimeDelta;
use futures::StreamExt as _;
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use vedette_api::{ApiConfig, Registration};
use vedette_core::{Clock as _, ComponentRefusal, ErrorClass, Quota};
use vedette_store::{CompiledComponent, FinishedComponent, testing::TestDatabase};

use crate::world::{Account, Answer, World, redacted};

pub(crate) const COMPONENTS: &str = "/api/v1/components";
/// As long as SHA-256 gives them, and nobody's.
pub(crate) const ABSENT: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

/// Bytes that the engine takes for a good component.
pub(crate) fn good(seed: u8) -> Vec<u8> {
    let mut bytes = b"\0asm".to_vec();
    bytes.extend([seed; 3_000]);
    bytes
}

pub(crate) fn upload_of(account: &Account, body: impl Into<Body>) -> Request<Body> {
    Request::post(COMPONENTS)
        .header(header::AUTHORIZATION, format!("Bearer {}", account.token))
        .header(header::CONTENT_TYPE, "application/wasm")
        .body(body.into())
        .unwrap()
}

pub(crate) async fn upload(world: &World, account: &Account, bytes: Vec<u8>) -> Answer {
    world.clock.advance(TimeDelta::seconds(1));
    world.send(upload_of(account, bytes)).await
}

/// Uploads, and gives the digest.
pub(crate) async fn digest(world: &World, account: &Account, bytes: Vec<u8>) -> String {
    let made = upload(world, account, bytes).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["digest"].as_str().unwrap().to_owned()
}

/// Compiles the next component in so many milliseconds, or in vain.
pub(crate) async fn compile(world: &World, compile_ms: i64, refusal: Option<ComponentRefusal>) {
    let store = &world.database.store;
    world.clock.advance(TimeDelta::milliseconds(1));
    let lease = TimeDelta::minutes(2);
    let claim = store
        .claim_component(world.clock.now(), lease, "node")
        .await;
    let claim = claim.unwrap().expect("a component waits");
    world.clock.advance(TimeDelta::milliseconds(compile_ms));
    let compiled = CompiledComponent {
        native_bytes: 9_000,
        compiled_for: None,
    };
    let finished = FinishedComponent {
        digest: claim.digest,
        lease_token: claim.lease_token,
        finished_at: world.clock.now(),
        compile_ms: compile_ms.try_into().unwrap(),
        result: refusal.map_or(Ok(compiled), Err),
    };
    assert!(store.finish_component(&finished).await.unwrap());
}

/// A component that scripts can run.
pub(crate) async fn ready(world: &World, account: &Account, seed: u8) -> String {
    let digest = digest(world, account, good(seed)).await;
    compile(world, 5, None).await;
    digest
}

async fn state(world: &World, account: &Account, digest: &str) -> String {
    let read = world.get(account, &format!("{COMPONENTS}/{digest}")).await;
    assert_eq!(read.status, 200, "{}", read.text);
    read.json()["state"].as_str().unwrap().to_owned()
}

async fn configured(change: impl FnOnce(&mut ApiConfig)) -> World {
    let mut config = ApiConfig {
        registration: Registration::Open,
        ..ApiConfig::default()
    };
    change(&mut config);
    World::configured(TestDatabase::sqlite().await, config)
}

/// Nothing is left of what was refused.
async fn nothing_stored(world: &World, account: &Account) {
    let listed = world.get(account, COMPONENTS).await.json();
    assert_eq!(listed, json!({ "items": [], "next_cursor": null }));
}

#[tokio::test]
async fn a_component_is_uploaded_compiled_and_deleted() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let request = Request::post(format!("{COMPONENTS}?name=check%20out"))
        .header(header::AUTHORIZATION, format!("Bearer {}", anna.token))
        .header(header::CONTENT_TYPE, "application/wasm")
        .body(Body::from(good(1)))
        .unwrap();
    let made = world.send(request).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_json_snapshot!("component", redacted(&made.json()));
    let digest = made.json()["digest"].as_str().unwrap().to_owned();
    let path = format!("{COMPONENTS}/{digest}");
    assert_eq!(made.header(header::LOCATION), path);
    assert_eq!(world.get(&anna, &path).await.json(), made.json());
    assert_eq!(world.engine.waiting_components.load(Ordering::SeqCst), 1);
    compile(&world, 100, None).await;
    let mut expected = made.json();
    expected["state"] = json!("ready");
    let read = world.get(&anna, &path).await.json();
    assert_eq!(read, expected);
    let listed = world.get(&anna, COMPONENTS).await.json();
    assert_eq!(listed["items"], json!([read]));
    let stored = world
        .database
        .store
        .get_component_bytes(digest.parse().unwrap())
        .await;
    assert!(stored.unwrap() == Some(good(1)));

    // The name is not the component's identity: the same bytes are the same component.
    let again = upload(&world, &anna, good(1)).await;
    assert_eq!((again.status, again.json()), (200, expected));
    let upper = format!("{COMPONENTS}/sha256:{}", digest.to_uppercase());
    assert_eq!(world.get(&anna, &upper).await.json(), read);

    let delete = async || {
        world
            .call("DELETE", &path, Some(&anna.token), None)
            .await
            .status
    };
    assert_eq!(delete().await, 204);
    assert_eq!(delete().await, 404);
    assert_eq!(world.get(&anna, &path).await.status, 404);
    nothing_stored(&world, &anna).await;
}

#[tokio::test]
async fn a_refusal_names_its_class() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let refused = upload(&world, &anna, b"evil bytes".to_vec()).await;
    assert_eq!(refused.status, 422);
    assert_json_snapshot!("component_refused", redacted(&refused.json()));
    for bytes in [&b""[..], b"abc", b"(component)", b"\x7fELF and more"] {
        let refused = upload(&world, &anna, bytes.to_vec()).await;
        assert_eq!(refused.status, 422);
        assert_eq!(refused.json()["error_class"], "invalid_component");
        assert_eq!(refused.pointers(), [""]);
    }
    let unable = upload(&world, &anna, b"nowcheck".to_vec()).await;
    assert_eq!(unable.status, 503, "it may be a fine one");
    nothing_stored(&world, &anna).await;
    assert_eq!(world.engine.waiting_components.load(Ordering::SeqCst), 0);

    // A refusal that only the compiler finds is told as well.
    let digest = digest(&world, &anna, good(1)).await;
    let refusal = ComponentRefusal {
        class: ErrorClass::CompileError,
        message: "compiling took more than 30 s".to_owned(),
    };
    compile(&world, 30_000, Some(refusal)).await;
    let read = world
        .get(&anna, &format!("{COMPONENTS}/{digest}"))
        .await
        .json();
    assert_eq!(read["state"], "refused");
    assert_eq!(read["error_class"], "compile_error");
    assert_eq!(read["reason"], "compiling took more than 30 s");
}

#[tokio::test]
async fn only_plain_wasm_is_read() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let headers: [&[(header::HeaderName, &str)]; 8] = [
        &[],
        &[(header::CONTENT_TYPE, "application/json")],
        &[(header::CONTENT_TYPE, "application/octet-stream")],
        &[(header::CONTENT_TYPE, "application/wasmx")],
        &[(header::CONTENT_TYPE, "multipart/form-data; boundary=x")],
        &[
            (header::CONTENT_TYPE, "application/wasm"),
            (header::CONTENT_ENCODING, "gzip"),
        ],
        &[
            (header::CONTENT_TYPE, "application/wasm"),
            (header::CONTENT_ENCODING, "identity"),
        ],
        &[
            (header::CONTENT_TYPE, "application/wasm"),
            (header::CONTENT_ENCODING, ""),
        ],
    ];
    for headers in headers {
        let mut request = upload_of(&anna, good(1));
        request.headers_mut().remove(header::CONTENT_TYPE);
        for (name, value) in headers {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        assert_eq!(world.send(request).await.status, 415, "{headers:?}");
    }
    for query in [
        "name=",
        "name=a%00b",
        "name=%1b[31m",
        &format!("name={}", "x".repeat(201)),
    ] {
        let mut request = upload_of(&anna, good(1));
        *request.uri_mut() = format!("{COMPONENTS}?{query}").parse().unwrap();
        let refused = world.send(request).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec!["name".to_owned()])
        );
    }
    for query in ["name=a&name=b", "digest=x"] {
        let mut request = upload_of(&anna, good(1));
        *request.uri_mut() = format!("{COMPONENTS}?{query}").parse().unwrap();
        assert_eq!(world.send(request).await.status, 400, "{query}");
    }
    assert_eq!(world.engine.inspections.load(Ordering::SeqCst), 0);
    nothing_stored(&world, &anna).await;
    let mut request = upload_of(&anna, good(1));
    request
        .headers_mut()
        .insert(header::CONTENT_TYPE, "Application/WASM".parse().unwrap());
    assert_eq!(world.send(request).await.status, 201);
}

#[tokio::test]
async fn nothing_larger_than_the_limit_is_read() {
    let world = configured(|config| config.component_bytes = 1_000_000).await;
    let anna = world.account("anna").await;
    let large = upload(&world, &anna, vec![0; 1_000_001]).await;
    assert_eq!(large.status, 413);
    assert!(
        large.json()["detail"]
            .as_str()
            .unwrap()
            .contains("1000000 bytes")
    );
    // What the header says is enough; whatever the body then is.
    let mut request = upload_of(&anna, good(1));
    request
        .headers_mut()
        .insert(header::CONTENT_LENGTH, 5_000_000.into());
    assert_eq!(world.send(request).await.status, 413);
    // Without a length, it ends as soon as it is too much.
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
        Some((Ok::<_, Infallible>(chunk), chunks))
    }));
    assert_eq!(world.send(upload_of(&anna, body)).await.status, 413);
    let sent = sending.await.unwrap();
    assert!(sent < 20, "{sent} chunks of 64 KiB were taken");
    assert_eq!(world.engine.inspections.load(Ordering::SeqCst), 0);
    nothing_stored(&world, &anna).await;
    let mut largest = good(1);
    largest.resize(1_000_000, 7);
    assert_eq!(upload(&world, &anna, largest).await.status, 201);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_to_see() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let broken = futures::stream::iter([Ok(Bytes::from(good(1))), Err("the client has gone")]);
    let answer = world
        .send(upload_of(&anna, Body::from_stream(broken)))
        .await;
    assert_eq!(answer.status, 400);
    // One that never goes on, and is dropped with its connection.
    let started = futures::stream::iter([Ok::<_, Infallible>(Bytes::from(good(1)))]);
    let body = Body::from_stream(started.chain(futures::stream::pending()));
    {
        let waiting = world.send(upload_of(&anna, body));
        let waited = tokio::time::timeout(std::time::Duration::from_millis(50), waiting).await;
        assert!(waited.is_err());
    }
    nothing_stored(&world, &anna).await;
    assert_eq!(world.engine.inspections.load(Ordering::SeqCst), 0);
    assert_eq!(
        upload(&world, &anna, good(1)).await.status,
        201,
        "its place is free again"
    );
}

#[tokio::test]
async fn one_upload_an_organization_and_two_in_all() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let carl = world.account("carl").await;
    let slow = |account: &Account| {
        let (router, request) = (world.router.clone(), upload_of(account, b"wait".to_vec()));
        tokio::spawn(async move { tower::ServiceExt::oneshot(router, request).await.unwrap() })
    };
    let first = slow(&anna);
    world.engine.waiting.begun.acquire().await.unwrap().forget();
    let second = upload(&world, &anna, good(1)).await;
    assert_eq!(second.status, 429);
    assert_eq!(second.json()["error_class"], "quota_exceeded");
    assert!(!second.header(header::RETRY_AFTER).is_empty());
    let other = slow(&boris);
    world.engine.waiting.begun.acquire().await.unwrap().forget();
    let third = upload(&world, &carl, good(1)).await;
    assert_eq!(
        (third.status, third.header(header::RETRY_AFTER)),
        (503, "2")
    );
    world.engine.waiting.may_end.add_permits(2);
    for running in [first, other] {
        assert_eq!(running.await.unwrap().status(), 201);
    }
    assert_eq!(upload(&world, &carl, good(1)).await.status, 201);
}

#[tokio::test]
async fn quotas_are_an_organizations() {
    let world = configured(|config| {
        config.quotas.set(Quota::StoredBytes, 7_000);
        config.component_queue = 2;
        config.component_compile_ms_per_hour = 10_000;
    })
    .await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let refused = async |account: &Account, seed: u8, said: &str| {
        let refused = upload(&world, account, good(seed)).await;
        assert_eq!(refused.status, 429, "{}", refused.text);
        assert_eq!(refused.json()["error_class"], "quota_exceeded");
        assert!(refused.header(header::RETRY_AFTER).parse::<u32>().unwrap() > 0);
        assert!(
            refused.json()["detail"].as_str().unwrap().contains(said),
            "{}",
            refused.text
        );
    };
    let small = |seed: u8| [b"\0asm".to_vec(), vec![seed; 100]].concat();
    let first = digest(&world, &anna, small(1)).await;
    digest(&world, &anna, small(2)).await;
    refused(&anna, 3, "wait to be compiled").await;
    assert_eq!(
        upload(&world, &anna, small(1)).await.status,
        200,
        "what it has costs nothing"
    );
    compile(&world, 100, None).await;
    digest(&world, &anna, good(3)).await;
    compile(&world, 100, None).await;
    digest(&world, &anna, good(4)).await;
    compile(&world, 100, None).await;
    refused(&anna, 5, "delete some").await;
    compile(&world, 9_800, None).await;
    refused(&anna, 5, "delete some").await;
    let path = format!("{COMPONENTS}/{first}");
    world.call("DELETE", &path, Some(&anna.token), None).await;
    // Deleting gives no compiling back.
    let tiny = upload(&world, &anna, small(9)).await;
    assert_eq!(tiny.status, 429);
    assert!(
        tiny.json()["detail"]
            .as_str()
            .unwrap()
            .contains("10 s within the last hour")
    );
    assert_eq!(upload(&world, &boris, good(5)).await.status, 201);
    world.clock.advance(TimeDelta::hours(1));
    let anna = {
        let tokens = world.login("anna", crate::world::PASSWORD).await.json();
        Account {
            token: tokens["access_token"].as_str().unwrap().to_owned(),
            ..anna
        }
    };
    assert_eq!(upload(&world, &anna, small(9)).await.status, 201);
}

/// W26: whoever uploads bytes that others have sees what they would see if nobody had them.
#[tokio::test]
async fn the_same_bytes_of_two_organizations_look_like_two_components() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let carl = world.account("carl").await;
    let without_time = |answer: &Answer| {
        let mut value = answer.json();
        value["created_at"] = Value::Null;
        value["uploaded_by"] = Value::Null;
        value
    };
    let first = upload(&world, &anna, good(1)).await;
    let digest = first.json()["digest"].as_str().unwrap().to_owned();
    let path = format!("{COMPONENTS}/{digest}");
    let foreign = world.get(&boris, &path).await;
    let absent = world.get(&boris, &format!("{COMPONENTS}/{ABSENT}")).await;
    assert_eq!(
        (foreign.status, redacted(&foreign.json())),
        (404, redacted(&absent.json()))
    );
    let foreign = world.call("DELETE", &path, Some(&boris.token), None).await;
    assert_eq!(
        (foreign.status, redacted(&foreign.json())),
        (404, redacted(&absent.json()))
    );
    compile(&world, 4_000, None).await;
    assert_eq!(state(&world, &anna, &digest).await, "ready");
    nothing_stored(&world, &boris).await;

    let second = upload(&world, &boris, good(1)).await;
    assert_eq!(second.status, 201, "new to them");
    assert_eq!(without_time(&second), without_time(&first));
    assert_eq!(
        second.header(header::LOCATION),
        first.header(header::LOCATION)
    );
    assert_eq!(world.engine.waiting_components.load(Ordering::SeqCst), 2);
    world.clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(state(&world, &boris, &digest).await, "compiling");
    world.clock.advance(TimeDelta::milliseconds(3_998));
    assert_eq!(state(&world, &boris, &digest).await, "compiling");
    world.clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(state(&world, &boris, &digest).await, "ready");
    let now = world.clock.now();
    let claimed = world
        .database
        .store
        .claim_component(now, TimeDelta::minutes(1), "x")
        .await;
    assert_eq!(claimed.unwrap(), None, "one compiling was enough");

    // The first one's deletion is nothing to the second.
    assert_eq!(
        world
            .call("DELETE", &path, Some(&anna.token), None)
            .await
            .status,
        204
    );
    assert_eq!(world.get(&anna, &path).await.status, 404);
    assert_eq!(state(&world, &boris, &digest).await, "ready");
    nothing_stored(&world, &carl).await;
}

#[tokio::test]
async fn a_viewer_uploads_and_deletes_nothing() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let made = digest(&world, &anna, good(1)).await;
    world.set_role(&anna, "viewer").await;
    assert_eq!(upload(&world, &anna, good(2)).await.status, 403);
    let path = format!("{COMPONENTS}/{made}");
    assert_eq!(
        world
            .call("DELETE", &path, Some(&anna.token), None)
            .await
            .status,
        403
    );
    assert_eq!(state(&world, &anna, &made).await, "pending");
    assert_eq!(world.engine.inspections.load(Ordering::SeqCst), 1);
}
