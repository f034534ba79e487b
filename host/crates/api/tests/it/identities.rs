//! Identities of one's own account: adding, seeing and taking off.

use serde_json::{Value, json};
use vedette_api::Registration;

use crate::{
    idp::Idp,
    oidc::{came_back, finish, me, sign_in, world, world_of},
    smtp::{MailServer, Manner},
    world::{Account, Answer, PASSWORD, World},
};

const IDENTITIES: &str = "/api/v1/users/me/identities";
const ABSENT: &str = "018f3b3e-0000-7000-8000-000000000000";

async fn link(world: &World, account: &Account, change: Value) -> Answer {
    let mut body = json!({ "provider": "corp", "current_password": PASSWORD });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    world.post(account, IDENTITIES, body).await
}

async fn linked(world: &World, idp: &Idp, account: &Account) -> Answer {
    let begun = came_back(idp, &link(world, account, json!({})).await).await;
    finish(world, begun.body()).await
}

async fn ids(world: &World, token: &str) -> Vec<String> {
    let listed = world.call("GET", IDENTITIES, Some(token), None).await;
    let listed = listed.json();
    let items = listed["items"].as_array().unwrap().iter();
    items
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn who_is_signed_in_adds_an_identity_and_signs_in_by_it() {
    let idp = Idp::start().await;
    let (world, admin) = world(&idp).await;
    let listed = world.get(&admin, IDENTITIES).await;
    assert_eq!(
        (listed.status, listed.json()),
        (200, json!({ "items": [] }))
    );
    assert_eq!(
        me(&world, &linked(&world, &idp, &admin).await).await["id"],
        admin.id.as_str()
    );
    let listed = world.get(&admin, IDENTITIES).await.json();
    let item = &listed["items"][0];
    assert_eq!(item["provider"], "corp");
    assert_eq!(item["issuer"], idp.set().issuer.as_str());
    assert_eq!(item["subject"], "anna-1");
    assert_eq!(
        me(&world, &sign_in(&world, &idp).await).await["id"],
        admin.id.as_str()
    );
    // The password goes on to be good, and so do sessions.
    assert_eq!(world.login("admin", PASSWORD).await.status, 200);
    assert_eq!(ids(&world, &admin.token).await.len(), 1);
}

#[tokio::test]
async fn the_owner_is_told_of_a_new_way_in() {
    let idp = Idp::start().await;
    let server = MailServer::start(Manner::Takes).await;
    let (mut world, admin) = world(&idp).await;
    let url = crate::oidc::public_url();
    world.state = world
        .state
        .clone()
        .with_mail(std::sync::Arc::new(server.mailer()), url);
    world.router = vedette_api::router(world.state.clone());
    assert_eq!(linked(&world, &idp, &admin).await.status, 200);
    assert_eq!(sign_in(&world, &idp).await.status, 200);
    world.state.mails_sent().await;
    let mails = server.received();
    assert_eq!(mails.len(), 1, "not of each login: {mails:?}");
    assert_eq!(mails[0].recipients, ["admin@example.com"]);
    assert!(mails[0].data.contains("A new way to sign in"));
}

#[tokio::test]
async fn an_identity_of_somebody_else_stays_theirs() {
    let idp = Idp::start().await;
    let (world, admin) = world(&idp).await;
    let boris = world.account("boris").await;
    assert_eq!(linked(&world, &idp, &admin).await.status, 200);
    let refused = linked(&world, &idp, &boris).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(ids(&world, &boris.token).await.is_empty());
    assert_eq!(
        me(&world, &sign_in(&world, &idp).await).await["id"],
        admin.id.as_str()
    );
}

#[tokio::test]
async fn a_way_in_is_not_added_without_password_and_second_factor() {
    let idp = Idp::start().await;
    let (world, admin) = world(&idp).await;
    for (change, pointer) in [
        (json!({ "current_password": "wrong" }), "/current_password"),
        (json!({ "provider": "other" }), "/provider"),
        (json!({ "provider": null }), "/provider"),
        (json!({ "user_id": ABSENT }), "/user_id"),
    ] {
        let refused = link(&world, &admin, change.clone()).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()]),
            "{change}"
        );
    }
    let (_, codes) = crate::second_factors::enrol(&world, &admin).await;
    for code in [json!({}), json!({ "recovery_code": "AAAA" })] {
        let refused = link(&world, &admin, code).await;
        assert_eq!(refused.pointers(), ["/totp_code"], "{}", refused.text);
    }
    let started = link(&world, &admin, json!({ "recovery_code": codes[0] })).await;
    let begun = came_back(&idp, &started).await;
    assert_eq!(finish(&world, begun.body()).await.status, 200);
    // The provider's business from then on.
    assert_eq!(sign_in(&world, &idp).await.status, 200);
    assert_eq!(world.login("admin", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn the_last_way_in_is_not_taken_off() {
    let idp = Idp::start().await;
    let (world, admin) = world(&idp).await;
    let signed_in = sign_in(&world, &idp).await.json();
    let token = signed_in["access_token"].as_str().unwrap();
    let own = ids(&world, token).await[0].clone();
    let remove = async |token: &str, id: &str| {
        let path = format!("{IDENTITIES}/{id}");
        world.call("DELETE", &path, Some(token), None).await.status
    };
    assert_eq!(remove(&admin.token, &own).await, 404, "it is not theirs");
    assert_eq!(remove(token, ABSENT).await, 404);
    assert_eq!(remove(token, "x").await, 400);
    assert_eq!(remove(token, &own).await, 409);
    // Who has a password may.
    idp.set().change = json!({ "sub": "admin-1" });
    assert_eq!(linked(&world, &idp, &admin).await.status, 200);
    let own = ids(&world, &admin.token).await[0].clone();
    assert_eq!(remove(&admin.token, &own).await, 204);
    assert_eq!(remove(&admin.token, &own).await, 404);
    idp.set().change = json!({ "sub": "admin-1", "email": "admin@example.com" });
    assert_eq!(
        sign_in(&world, &idp).await.status,
        409,
        "it is nobody's, and the address is somebody's"
    );
}

#[tokio::test]
async fn a_provider_that_is_gone_has_no_name() {
    let (idp, other) = (Idp::start().await, Idp::start().await);
    let providers = vec![idp.settings("corp"), other.settings("other")];
    let mut world = world_of(providers, Registration::Open).await;
    let admin = world.account("admin").await;
    assert_eq!(linked(&world, &idp, &admin).await.status, 200);
    let client: std::sync::Arc<dyn vedette_api::ProviderClient> =
        std::sync::Arc::new(Idp::client());
    let left = vec![other.settings("other")];
    let state = world.state.clone();
    let state = state.with_providers(left, &client, &crate::oidc::public_url());
    world.router = vedette_api::router(state);
    let listed = world.get(&admin, IDENTITIES).await.json();
    assert_eq!(listed["items"][0]["provider"], Value::Null);
}
