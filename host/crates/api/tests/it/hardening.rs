//! How many requests are answered, where they are said to come from, and whose pages may make them.

use std::{net::SocketAddr, time::Duration};

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, header},
};
use chrono::TimeDelta;
use serde_json::json;
use vedette_api::{ApiConfig, Registration};
use vedette_store::testing::TestDatabase;

use crate::world::{Account, World};

const ME: &str = "/api/v1/users/me";

async fn world(change: impl FnOnce(&mut ApiConfig)) -> World {
    let mut config = ApiConfig {
        registration: Registration::Open,
        requests_per_minute: 0,
        ..ApiConfig::default()
    };
    change(&mut config);
    World::configured(TestDatabase::sqlite().await, config)
}

#[tokio::test]
async fn a_user_makes_so_many_requests_and_others_go_on() {
    let world = world(|config| config.requests_per_minute = 60).await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let body = json!({ "name": "k", "permissions": ["script:read"] });
    let key = world.post(&anna, "/api/v1/api-keys", body).await.json()["key"].clone();
    let key = key.as_str().unwrap();
    let by_key = async || world.call("GET", "/api/v1/scripts", Some(key), None).await;
    // One was the key's making; a key counts as its user.
    for _ in 0..29 {
        assert_eq!(world.get(&anna, ME).await.status, 200);
        assert_eq!(by_key().await.status, 200);
    }
    assert_eq!(world.get(&anna, ME).await.status, 200);
    for refused in [world.get(&anna, ME).await, by_key().await] {
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header(header::RETRY_AFTER), "1");
        assert_eq!(
            refused.json()["type"],
            "urn:vedette:problem:too-many-requests"
        );
    }
    assert_eq!(
        world.get(&boris, ME).await.status,
        200,
        "others are untouched"
    );
    world.clock.advance(TimeDelta::seconds(1));
    assert_eq!(world.get(&anna, ME).await.status, 200);
    assert_eq!(world.get(&anna, ME).await.status, 429);
    // Who is not known is not counted as somebody.
    assert_eq!(world.call("GET", ME, Some("x.y.z"), None).await.status, 401);
}

#[tokio::test]
async fn an_organization_makes_so_many_however_many_its_users() {
    let world = world(|config| config.requests_per_minute = 20).await;
    let owner = world.account("owner").await;
    let roles = world.get(&owner, "/api/v1/roles").await.json();
    let mut members: Vec<Account> = Vec::new();
    for number in 0..6 {
        let body = json!({ "role_id": roles["items"][3]["id"] });
        members.push(world.invited(&owner, &format!("user{number}"), body).await);
    }
    world.clock.advance(TimeDelta::minutes(1));
    let mut answered = 0;
    for member in &members {
        for _ in 0..20 {
            answered += i32::from(world.get(member, ME).await.status == 200);
        }
    }
    assert_eq!(answered, 80);
}

#[tokio::test]
async fn pages_of_named_origins_only_may_call() {
    let ours = "https://console.example.com";
    let world = world(|config| config.cors_origins = vec![ours.parse().unwrap()]).await;
    let preflight = async |origin: &str| {
        let request = Request::options(ME)
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization");
        world.send(request.body(Body::empty()).unwrap()).await
    };
    let allowed = preflight(ours).await;
    assert_eq!(allowed.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), ours);
    assert!(
        allowed
            .header(header::ACCESS_CONTROL_ALLOW_HEADERS)
            .contains("authorization")
    );
    assert_eq!(allowed.header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), "");
    for foreign in [
        "https://console.example.com.evil.example",
        "https://evil-console.example.com",
        "https://console.example.com:8443",
        "http://console.example.com",
        "https://CONSOLE.example.com",
        "https://example.com",
        "null",
        "*",
        "",
    ] {
        let refused = preflight(foreign).await;
        assert_eq!(
            refused.header(header::ACCESS_CONTROL_ALLOW_ORIGIN),
            "",
            "{foreign}"
        );
    }
    let request = Request::get(ME).header(header::ORIGIN, ours);
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN),
        ours,
        "refusals can be read"
    );
    assert!(answer.header(header::VARY).contains("origin"));
}

#[tokio::test]
async fn without_a_list_no_page_may_call() {
    let world = World::new().await;
    let request = Request::get(ME).header(header::ORIGIN, "https://console.example.com");
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
}

/// Somebody at `client` guesses, by a connection from `peer`.
async fn guess(world: &World, peer: &str, client: &str, name: &str) -> u16 {
    let body = json!({ "username": name, "password": "not the password" });
    let mut request = Request::post("/api/v1/auth/login")
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-forwarded-for", client)
        .body(Body::from(body.to_string()))
        .unwrap();
    let peer: SocketAddr = format!("{peer}:4711").parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    world.send(request).await.status
}

#[tokio::test]
async fn clients_behind_a_proxy_are_counted_apart_and_nobody_invents_one() {
    let proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let world = world(|config| config.trusted_proxies = proxies).await;
    for number in 0..60 {
        let name = format!("user{number}");
        assert_eq!(guess(&world, "10.0.0.1", "198.51.100.1", &name).await, 401);
    }
    assert_eq!(guess(&world, "10.0.0.1", "198.51.100.1", "next").await, 429);
    let forged = "203.0.113.9, 198.51.100.1";
    assert_eq!(guess(&world, "10.0.0.1", forged, "next").await, 429);
    assert_eq!(guess(&world, "10.0.0.2", "198.51.100.1", "next").await, 429);
    assert_eq!(guess(&world, "10.0.0.1", "198.51.100.2", "next").await, 401);
    // Who comes past the proxy says what they like, and is the other end all the same.
    assert_eq!(
        guess(&world, "198.51.100.1", "198.51.100.3", "next").await,
        429
    );
    assert_eq!(
        guess(&world, "198.51.100.4", "198.51.100.1", "next").await,
        401
    );
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let world = World::new().await;
    tokio::time::pause();
    let drops = futures::stream::unfold((), async |()| {
        tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_secs(1)).await;
        Some((Ok::<_, std::io::Error>(" "), ()))
    });
    let request = Request::post("/api/v1/auth/login")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from_stream(drops))
        .unwrap();
    let began = tokio::time::Instant::now();
    let answer = world.send(request).await;
    assert_eq!(answer.status, 408, "{}", answer.text);
    assert_eq!(began.elapsed().as_secs(), 30);
}
