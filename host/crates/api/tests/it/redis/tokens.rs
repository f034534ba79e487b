//! 58 tokens that are none: refused by both nodes in the same words, with Redis and without.
//!
//! The list is of OWASP's kind (ASVS 7 and 9). Where it speaks of public keys and of a version in the
//! token, the nearest that there is here stands for it: tokens have one secret key, and a session.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Request, header},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use vedette_api::testing::TestRedis;
use vedette_core::Clock as _;
use vedette_store::testing::TestDatabase;

use super::{ME, Nodes, SCRIPTS, patient};
use crate::world::{Account, PASSWORD, TOKEN_KEY, World, redacted};

/// A way to call, which must not lead to anything.
struct Row {
    what: &'static str,
    path: String,
    headers: Vec<(HeaderName, String)>,
    /// 401, but where the token is good and its organization is not.
    status: u16,
}

fn row(what: &'static str, path: &str, headers: Vec<(HeaderName, String)>) -> Row {
    Row {
        what,
        path: path.to_owned(),
        headers,
        status: 401,
    }
}

fn bearer(what: &'static str, token: &str) -> Row {
    row(
        what,
        ME,
        vec![(header::AUTHORIZATION, format!("Bearer {token}"))],
    )
}

fn sign(header: &str, claims: &str, key: &[u8], algorithm: Algorithm) -> String {
    let [header, claims] = [header, claims].map(|text| URL_SAFE_NO_PAD.encode(text));
    let message = format!("{header}.{claims}");
    let key = EncodingKey::from_secret(key);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// Header and claims as the server makes them, to be spoiled.
struct Forge {
    header: Value,
    claims: Value,
}

impl Forge {
    fn of(token: &str) -> Self {
        let mut parts = token.split('.').map(|part| {
            let bytes = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
            serde_json::from_slice::<Value>(&bytes).unwrap_or_default()
        });
        Self {
            header: parts.next().unwrap(),
            claims: parts.next().unwrap(),
        }
    }

    fn signed(header: &Value, claims: &Value) -> String {
        let (header, claims) = (header.to_string(), claims.to_string());
        sign(&header, &claims, &TOKEN_KEY, Algorithm::HS256)
    }

    fn header(&self, what: &'static str, name: &str, value: Value) -> Row {
        let mut header = self.header.clone();
        header[name] = value;
        bearer(what, &Self::signed(&header, &self.claims))
    }

    fn claim(&self, what: &'static str, name: &str, value: Value) -> Row {
        let mut claims = self.claims.clone();
        claims[name] = value;
        bearer(what, &Self::signed(&self.header, &claims))
    }

    fn without(&self, what: &'static str, name: &str) -> Row {
        let (mut header, mut claims) = (self.header.clone(), self.claims.clone());
        header.as_object_mut().unwrap().remove(name);
        claims.as_object_mut().unwrap().remove(name);
        bearer(what, &Self::signed(&header, &claims))
    }
}

fn headers(forge: &Forge, token: &str) -> Vec<Row> {
    let (header, claims) = (forge.header.to_string(), forge.claims.to_string());
    let twice = header.replace('{', r#"{"alg":"none","#);
    let family = header.replace("HS256", "HS384");
    let retired = header.replace("k1", "k0");
    let message = token.rsplit_once('.').unwrap().0;
    let unsigned = header.replace("HS256", "none");
    let none = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(unsigned),
        message.split_once('.').unwrap().1
    );
    vec![
        bearer("alg none, unsigned", &none),
        forge.header("alg None", "alg", json!("None")),
        forge.header("alg NONE", "alg", json!("NONE")),
        forge.header("alg nOnE", "alg", json!("nOnE")),
        bearer(
            "keyed with what everybody knows",
            &sign(&header, &claims, b"k1", Algorithm::HS256),
        ),
        bearer(
            "another algorithm of the family",
            &sign(&family, &claims, &TOKEN_KEY, Algorithm::HS384),
        ),
        bearer(
            "alg twice",
            &sign(&twice, &claims, &TOKEN_KEY, Algorithm::HS256),
        ),
        forge.header("unknown crit", "crit", json!(["exp"])),
        forge.header("jku", "jku", json!("https://example.com/")),
        forge.header("x5u", "x5u", json!("https://example.com/")),
        forge.header("jwk", "jwk", json!({ "kty": "oct", "k": "BwcH" })),
        forge.header("x5c", "x5c", json!(["MII"])),
        forge.without("kid absent", "kid"),
        forge.header("kid unknown", "kid", json!("k9")),
        forge.header("kid as a path", "kid", json!("../../dev/null")),
        forge.header("kid as SQL", "kid", json!("k1' OR '1'='1")),
        forge.header("kid of 10 KB", "kid", json!("k".repeat(10_240))),
        bearer(
            "a key that is retired",
            &sign(&retired, &claims, &[9; 32], Algorithm::HS256),
        ),
        bearer("five parts", &format!("{token}.{message}")),
        bearer("nested", &Forge::signed(&forge.header, &json!(token))),
    ]
}

fn signatures(forge: &Forge, token: &str) -> Vec<Row> {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.find(signature.chars().last().unwrap()).unwrap();
    let stray = &alphabet[last ^ 1..=last ^ 1];
    let start = &signature[..signature.len() - 1];
    let mut swapped = forge.claims.clone();
    swapped["sub"] = json!("018f3b3e-0000-7000-8000-000000000000");
    let swapped = URL_SAFE_NO_PAD.encode(swapped.to_string());
    let zero = URL_SAFE_NO_PAD.encode([0; 32]);
    let standard = format!("{}+", signature.replace(['-', '_'], "/"));
    let twice = forge.claims.to_string().replace('{', r#"{"typ":"access","#);
    let (key, other) = (&TOKEN_KEY, [8; 32]);
    vec![
        bearer("no signature", &format!("{message}.")),
        bearer("a shorter one", &format!("{message}.{start}")),
        bearer("a longer one", &format!("{token}AA")),
        bearer("zeros", &format!("{message}.{zero}")),
        bearer(
            "by another key",
            &sign(
                &forge.header.to_string(),
                &forge.claims.to_string(),
                &other,
                Algorithm::HS256,
            ),
        ),
        bearer("padding", &format!("{token}=")),
        bearer("the other alphabet", &format!("{message}.{standard}")),
        bearer("stray bits", &format!("{message}.{start}{stray}")),
        bearer("claims swapped", &format!("{header}.{swapped}.{signature}")),
        bearer(
            "a claim twice",
            &sign(&forge.header.to_string(), &twice, key, Algorithm::HS256),
        ),
        bearer(
            "1 MiB",
            &format!("{header}.{claims}{}.{signature}", "A".repeat(1 << 20)),
        ),
    ]
}

fn claims(forge: &Forge, now: i64, boris: &Account) -> Vec<Row> {
    vec![
        forge.claim("typ of a refresh token", "typ", json!("refresh")),
        forge.without("aud missing", "aud"),
        forge.claim("aud wrong", "aud", json!("other")),
        forge.without("iss missing", "iss"),
        forge.claim("iss wrong", "iss", json!("other")),
        forge.without("exp missing", "exp"),
        forge.claim("exp past", "exp", json!(now - 3_600)),
        forge.claim("exp as text", "exp", json!("9999999999")),
        forge.claim("exp 1e300", "exp", json!(1e300)),
        forge.claim("expired by 1 s", "exp", json!(now - 1)),
        forge.claim("nbf ahead", "nbf", json!(now + 60)),
        forge.claim("iat ahead", "iat", json!(now + 60)),
        forge.claim("lives too long", "exp", json!(now + 86_400)),
        forge.claim(
            "sub unknown",
            "sub",
            json!("018f3b3e-0000-7000-8000-000000000000"),
        ),
        forge.claim("sub of another tenant", "sub", json!(boris.id)),
    ]
}

fn places(anna: &Account) -> Vec<Row> {
    let token = &anna.token;
    let bearer = format!("Bearer {token}");
    let authorization = |value: String| (header::AUTHORIZATION, value);
    vec![
        row(
            "twice",
            ME,
            vec![authorization(bearer.clone()), authorization(bearer.clone())],
        ),
        row(
            "in the address",
            &format!("{ME}?access_token={token}"),
            vec![],
        ),
        row(
            "in a cookie",
            ME,
            vec![(header::COOKIE, format!("access_token={token}"))],
        ),
        row(
            "odd spacing",
            ME,
            vec![authorization(format!("Bearer  {token}"))],
        ),
        row(
            "a refresh token",
            ME,
            vec![authorization(format!("Bearer {}", anna.refresh))],
        ),
    ]
}

/// Those that were good until something ended them.
async fn ended(world: &World, admin: &Account, guests: &[Account]) -> Vec<Row> {
    let [deleted, logged_out, changed, revoked, let_in] = guests else {
        panic!("there are five");
    };
    let id = deleted.id.replace('-', "");
    world
        .database
        .execute(&format!("DELETE FROM users WHERE id = X'{id}'"))
        .await;
    assert_eq!(
        world
            .post(logged_out, "/api/v1/auth/logout", Value::Null)
            .await
            .status,
        204
    );
    let other = world.again("guest2").await;
    let body = json!({ "current_password": PASSWORD, "new_password": "another long sentence" });
    assert_eq!(
        world
            .put(&other, "/api/v1/users/me/password", body)
            .await
            .status,
        204
    );
    for (guest, states) in [(revoked, &[true][..]), (let_in, &[true, false])] {
        for is_disabled in states {
            let path = format!("/api/v1/admin/users/{}", guest.id);
            let body = json!({ "is_disabled": is_disabled, "is_admin": false });
            assert_eq!(world.put(admin, &path, body).await.status, 200);
        }
    }
    let boris = world.account("boris").await;
    let body = json!({ "role_id": viewer(world, &boris).await });
    let suspended = world.invited(&boris, "suspended", body).await;
    let ended = world.delete(&boris, "/api/v1/organization").await;
    assert_eq!(ended.status, 200);
    let mut tenant = bearer("the tenant is suspended", &suspended.token);
    (tenant.path, tenant.status) = (SCRIPTS.to_owned(), 403);
    vec![
        bearer("the user is deleted", &deleted.token),
        bearer("after logout", &logged_out.token),
        bearer("after a change of password", &changed.token),
        bearer("after an administrator's word", &revoked.token),
        bearer("of before the user was let in again", &let_in.token),
        tenant,
    ]
}

async fn viewer(world: &World, owner: &Account) -> Value {
    let roles = world.get(owner, "/api/v1/roles").await.json();
    let mut roles = roles["items"].as_array().unwrap().iter();
    roles.find(|role| role["name"] == "viewer").unwrap()["id"].clone()
}

#[tokio::test]
async fn all_of_the_list_are_refused_with_redis_and_without() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let mut nodes = Nodes::new(TestDatabase::sqlite().await, patient(&redis)).await;
    let world = nodes.on(0);
    let admin = world.account("admin").await;
    let anna = world.account("anna").await;
    let other = world.account("other").await;
    let role = viewer(world, &admin).await;
    let mut guests = Vec::new();
    for number in 0..5 {
        let invitation = json!({ "role_id": role });
        let name = format!("guest{number}");
        guests.push(world.invited(&admin, &name, invitation).await);
    }
    for account in guests.iter().chain([&anna, &other]) {
        assert_eq!(nodes.seen(&account.token, SCRIPTS).await, [200, 200]);
    }
    let world = nodes.on(1);
    let now = world.clock.now().timestamp();
    let forge = Forge::of(&anna.token);
    let mut rows = headers(&forge, &anna.token);
    rows.extend(signatures(&forge, &anna.token));
    rows.extend(claims(&forge, now, &other));
    rows.extend(places(&anna));
    rows.extend(ended(world, &admin, &guests).await);
    // The last of the list: an access token is no refresh token.
    assert_eq!(rows.len() + 1, 58);

    check_all(&mut nodes, &rows, &anna).await;
    redis.stop();
    check_all(&mut nodes, &rows, &anna).await;
    assert!(nodes.links.iter().all(|link| !link.is_up()));
    nodes.world.clock.advance(TimeDelta::minutes(15));
    assert_eq!(nodes.seen(&anna.token, ME).await, [401, 401]);
}

async fn check_all(nodes: &mut Nodes, rows: &[Row], anna: &Account) {
    for node in 0..2 {
        let mut words: Option<Value> = None;
        for row in rows {
            let mut request = Request::get(&row.path);
            for (name, value) in &row.headers {
                request = request.header(name, HeaderValue::from_str(value).unwrap());
            }
            let request = request.body(Body::empty()).unwrap();
            let answer = nodes.on(node).send(request).await;
            assert_eq!(answer.status, row.status, "{}", row.what);
            if row.status == 401 {
                let said = redacted(&answer.json());
                assert_eq!(words.get_or_insert(said.clone()), &said, "{}", row.what);
            }
        }
        let refreshed = nodes.on(node).refresh(&anna.token).await;
        assert_eq!(refreshed.status, 401);
        let good = nodes.call(node, "GET", ME, &anna.token, None).await;
        assert_eq!(good.status, 200, "the one that they are made of is good");
    }
}
