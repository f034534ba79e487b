//! The audit log as people read it. That every change is in it, `world` checks of each test's.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::world::{Account, World};

async fn actions(world: &World, account: &Account, path: &str) -> Vec<String> {
    let page = world.get(account, path).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let page = page.json();
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item["action"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_record_says_who_did_what_from_where() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    let made = world
        .post(&owner, "/api/v1/projects", json!({ "name": "shop" }))
        .await;
    let id = made.json()["id"].clone();
    let path = format!("/api/v1/audit-log?target={}", id.as_str().unwrap());
    let page = world.get(&owner, &path).await.json();
    let [record] = page["items"].as_array().unwrap().as_slice() else {
        panic!("{page}");
    };
    assert_eq!(record["action"], "project.create");
    assert_eq!(record["actor"]["kind"], "user");
    assert_eq!(record["actor"]["user_id"], owner.id.as_str());
    assert_eq!(record["actor"]["username"], "owner");
    assert_eq!(record["request_id"], made.header("x-request-id"));
    assert_eq!(record["after"], json!({ "name": "shop" }));
    assert_eq!(record["before"], Value::Null);
    assert_eq!(record["hash"].as_str().unwrap().len(), 64);
    assert_eq!(
        actions(&world, &owner, "/api/v1/audit-log").await,
        ["project.create", "session.create", "organization.create"]
    );
}

#[tokio::test]
async fn an_organization_sees_its_own_log_only() {
    let world = World::new().await;
    let administrator = world.account("administrator").await;
    let owner = world.account("owner").await;
    world
        .post(&owner, "/api/v1/projects", json!({ "name": "shop" }))
        .await;
    for path in ["/api/v1/audit-log", "/api/v1/audit-log/export"] {
        let other = world.get(&administrator, path).await;
        assert_eq!(other.status, 200, "{}", other.text);
        assert!(!other.text.contains("project.create"), "{}", other.text);
    }
    for path in ["/api/v1/admin/audit-log", "/api/v1/admin/audit-log/export"] {
        assert_eq!(world.get(&owner, path).await.status, 403);
        let installation = world.get(&administrator, path).await;
        assert_eq!(installation.status, 200, "{}", installation.text);
        assert!(installation.text.contains("user.create"));
        assert!(!installation.text.contains("project.create"));
    }
}

#[tokio::test]
async fn logins_and_refusals_are_recorded() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    for (name, password) in [("anna", "not the password"), ("nobody-here", "x")] {
        assert_eq!(world.login(name, password).await.status, 401);
    }
    let path = "/api/v1/admin/audit-log?action=session.refuse";
    // It is written behind the answer's back.
    let mut found = Vec::new();
    for _ in 0..10_000 {
        found = actions(&world, &anna, path).await;
        if !found.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(
        found,
        ["session.refuse"],
        "names that nobody has are not kept"
    );
    let page = world.get(&anna, path).await;
    assert!(!page.text.contains("not the password"));
    assert_eq!(page.json()["items"][0]["target"], anna.id.as_str());
    assert_eq!(page.json()["items"][0]["actor"]["kind"], "anonymous");
    let logout = world
        .call(
            "POST",
            "/api/v1/auth/logout",
            Some(&world.again("anna").await.token),
            None,
        )
        .await;
    assert_eq!(logout.status, 204);
    assert_eq!(
        actions(&world, &anna, "/api/v1/audit-log?action=session.").await,
        ["session.revoke", "session.create", "session.create"]
    );
}

#[tokio::test]
async fn a_key_is_named_beside_its_user() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    let body = json!({ "name": "deploy", "permissions": ["project:create"] });
    let key = world.post(&owner, "/api/v1/api-keys", body).await;
    assert_eq!(key.status, 201, "{}", key.text);
    let key = key.json();
    let token = key["key"].as_str().unwrap();
    let made = world
        .call(
            "POST",
            "/api/v1/projects",
            Some(token),
            Some(json!({ "name": "shop" })),
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let page = world
        .get(&owner, "/api/v1/audit-log?action=project.create")
        .await
        .json();
    let actor = &page["items"][0]["actor"];
    assert_eq!(actor["kind"], "api_key");
    assert_eq!(actor["user_id"], owner.id.as_str());
    assert_eq!(actor["key_id"], key["id"]);
}

#[tokio::test]
async fn an_export_has_what_was_hashed() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    let export = world.get(&owner, "/api/v1/audit-log/export").await;
    assert_eq!(export.header("content-type"), "application/x-ndjson");
    let lines: Vec<&str> = export.text.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let stored = world.get(&owner, "/api/v1/audit-log").await.json();
    let mut previous = None;
    for (line, item) in lines
        .iter()
        .zip(stored["items"].as_array().unwrap().iter().rev())
    {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["hash"], item["hash"]);
        assert_eq!(value["record"]["seq"], item["seq"]);
        let record = line.split_once(r#""record":"#).unwrap().1;
        let record = record.strip_suffix('}').unwrap();
        let hash = HEXLOWER.decode(value["hash"].as_str().unwrap().as_bytes());
        let hash = hash.unwrap();
        if let Some(previous) = previous {
            let chained = Sha256::new().chain_update(previous).chain_update(record);
            assert_eq!(chained.finalize().as_slice(), hash);
        }
        previous = Some(hash);
    }
}

#[tokio::test]
async fn a_query_that_is_none_is_named() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    for (query, name) in [
        ("actor_id=me", "actor_id"),
        ("since=yesterday", "since"),
        ("until=2026-11-24", "until"),
        ("until=-99999-11-24T00:00:00Z", "until"),
        ("since=%2B12026-11-24T00:00:00Z", "since"),
        ("action=", "action"),
        ("action=a%00b", "action"),
        ("target=%C3%A4", "target"),
        ("limit=0", "limit"),
        ("verb=x", "action"),
        ("action=x&action=y", "action"),
    ] {
        let refused = world
            .get(&owner, &format!("/api/v1/audit-log?{query}"))
            .await;
        assert_eq!(refused.status, 400, "{query}: {}", refused.text);
        let detail = refused.json()["detail"].to_string();
        assert!(detail.contains(&format!("`{name}`")), "{query}: {detail}");
    }
    let nothing = world
        .get(
            &owner,
            "/api/v1/audit-log?action=nothing.such&since=2026-11-24T13:00:00%2B02:00",
        )
        .await;
    assert_eq!(nothing.json()["items"], json!([]));
}
