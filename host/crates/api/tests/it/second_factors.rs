//! Second factors: enrolling, signing in with one, and losing it.

use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};
use axum::{
    body::{Body, to_bytes},
    http::{Request, header},
};
use chrono::TimeDelta;
use data_encoding::BASE32_NOPAD;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use vedette_core::Clock as _;

use crate::world::{Account, Answer, PASSWORD, World, redacted};

const ME: &str = "/api/v1/users/me";
const TOTP: &str = "/api/v1/users/me/totp";
const CONFIRM: &str = "/api/v1/users/me/totp/confirm";
const REMOVE: &str = "/api/v1/users/me/totp/remove";

/// An authenticator app.
pub(crate) struct App(Vec<u8>);

impl App {
    /// The code that it shows, `steps` later than now.
    fn code(&self, world: &World, steps: i64) -> String {
        let step = world.clock.now().timestamp() / 30 + steps;
        let key = hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let at = usize::from(tag.as_ref()[19] & 0xf);
        let four: [u8; 4] = tag.as_ref()[at..at + 4].try_into().unwrap();
        let number = u32::from_be_bytes(four) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

/// Asks for a key. Sent around `World::send`, which lets no answer say `secret`: the address that
/// apps read calls the key by that name, and this is the one answer that has it.
async fn begin(world: &World, account: &Account) -> Value {
    let request = Request::post(TOTP)
        .header(header::AUTHORIZATION, format!("Bearer {}", account.token))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(
            json!({ "current_password": PASSWORD }).to_string(),
        ));
    let response = world.router.clone().oneshot(request.unwrap()).await;
    let response = response.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn app(begun: &Value) -> App {
    let key = begun["key"].as_str().unwrap();
    App(BASE32_NOPAD.decode(key.as_bytes()).unwrap())
}

/// Enrols a user. Gives the app, and the recovery codes.
pub(crate) async fn enrol(world: &World, account: &Account) -> (App, Vec<String>) {
    let app = app(&begin(world, account).await);
    let code = app.code(world, 0);
    let confirmed = world
        .post(account, CONFIRM, json!({ "totp_code": code }))
        .await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    let codes = serde_json::from_value(confirmed.json()["recovery_codes"].clone());
    (app, codes.unwrap())
}

/// Signs in by the right password and what else is given.
async fn login(world: &World, name: &str, more: Value) -> Answer {
    let mut body = json!({ "username": name, "password": PASSWORD });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    world
        .call("POST", "/api/v1/auth/login", None, Some(body))
        .await
}

fn kind(answer: &Answer) -> String {
    let kind = answer.json()["type"].as_str().unwrap().to_owned();
    kind.rsplit(':').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_code_is_asked_for_from_the_confirmation_on() {
    let world = World::new().await;
    let (anna, _) = (world.account("anna").await, world.account("boris").await);
    assert_eq!(
        world.get(&anna, TOTP).await.json(),
        json!({ "is_enabled": false, "recovery_codes_left": 0 })
    );
    let first = begin(&world, &anna).await;
    let begun = begin(&world, &anna).await;
    assert_ne!(first["key"], begun["key"], "each is a new one");
    let uri = format!(
        "otpauth://totp/Vedette:anna?secret={}&issuer=Vedette",
        begun["key"].as_str().unwrap()
    );
    assert_eq!(begun["otpauth_uri"], uri);
    assert_eq!(
        login(&world, "anna", json!({})).await.status,
        200,
        "not confirmed yet"
    );
    for wrong in [app(&first).code(&world, 0), "000000x".into(), String::new()] {
        let refused = world
            .post(&anna, CONFIRM, json!({ "totp_code": wrong }))
            .await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec!["/totp_code".to_owned()])
        );
    }
    let app = app(&begun);
    let confirmation = json!({ "totp_code": app.code(&world, 0) });
    let confirmed = world.post(&anna, CONFIRM, confirmation.clone()).await;
    assert_eq!(confirmed.status, 200);
    assert_eq!(
        confirmed.json()["recovery_codes"].as_array().unwrap().len(),
        10
    );
    assert_eq!(world.post(&anna, CONFIRM, confirmation).await.status, 422);
    assert_eq!(
        world.get(&anna, TOTP).await.json(),
        json!({ "is_enabled": true, "recovery_codes_left": 10 })
    );
    let again = json!({ "current_password": PASSWORD });
    assert_eq!(world.post(&anna, TOTP, again).await.status, 409);

    let asked = login(&world, "anna", json!({})).await;
    assert_eq!(asked.status, 401);
    insta::assert_json_snapshot!("second_factor_required", redacted(&asked.json()));
    // Only who has the password is asked.
    let wrong = world.login("anna", "wrong password").await;
    assert_eq!(kind(&wrong), "wrong-credentials");
    assert_eq!(
        login(&world, "boris", json!({})).await.status,
        200,
        "nobody else"
    );
    let code = json!({ "totp_code": app.code(&world, 1) });
    assert_eq!(login(&world, "anna", code).await.status, 200);
    assert_eq!(
        world.get(&anna, ME).await.status,
        200,
        "who is signed in stays so"
    );
}

#[tokio::test]
async fn a_code_counts_once() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let (app, _) = enrol(&world, &anna).await;
    let status = async |code: String| {
        let answer = login(&world, "anna", json!({ "totp_code": code })).await;
        if answer.status == 401 {
            assert_eq!(kind(&answer), "second-factor-required");
        }
        answer.status
    };
    assert_eq!(
        status(app.code(&world, 0)).await,
        401,
        "the confirmation has used it"
    );
    assert_eq!(status(app.code(&world, 2)).await, 401, "it is ahead");
    world.clock.advance(TimeDelta::seconds(60));
    let code = app.code(&world, 0);
    let wrong = (0..3)
        .map(|n| format!("{n}{}", &code[1..]))
        .find(|one| *one != code);
    assert_eq!(status(wrong.unwrap()).await, 401);
    assert_eq!(status(code.clone()).await, 200);
    assert_eq!(status(code.clone()).await, 401, "it was used");
    assert_eq!(
        status(app.code(&world, -1)).await,
        401,
        "and the earlier ones with it"
    );

    world.clock.advance(TimeDelta::seconds(30));
    let code = app.code(&world, 0);
    let (status, code) = (&status, &code);
    let at_once = (0..5).map(|_| status(code.clone()));
    let statuses = futures::future::join_all(at_once).await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
}

#[tokio::test]
async fn recovery_codes_stand_in_for_the_app_once_each() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let (app, codes) = enrol(&world, &anna).await;
    let status = async |more: Value| login(&world, "anna", more).await.status;
    assert_eq!(status(json!({ "recovery_code": codes[0] })).await, 200);
    assert_eq!(status(json!({ "recovery_code": codes[0] })).await, 401);
    let typed = codes[1].to_uppercase().replace('-', " ");
    assert_eq!(status(json!({ "recovery_code": typed })).await, 200);
    for wrong in ["", "aaaa-aaaa-aaaa-aaaa", "ä\0"] {
        assert_eq!(
            status(json!({ "recovery_code": wrong })).await,
            401,
            "{wrong}"
        );
    }
    // Of two, neither is used up.
    let both = json!({ "recovery_code": codes[2], "totp_code": app.code(&world, 1) });
    assert_eq!(status(both).await, 401);
    assert_eq!(
        status(json!({ "totp_code": app.code(&world, 1) })).await,
        200
    );
    let left = world.get(&anna, TOTP).await.json()["recovery_codes_left"].clone();
    assert_eq!(left, 8);
    let (status, code) = (&status, &codes[2]);
    let at_once = (0..5).map(|_| status(json!({ "recovery_code": code })));
    let statuses = futures::future::join_all(at_once).await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
}

#[tokio::test]
async fn who_has_the_password_cannot_guess_codes_without_end() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let (app, codes) = enrol(&world, &anna).await;
    // Asking without a code is no guess.
    for _ in 0..30 {
        assert_eq!(login(&world, "anna", json!({})).await.status, 401);
    }
    let good = app.code(&world, 1);
    let wrong: Vec<_> = (0..1_000)
        .map(|n| format!("{n:06}"))
        .filter(|code| (-1..=1).all(|steps| app.code(&world, steps) != *code))
        .collect();
    let mut judged = 0;
    for (number, code) in wrong.iter().enumerate() {
        // Name and address are counted apart at login, but the codes are one user's.
        let name = ["anna", "anna@example.com"][number % 2];
        let answer = login(&world, name, json!({ "totp_code": code })).await;
        judged += i32::from(answer.status == 401);
    }
    assert_eq!(judged, 10);
    for more in [
        json!({ "totp_code": good }),
        json!({ "recovery_code": codes[0] }),
    ] {
        assert_eq!(login(&world, "anna", more).await.status, 429);
    }
    // Neither can who has taken over a session besides.
    let body = json!({ "current_password": PASSWORD, "totp_code": good });
    assert_eq!(world.post(&anna, REMOVE, body).await.status, 429);
    assert_eq!(world.get(&anna, ME).await.status, 200);
    world.clock.advance(TimeDelta::minutes(5));
    let code = json!({ "totp_code": app.code(&world, 0) });
    assert_eq!(login(&world, "anna", code).await.status, 200);
}

#[tokio::test]
async fn removing_it_needs_password_and_code() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let remove = async |password: &str, more: Value| {
        let mut body = more;
        body["current_password"] = json!(password);
        world.post(&anna, REMOVE, body).await
    };
    let none = remove(PASSWORD, json!({ "totp_code": "123456" })).await;
    assert_eq!(
        (none.status, none.pointers()),
        (422, vec!["/totp_code".to_owned()])
    );
    let (app, codes) = enrol(&world, &anna).await;
    let code = app.code(&world, 1);
    for (password, more, pointer) in [
        (
            "wrong password",
            json!({ "totp_code": code }),
            "/current_password",
        ),
        (PASSWORD, json!({}), "/totp_code"),
        (
            PASSWORD,
            json!({ "totp_code": app.code(&world, 0) }),
            "/totp_code",
        ),
        (PASSWORD, json!({ "recovery_code": "x" }), "/recovery_code"),
    ] {
        let refused = remove(password, more).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()])
        );
    }
    assert_eq!(login(&world, "anna", json!({})).await.status, 401);
    assert_eq!(
        remove(PASSWORD, json!({ "totp_code": code })).await.status,
        204
    );
    assert_eq!(login(&world, "anna", json!({})).await.status, 200);
    assert_eq!(
        world.get(&anna, TOTP).await.json(),
        json!({ "is_enabled": false, "recovery_codes_left": 0 })
    );
    // Another one has nothing of the old one.
    let (_, new_codes) = enrol(&world, &anna).await;
    let old = json!({ "recovery_code": codes[0] });
    assert_eq!(login(&world, "anna", old).await.status, 401);
    let new = remove(PASSWORD, json!({ "recovery_code": new_codes[0] })).await;
    assert_eq!(new.status, 204);
}

#[tokio::test]
async fn enrolling_needs_the_password() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    for (body, pointer) in [
        (
            json!({ "current_password": "wrong password" }),
            "/current_password",
        ),
        (json!({}), "/current_password"),
        (json!({ "current_password": PASSWORD, "key": "x" }), "/key"),
    ] {
        let refused = world.post(&anna, TOTP, body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()])
        );
    }
}

#[tokio::test]
async fn a_password_set_by_a_token_is_no_way_around_it_but_an_administrator_is() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    enrol(&world, &boris).await;
    let path = format!("/api/v1/admin/users/{}/password-reset", boris.id);
    let token = world
        .call("POST", &path, Some(&anna.token), None)
        .await
        .json()["token"]
        .clone();
    let body = json!({ "token": token, "new_password": "another long sentence" });
    let reset = world
        .call("POST", "/api/v1/auth/password-reset", None, Some(body))
        .await;
    assert_eq!(reset.status, 204);
    let asked = world.login("boris", "another long sentence").await;
    assert_eq!(kind(&asked), "second-factor-required");

    let path = format!("/api/v1/admin/users/{}/totp", boris.id);
    let remove = async |account: &Account, path: &str| {
        world
            .call("DELETE", path, Some(&account.token), None)
            .await
            .status
    };
    let carla = world.account("carla").await;
    assert_eq!(remove(&carla, &path).await, 403);
    let absent = "/api/v1/admin/users/018f3b3e-0000-7000-8000-000000000000/totp";
    assert_eq!(remove(&anna, absent).await, 404);
    assert_eq!(remove(&anna, &path).await, 204);
    assert_eq!(remove(&anna, &path).await, 404);
    assert_eq!(
        world.login("boris", "another long sentence").await.status,
        200
    );
}

#[tokio::test]
async fn a_key_that_cannot_be_opened_lets_nobody_in_but_by_recovery() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let (app, codes) = enrol(&world, &anna).await;
    // As after the file of the key was lost.
    world
        .database
        .execute("UPDATE totp_keys SET sealed_key = X'00'")
        .await;
    let code = json!({ "totp_code": app.code(&world, 1) });
    assert_eq!(login(&world, "anna", code).await.status, 500);
    assert_eq!(login(&world, "anna", json!({})).await.status, 401);
    let code = json!({ "recovery_code": codes[0] });
    assert_eq!(login(&world, "anna", code).await.status, 200);
}
