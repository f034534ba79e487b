//! What users do with their own account: name, address, password, sessions.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::world::{Account, Answer, PASSWORD, World, redacted};

const ME: &str = "/api/v1/users/me";
const CHANGE: &str = "/api/v1/users/me/password";
const SESSIONS: &str = "/api/v1/users/me/sessions";
const NEW: &str = "another long sentence";

async fn put(world: &World, account: &Account, path: &str, body: Value) -> Answer {
    world
        .call("PUT", path, Some(&account.token), Some(body))
        .await
}

/// Another session of the same user.
async fn again(world: &World, name: &str) -> Account {
    world.clock.advance(TimeDelta::seconds(1));
    let tokens = world.login(name, PASSWORD).await.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Account {
        id: String::new(),
        token: text(&tokens["access_token"]),
        refresh: text(&tokens["refresh_token"]),
    }
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let other = again(&world, "anna").await;
    let body = json!({ "current_password": PASSWORD, "new_password": NEW });
    let changed = put(&world, &anna, CHANGE, body).await;
    assert_eq!((changed.status, changed.text.as_str()), (204, ""));
    assert_eq!(world.get(&other, ME).await.status, 401);
    assert_eq!(world.refresh(&other.refresh).await.status, 401);
    assert_eq!(world.get(&anna, ME).await.status, 200);
    assert_eq!(world.refresh(&anna.refresh).await.status, 200);
    assert_eq!(world.get(&boris, ME).await.status, 200);
    assert_eq!(world.login("anna", PASSWORD).await.status, 401);
    assert_eq!(world.login("anna", NEW).await.status, 200);
}

#[tokio::test]
async fn a_new_password_needs_the_old_one() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    for (current, new, pointer) in [
        ("wrong password", NEW, "/current_password"),
        ("", NEW, "/current_password"),
        (PASSWORD, "short", "/new_password"),
        (PASSWORD, "Password1", "/new_password"),
        (PASSWORD, "anna@example.com", "/new_password"),
        (PASSWORD, PASSWORD, "/new_password"),
    ] {
        let body = json!({ "current_password": current, "new_password": new });
        let refused = put(&world, &anna, CHANGE, body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()]),
            "{current} {new}"
        );
    }
    // Whoever has the session only cannot guess on without end, and throws out nobody.
    let body = json!({ "current_password": "wrong password", "new_password": NEW });
    for _ in 0..8 {
        put(&world, &anna, CHANGE, body.clone()).await;
    }
    let refused = put(&world, &anna, CHANGE, body).await;
    assert_eq!(refused.status, 429);
    let body = json!({ "current_password": PASSWORD, "new_password": NEW });
    assert_eq!(put(&world, &anna, CHANGE, body).await.status, 429);
    assert_eq!(world.get(&anna, ME).await.status, 200);
    assert_eq!(world.login("anna", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn name_and_address_can_be_changed() {
    let world = World::new().await;
    let (anna, _) = (world.account("anna").await, world.account("boris").await);
    let before = world.get(&anna, ME).await.json();
    let body = json!({ "username": "Anna.B", "email": "anna@example.com" });
    let renamed = put(&world, &anna, ME, body).await;
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    let mut expected = before.clone();
    expected["username"] = json!("Anna.B");
    assert_eq!(renamed.json(), expected);
    assert_eq!(world.get(&anna, ME).await.json(), expected);
    assert_eq!(world.login("anna.b", PASSWORD).await.status, 200);
    assert_eq!(world.login("anna", PASSWORD).await.status, 401);

    let mut body = json!({ "username": "Anna.B", "email": "anna@example.org" });
    for (password, status) in [
        (Value::Null, 422),
        (json!("wrong password"), 422),
        (json!(PASSWORD), 200),
    ] {
        body["current_password"] = password;
        let answer = put(&world, &anna, ME, body.clone()).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        if status == 422 {
            assert_eq!(answer.pointers(), ["/current_password"]);
            assert_eq!(world.get(&anna, ME).await.json(), expected);
        }
    }
    assert_eq!(world.login("anna@example.org", PASSWORD).await.status, 200);
    assert_eq!(world.login("anna@example.com", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn what_is_wrong_with_a_profile_is_told_by_field() {
    let world = World::new().await;
    let (anna, _) = (world.account("anna").await, world.account("boris").await);
    let before = world.get(&anna, ME).await.json();
    let good = json!({
        "username": "anna", "email": "anna@example.com", "current_password": PASSWORD,
    });
    for (field, value, status) in [
        ("username", json!("BORIS"), 409),
        ("email", json!("Boris@example.com"), 409),
        ("username", json!("a b"), 422),
        ("email", json!("anna"), 422),
        ("is_admin", json!(false), 422),
        ("password_hash", json!("x"), 422),
        ("id", json!(anna.id), 422),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let refused = put(&world, &anna, ME, body.clone()).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (status, vec![format!("/{field}")]),
            "{body}"
        );
    }
    assert_eq!(world.get(&anna, ME).await.json(), before);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let other = again(&world, "anna").await;
    let listed = world.get(&anna, SESSIONS).await;
    insta::assert_json_snapshot!("sessions", redacted(&listed.json()));
    let id = |answer: &Answer, item: usize| {
        let id = answer.json()["items"][item]["id"].clone();
        id.as_str().unwrap().to_owned()
    };
    let other_id = id(&listed, 0);
    let path = |id: &str| format!("{SESSIONS}/{id}");
    let end = async |account: &Account, id: &str| {
        world
            .call("DELETE", &path(id), Some(&account.token), None)
            .await
    };
    // Another user's is not there.
    let foreign = end(&boris, &other_id).await;
    let absent = end(&boris, "018f3b3e-0000-7000-8000-000000000000").await;
    assert_eq!(foreign.status, 404);
    assert_eq!(redacted(&foreign.json()), redacted(&absent.json()));
    assert_eq!(end(&boris, "x").await.status, 400);
    assert_eq!(world.get(&other, ME).await.status, 200);

    assert_eq!(end(&anna, &other_id).await.status, 204);
    assert_eq!(world.get(&other, ME).await.status, 401);
    assert_eq!(world.refresh(&other.refresh).await.status, 401);
    assert_eq!(end(&anna, &other_id).await.status, 404);
    let listed = world.get(&anna, SESSIONS).await;
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        end(&anna, &id(&listed, 0)).await.status,
        204,
        "one's own is a logout"
    );
    assert_eq!(world.get(&anna, ME).await.status, 401);
}
