//! Registering, signing in, and what is told to whom.

use insta::assert_json_snapshot;
use serde_json::json;
use vedette_api::Registration;
use vedette_store::testing::TestDatabase;

use crate::world::{PASSWORD, World, redacted};

const ME: &str = "/api/v1/users/me";

#[tokio::test]
async fn the_first_user_becomes_administrator_and_signs_in() {
    let world = World::with(Registration::Invite).await;
    let registered = world.register("Anna").await;
    assert_eq!(registered.status, 201);
    assert_json_snapshot!("register", redacted(&registered.json()));
    let login = world.login("anna", PASSWORD).await;
    assert_eq!(login.status, 200);
    assert_json_snapshot!("login", redacted(&login.json()));
    let token = login.json()["access_token"].as_str().unwrap().to_owned();
    let me = world.call("GET", ME, Some(&token), None).await;
    assert_eq!((me.status, me.json()), (200, registered.json()));

    let second = world.register("boris").await;
    assert_eq!(second.status, 403);
    assert_json_snapshot!("registration_closed", redacted(&second.json()));
    assert_eq!(world.login("boris", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn closed_means_closed() {
    let world = World::with(Registration::Closed).await;
    assert_eq!(
        world.register("anna").await.status,
        201,
        "somebody must be the first"
    );
    assert_eq!(world.register("boris").await.status, 403);
}

#[tokio::test]
async fn names_and_addresses_are_taken_without_regard_to_case() {
    let world = World::new().await;
    let first = world.register("anna").await.json();
    let second = world.register("boris").await.json();
    assert_eq!(
        (&first["is_admin"], &second["is_admin"]),
        (&json!(true), &json!(false))
    );
    assert_ne!(first["organization_id"], second["organization_id"]);
    for (username, email, pointer) in [
        ("ANNA", "other@example.com", "/username"),
        ("carla", "Anna@Example.COM", "/email"),
    ] {
        let body = json!({ "username": username, "email": email, "password": PASSWORD });
        let taken = world
            .call("POST", "/api/v1/auth/register", None, Some(body))
            .await;
        assert_eq!(
            (taken.status, taken.pointers()),
            (409, vec![pointer.to_owned()])
        );
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_told_together() {
    let world = World::new().await;
    let body = json!({ "username": "a b", "email": "anna", "password": "short" });
    let refused = world
        .call("POST", "/api/v1/auth/register", None, Some(body))
        .await;
    assert_eq!(refused.status, 422);
    assert_json_snapshot!("register_invalid", redacted(&refused.json()));
    let good = json!({ "username": "anna", "email": "anna@example.com", "password": PASSWORD });
    let long = format!("a@{}.c", "b".repeat(260));
    let emails = [
        "anna",
        "anna@example",
        "@a.b",
        "a@b",
        "a@@b.c",
        "a b@c.d",
        "a@b..c",
        "a@.c",
        &long,
    ];
    let usernames = ["a", "anna!", "äää", "a@b.c", "a\0b", &"a".repeat(65)].map(|name| json!(name));
    let passwords = [
        "short",
        "ANNA@example.com",
        &"x".repeat(257),
        "PassWord123",
        "Vedette2026",
    ];
    let passwords = passwords.map(|password| json!(password));
    let cases = usernames
        .into_iter()
        .map(|value| ("username", value))
        .chain(emails.map(|email| ("email", json!(email))))
        .chain(passwords.map(|value| ("password", value)))
        .chain([
            ("username", json!(5)),
            ("role", json!("admin")),
            ("is_admin", json!(true)),
        ]);
    for (field, value) in cases {
        let mut body = good.clone();
        body[field] = value;
        let refused = world
            .call("POST", "/api/v1/auth/register", None, Some(body.clone()))
            .await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![format!("/{field}")]),
            "{body}"
        );
    }
    let body = json!({ "username": "anna" });
    let refused = world
        .call("POST", "/api/v1/auth/register", None, Some(body))
        .await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/email".to_owned()])
    );
    assert!(
        !world.database.store.has_users().await.unwrap(),
        "nothing half-written"
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let world = World::new().await;
    world.account("anna").await;
    assert_eq!(world.login("ANNA@example.com", PASSWORD).await.status, 200);
    let wrong = world.login("anna", "wrong password").await;
    assert_eq!(wrong.status, 401);
    assert_json_snapshot!("wrong_credentials", redacted(&wrong.json()));
    for name in [
        "nobody",
        "",
        "anna\0",
        "anna ",
        "' OR 1=1 --",
        &"x".repeat(100_000),
    ] {
        let unknown = world.login(name, PASSWORD).await;
        assert_eq!(redacted(&unknown.json()), redacted(&wrong.json()), "{name}");
    }
}

#[tokio::test]
async fn what_is_stored_now_decides_at_once() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let of = |id: &str| format!("X'{}'", id.replace('-', ""));
    world
        .database
        .execute(&format!(
            "UPDATE users SET is_disabled = 1 WHERE id = {}",
            of(&anna.id)
        ))
        .await;
    assert_eq!(world.get(&anna, ME).await.status, 401);
    assert_eq!(world.login("anna", PASSWORD).await.status, 401);
    assert_eq!(world.refresh(&anna.refresh).await.status, 401);
    world
        .database
        .execute(&format!(
            "DELETE FROM memberships WHERE user_id = {}",
            of(&boris.id)
        ))
        .await;
    let me = world.get(&boris, ME).await;
    assert_eq!((me.status, &me.json()["permissions"]), (200, &json!([])));
    assert_eq!(world.get(&boris, "/api/v1/scripts").await.status, 403);
}

#[tokio::test]
async fn a_nul_is_no_failure_of_the_server_on_postgresql() {
    // SQLite keeps a NUL in a text; PostgreSQL refuses the whole statement.
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let world = World::on(database, Registration::Open);
    let anna = world.account("anna").await;
    assert_eq!(world.login("an\0na", PASSWORD).await.status, 401);
    assert_eq!(world.refresh("\0").await.status, 401);
    for field in ["name", "script_body", "cron_expression", "timezone"] {
        let body = crate::world::script_body(&json!({ field: "a\0b" }));
        assert_eq!(
            world.post(&anna, "/api/v1/scripts", body).await.status,
            422,
            "{field}"
        );
    }
    for field in ["parameters", "env_vars"] {
        for odd in [json!({ "a\0": "b" }), json!({ "a": "b\0" })] {
            let body = crate::world::script_body(&json!({ field: odd }));
            assert_eq!(
                world.post(&anna, "/api/v1/scripts", body).await.status,
                422,
                "{field}"
            );
        }
    }
    world.script(&anna, json!({})).await;
}
