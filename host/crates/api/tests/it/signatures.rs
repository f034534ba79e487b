//! W32: signatures over components, the keys that make them, and the policy that asks for them.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    components::{COMPONENTS, good, upload, upload_of},
    world::{Account, Answer, World},
};

const KEYS: &str = "/api/v1/component-keys";
const POLICY: &str = "/api/v1/component-policy";
const HEADER: &str = "Vedette-Signature";

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn sign(pair: &Ed25519KeyPair, bytes: &[u8]) -> Vec<u8> {
    pair.sign(bytes).as_ref().to_vec()
}

fn key_body(pair: &Ed25519KeyPair, change: &Value) -> Value {
    let mut body = json!({ "name": "release", "public_key": STANDARD.encode(pair.public_key()) });
    for (name, value) in change.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

/// Makes a key known, and gives its id.
async fn key(world: &World, account: &Account, pair: &Ed25519KeyPair, change: Value) -> String {
    let made = world.post(account, KEYS, key_body(pair, &change)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["id"].as_str().unwrap().to_owned()
}

async fn require(world: &World, account: &Account, required: bool) {
    let body = json!({ "requires_signature": required });
    let set = world
        .call("PUT", POLICY, Some(&account.token), Some(body.clone()))
        .await;
    assert_eq!((set.status, set.json()), (200, body.clone()));
    assert_eq!(world.get(account, POLICY).await.json(), body);
}

async fn signed(world: &World, account: &Account, bytes: &[u8], signature: &str) -> Answer {
    let mut request = upload_of(account, bytes.to_vec());
    request
        .headers_mut()
        .insert(HEADER, signature.parse().unwrap());
    world.send(request).await
}

#[track_caller]
fn refused(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.pointers()),
        (422, vec![HEADER.to_owned()]),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn only_what_a_valid_key_signed_is_taken() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let (ours, theirs, short) = (pair(1), pair(2), pair(3));
    let id = key(&world, &anna, &ours, json!({})).await;
    key(&world, &boris, &theirs, json!({})).await;
    let end = "2026-11-24T12:10:00Z";
    key(
        &world,
        &anna,
        &short,
        json!({ "name": "short", "expires_at": end }),
    )
    .await;
    require(&world, &anna, true).await;
    let bytes = good(1);

    refused(&upload(&world, &anna, bytes.clone()).await);
    let text = |pair: &Ed25519KeyPair, bytes: &[u8]| STANDARD.encode(sign(pair, bytes));
    refused(&signed(&world, &anna, &bytes, &text(&theirs, &bytes)).await);
    refused(&signed(&world, &anna, &bytes, &text(&ours, &good(2))).await);
    refused(&signed(&world, &anna, &good(2), &text(&ours, &bytes)).await);
    let good_text = text(&ours, &bytes);
    for malformed in [
        "",
        "x",
        &good_text[1..],
        &format!("{good_text}="),
        &STANDARD.encode([0; 64]),
    ] {
        refused(&signed(&world, &anna, &bytes, malformed).await);
    }
    let mut twice = upload_of(&anna, bytes.clone());
    for _ in 0..2 {
        twice
            .headers_mut()
            .append(HEADER, good_text.parse().unwrap());
    }
    refused(&world.send(twice).await);
    // Flipped bits of the signature, and of the bytes. Each single one is tried where signatures are
    // verified.
    let (mut signature, mut flipped) = (sign(&ours, &bytes), bytes.clone());
    for bit in (0..512).step_by(37) {
        signature[bit / 8] ^= 1 << (bit % 8);
        let text = STANDARD.encode(&signature);
        refused(&signed(&world, &anna, &bytes, &text).await);
        signature[bit / 8] ^= 1 << (bit % 8);
        flipped[bit * 5] ^= 1 << (bit % 8);
        refused(&signed(&world, &anna, &flipped, &good_text).await);
        flipped[bit * 5] ^= 1 << (bit % 8);
    }
    let nothing = world
        .engine
        .inspections
        .load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(nothing, 0, "nothing was parsed");

    let made = signed(&world, &anna, &bytes, &good_text).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let signatures = made.json()["signatures"].clone();
    assert_eq!(signatures.as_array().unwrap().len(), 1);
    assert_eq!(signatures[0]["key_id"], id.as_str());
    assert_eq!(signatures[0]["is_valid"], true);
    // A second one over the same bytes is kept beside it.
    let again = signed(&world, &anna, &bytes, &text(&short, &bytes)).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["signatures"].as_array().unwrap().len(), 2);

    world.clock.advance(TimeDelta::minutes(10));
    refused(&signed(&world, &anna, &good(4), &text(&short, &good(4))).await);
    let revoked = world
        .call("DELETE", &format!("{KEYS}/{id}"), Some(&anna.token), None)
        .await;
    assert_eq!(revoked.status, 204);
    refused(&signed(&world, &anna, &good(4), &text(&ours, &good(4))).await);
    let digest = made.json()["digest"].as_str().unwrap().to_owned();
    let read = world
        .get(&anna, &format!("{COMPONENTS}/{digest}"))
        .await
        .json();
    for signature in read["signatures"].as_array().unwrap() {
        assert_eq!(signature["is_valid"], false);
    }
    // Nobody asks boris for a signature; a wrong one is refused all the same.
    assert_eq!(upload(&world, &boris, bytes.clone()).await.status, 201);
    refused(&signed(&world, &boris, &bytes, &good_text).await);
    require(&world, &anna, false).await;
    assert_eq!(upload(&world, &anna, good(4)).await.status, 201);
}

#[tokio::test]
async fn keys_are_kept_in_order() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let cases = [
        (json!({ "name": "" }), "/name"),
        (json!({ "public_key": "" }), "/public_key"),
        (
            json!({ "public_key": STANDARD.encode([1; 31]) }),
            "/public_key",
        ),
        (
            json!({ "public_key": STANDARD.encode([0; 32]) }),
            "/public_key",
        ),
        (json!({ "public_key": "ssh-ed25519 AAAA" }), "/public_key"),
        (
            json!({ "expires_at": "2026-11-24T12:00:00Z" }),
            "/expires_at",
        ),
        (json!({ "expires_at": "tomorrow" }), "/expires_at"),
        (json!({ "private_key": "x" }), "/private_key"),
    ];
    for (change, pointer) in cases {
        let refused = world.post(&anna, KEYS, key_body(&pair(1), &change)).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()]),
            "{change}"
        );
    }
    let id = key(&world, &anna, &pair(1), json!({})).await;
    let listed = world.get(&anna, KEYS).await.json();
    assert_eq!(listed["items"][0]["id"], id.as_str());
    assert_eq!(listed["items"][0]["revoked_at"], Value::Null);
    let path = format!("{KEYS}/{id}");
    let foreign = world.call("DELETE", &path, Some(&boris.token), None).await;
    assert_eq!(foreign.status, 404);
    assert_eq!(world.get(&boris, KEYS).await.json()["items"], json!([]));
    for _ in 0..2 {
        assert_eq!(
            world
                .call("DELETE", &path, Some(&anna.token), None)
                .await
                .status,
            204
        );
    }
    let listed = world.get(&anna, KEYS).await.json();
    assert_eq!(listed["items"][0]["revoked_at"], "2026-11-24T12:00:00Z");
    for _ in 0..10 {
        key(&world, &anna, &pair(1), json!({})).await;
    }
    let one_more = world
        .post(&anna, KEYS, key_body(&pair(1), &json!({})))
        .await;
    assert_eq!(one_more.status, 429);
}

#[tokio::test]
async fn keys_and_policy_are_for_admins() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let id = key(&world, &anna, &pair(1), json!({})).await;
    for (role, is_allowed) in [("viewer", false), ("editor", false), ("admin", true)] {
        world.set_role(&anna, role).await;
        let policy = json!({ "requires_signature": false });
        let writes = [
            (
                "POST",
                KEYS.to_owned(),
                Some(key_body(&pair(2), &json!({}))),
            ),
            ("PUT", POLICY.to_owned(), Some(policy)),
            ("DELETE", format!("{KEYS}/{id}"), None),
        ];
        for (method, path, body) in writes {
            let answer = world.call(method, &path, Some(&anna.token), body).await;
            assert_eq!(
                answer.status < 300,
                is_allowed,
                "{role} {method}: {}",
                answer.text
            );
            assert!(is_allowed || answer.status == 403);
        }
        for path in [KEYS, POLICY] {
            assert_eq!(world.get(&anna, path).await.status, 200, "{role} {path}");
        }
    }
}
