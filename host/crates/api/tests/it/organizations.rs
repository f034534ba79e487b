//! Organizations that are made, renamed, deleted and brought back; projects.

use chrono::{DateTime, TimeDelta};
use serde_json::json;

use crate::world::{World, script_body};

const ORGANIZATION: &str = "/api/v1/organization";
const PROJECTS: &str = "/api/v1/projects";

#[tokio::test]
async fn an_organization_is_out_of_reach_at_once_and_can_come_back() {
    let world = World::new().await;
    let (owner, other) = (world.account("owner").await, world.account("other").await);
    let id = world.script(&owner, json!({})).await;
    let org = world.get(&owner, ORGANIZATION).await.json()["id"].clone();
    let token = Some(owner.token.as_str());
    let deleted = world.call("DELETE", ORGANIZATION, token, None).await;
    assert_eq!(deleted.json()["delete_after"], "2026-12-08T12:00:01Z");
    for path in [ORGANIZATION.to_owned(), format!("/api/v1/scripts/{id}")] {
        assert_eq!(world.get(&owner, &path).await.status, 403, "{path}");
    }
    let tomorrow = vedette_core::Clock::now(world.clock.as_ref()) + TimeDelta::days(1);
    let claim = vedette_store::ClaimRequest {
        now: tomorrow,
        look_ahead: TimeDelta::zero(),
        lease: TimeDelta::seconds(60),
        owner: "node".to_owned(),
        limit: 10,
        most_of_one: None,
        skip: Vec::new(),
        absent_until: DateTime::UNIX_EPOCH,
    };
    let store = &world.database.store;
    assert!(
        store.claim_due(&claim).await.unwrap().is_empty(),
        "nothing of it runs"
    );
    let path = format!("/api/v1/organizations/{}/restore", org.as_str().unwrap());
    assert_eq!(
        world
            .call("POST", &path, Some(&other.token), None)
            .await
            .status,
        404
    );
    let back = world.call("POST", &path, token, None).await;
    assert_eq!(
        (back.status, &back.json()["delete_after"]),
        (200, &json!(null))
    );
    assert_eq!(
        world
            .get(&owner, &format!("/api/v1/scripts/{id}"))
            .await
            .status,
        200
    );
    assert_eq!(store.claim_due(&claim).await.unwrap().len(), 1);
    // After the last day there is nothing to bring back.
    assert_eq!(
        world.call("DELETE", ORGANIZATION, token, None).await.status,
        200
    );
    world.clock.advance(TimeDelta::days(14));
    let owner = world.again("owner").await;
    let token = Some(owner.token.as_str());
    assert_eq!(world.call("POST", &path, token, None).await.status, 404);
    let now = vedette_core::Clock::now(world.clock.as_ref());
    // The slots that were over at the claim have rows, and it goes with the last of them.
    assert_eq!(store.sweep_organizations(now).await.unwrap(), 0);
    let left = store.list_deleted_scripts().await.unwrap();
    assert_eq!(left.len(), 1);
    for (org, script) in left {
        while !store.purge_script(org, script).await.unwrap() {}
    }
    assert_eq!(store.sweep_organizations(now).await.unwrap(), 1);
    let left = world.get(&owner, "/api/v1/organizations").await.json();
    assert_eq!(left["items"], json!([]));
    let me = world.get(&owner, "/api/v1/users/me").await;
    assert_eq!(
        (me.status, &me.json()["organization_id"]),
        (200, &json!(null))
    );
}

#[tokio::test]
async fn a_user_makes_more_organizations() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    let made = world
        .post(&owner, "/api/v1/organizations", json!({ "name": "second" }))
        .await;
    assert_eq!((made.status, &made.json()["name"]), (201, &json!("second")));
    let body = json!({ "organization_id": made.json()["id"] });
    let path = "/api/v1/users/me/organization";
    let over = world
        .call("PUT", path, Some(&owner.token), Some(body))
        .await;
    assert_eq!(over.status, 200);
    let made = world
        .post(&owner, "/api/v1/scripts", script_body(&json!({})))
        .await;
    assert_eq!(made.status, 201, "it has a project");
    let body = Some(json!({ "name": "renamed" }));
    let renamed = world
        .call("PUT", ORGANIZATION, Some(&owner.token), body)
        .await;
    assert_eq!(renamed.json()["name"], "renamed");
    for body in [
        json!({ "name": "" }),
        json!({ "name": "a\nb" }),
        json!({ "name": "x".repeat(201) }),
    ] {
        let refused = world.post(&owner, "/api/v1/organizations", body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec!["/name".to_owned()])
        );
    }
    for _ in 2..20 {
        let made = world
            .post(&owner, "/api/v1/organizations", json!({ "name": "more" }))
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let refused = world
        .post(&owner, "/api/v1/organizations", json!({ "name": "more" }))
        .await;
    assert_eq!(refused.status, 429);
}

#[tokio::test]
async fn a_project_with_scripts_stays() {
    let world = World::new().await;
    let (owner, other) = (world.account("owner").await, world.account("other").await);
    let made = world
        .post(&owner, PROJECTS, json!({ "name": "shop" }))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{PROJECTS}/{id}");
    let taken = world
        .post(&owner, PROJECTS, json!({ "name": "SHOP" }))
        .await;
    assert_eq!(
        (taken.status, taken.pointers()),
        (409, vec!["/name".to_owned()])
    );
    let body = Some(json!({ "name": "store" }));
    let renamed = world
        .call("PUT", &path, Some(&owner.token), body.clone())
        .await;
    assert_eq!(
        (renamed.status, &renamed.json()["name"]),
        (200, &json!("store"))
    );
    assert_eq!(
        world
            .call("PUT", &path, Some(&other.token), body)
            .await
            .status,
        404
    );
    assert_eq!(world.delete(&other, &path).await.status, 404);
    let foreign = script_body(&json!({ "project_id": id }));
    let refused = world.post(&other, "/api/v1/scripts", foreign).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/project_id".to_owned()])
    );
    let script = world.script(&owner, json!({ "project_id": id })).await;
    assert_eq!(world.delete(&owner, &path).await.status, 409);
    let gone = format!("/api/v1/scripts/{script}");
    assert_eq!(world.delete(&owner, &gone).await.status, 204);
    assert_eq!(world.delete(&owner, &path).await.status, 204);
    let left = world.get(&owner, PROJECTS).await.json();
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
}
