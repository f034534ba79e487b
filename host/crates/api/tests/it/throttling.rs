//! Guessing passwords: how often, by whom, and what the owner feels of it.

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, header},
};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::world::{Answer, PASSWORD, World, redacted};

const LOGIN: &str = "/api/v1/auth/login";

/// A request that comes from an address.
async fn send_from(world: &World, address: &str, path: &str, body: &Value) -> Answer {
    let address: SocketAddr = format!("{address}:4711").parse().unwrap();
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .extension(ConnectInfo(address));
    let request = request.body(Body::from(body.to_string())).unwrap();
    world.send(request).await
}

async fn login_from(world: &World, address: &str, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password });
    send_from(world, address, LOGIN, &body).await
}

#[tokio::test]
async fn after_a_thousand_wrong_ones_the_right_one_does_not_count() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let mut judged = 0;
    for number in 0..1_000 {
        let address = format!("192.0.2.{}", number % 200);
        let answer = login_from(&world, &address, "anna", "wrong password").await;
        judged += i32::from(answer.status == 401);
    }
    assert_eq!(judged, 10);
    world.clock.advance(TimeDelta::seconds(59));
    let right = login_from(&world, "192.0.2.250", "ANNA", PASSWORD).await;
    assert_eq!(
        (right.status, right.header(header::RETRY_AFTER)),
        (429, "241")
    );
    insta::assert_json_snapshot!("too_many_attempts", redacted(&right.json()));
    // Whoever is not there is treated the same.
    for _ in 0..10 {
        login_from(&world, "192.0.2.251", "nobody", PASSWORD).await;
    }
    world.clock.advance(TimeDelta::seconds(59));
    let nobody = login_from(&world, "192.0.2.252", "nobody", PASSWORD).await;
    assert_eq!(
        (nobody.status, nobody.header(header::RETRY_AFTER)),
        (429, "241")
    );
    assert_eq!(redacted(&nobody.json()), redacted(&right.json()));

    // The owner goes on working meanwhile, and comes in again in time.
    assert_eq!(world.get(&anna, "/api/v1/users/me").await.status, 200);
    assert_eq!(world.refresh(&anna.refresh).await.status, 200);
    world.clock.advance(TimeDelta::minutes(5));
    assert_eq!(world.login("anna", PASSWORD).await.status, 200);
    for _ in 0..10 {
        let wrong = world.login("anna", "wrong password").await;
        assert_eq!(wrong.status, 401, "nothing is held against the owner");
    }
}

#[tokio::test]
async fn of_many_at_once_no_more_are_judged() {
    let world = World::new().await;
    world.account("anna").await;
    let world = &world;
    let wrong = (0..40).map(|_| async { world.login("anna", "wrong password").await.status });
    let statuses = futures::future::join_all(wrong).await;
    let count = |status| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((count(401), count(429)), (10, 30), "{statuses:?}");
}

#[tokio::test]
async fn an_address_has_a_few_for_all_names_together() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let mut statuses = Vec::new();
    for number in 0..70 {
        let name = format!("user{number}");
        statuses.push(
            login_from(&world, "192.0.2.1", &name, PASSWORD)
                .await
                .status,
        );
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 60);
    assert!(statuses[60..].iter().all(|status| *status == 429));
    assert_eq!(
        login_from(&world, "192.0.2.1", "anna", PASSWORD)
            .await
            .status,
        429
    );
    assert_eq!(
        login_from(&world, "192.0.2.2", "anna", PASSWORD)
            .await
            .status,
        200
    );
    // Made-up refresh tokens are guesses too.
    let path = "/api/v1/auth/refresh";
    let body = json!({ "refresh_token": anna.refresh });
    let refused = send_from(&world, "192.0.2.1", path, &body).await;
    assert_eq!(
        (refused.status, refused.header(header::RETRY_AFTER)),
        (429, "10")
    );
    assert_eq!(
        send_from(&world, "192.0.2.2", path, &body).await.status,
        200
    );
    world.clock.advance(TimeDelta::seconds(10));
    assert_eq!(
        login_from(&world, "192.0.2.1", "anna", PASSWORD)
            .await
            .status,
        200
    );
}
