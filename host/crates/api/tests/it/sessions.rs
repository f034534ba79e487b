//! What a token is worth: where it counts, for whom, and until when.

use axum::{
    body::Body,
    http::{Request, header},
};
use chrono::TimeDelta;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use crate::world::{PASSWORD, TOKEN_KEY, World, redacted};

const ME: &str = "/api/v1/users/me";

#[tokio::test]
async fn after_logout_neither_token_is_good() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let other = world.login("anna", PASSWORD).await.json()["access_token"].clone();
    let path = "/api/v1/auth/logout";
    assert_eq!(
        world
            .call("POST", path, Some(&anna.token), None)
            .await
            .status,
        204
    );
    assert_eq!(world.get(&anna, ME).await.status, 401);
    assert_eq!(
        world
            .call("POST", path, Some(&anna.token), None)
            .await
            .status,
        401
    );
    assert_eq!(world.refresh(&anna.refresh).await.status, 401);
    assert_eq!(
        world.call("GET", ME, other.as_str(), None).await.status,
        200,
        "another session goes on"
    );
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_session() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let other_session = world.login("anna", PASSWORD).await.json();
    let fresh = world.refresh(&anna.refresh).await;
    assert_eq!(fresh.status, 200);
    let fresh = fresh.json();
    let (token, refresh) = (
        fresh["access_token"].as_str(),
        fresh["refresh_token"].as_str(),
    );
    assert_eq!(world.call("GET", ME, token, None).await.status, 200);

    assert_eq!(
        world.refresh(&anna.refresh).await.status,
        401,
        "used before"
    );
    assert_eq!(
        world.call("GET", ME, token, None).await.status,
        401,
        "the session is over"
    );
    assert_eq!(world.refresh(refresh.unwrap()).await.status, 401);
    let other = other_session["access_token"].as_str();
    assert_eq!(
        world.call("GET", ME, other, None).await.status,
        200,
        "another device is not"
    );
    for token in [
        "",
        "x",
        &anna.token,
        "018f3b3e-0000-7000-8000-000000000000.AAAA",
    ] {
        assert_eq!(world.refresh(token).await.status, 401, "{token}");
    }
}

#[tokio::test]
async fn of_many_refreshes_at_once_one_succeeds() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let (world, refresh) = (&world, &anna.refresh);
    let calls = (0..20).map(|_| async move { world.refresh(refresh).await.status });
    let statuses = futures::future::join_all(calls).await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 401).count(),
        19,
        "{statuses:?}"
    );
}

#[tokio::test]
async fn tokens_and_sessions_end_by_time() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    world.clock.advance(TimeDelta::seconds(15 * 60 - 1));
    assert_eq!(world.get(&anna, ME).await.status, 200);
    world.clock.advance(TimeDelta::seconds(1));
    assert_eq!(world.get(&anna, ME).await.status, 401, "no leeway");
    let fresh = world.refresh(&anna.refresh).await.json();
    world.clock.advance(TimeDelta::days(30));
    assert_eq!(
        world
            .refresh(fresh["refresh_token"].as_str().unwrap())
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn a_token_counts_only_in_one_authorization_header() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let bearer = format!("Bearer {}", anna.token);
    let cases: Vec<(String, Vec<(header::HeaderName, String)>)> = vec![
        (ME.to_owned(), vec![]),
        (format!("{ME}?access_token={}", anna.token), vec![]),
        (
            ME.to_owned(),
            vec![(header::COOKIE, format!("access_token={}", anna.token))],
        ),
        (
            ME.to_owned(),
            vec![(header::PROXY_AUTHORIZATION, bearer.clone())],
        ),
        (
            ME.to_owned(),
            vec![(
                header::HeaderName::from_static("x-access-token"),
                anna.token.clone(),
            )],
        ),
        (
            ME.to_owned(),
            vec![
                (header::AUTHORIZATION, bearer.clone()),
                (header::AUTHORIZATION, bearer.clone()),
            ],
        ),
        (
            ME.to_owned(),
            vec![(header::AUTHORIZATION, anna.token.clone())],
        ),
        (
            ME.to_owned(),
            vec![(header::AUTHORIZATION, format!("Basic {}", anna.token))],
        ),
        (
            ME.to_owned(),
            vec![(header::AUTHORIZATION, format!("Bearer  {}", anna.token))],
        ),
        (
            ME.to_owned(),
            vec![(header::AUTHORIZATION, format!("{bearer}, {bearer}"))],
        ),
        (
            ME.to_owned(),
            vec![(header::AUTHORIZATION, format!("Bearer {}", anna.refresh))],
        ),
        (
            ME.to_owned(),
            vec![(
                header::AUTHORIZATION,
                format!("Bearer {}", "a".repeat(1 << 20)),
            )],
        ),
    ];
    let mut answers = Vec::new();
    for (path, headers) in &cases {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 401, "{path} {headers:?}");
        answers.push(redacted(&answer.json()));
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "an answer tells which case it is"
    );
    let good = Request::get(ME).header(header::AUTHORIZATION, format!("bearer {}", anna.token));
    assert_eq!(
        world.send(good.body(Body::empty()).unwrap()).await.status,
        200
    );
}

/// A token of the right key that says what the server would not.
fn resigned(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut validation = jsonwebtoken::Validation::default();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let key = jsonwebtoken::DecodingKey::from_secret(&TOKEN_KEY);
    let mut claims = jsonwebtoken::decode::<Value>(token, &key, &validation)
        .unwrap()
        .claims;
    change(&mut claims);
    let header = Header {
        kid: Some("k1".to_owned()),
        ..Header::default()
    };
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&TOKEN_KEY)).unwrap()
}

#[tokio::test]
async fn a_token_is_good_only_for_the_user_of_its_session() {
    let world = World::new().await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let me = async |token: String| world.call("GET", ME, Some(&token), None).await.status;
    assert_eq!(
        me(resigned(&anna.token, |_| {})).await,
        200,
        "signed as the server does"
    );
    assert_eq!(
        me(resigned(&anna.token, |claims| claims["sub"] = json!(boris.id))).await,
        401
    );
    let absent = json!("018f3b3e-0000-7000-8000-000000000000");
    assert_eq!(
        me(resigned(&anna.token, |claims| claims["sub"] = absent.clone())).await,
        401
    );
    assert_eq!(
        me(resigned(&anna.token, |claims| claims["sid"] = absent)).await,
        401
    );
}
