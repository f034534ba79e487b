//! Members, roles of an organization's own, invitations.

use chrono::TimeDelta;
use serde_json::{Value, json};
use vedette_api::Registration;

use crate::world::{Account, World, redacted, script_body};

const ROLES: &str = "/api/v1/roles";
const MEMBERS: &str = "/api/v1/members";
const INVITATIONS: &str = "/api/v1/invitations";

async fn role(world: &World, owner: &Account, name: &str, permissions: &[&str]) -> String {
    let body = json!({ "name": name, "permissions": permissions });
    let made = world.post(owner, ROLES, body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["id"].as_str().unwrap().to_owned()
}

async fn built_in(world: &World, owner: &Account, name: &str) -> Value {
    let roles = world.get(owner, ROLES).await.json();
    let roles = roles["items"].as_array().unwrap().clone();
    let mut named = roles.into_iter().filter(|role| role["name"] == name);
    named.next().unwrap()["id"].clone()
}

#[tokio::test]
async fn a_role_of_ones_own_counts_from_the_next_request() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    let on_call = role(&world, &owner, "On call", &["script:read"]).await;
    let guest = world
        .invited(&owner, "guest", json!({ "role_id": on_call }))
        .await;
    let id = world.script(&owner, json!({})).await;
    let run = format!("/api/v1/scripts/{id}/run");
    let call = async || {
        world
            .call("POST", &run, Some(&guest.token), None)
            .await
            .status
    };
    assert_eq!(
        world
            .get(&guest, &format!("/api/v1/scripts/{id}"))
            .await
            .status,
        200
    );
    assert_eq!(call().await, 403);
    let path = format!("{ROLES}/{on_call}/permissions");
    let more = json!({ "permissions": ["script:run"] });
    let given = world.post(&owner, &path, more).await;
    assert_eq!(
        given.json()["permissions"],
        json!(["script:read", "script:run"])
    );
    assert_eq!(call().await, 200);
    let less = json!({ "name": "On call", "permissions": ["script:read"] });
    let changed = world.put(&owner, &format!("{ROLES}/{on_call}"), less).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(call().await, 403);
    assert_eq!(
        world
            .delete(&owner, &format!("{ROLES}/{on_call}"))
            .await
            .status,
        409
    );
    assert_eq!(
        world
            .delete(&owner, &format!("{MEMBERS}/{}", guest.id))
            .await
            .status,
        204
    );
    assert_eq!(
        world
            .get(&guest, &format!("/api/v1/scripts/{id}"))
            .await
            .status,
        403
    );
    assert_eq!(
        world
            .delete(&owner, &format!("{ROLES}/{on_call}"))
            .await
            .status,
        204
    );
    assert_eq!(
        world
            .get(&owner, &format!("{ROLES}/{on_call}"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_role_is_named() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    role(&world, &owner, "mine", &[]).await;
    for (body, status, pointers) in [
        (
            json!({ "name": "", "permissions": ["script:fly"] }),
            422,
            vec!["/name", "/permissions/0"],
        ),
        (
            json!({ "name": "a".repeat(65), "permissions": [] }),
            422,
            vec!["/name"],
        ),
        (
            json!({ "name": "x", "description": "\u{7}", "permissions": [] }),
            422,
            vec!["/description"],
        ),
        (json!({ "name": "x" }), 422, vec!["/permissions"]),
        (
            json!({ "name": "MINE", "permissions": [] }),
            409,
            vec!["/name"],
        ),
        (
            json!({ "name": "Owner", "permissions": [] }),
            409,
            vec!["/name"],
        ),
        (
            json!({ "name": "x", "permissions": [], "is_built_in": true }),
            422,
            vec!["/is_built_in"],
        ),
    ] {
        let refused = world.post(&owner, ROLES, body.clone()).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (
                status,
                pointers.iter().map(|one| (*one).to_owned()).collect()
            ),
            "{body}"
        );
    }
    let viewer = built_in(&world, &owner, "viewer").await;
    let path = format!("{ROLES}/{}", viewer.as_str().unwrap());
    let body = json!({ "name": "viewer", "permissions": ["script:create"] });
    assert_eq!(world.put(&owner, &path, body).await.status, 409);
    assert_eq!(world.delete(&owner, &path).await.status, 409);
    let more = json!({ "permissions": ["script:create"] });
    let refused = world
        .post(&owner, &format!("{path}/permissions"), more)
        .await;
    assert_eq!(refused.status, 409);
    let boris = world.account("boris").await;
    let theirs = role(&world, &boris, "theirs", &[]).await;
    let path = format!("{ROLES}/{theirs}");
    let body = json!({ "name": "mine too", "permissions": [] });
    assert_eq!(world.put(&owner, &path, body).await.status, 404);
    assert_eq!(world.delete(&owner, &path).await.status, 404);
    assert_eq!(world.get(&owner, &path).await.status, 404);
    let grants = json!({ "roles": [{ "role_id": theirs }] });
    let refused = world
        .put(&owner, &format!("{MEMBERS}/{}", owner.id), grants)
        .await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/roles/0".to_owned()])
    );
}

#[tokio::test]
async fn nobody_gives_or_takes_what_they_do_not_have() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    let [owners, admins, viewers] = [
        built_in(&world, &owner, "owner").await,
        built_in(&world, &owner, "admin").await,
        built_in(&world, &owner, "viewer").await,
    ];
    let admin = world
        .invited(&owner, "admin", json!({ "role_id": admins }))
        .await;
    let grants = |role: &Value| json!({ "roles": [{ "role_id": role }] });
    let of = |account: &Account| format!("{MEMBERS}/{}", account.id);
    // Neither themselves, nor by an invitation, nor by a role of their own.
    assert_eq!(
        world.put(&admin, &of(&admin), grants(&owners)).await.status,
        403
    );
    let invited = world
        .post(&admin, INVITATIONS, json!({ "role_id": owners }))
        .await;
    assert_eq!(invited.status, 403);
    let body = json!({ "name": "more", "permissions": ["organization:delete"] });
    assert_eq!(world.post(&admin, ROLES, body).await.status, 403);
    let mine = role(&world, &owner, "more", &["organization:delete"]).await;
    let less = json!({ "name": "less", "permissions": [] });
    assert_eq!(
        world
            .put(&admin, &format!("{ROLES}/{mine}"), less)
            .await
            .status,
        403
    );
    // And nothing of the owner's is taken.
    assert_eq!(
        world
            .put(&admin, &of(&owner), grants(&viewers))
            .await
            .status,
        403
    );
    assert_eq!(world.delete(&admin, &of(&owner)).await.status, 403);
    let members = world.get(&owner, MEMBERS).await.json();
    assert_eq!(members["items"].as_array().unwrap().len(), 2);
    let me = world.get(&owner, &of(&owner)).await.json();
    assert_eq!(
        me["roles"],
        json!([{ "role_id": owners, "project_id": null }])
    );
    // The last owner stays one.
    assert_eq!(
        world.put(&owner, &of(&owner), grants(&admins)).await.status,
        409
    );
    assert_eq!(world.delete(&owner, &of(&owner)).await.status, 409);
    assert_eq!(
        world.put(&owner, &of(&admin), grants(&owners)).await.status,
        200
    );
    assert_eq!(
        world.delete(&owner, &of(&owner)).await.status,
        204,
        "now there is another"
    );
    let me = world.get(&owner, "/api/v1/users/me").await.json();
    assert_eq!(
        (&me["organization_id"], &me["permissions"]),
        (&Value::Null, &json!([]))
    );
}

#[tokio::test]
async fn an_organization_changes_hands() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    let viewers = built_in(&world, &owner, "viewer").await;
    let heir = world
        .invited(&owner, "heir", json!({ "role_id": viewers }))
        .await;
    let stranger = world.account("stranger").await;
    let path = "/api/v1/organization/transfer";
    let refused = world
        .post(&owner, path, json!({ "user_id": stranger.id }))
        .await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/user_id".to_owned()])
    );
    let done = world
        .post(&owner, path, json!({ "user_id": heir.id }))
        .await;
    assert_eq!(done.status, 204, "{}", done.text);
    let gone = world.delete(&owner, "/api/v1/organization").await.status;
    assert_eq!(gone, 403, "an admin now");
    assert_eq!(world.get(&owner, MEMBERS).await.status, 200);
    let gone = world.delete(&heir, "/api/v1/organization").await.status;
    assert_eq!(gone, 200);
}

#[tokio::test]
async fn an_invitation_is_good_once_for_whom_it_is_meant() {
    let world = World::with(Registration::Invite).await;
    let owner = world.account("owner").await;
    let viewers = built_in(&world, &owner, "viewer").await;
    assert_eq!(world.register("uninvited").await.status, 403);
    let invite = async |change: Value| {
        let mut body = json!({ "role_id": viewers });
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let made = world.post(&owner, INVITATIONS, body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let made = made.json();
        (
            made["id"].as_str().unwrap().to_owned(),
            made["token"].as_str().unwrap().to_owned(),
        )
    };
    let refused = async |name: &str, token: &str| {
        let answer = world.register_invited(name, token).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (422, vec!["/invitation".to_owned()])
        );
        redacted(&answer.json())
    };
    let (_, token) = invite(json!({ "email": "Guest@example.com" })).await;
    let other = refused("other", &token).await;
    let unknown = refused("other", "bm9ib2R5").await;
    assert_eq!(other, unknown, "nobody learns that it is for somebody else");
    let joined = world.register_invited("guest", &token).await;
    assert_eq!(joined.status, 201, "{}", joined.text);
    assert_eq!(
        joined.json()["organization_id"],
        world.get(&owner, "/api/v1/users/me").await.json()["organization_id"]
    );
    assert_eq!(refused("guest2", &token).await, unknown, "it is used");
    let (id, token) = invite(json!({})).await;
    let listed = world.get(&owner, INVITATIONS).await;
    assert_eq!(listed.json()["items"][0]["id"], id.as_str());
    assert!(!listed.text.contains(&token), "the token is shown once");
    assert_eq!(
        world
            .delete(&owner, &format!("{INVITATIONS}/{id}"))
            .await
            .status,
        204
    );
    assert_eq!(
        world
            .delete(&owner, &format!("{INVITATIONS}/{id}"))
            .await
            .status,
        404
    );
    assert_eq!(refused("late", &token).await, unknown, "it is taken back");
    let (_, token) = invite(json!({})).await;
    world.clock.advance(TimeDelta::days(7));
    assert_eq!(refused("late", &token).await, unknown, "it is over");
    for (body, pointer) in [
        (json!({ "role_id": viewers, "email": "nobody" }), "/email"),
        (json!({ "role_id": owner.id }), "/role_id"),
        (
            json!({ "role_id": viewers, "project_id": owner.id }),
            "/project_id",
        ),
    ] {
        let owner = world.again("owner").await;
        let refused = world.post(&owner, INVITATIONS, body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()])
        );
    }
}

#[tokio::test]
async fn who_is_there_already_joins_too_and_goes_over() {
    let world = World::new().await;
    let (owner, guest) = (world.account("owner").await, world.account("guest").await);
    let editors = built_in(&world, &owner, "editor").await;
    let made = world
        .post(&owner, INVITATIONS, json!({ "role_id": editors }))
        .await
        .json();
    let accept = json!({ "invitation": made["token"] });
    let joined = world
        .post(&guest, "/api/v1/invitations/accept", accept.clone())
        .await;
    assert_eq!(joined.status, 200, "{}", joined.text);
    let again = world
        .post(&guest, "/api/v1/invitations/accept", accept)
        .await;
    assert_eq!(again.status, 422);
    let theirs = world.script(&owner, json!({})).await;
    let path = format!("/api/v1/scripts/{theirs}");
    assert_eq!(world.get(&guest, &path).await.status, 404, "still at home");
    let mine = world.script(&guest, json!({})).await;
    let switch = json!({ "organization_id": joined.json()["id"] });
    let over = world
        .put(&guest, "/api/v1/users/me/organization", switch)
        .await;
    assert_eq!(over.status, 200, "{}", over.text);
    assert_eq!(world.get(&guest, &path).await.status, 200);
    assert_eq!(
        world
            .get(&guest, &format!("/api/v1/scripts/{mine}"))
            .await
            .status,
        404
    );
    let made = world
        .post(&guest, "/api/v1/scripts", script_body(&json!({})))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let organizations = world.get(&guest, "/api/v1/organizations").await.json();
    assert_eq!(organizations["items"].as_array().unwrap().len(), 2);
    let nowhere = json!({ "organization_id": guest.id });
    let refused = world
        .put(&guest, "/api/v1/users/me/organization", nowhere)
        .await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/organization_id".to_owned()])
    );
    // Leaving is everybody's right.
    assert_eq!(
        world
            .delete(&guest, &format!("{MEMBERS}/{}", guest.id))
            .await
            .status,
        204
    );
    assert_eq!(world.get(&guest, &path).await.status, 403);
}
