//! What must not sign anybody in: answers that are stolen, repeated, mixed up, forged, or none at all.

use chrono::TimeDelta;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use vedette_api::Registration;

use crate::{
    idp::{CLIENT, Idp, Manner, Signing},
    oidc::{Begun, CALLBACK, START, begin, finish, me, sign_in, world, world_of},
    world::{Answer, World, redacted},
};

/// Nobody came by a provider: there is the administrator alone.
async fn nobody_came(world: &World) {
    for name in ["anna", "anna@corp.example.com"] {
        let found = world.database.store.find_login(name).await.unwrap();
        assert!(found.is_none());
    }
}

fn is_not_under_way(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.pointers()),
        (422, vec!["/state".to_owned()]),
        "{}",
        answer.text
    );
}

fn is_refused(answer: &Answer, why: &dyn std::fmt::Debug) {
    assert_eq!(answer.status, 401, "{why:?}: {}", answer.text);
    let kind = "urn:vedette:problem:identity-refused";
    assert_eq!(answer.json()["type"], kind, "{why:?}");
}

fn mixed(state: &Begun, code: &Begun, token: &Begun) -> Value {
    let mut body = state.body();
    body["code"] = code.body()["code"].clone();
    body["login_token"] = token.body()["login_token"].clone();
    body
}

#[tokio::test]
async fn an_answer_counts_once() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    let first = begin(&world, &idp).await;
    assert_eq!(finish(&world, first.body()).await.status, 200);
    is_not_under_way(&finish(&world, first.body()).await);
    // The code of it in another login, too.
    let second = begin(&world, &idp).await;
    let again = finish(&world, mixed(&second, &first, &second)).await;
    is_refused(&again, &"a code that was used");
    is_not_under_way(&finish(&world, second.body()).await);
}

#[tokio::test]
async fn of_many_that_bring_an_answer_one_is_signed_in() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    let begun = begin(&world, &idp).await;
    let (world, begun) = (&world, &begun);
    let all = (0..8).map(|_| async move { finish(world, begun.body()).await.status });
    let mut statuses = futures::future::join_all(all).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 422, 422, 422, 422, 422, 422, 422]);
}

#[tokio::test]
async fn nobody_ends_the_login_of_somebody_else() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    // The attacker's answer in the victim's browser (login CSRF), and the victim's with the attacker.
    let (attacker, victim) = (begin(&world, &idp).await, begin(&world, &idp).await);
    is_not_under_way(&finish(&world, mixed(&attacker, &attacker, &victim)).await);
    is_not_under_way(&finish(&world, mixed(&victim, &victim, &attacker)).await);
    for (field, value) in [
        ("login_token", json!("")),
        ("login_token", victim.body()["state"].clone()),
        ("state", victim.body()["login_token"].clone()),
        ("state", json!("ä\0")),
        ("state", json!("A".repeat(43))),
    ] {
        let mut body = victim.body();
        body[field] = value;
        is_not_under_way(&finish(&world, body).await);
    }
    // A stolen code in a login of the attacker's own: the provider sees who asked for it (PKCE).
    let injected = finish(&world, mixed(&attacker, &victim, &attacker)).await;
    is_refused(&injected, &"a code of another login");
    nobody_came(&world).await;
    // None of that has ended the victim's login, though its code is gone.
    let ended = finish(&world, victim.body()).await;
    is_refused(&ended, &"the code was tried by the attacker");
}

#[tokio::test]
async fn a_login_is_over_after_ten_minutes() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    let begun = begin(&world, &idp).await;
    world.clock.advance(TimeDelta::minutes(10));
    is_not_under_way(&finish(&world, begun.body()).await);
    nobody_came(&world).await;
}

#[tokio::test]
async fn providers_are_not_mixed_up() {
    let (idp, other) = (Idp::start().await, Idp::start().await);
    let providers = vec![idp.settings("corp"), other.settings("other")];
    let world = world_of(providers, Registration::Open).await;
    world.account("admin").await;
    let begun = begin(&world, &idp).await;
    let path = "/api/v1/auth/oidc/other/callback";
    let answer = world.call("POST", path, None, Some(begun.body())).await;
    is_not_under_way(&answer);
    assert_eq!(finish(&world, begun.body()).await.status, 200);
    // One that names itself is believed only as itself (RFC 9207), and a code of another one stays here.
    let issuer = idp.set().issuer.clone();
    let foreign = other.set().issuer.clone();
    idp.set().discovery = json!({ "authorization_response_iss_parameter_supported": true });
    world.clock.advance(TimeDelta::hours(1));
    idp.set().change = json!({ "exp": 1_795_530_000_i64 });
    for (named, is_good) in [
        (None, false),
        (Some(foreign), false),
        (Some(format!("{issuer}/")), false),
        (Some(issuer), true),
    ] {
        let codes = idp.set().open_codes();
        idp.set().named.clone_from(&named);
        let answer = sign_in(&world, &idp).await;
        if is_good {
            assert_eq!(answer.status, 200, "{}", answer.text);
        } else {
            is_refused(&answer, &named);
            assert_eq!(idp.set().open_codes(), codes + 1, "it was not sent");
        }
    }
}

#[tokio::test]
async fn a_token_says_exactly_what_it_must() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    let issuer = idp.set().issuer.clone();
    let long = "x".repeat(256);
    for change in [
        json!({ "nonce": null }),
        json!({ "nonce": "another" }),
        json!({ "nonce": "" }),
        json!({ "aud": null }),
        json!({ "aud": "somebody else" }),
        json!({ "aud": [] }),
        json!({ "aud": ["somebody else"], "azp": CLIENT }),
        json!({ "aud": [CLIENT, "somebody else"] }),
        json!({ "aud": [CLIENT, "somebody else"], "azp": "somebody else" }),
        json!({ "azp": "somebody else" }),
        json!({ "iss": null }),
        json!({ "iss": "https://login.example.com" }),
        json!({ "iss": format!("{issuer}/") }),
        json!({ "exp": null }),
        json!({ "exp": 1_795_521_600_i64 - 60 }),
        json!({ "exp": "tomorrow" }),
        json!({ "exp": i64::MAX }),
        json!({ "iat": null }),
        json!({ "iat": 1_795_521_600_i64 + 61 }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": 1 }),
        json!({ "sub": "anna\0" }),
        json!({ "sub": "änna" }),
        json!({ "sub": long }),
        json!({ "padding": "x".repeat(20_000) }),
    ] {
        idp.set().change = change.clone();
        is_refused(&sign_in(&world, &idp).await, &change);
    }
    nobody_came(&world).await;
    for change in [
        json!({ "aud": [CLIENT] }),
        json!({ "aud": [CLIENT, "somebody else"], "azp": CLIENT }),
        json!({ "azp": CLIENT }),
        json!({ "exp": 1_795_521_600_i64 - 59 }),
        json!({ "iat": 1_795_521_600_i64 + 60 }),
        json!({ "whatever": { "else": [1] } }),
    ] {
        idp.set().change = change.clone();
        let answer = sign_in(&world, &idp).await;
        assert_eq!(answer.status, 200, "{change}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_token_is_signed_by_the_provider() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    for signing in [
        Signing::Stranger,
        Signing::Impostor,
        Signing::Unsigned,
        Signing::ByPublicKey,
        Signing::Renamed,
        Signing::Critical,
    ] {
        idp.set().signing = signing;
        is_refused(&sign_in(&world, &idp).await, &signing);
    }
    nobody_came(&world).await;
    idp.set().signing = Signing::As(Algorithm::RS256);
    assert_eq!(sign_in(&world, &idp).await.status, 200);
}

#[tokio::test]
async fn a_key_is_for_what_it_says() {
    let idp = Idp::start().await;
    let published = idp.set().published.clone();
    let others: Vec<_> = published
        .iter()
        .filter(|key| key["kid"] != "RS256")
        .cloned()
        .collect();
    let rsa = published.iter().find(|key| key["kid"] == "RS256").unwrap();
    for change in [
        json!({ "use": "enc" }),
        json!({ "alg": "RS512" }),
        json!({ "alg": "PS256" }),
        json!({ "kid": "another" }),
        json!({ "kty": "oct", "k": rsa["n"], "n": null, "e": null }),
    ] {
        let mut key = rsa.clone();
        for (name, value) in change.as_object().unwrap() {
            key[name] = value.clone();
        }
        idp.set().published = others.iter().cloned().chain([key]).collect();
        let (world, _) = world(&idp).await;
        is_refused(&sign_in(&world, &idp).await, &change);
    }
    // Two without a name are one too many.
    idp.set().published = vec![rsa.clone(), rsa.clone()];
    idp.set().signing = Signing::Nameless(Algorithm::RS256);
    let (world, _) = world(&idp).await;
    is_refused(&sign_in(&world, &idp).await, &"two keys");
}

fn is_unusable(answer: &Answer, why: &dyn std::fmt::Debug) {
    assert_eq!(answer.status, 502, "{why:?}: {}", answer.text);
    let kind = "urn:vedette:problem:bad-gateway";
    assert_eq!(answer.json()["type"], kind, "{why:?}");
}

#[tokio::test]
async fn a_provider_that_answers_nonsense_holds_nobody_up() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    let mut texts = Vec::new();
    for manner in [
        Manner::Html,
        Manner::Giant,
        Manner::Fails,
        Manner::Empty,
        Manner::Stalls,
        Manner::Redirects,
    ] {
        idp.set().manner = manner;
        let answer = sign_in(&world, &idp).await;
        is_unusable(&answer, &manner);
        texts.push(redacted(&answer.json()).to_string());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "what went wrong is the operator's business");
    nobody_came(&world).await;
    idp.set().manner = Manner::Answers;
    assert_eq!(
        me(&world, &sign_in(&world, &idp).await).await["username"],
        "anna"
    );
}

#[tokio::test]
async fn a_provider_that_is_away_is_asked_again_after_a_moment() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    let foreign = "http://login.example.com/token";
    for change in [
        json!({ "issuer": "https://login.example.com" }),
        json!({ "issuer": null }),
        json!({ "token_endpoint": foreign }),
        json!({ "authorization_endpoint": foreign }),
        json!({ "jwks_uri": foreign }),
        json!({ "jwks_uri": "file:///etc/passwd" }),
        json!({ "jwks_uri": format!("{}/nowhere", idp.set().issuer) }),
        json!({ "jwks_uri": format!("{}/.well-known/openid-configuration", idp.set().issuer) }),
        json!({ "token_endpoint": null }),
        json!({ "padding": "x".repeat(300_000) }),
    ] {
        idp.set().discovery = change.clone();
        is_unusable(&world.call("POST", START, None, None).await, &change);
        // At once it would not even be asked.
        idp.set().discovery = json!({});
        is_unusable(&world.call("POST", START, None, None).await, &change);
        world.clock.advance(TimeDelta::seconds(5));
    }
    assert_eq!(world.call("POST", START, None, None).await.status, 200);
    let mut settings = idp.settings("corp");
    settings.issuer = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let world = world_of(vec![settings], Registration::Open).await;
    is_unusable(&world.call("POST", START, None, None).await, &"nobody");
}

#[tokio::test]
async fn logins_do_not_begin_without_end() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    let mut begun = 0;
    while world.call("POST", START, None, None).await.status == 200 {
        begun += 1;
        assert!(begun < 1_000);
    }
    assert_eq!(begun, 120);
    assert_eq!(world.call("POST", START, None, None).await.status, 429);
    world.clock.advance(TimeDelta::seconds(2));
    assert_eq!(world.call("POST", START, None, None).await.status, 200);
    // Guesses at the tokens are counted with the attempts of an address.
    let guess = json!({ "state": "x", "code": "x", "login_token": "x" });
    while finish(&world, guess.clone()).await.status == 422 {}
    assert_eq!(finish(&world, guess).await.status, 429);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told() {
    let idp = Idp::start().await;
    let (world, _) = world(&idp).await;
    let good = json!({ "state": "x", "code": "x", "login_token": "x" });
    for (field, value) in [
        ("code", json!("")),
        ("code", json!("x".repeat(4_097))),
        ("code", json!(1)),
        ("state", json!(null)),
        ("login_token", json!(1)),
        ("iss", json!(1)),
        ("user_id", json!("x")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let refused = finish(&world, body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![format!("/{field}")])
        );
    }
    for name in ["nobody", "Corp", "corp%2F", "%FF", "corp%00"] {
        let path = START.replace("corp", name);
        let answer = world.call("POST", &path, None, None).await;
        assert_eq!(answer.status, 404, "{name}");
        let path = CALLBACK.replace("corp", name);
        let answer = world.call("POST", &path, None, Some(good.clone())).await;
        assert_eq!(answer.status, 404, "{name}");
    }
    let refused = world
        .call("POST", START, None, Some(json!({ "redirect_uri": "x" })))
        .await;
    assert_eq!(refused.pointers(), ["/redirect_uri"]);
}
