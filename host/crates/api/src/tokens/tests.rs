//! Every forged, stale or odd token that we could think of is refused.

use serde_json::{Value, json};
use vedette_core::{Clock as _, ManualClock};

use super::*;

const SECRET: [u8; 32] = [7; 32];

fn now() -> DateTime<Utc> {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn keys() -> TokenKeys {
    TokenKeys::new([("k1".to_owned(), SECRET.to_vec())]).unwrap()
}

fn claims() -> Value {
    json!({
        "iss": "vedette", "aud": "vedette-api", "sub": uuid(), "sid": uuid(), "typ": "access",
        "iat": now().timestamp(), "exp": now().timestamp() + 900,
    })
}

fn uuid() -> String {
    "018f3b3e-0000-7000-8000-000000000000".to_owned()
}

fn header() -> Value {
    json!({ "alg": "HS256", "typ": "JWT", "kid": "k1" })
}

/// Signs whatever it is given, as an attacker who had the key could.
fn sign(header: &str, claims: &str, secret: &[u8]) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn signed(header: &Value, claims: &Value) -> String {
    sign(&header.to_string(), &claims.to_string(), &SECRET)
}

fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

#[track_caller]
fn refused(token: &str) {
    assert!(keys().verify(token, now()).is_none(), "accepted: {token}");
}

#[test]
fn a_token_of_ours_is_taken() {
    let clock = ManualClock::at(now());
    let (user, session) = (UserId::generate(&clock), SessionId::generate(&clock));
    let token = keys()
        .sign(user, session, clock.now(), TimeDelta::minutes(15))
        .unwrap();
    assert_eq!(keys().verify(&token, now()), Some((user, session)));
    assert!(
        keys()
            .verify(&signed(&header(), &claims()), now())
            .is_some()
    );
    let end = now() + TimeDelta::minutes(15);
    let last = end - TimeDelta::milliseconds(1);
    assert!(keys().verify(&token, last).is_some());
    assert!(keys().verify(&token, end).is_none(), "no leeway at the end");
    let early = now() - LEEWAY;
    assert!(
        keys().verify(&token, early).is_some(),
        "another node's clock"
    );
    assert!(
        keys()
            .verify(&token, early - TimeDelta::seconds(1))
            .is_none()
    );
}

#[test]
fn odd_headers_are_refused() {
    for alg in [
        "none", "None", "NONE", "nOnE", "HS384", "HS512", "RS256", "EdDSA", "",
    ] {
        refused(&signed(&with(header(), "alg", json!(alg)), &claims()));
    }
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("jku", json!("https://example.com/")),
        ("x5u", json!("https://example.com/")),
        ("jwk", json!({ "kty": "oct" })),
        ("x5c", json!(["x"])),
        ("kid", json!("k2")),
        ("kid", json!("../../dev/null")),
        ("kid", json!("' OR 1=1")),
        ("kid", json!("k".repeat(10_000))),
        ("kid", json!(null)),
        ("typ", json!("at+jwt")),
    ] {
        refused(&signed(&with(header(), name, value), &claims()));
    }
    refused(&signed(&without(header(), "kid"), &claims()));
    refused(&signed(&without(header(), "typ"), &claims()));
    let twice = r#"{"alg":"none","alg":"HS256","typ":"JWT","kid":"k1"}"#;
    refused(&sign(twice, &claims().to_string(), &SECRET));
}

#[test]
fn odd_claims_are_refused() {
    let time = now().timestamp();
    for (name, value) in [
        ("typ", json!("refresh")),
        ("aud", json!("other")),
        ("aud", json!(["vedette-api"])),
        ("iss", json!("other")),
        ("sub", json!("root")),
        ("sid", json!("1")),
        ("exp", json!(time - 3)),
        ("exp", json!(time - 1)),
        ("exp", json!(time)),
        ("exp", serde_json::from_str(&format!("{time}.5")).unwrap()),
        (
            "exp",
            serde_json::from_str(&format!("{}.0", time + 900)).unwrap(),
        ),
        ("exp", json!("9999999999")),
        ("exp", json!(1e300)),
        ("exp", json!(time + 7_200)),
        ("iat", json!(time + 60)),
        ("nbf", json!(time + 60)),
        ("role", json!("admin")),
    ] {
        refused(&signed(&header(), &with(claims(), name, value)));
    }
    for name in ["iss", "aud", "sub", "sid", "typ", "iat", "exp"] {
        refused(&signed(&header(), &without(claims(), name)));
    }
    let twice = claims()
        .to_string()
        .replace('{', "{\"aud\":\"vedette-api\",");
    refused(&sign(&header().to_string(), &twice, &SECRET));
    refused(&sign(&header().to_string(), "[]", &SECRET));
    refused(&sign(&header().to_string(), "not json", &SECRET));
}

#[test]
fn odd_signatures_and_encodings_are_refused() {
    let token = signed(&header(), &claims());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (head, payload) = message.split_once('.').unwrap();
    refused(&sign(
        &header().to_string(),
        &claims().to_string(),
        &[8; 32],
    ));
    refused(&format!("{message}."));
    refused(message);
    refused(&format!("{message}.{}", &signature[..signature.len() - 2]));
    refused(&format!("{message}.{signature}AA"));
    refused(&format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 32])));
    refused(&format!("{token}="));
    refused(&format!("{head}=.{payload}.{signature}"));
    refused(&format!(
        "{head}.{payload}.{}",
        signature.replace(['-', '_'], "+") + "+"
    ));
    refused(&format!(" {token}"));
    refused(&format!("{token}\n"));
    let other = URL_SAFE_NO_PAD.encode(with(claims(), "sub", json!(uuid())).to_string() + " ");
    refused(&format!("{head}.{other}.{signature}"));
    refused(&format!("{token}.{head}.{payload}"));
    refused(&signed(&header(), &json!(token)));
    refused(&"a".repeat(1024 * 1024));
    refused("");
    refused("..");
    // The last character of a 32-byte signature has two bits that mean nothing: another text for
    // the same bytes is not the same token.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let stray = alphabet
        .chars()
        .nth(alphabet.find(last).unwrap() ^ 1)
        .unwrap();
    refused(&format!(
        "{message}.{}{stray}",
        &signature[..signature.len() - 1]
    ));
}

#[test]
fn keys_rotate() {
    let old = keys();
    let both = TokenKeys::new([
        ("k1".to_owned(), SECRET.to_vec()),
        ("k2".to_owned(), vec![9; 32]),
    ])
    .unwrap();
    let new = TokenKeys::new([("k2".to_owned(), vec![9; 32])]).unwrap();
    let clock = ManualClock::at(now());
    let (user, session) = (UserId::generate(&clock), SessionId::generate(&clock));
    let of_old = old
        .sign(user, session, now(), TimeDelta::minutes(15))
        .unwrap();
    let of_both = both
        .sign(user, session, now(), TimeDelta::minutes(15))
        .unwrap();
    assert!(both.verify(&of_old, now()).is_some());
    assert!(new.verify(&of_both, now()).is_some(), "the newest signs");
    assert!(new.verify(&of_old, now()).is_none());
    assert!(TokenKeys::new([]).is_err());
    assert!(TokenKeys::new([("short".to_owned(), vec![0; 31])]).is_err());
}
