//! Keys for machines: what they may do, and when they end.

use axum::{
    body::Body,
    http::{Request, header},
};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::world::{Account, World, script_body};

const KEYS: &str = "/api/v1/api-keys";

async fn key(world: &World, account: &Account, body: Value) -> (String, String) {
    let made = world.post(account, KEYS, body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let text = |name: &str| made.json()[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

async fn status(world: &World, key: &str, method: &str, path: &str) -> u16 {
    world.call(method, path, Some(key), None).await.status
}

#[tokio::test]
async fn a_key_does_what_it_is_for_and_no_more() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let id = world.script(&anna, json!({})).await;
    let script = format!("/api/v1/scripts/{id}");
    let body = json!({ "name": "reader", "permissions": ["script:read"] });
    let (key_id, key) = key(&world, &anna, body).await;
    assert!(key.starts_with("vdt_"));
    assert_eq!(status(&world, &key, "GET", &script).await, 200);
    assert_eq!(status(&world, &key, "DELETE", &script).await, 403);
    assert_eq!(status(&world, &key, "GET", "/api/v1/members").await, 403);
    // Nothing of the account, and nothing of the installation, of which anna is the administrator.
    for (method, path) in [
        ("GET", "/api/v1/users/me"),
        ("POST", "/api/v1/auth/logout"),
        ("GET", "/api/v1/organizations"),
        ("GET", "/api/v1/admin/blocked-components"),
    ] {
        assert_eq!(status(&world, &key, method, path).await, 401, "{path}");
    }
    let listed = world.get(&anna, KEYS).await;
    assert!(!listed.text.contains(&key), "it is shown once");
    assert_eq!(
        listed.json()["items"][0]["last_used_at"],
        "2026-11-24T12:00:01Z"
    );
    assert_eq!(
        status(&world, &key[..key.len() - 1], "GET", &script).await,
        401
    );
    assert_eq!(
        status(&world, &format!("{key}A"), "GET", &script).await,
        401
    );
    assert_eq!(status(&world, "vdt_", "GET", &script).await, 401);
    let path = format!("{KEYS}/{key_id}");
    assert_eq!(world.delete(&anna, &path).await.status, 204);
    assert_eq!(status(&world, &key, "GET", &script).await, 401);
    assert_eq!(world.delete(&anna, &path).await.status, 404);
}

#[tokio::test]
async fn a_key_is_never_more_than_its_user() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    let roles = world.get(&owner, "/api/v1/roles").await.json();
    let editor = json!({ "role_id": roles["items"][2]["id"] });
    let guest = world.invited(&owner, "guest", editor).await;
    let id = world.script(&owner, json!({})).await;
    let run = format!("/api/v1/scripts/{id}/run");
    let all =
        json!({ "name": "all", "permissions": ["script:read", "script:run", "api_key:create"] });
    let (key_id, key) = key(&world, &guest, all).await;
    assert_eq!(status(&world, &key, "POST", &run).await, 200);
    let more = json!({ "name": "more", "permissions": ["script:read", "user:manage"] });
    assert_eq!(world.post(&guest, KEYS, more).await.status, 403);
    // Nor does a key make another.
    let body = json!({ "name": "heir", "permissions": ["script:read"] });
    assert_eq!(
        world
            .call("POST", KEYS, Some(&key), Some(body))
            .await
            .status,
        403
    );
    // It shrinks with the user's role, and ends with the membership.
    let viewer = json!({ "roles": [{ "role_id": roles["items"][3]["id"] }] });
    let path = format!("/api/v1/members/{}", guest.id);
    let changed = world
        .call("PUT", &path, Some(&owner.token), Some(viewer))
        .await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(status(&world, &key, "POST", &run).await, 403);
    assert_eq!(
        status(&world, &key, "GET", &format!("/api/v1/scripts/{id}")).await,
        200
    );
    let listed = world.get(&owner, KEYS).await.json();
    assert_eq!(
        listed["items"][0]["id"],
        key_id.as_str(),
        "who manages members sees it"
    );
    let stranger = world.account("stranger").await;
    let of_key = format!("{KEYS}/{key_id}");
    assert_eq!(world.get(&stranger, KEYS).await.json()["items"], json!([]));
    assert_eq!(world.delete(&stranger, &of_key).await.status, 404);
    assert_eq!(world.delete(&owner, &path).await.status, 204);
    assert_eq!(
        status(&world, &key, "GET", &format!("/api/v1/scripts/{id}")).await,
        401
    );
}

#[tokio::test]
async fn a_key_ends_with_its_time_its_user_and_its_project() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    world.clock.advance(TimeDelta::seconds(1));
    let made = world
        .post(&anna, "/api/v1/projects", json!({ "name": "shop" }))
        .await;
    let shop = made.json()["id"].clone();
    let outside = world.script(&anna, json!({})).await;
    let body = json!({ "name": "shop", "permissions": ["script:read", "script:create"], "project_id": shop });
    let (_, of_shop) = key(&world, &anna, body).await;
    let path = format!("/api/v1/scripts/{outside}");
    assert_eq!(status(&world, &of_shop, "GET", &path).await, 404);
    assert_eq!(
        status(&world, &of_shop, "GET", "/api/v1/scripts").await,
        200
    );
    let inside = Some(script_body(&json!({ "project_id": shop })));
    let made = world
        .call("POST", "/api/v1/scripts", Some(&of_shop), inside)
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let end = "2026-11-24T12:10:00Z";
    let body = json!({ "name": "brief", "permissions": ["script:read"], "expires_at": end });
    let (_, brief) = key(&world, &anna, body).await;
    assert_eq!(status(&world, &brief, "GET", &path).await, 200);
    let end: chrono::DateTime<chrono::Utc> = end.parse().unwrap();
    let now = vedette_core::Clock::now(world.clock.as_ref());
    world.clock.advance(end - now);
    assert_eq!(status(&world, &brief, "GET", &path).await, 401);
    let user = anna.id.replace('-', "");
    let disable = format!("UPDATE users SET is_disabled = 1 WHERE id = X'{user}'");
    world.database.execute(&disable).await;
    assert_eq!(
        status(&world, &of_shop, "GET", "/api/v1/scripts").await,
        401
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_named() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let theirs = world.get(&boris, "/api/v1/projects").await.json()["items"][0]["id"].clone();
    let good = json!({ "name": "k", "permissions": ["script:read"] });
    for (name, value, pointer) in [
        ("name", json!(""), "/name"),
        ("permissions", json!([]), "/permissions"),
        ("permissions", json!(["script:read", "x"]), "/permissions/1"),
        ("expires_at", json!("2026-11-24T12:00:00Z"), "/expires_at"),
        ("project_id", theirs, "/project_id"),
        ("user_id", json!(anna.id), "/user_id"),
    ] {
        let mut body = good.clone();
        body[name] = value;
        let refused = world.post(&anna, KEYS, body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()])
        );
    }
    // Not of a project, so that a project's key would do nothing.
    let body = json!({ "name": "k", "permissions": ["user:read"], "project_id": anna.id });
    assert_eq!(world.post(&anna, KEYS, body).await.status, 403);
    for _ in 0..50 {
        key(&world, &anna, good.clone()).await;
    }
    assert_eq!(world.post(&anna, KEYS, good).await.status, 429);
}

#[tokio::test]
async fn a_key_is_taken_from_the_header_only() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let body = json!({ "name": "k", "permissions": ["script:read"] });
    let (_, key) = key(&world, &anna, body).await;
    let path = format!("/api/v1/scripts?access_token={key}");
    let request = Request::get(&path).header(header::COOKIE, format!("token={key}"));
    assert_eq!(
        world
            .send(request.body(Body::empty()).unwrap())
            .await
            .status,
        401
    );
    let basic =
        Request::get("/api/v1/scripts").header(header::AUTHORIZATION, format!("Basic {key}"));
    assert_eq!(
        world.send(basic.body(Body::empty()).unwrap()).await.status,
        401
    );
}
