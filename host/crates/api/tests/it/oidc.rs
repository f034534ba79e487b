//! Signing in by an identity provider that runs in the test.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::TimeDelta;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use url::Url;
use vedette_api::{ApiConfig, OidcProvider, ProviderClient, Registration, router};
use vedette_store::{
    Actor,
    testing::{TestDatabase, audit_of_request},
};

use crate::{
    idp::{Idp, Returned, Signing},
    world::{Account, Answer, PASSWORD, World},
};

pub(crate) const START: &str = "/api/v1/auth/oidc/corp/start";
pub(crate) const CALLBACK: &str = "/api/v1/auth/oidc/corp/callback";
pub(crate) const ME: &str = "/api/v1/users/me";
const NEW: &str = "another long sentence";

pub(crate) fn public_url() -> Url {
    Url::parse("https://vedette.example.com/base/").unwrap()
}

pub(crate) async fn world_of(providers: Vec<OidcProvider>, registration: Registration) -> World {
    let config = ApiConfig {
        registration,
        requests_per_minute: 0,
        ..ApiConfig::default()
    };
    let client: Arc<dyn ProviderClient> = Arc::new(Idp::client());
    World::built(TestDatabase::sqlite().await, config, |state| {
        state.with_providers(providers, &client, &public_url())
    })
}

/// Anyone may register, and the administrator has done so.
pub(crate) async fn world(idp: &Idp) -> (World, Account) {
    let world = world_of(vec![idp.settings("corp")], Registration::Open).await;
    let admin = world.account("admin").await;
    (world, admin)
}

/// A login that has begun, and came back from the provider.
pub(crate) struct Begun {
    pub(crate) login_token: String,
    pub(crate) returned: Returned,
}

impl Begun {
    /// What the callback is given.
    pub(crate) fn body(&self) -> Value {
        let query = &self.returned.query;
        let mut body = json!({
            "state": query["state"], "code": query["code"], "login_token": self.login_token,
        });
        if let Some(iss) = query.get("iss") {
            body["iss"] = json!(iss);
        }
        body
    }
}

pub(crate) async fn came_back(idp: &Idp, started: &Answer) -> Begun {
    assert_eq!(started.status, 200, "{}", started.text);
    let started = started.json();
    let url = started["authorization_url"].as_str().unwrap();
    Begun {
        login_token: started["login_token"].as_str().unwrap().to_owned(),
        returned: idp.visit(url).await,
    }
}

pub(crate) async fn begin(world: &World, idp: &Idp) -> Begun {
    let started = world.call("POST", START, None, None).await;
    came_back(idp, &started).await
}

pub(crate) async fn finish(world: &World, body: Value) -> Answer {
    let finishing = world.call("POST", CALLBACK, None, Some(body));
    let finished = tokio::time::timeout(Duration::from_secs(30), finishing);
    finished.await.expect("the provider is not waited for")
}

pub(crate) async fn sign_in(world: &World, idp: &Idp) -> Answer {
    let begun = begin(world, idp).await;
    finish(world, begun.body()).await
}

pub(crate) async fn me(world: &World, signed_in: &Answer) -> Value {
    assert_eq!(signed_in.status, 200, "{}", signed_in.text);
    let tokens = signed_in.json();
    let token = tokens["access_token"].as_str().unwrap();
    let me = world.call("GET", ME, Some(token), None).await;
    assert_eq!(me.status, 200, "{}", me.text);
    me.json()
}

/// What was recorded of a request, all by this user; sorted, as organization and installation have
/// each their own order.
async fn recorded(world: &World, answer: &Answer, name: &str) -> Vec<String> {
    let id = answer.header("x-request-id");
    let records = audit_of_request(&world.database.store, id).await;
    for record in &records {
        let Actor::User { name: actor, .. } = &record.actor else {
            panic!("{record:?}");
        };
        assert_eq!(actor, name);
    }
    let mut actions: Vec<_> = records.into_iter().map(|record| record.action).collect();
    actions.sort();
    actions
}

#[tokio::test]
async fn what_goes_to_the_provider_is_what_the_standards_ask_for() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    let listed = world.call("GET", "/api/v1/auth/oidc", None, None).await;
    let expected = json!({ "items": [{ "name": "corp", "title": "Corp" }] });
    assert_eq!((listed.status, listed.json()), (200, expected));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let started = world.call("POST", START, None, None).await;
        assert_eq!(started.json()["expires_at"], "2026-11-24T12:10:00Z");
        let url = Url::parse(started.json()["authorization_url"].as_str().unwrap()).unwrap();
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(query["client_id"], crate::idp::CLIENT);
        assert_eq!(query["scope"], "openid email profile");
        let back = "https://vedette.example.com/base/login/oidc/corp";
        assert_eq!(query["redirect_uri"], back);
        let token = started.json()["login_token"].as_str().unwrap().to_owned();
        assert!(!url.as_str().contains(&token), "it stays with the client");
        for name in ["state", "nonce", "code_challenge"] {
            assert_eq!(query[name].len(), 43, "{name}");
            seen.push(query[name].clone());
        }
        seen.push(token);
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "nothing is there twice");
}

#[tokio::test]
async fn a_user_comes_by_the_provider_and_comes_again() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    let first = sign_in(&world, &idp).await;
    let anna = me(&world, &first).await;
    assert_eq!(anna["username"], "anna");
    let expected = [
        "identity.create",
        "organization.create",
        "session.create",
        "user.create",
    ];
    assert_eq!(recorded(&world, &first, "anna").await, expected);
    assert_eq!(anna["email"], "anna@corp.example.com");
    assert_eq!(anna["is_admin"], false);
    assert!(anna["organization_id"].is_string());
    let refresh = first.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(world.refresh(&refresh).await.status, 200);
    // Name and address at the provider may change, the person does not.
    idp.set().person["email"] = json!("other@corp.example.com");
    idp.set().person["preferred_username"] = json!("other");
    let again = sign_in(&world, &idp).await;
    assert_eq!(recorded(&world, &again, "anna").await, ["session.create"]);
    let again = me(&world, &again).await;
    assert_eq!(again["id"], anna["id"]);
    assert_eq!(again["email"], "anna@corp.example.com");
    idp.set().person["sub"] = json!("anna-2");
    let another = me(&world, &sign_in(&world, &idp).await).await;
    assert_ne!(another["id"], anna["id"]);
    // Nobody signs in by a password that was never set.
    for password in ["", " ", "AAAAAAAAAAAAAAAAAAAAAA", PASSWORD] {
        assert_eq!(world.login("anna", password).await.status, 401);
    }
}

#[tokio::test]
async fn each_algorithm_of_the_list_is_taken() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    let mut ids = Vec::new();
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        for signing in [Signing::As(algorithm), Signing::Nameless(algorithm)] {
            idp.set().signing = signing;
            ids.push(me(&world, &sign_in(&world, &idp).await).await["id"].clone());
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(idp.set().asked, 1, "keys are kept");
}

#[tokio::test]
async fn new_keys_are_found_but_not_looked_for_all_the_time() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    idp.set().signing = Signing::As(Algorithm::ES256);
    assert_eq!(sign_in(&world, &idp).await.status, 200);
    idp.set().rotate("2027");
    for _ in 0..5 {
        assert_eq!(sign_in(&world, &idp).await.status, 401);
    }
    assert_eq!(idp.set().asked, 1);
    world.clock.advance(TimeDelta::minutes(1));
    assert_eq!(sign_in(&world, &idp).await.status, 200);
    assert_eq!(idp.set().asked, 2);
    // A provider that has taken a key back is asked again within the hour.
    world.clock.advance(TimeDelta::minutes(3));
    idp.set().change = json!({ "exp": 1_795_530_000_i64 });
    assert_eq!(sign_in(&world, &idp).await.status, 200);
    idp.set().published.clear();
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(sign_in(&world, &idp).await.status, 401);
}

#[tokio::test]
async fn a_client_that_wants_its_password_in_the_form_gets_it_there() {
    let idp = Idp::start().await;
    idp.set().discovery =
        json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] });
    let (world, _) = world(&idp).await;
    assert_eq!(sign_in(&world, &idp).await.status, 200);
}

#[tokio::test]
async fn another_node_ends_what_one_began() {
    let idp = Idp::start().await;
    let (mut world, _) = world(&idp).await;
    let begun = begin(&world, &idp).await;
    let client: Arc<dyn ProviderClient> = Arc::new(Idp::client());
    let providers = vec![idp.settings("corp")];
    let other = world.state.clone();
    world.router = router(other.with_providers(providers, &client, &public_url()));
    assert_eq!(finish(&world, begun.body()).await.status, 200);
}

#[tokio::test]
async fn who_becomes_a_user_is_what_registration_says() {
    let idp = Idp::start().await;
    for registration in [
        Registration::Open,
        Registration::Invite,
        Registration::Closed,
    ] {
        let world = world_of(vec![idp.settings("corp")], registration).await;
        // Nobody becomes the administrator by being the first at a provider.
        assert_eq!(sign_in(&world, &idp).await.status, 403);
        assert!(!world.database.store.has_users().await.unwrap());
        world.account("admin").await;
        let status = if registration == Registration::Open {
            200
        } else {
            403
        };
        assert_eq!(sign_in(&world, &idp).await.status, status);
    }
}

#[tokio::test]
async fn an_invitation_that_is_given_at_the_start_is_used_at_the_end() {
    let idp = Idp::start().await;
    let world = world_of(vec![idp.settings("corp")], Registration::Invite).await;
    let admin = world.account("admin").await;
    let roles = world.get(&admin, "/api/v1/roles").await.json();
    let role = roles["items"][3]["id"].clone();
    let invite = async |email: Value| {
        let body = json!({ "role_id": role, "email": email });
        let made = world.post(&admin, "/api/v1/invitations", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.json()["token"].clone()
    };
    let with = async |token: &Value| {
        let body = json!({ "invitation": token });
        world.call("POST", START, None, Some(body)).await
    };
    let refused = with(&json!("x")).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/invitation".to_owned()])
    );
    // For somebody else's address.
    let begun = came_back(&idp, &with(&invite(json!("eva@example.com")).await).await).await;
    assert_eq!(finish(&world, begun.body()).await.status, 422);
    let token = invite(json!("Anna@corp.example.com")).await;
    let begun = came_back(&idp, &with(&token).await).await;
    let anna = me(&world, &finish(&world, begun.body()).await).await;
    let own = world.get(&admin, ME).await.json();
    assert_eq!(anna["organization_id"], own["organization_id"]);
    assert_eq!(with(&token).await.status, 422, "it is used up");
    assert_eq!(sign_in(&world, &idp).await.status, 200);
}

#[tokio::test]
async fn without_an_address_there_is_no_account() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    for email in [json!(null), json!("anna"), json!("a@b.c\r\nBcc: d@e.f")] {
        idp.set().change = json!({ "email": email });
        assert_eq!(sign_in(&world, &idp).await.status, 403, "{email}");
    }
    // Who has one needs none any more.
    idp.set().change = json!({});
    assert_eq!(sign_in(&world, &idp).await.status, 200);
    idp.set().change = json!({ "email": null });
    assert_eq!(sign_in(&world, &idp).await.status, 200);
}

#[tokio::test]
async fn an_address_alone_is_nobody() {
    let idp = Idp::start().await;
    let settings = idp.settings("corp");
    let trusting = OidcProvider {
        trusts_email: true,
        ..idp.settings("corp")
    };
    for (settings, verified, is_hers) in [
        (settings.clone(), json!(true), false),
        (settings, json!(false), false),
        (trusting.clone(), json!(false), false),
        (trusting.clone(), json!(null), false),
        (trusting.clone(), json!("yes"), false),
        (trusting.clone(), json!(1), false),
        (trusting.clone(), json!("true"), true),
        (trusting, json!(true), true),
    ] {
        let world = world_of(vec![settings], Registration::Open).await;
        world.account("admin").await;
        let anna = world.account("anna").await;
        let refreshed = json!({ "email": "ANNA@example.com", "email_verified": verified });
        idp.set().change = refreshed;
        let answer = sign_in(&world, &idp).await;
        if !is_hers {
            assert_eq!(answer.status, 409, "{verified}: {}", answer.text);
            assert_eq!(world.get(&anna, ME).await.status, 200);
            assert_eq!(world.login("anna", PASSWORD).await.status, 200);
            continue;
        }
        assert_eq!(me(&world, &answer).await["id"], anna.id.as_str());
        // Whoever had the account before the owner of the address came is out.
        assert_eq!(world.get(&anna, ME).await.status, 401);
        assert_eq!(world.refresh(&anna.refresh).await.status, 401);
        assert_eq!(world.login("anna", PASSWORD).await.status, 401);
        // From then on the identity alone decides.
        idp.set().change = json!({ "email_verified": false });
        assert_eq!(
            me(&world, &sign_in(&world, &idp).await).await["id"],
            anna.id.as_str()
        );
    }
}

#[tokio::test]
async fn who_is_disabled_stays_out_and_is_told_nothing() {
    let idp = Idp::start().await;
    let (world, admin) = world(&idp).await;
    let anna = me(&world, &sign_in(&world, &idp).await).await;
    let path = format!("/api/v1/admin/users/{}", anna["id"].as_str().unwrap());
    let change = async |is_disabled: bool| {
        let body = json!({ "is_disabled": is_disabled, "is_admin": false });
        assert_eq!(world.put(&admin, &path, body).await.status, 200);
    };
    change(true).await;
    let refused = sign_in(&world, &idp).await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.json()["type"],
        "urn:vedette:problem:identity-refused"
    );
    change(false).await;
    assert_eq!(sign_in(&world, &idp).await.status, 200);
}

#[tokio::test]
async fn who_has_no_password_gets_one_by_a_token_only() {
    let idp = Idp::start().await;
    let (world, admin) = world(&idp).await;
    let signed_in = sign_in(&world, &idp).await;
    let anna = me(&world, &signed_in).await;
    let tokens = signed_in.json();
    let token = tokens["access_token"].as_str();
    for current in ["", PASSWORD] {
        let body = json!({ "current_password": current, "new_password": NEW });
        let path = "/api/v1/users/me/password";
        let refused = world.call("PUT", path, token, Some(body)).await;
        assert_eq!(refused.pointers(), ["/current_password"]);
    }
    let id = anna["id"].as_str().unwrap();
    let path = format!("/api/v1/admin/users/{id}/password-reset");
    let made = world.call("POST", &path, Some(&admin.token), None).await;
    let body = json!({ "token": made.json()["token"], "new_password": NEW });
    let path = "/api/v1/auth/password-reset";
    let set = world.call("POST", path, None, Some(body)).await;
    assert_eq!(set.status, 204, "{}", set.text);
    assert_eq!(world.login("anna", NEW).await.status, 200);
    assert_eq!(sign_in(&world, &idp).await.status, 200);
}
