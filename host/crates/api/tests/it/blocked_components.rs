//! The switch that stops a component everywhere.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::{
    component_scripts::{SCRIPTS, put, running},
    components::{ABSENT, COMPONENTS, digest, good, ready},
    world::World,
};

const BLOCKED: &str = "/api/v1/admin/blocked-components";

#[tokio::test]
async fn a_blocked_component_is_blocked_for_everybody() {
    let world = World::new().await;
    // The first user is the installation's administrator.
    let (admin, boris) = (world.account("anna").await, world.account("boris").await);
    let made = ready(&world, &boris, 1).await;
    let script = world.post(&boris, SCRIPTS, running(&made)).await.json();
    let id = script["id"].as_str().unwrap().to_owned();
    let path = format!("{BLOCKED}/{made}");
    let reason = json!({ "reason": "It attacks other sites." });
    let blocked = world
        .call("PUT", &path, Some(&admin.token), Some(reason))
        .await;
    assert_eq!((blocked.status, blocked.text.as_str()), (204, ""));
    assert_eq!(world.engine.component_changes.load(Ordering::SeqCst), 1);
    let read = async || {
        world
            .get(&boris, &format!("{COMPONENTS}/{made}"))
            .await
            .json()
    };
    let shown = read().await;
    assert_eq!(shown["state"], "blocked");
    assert_eq!(shown["reason"], "It attacks other sites.");
    assert_eq!(shown["error_class"], Value::Null);
    let refused = world.post(&boris, SCRIPTS, running(&made)).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/component".to_owned()])
    );
    assert!(refused.text.contains("It attacks other sites."));
    // The script that has it can be disabled.
    let mut off = running(&made);
    off["is_enabled"] = json!(false);
    assert_eq!(put(&world, &boris, &id, off).await.status, 200);
    // Who uploads it sees it at once.
    digest(&world, &admin, good(1)).await;
    let shown = world
        .get(&admin, &format!("{COMPONENTS}/{made}"))
        .await
        .json();
    assert_eq!(shown["state"], "blocked");

    let ahead = format!("{BLOCKED}/{ABSENT}");
    let reason = json!({ "reason": "Known from elsewhere." });
    let blocked = world
        .call("PUT", &ahead, Some(&admin.token), Some(reason))
        .await;
    assert_eq!(blocked.status, 204, "nobody need have it");
    let listed = world.get(&admin, BLOCKED).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(listed["items"][0]["digest"], ABSENT);
    assert_eq!(listed["items"][0]["blocked_by"], admin.id.as_str());
    for expected in [204, 404] {
        let unblocked = world.call("DELETE", &path, Some(&admin.token), None).await;
        assert_eq!(unblocked.status, expected);
    }
    assert_eq!(read().await["state"], "ready");
    assert_eq!(world.engine.component_changes.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn only_administrators_of_the_installation_block() {
    let world = World::new().await;
    let admin = world.account("anna").await;
    // An owner of an organization is none.
    let boris = world.account("boris").await;
    let path = format!("{BLOCKED}/{ABSENT}");
    let reason = || Some(json!({ "reason": "no" }));
    for (method, path, body) in [
        ("GET", BLOCKED, None),
        ("PUT", path.as_str(), reason()),
        ("DELETE", path.as_str(), None),
    ] {
        let answer = world.call(method, path, Some(&boris.token), body).await;
        assert_eq!(answer.status, 403, "{method}");
    }
    assert_eq!(world.get(&admin, BLOCKED).await.json()["items"], json!([]));
    for wrong in [
        json!({}),
        json!({ "reason": " " }),
        json!({ "reason": "x".repeat(1_001) }),
        json!({ "reason": "a\u{1b}" }),
    ] {
        let refused = world
            .call("PUT", &path, Some(&admin.token), Some(wrong))
            .await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec!["/reason".to_owned()])
        );
    }
    let nothing = world
        .call("PUT", &format!("{BLOCKED}/x"), Some(&admin.token), reason())
        .await;
    assert_eq!(nothing.status, 404);
    assert_eq!(world.engine.component_changes.load(Ordering::SeqCst), 0);
}
