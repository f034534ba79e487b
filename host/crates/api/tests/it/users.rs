//! What administrators of the installation do with its users.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::world::{Account, Answer, PASSWORD, World, redacted};

const ME: &str = "/api/v1/users/me";
const USERS: &str = "/api/v1/users";
const RESET: &str = "/api/v1/auth/password-reset";
const ABSENT: &str = "018f3b3e-0000-7000-8000-000000000000";
const NEW: &str = "another long sentence";

async fn change(world: &World, admin: &Account, id: &str, body: Value) -> Answer {
    let path = format!("/api/v1/admin/users/{id}");
    world
        .call("PUT", &path, Some(&admin.token), Some(body))
        .await
}

fn body(is_disabled: bool, is_admin: bool) -> Value {
    json!({ "is_disabled": is_disabled, "is_admin": is_admin })
}

/// A token that sets the user's password.
async fn token(world: &World, admin: &Account, id: &str) -> Answer {
    let path = format!("/api/v1/admin/users/{id}/password-reset");
    world.call("POST", &path, Some(&admin.token), None).await
}

async fn text(world: &World, admin: &Account, id: &str) -> String {
    let made = token(world, admin, id).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["token"].as_str().unwrap().to_owned()
}

async fn reset(world: &World, token: &str, password: &str) -> Answer {
    let body = json!({ "token": token, "new_password": password });
    world.call("POST", RESET, None, Some(body)).await
}

#[tokio::test]
async fn administrators_see_all_users() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    world.clock.advance(TimeDelta::seconds(1));
    world.account("boris").await;
    let listed = world.get(&anna, USERS).await;
    assert_eq!(listed.status, 200);
    insta::assert_json_snapshot!("users", redacted(&listed.json()));
    let first = world.get(&anna, &format!("{USERS}?limit=1")).await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let path = format!("{USERS}?limit=1&cursor={cursor}");
    let second = world.get(&anna, &path).await.json();
    assert_eq!(second["items"][0]["id"], anna.id.as_str());
    assert_eq!(second["next_cursor"], Value::Null);
    let refused = world.get(&anna, &format!("{USERS}?limit=101")).await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn nobody_else_sees_or_changes_users() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    // An owner of an organization is no administrator of the installation.
    let boris = world.account("boris").await;
    assert_eq!(world.get(&boris, USERS).await.status, 403);
    for id in [anna.id.as_str(), &boris.id, ABSENT] {
        let refused = change(&world, &boris, id, body(false, true)).await;
        assert_eq!(refused.status, 403, "{id}");
        assert_eq!(token(&world, &boris, id).await.status, 403, "{id}");
    }
    assert_eq!(world.get(&boris, ME).await.json()["is_admin"], false);
    // Rights count from the moment they are given, and until they are taken.
    assert_eq!(
        change(&world, &anna, &boris.id, body(false, true))
            .await
            .status,
        200
    );
    assert_eq!(world.get(&boris, USERS).await.status, 200);
    assert_eq!(
        change(&world, &anna, &boris.id, body(false, false))
            .await
            .status,
        200
    );
    assert_eq!(world.get(&boris, USERS).await.status, 403);
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once_and_signs_in_anew_later() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let disabled = change(&world, &anna, &boris.id, body(true, false)).await;
    assert_eq!(disabled.status, 200);
    assert_eq!(disabled.json()["is_disabled"], true);
    let is_out = async || {
        assert_eq!(world.get(&boris, ME).await.status, 401);
        assert_eq!(world.refresh(&boris.refresh).await.status, 401);
    };
    is_out().await;
    let refused = world.login("boris", PASSWORD).await;
    let wrong = world.login("boris", "wrong password").await;
    assert_eq!(refused.status, 401);
    assert_eq!(redacted(&refused.json()), redacted(&wrong.json()));
    let enabled = change(&world, &anna, &boris.id, body(false, false)).await;
    assert_eq!(enabled.status, 200);
    is_out().await;
    assert_eq!(world.login("boris", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    for wrong in [body(true, true), body(false, false), body(true, false)] {
        let refused = change(&world, &anna, &anna.id, wrong).await;
        assert_eq!(refused.status, 409);
        assert_eq!(
            refused.json()["type"],
            "urn:vedette:problem:last-administrator"
        );
    }
    assert_eq!(world.get(&anna, USERS).await.status, 200);
    assert_eq!(
        change(&world, &anna, &boris.id, body(false, true))
            .await
            .status,
        200
    );
    assert_eq!(
        change(&world, &anna, &anna.id, body(false, false))
            .await
            .status,
        200
    );
    assert_eq!(world.get(&anna, USERS).await.status, 403);
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_told() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    for (wrong, pointer) in [
        (json!({ "is_disabled": false }), "/is_admin"),
        (json!({ "is_admin": true }), "/is_disabled"),
        (
            json!({ "is_disabled": 1, "is_admin": true }),
            "/is_disabled",
        ),
        (
            json!({ "is_disabled": false, "is_admin": true, "role": "x" }),
            "/role",
        ),
    ] {
        let refused = change(&world, &anna, &anna.id, wrong.clone()).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()]),
            "{wrong}"
        );
    }
    assert_eq!(
        change(&world, &anna, ABSENT, body(false, false))
            .await
            .status,
        404
    );
    assert_eq!(
        change(&world, &anna, "x", body(false, false)).await.status,
        400
    );
    assert_eq!(token(&world, &anna, ABSENT).await.status, 404);
    let path = format!("/api/v1/admin/users/{}/password-reset", anna.id);
    let refused = world.post(&anna, &path, json!({ "days": 7 })).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/days".to_owned()])
    );
}

#[tokio::test]
async fn a_token_sets_a_password_once() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let made = token(&world, &anna, &boris.id).await;
    assert_eq!(made.json()["expires_at"], "2026-11-24T13:00:00Z");
    let token = made.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(
        world.get(&boris, ME).await.status,
        200,
        "nothing has happened yet"
    );
    for weak in ["short", "Password1", "boris@example.com"] {
        let refused = reset(&world, &token, weak).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec!["/new_password".to_owned()])
        );
    }
    let done = reset(&world, &token, NEW).await;
    assert_eq!((done.status, done.text.as_str()), (204, ""));
    assert_eq!(world.get(&boris, ME).await.status, 401);
    assert_eq!(world.refresh(&boris.refresh).await.status, 401);
    assert_eq!(world.get(&anna, ME).await.status, 200);
    assert_eq!(world.login("boris", PASSWORD).await.status, 401);
    assert_eq!(world.login("boris", NEW).await.status, 200);
    assert_eq!(reset(&world, &token, PASSWORD).await.status, 422);
    assert_eq!(world.login("boris", NEW).await.status, 200);
}

#[tokio::test]
async fn tokens_that_are_no_good_are_all_alike() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let used = text(&world, &anna, &boris.id).await;
    assert_eq!(reset(&world, &used, NEW).await.status, 204);
    let replaced = text(&world, &anna, &boris.id).await;
    let of_disabled = text(&world, &anna, &boris.id).await;
    change(&world, &anna, &boris.id, body(true, false)).await;
    assert_eq!(token(&world, &anna, &boris.id).await.status, 404);
    let expired = text(&world, &anna, &anna.id).await;
    world.clock.advance(TimeDelta::hours(1));
    let unknown = reset(&world, &"A".repeat(43), NEW).await;
    assert_eq!(unknown.pointers(), ["/token"]);
    let padded = format!("{expired}=");
    for token in [
        &used,
        &replaced,
        &of_disabled,
        &expired,
        &padded,
        "",
        "x",
        "ä\0",
    ] {
        // A weak password changes nothing of it: nobody learns which tokens are good.
        for password in [NEW, "short"] {
            let refused = reset(&world, token, password).await;
            assert_eq!(refused.status, 422, "{token}");
            assert_eq!(refused.headers.len(), unknown.headers.len());
            assert_eq!(
                redacted(&refused.json()),
                redacted(&unknown.json()),
                "{token}"
            );
        }
    }
    // They are counted by address.
    while reset(&world, "x", NEW).await.status == 422 {}
    assert_eq!(reset(&world, "x", NEW).await.status, 429);
}

#[tokio::test]
async fn of_many_uses_at_once_one_succeeds() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let token = text(&world, &anna, &anna.id).await;
    let (world, token) = (&world, &token);
    let uses = (0..8).map(|n| async move {
        let password = format!("another sentence {n}");
        let status = reset(world, token, &password).await.status;
        (status, password)
    });
    let (done, refused): (Vec<_>, Vec<_>) = futures::future::join_all(uses)
        .await
        .into_iter()
        .partition(|(status, _)| *status == 204);
    assert_eq!((done.len(), refused.len()), (1, 7));
    assert!(refused.iter().all(|(status, _)| *status == 422));
    assert_eq!(world.login("anna", &done[0].1).await.status, 200);
}
