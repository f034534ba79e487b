//! Quotas of organizations: who sets them, what they stop, and what is seen of them.

use chrono::TimeDelta;
use serde_json::json;
use vedette_core::Clock as _;

use crate::world::{Account, SOURCE, World};

async fn quotas_path(world: &World, account: &Account) -> String {
    let organization = world.get(account, "/api/v1/organization").await.json();
    let id = organization["id"].as_str().unwrap().to_owned();
    format!("/api/v1/admin/organizations/{id}/quotas")
}

fn script() -> serde_json::Value {
    json!({ "name": "shop", "script_body": SOURCE, "interval_seconds": 60 })
}

#[tokio::test]
async fn administrators_set_what_an_organization_may_have() {
    let world = World::new().await;
    let (admin, anna) = (world.account("admin").await, world.account("anna").await);
    let path = quotas_path(&world, &anna).await;
    let before = world.get(&admin, &path).await;
    assert_eq!(before.status, 200, "{}", before.text);
    assert!(before.json()["own"]["scripts"].is_null());
    assert_eq!(before.json()["in_force"]["scripts"], 10_000);

    let body = json!({ "scripts": 1, "least_interval_seconds": 30 });
    let set = world.put(&admin, &path, body).await;
    assert_eq!(set.status, 200, "{}", set.text);
    assert_eq!(set.json()["in_force"]["scripts"], 1);
    assert_eq!(set.json()["own"]["members"], json!(null));

    let often = json!({ "name": "shop", "script_body": SOURCE, "interval_seconds": 20 });
    let refused = world.post(&anna, "/api/v1/scripts", often).await;
    assert_eq!(
        refused.pointers(),
        ["/interval_seconds"],
        "{}",
        refused.text
    );
    assert_eq!(
        world.post(&anna, "/api/v1/scripts", script()).await.status,
        201
    );
    let refused = world.post(&anna, "/api/v1/scripts", script()).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    assert_eq!(refused.json()["type"], "urn:vedette:problem:quota-exceeded");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("`scripts`") && detail.contains("delete one"),
        "{detail}"
    );
    // Another organization is as it was.
    assert_eq!(
        world.post(&admin, "/api/v1/scripts", script()).await.status,
        201
    );

    let usage = world.get(&anna, "/api/v1/organization/usage").await.json();
    let of = |name: &str| {
        let mut named = usage["quotas"].as_array().unwrap().iter();
        named.find(|quota| quota["name"] == name).unwrap().clone()
    };
    assert_eq!(
        of("scripts"),
        json!({ "name": "scripts", "limit": 1, "used": 1, "is_used_up": true })
    );
    assert_eq!(
        of("fuel_per_day"),
        json!({ "name": "fuel_per_day", "limit": null, "used": 0, "is_used_up": false })
    );
    assert_eq!(of("least_interval_seconds")["limit"], 30);
    assert_eq!(usage["day_ends_at"], "2026-11-25T00:00:00Z");
}

#[tokio::test]
async fn what_is_no_quota_is_refused_by_name() {
    let world = World::new().await;
    let (admin, anna) = (world.account("admin").await, world.account("anna").await);
    let path = quotas_path(&world, &anna).await;
    let body = json!({ "weight": 0, "least_interval_seconds": 86_401, "scripts": u64::MAX });
    let refused = world.put(&admin, &path, body).await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        refused.pointers(),
        ["/least_interval_seconds", "/scripts", "/weight"]
    );
    let body = json!({ "channels": 3 });
    assert_eq!(world.put(&admin, &path, body).await.status, 422);
    let nobody = "/api/v1/admin/organizations/01936c00-0000-7000-8000-000000000000/quotas";
    assert_eq!(world.get(&admin, nobody).await.status, 404);
    assert_eq!(world.put(&admin, nobody, json!({})).await.status, 404);
    // For administrators of the installation only, an organization's owner included.
    assert_eq!(world.get(&anna, &path).await.status, 403);
    let more = json!({ "scripts": 0 });
    assert_eq!(world.put(&anna, &path, more).await.status, 403);
}

#[tokio::test]
async fn runs_by_hand_end_with_the_quota_of_the_day() {
    let world = World::new().await;
    let (admin, anna) = (world.account("admin").await, world.account("anna").await);
    let path = quotas_path(&world, &anna).await;
    let made = world.post(&anna, "/api/v1/scripts", script()).await;
    let run = format!(
        "/api/v1/scripts/{}/run",
        made.json()["id"].as_str().unwrap()
    );
    let first = world.call("POST", &run, Some(&anna.token), None).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let fuel = first.json()["fuel_used"].as_u64().unwrap();
    assert!(fuel > 0);
    let body = json!({ "fuel_per_day": fuel });
    assert_eq!(world.put(&admin, &path, body).await.status, 200);
    let refused = world.call("POST", &run, Some(&anna.token), None).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("`fuel_per_day`"), "{detail}");
    let midnight = "2026-11-25T00:00:00Z"
        .parse::<chrono::DateTime<chrono::Utc>>()
        .unwrap();
    let left = (midnight - world.clock.now()).num_seconds();
    assert_eq!(refused.header("retry-after"), left.to_string());

    world.clock.advance(TimeDelta::seconds(left));
    let anna = world.again("anna").await;
    let again = world.call("POST", &run, Some(&anna.token), None).await;
    assert_eq!(again.status, 200, "{}", again.text);
}
