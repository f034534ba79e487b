//! Parameters, rehashing, and how many hash at a time.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use argon2::{Algorithm, Params, Version};
use axum::{
    http::{StatusCode, header},
    response::IntoResponse as _,
};

use super::*;

#[tokio::test]
async fn a_hash_has_the_parameters_that_owasp_asks_for() {
    let hasher = Hasher::new();
    let stored = hasher
        .hash("correct horse".to_owned())
        .await
        .unwrap()
        .unwrap();
    assert!(
        stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{stored}"
    );
    let again = hasher
        .hash("correct horse".to_owned())
        .await
        .unwrap()
        .unwrap();
    assert_ne!(stored, again, "each has a salt of its own");
    assert_eq!(
        hasher
            .check("correct horse".to_owned(), Some(stored.clone()))
            .await,
        Ok(Checked::Right)
    );
    assert_eq!(
        hasher.check("correct hors".to_owned(), Some(stored)).await,
        Ok(Checked::Wrong)
    );
}

#[tokio::test]
async fn nothing_is_cut_off() {
    let hasher = Hasher::new();
    let (one, other) = (
        format!("{}a", "x".repeat(255)),
        format!("{}b", "x".repeat(255)),
    );
    let stored = hasher.hash(one).await.unwrap().unwrap();
    assert_eq!(hasher.check(other, Some(stored)).await, Ok(Checked::Wrong));
}

#[tokio::test]
async fn one_that_is_too_long_is_wrong() {
    let hasher = Hasher::new();
    for (length, found) in [(256, Checked::Right), (257, Checked::Wrong)] {
        let password = "ü".repeat(length);
        let stored = hasher.hash(password.clone()).await.unwrap().unwrap();
        assert_eq!(hasher.check(password, Some(stored)).await, Ok(found));
    }
}

#[tokio::test]
async fn only_so_many_wait() {
    let hasher = Hasher::new();
    let all = u32::try_from(CONCURRENT_HASHES).unwrap();
    let turns = hasher.turns.clone().acquire_many_owned(all).await.unwrap();
    let check = || Box::pin(hasher.check("correct horse".to_owned(), None));
    let mut waiting = Vec::new();
    for _ in 0..MOST_WAITING {
        let mut one = check();
        let polled = tokio::time::timeout(Duration::ZERO, one.as_mut()).await;
        assert!(polled.is_err(), "it waits");
        waiting.push(one);
    }
    assert_eq!(check().await, Err(Busy));
    let answer = Problem::from(Busy).into_response();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key(header::RETRY_AFTER));
    // Clients that went away make room.
    drop(waiting);
    drop(turns);
    assert_eq!(check().await, Ok(Checked::Wrong));
}

#[tokio::test]
async fn a_hash_of_older_parameters_is_replaced() {
    let params = Params::new(8 * 1024, 1, 1, None).unwrap();
    let old = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let stored = old.hash_password(b"correct horse").unwrap().to_string();
    let hasher = Hasher::new();
    let checked = hasher
        .check("correct horse".to_owned(), Some(stored.clone()))
        .await;
    let Ok(Checked::Rehashed(new)) = checked else {
        panic!("{checked:?}")
    };
    assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
    assert_eq!(
        hasher.check("correct horse".to_owned(), Some(new)).await,
        Ok(Checked::Right)
    );
    assert_eq!(
        hasher.check("wrong".to_owned(), Some(stored)).await,
        Ok(Checked::Wrong)
    );
}

#[tokio::test]
async fn an_unknown_user_costs_a_whole_hash() {
    // If this text did not read as a hash, it would be refused at once and time would tell.
    let read = PasswordHash::new(NO_PASSWORD).unwrap();
    assert_eq!(read.hash.unwrap().as_bytes().len(), 32);
    assert!(is_current(NO_PASSWORD), "the same work as for a real one");
    assert_eq!(
        Hasher::new().check("anything".to_owned(), None).await,
        Ok(Checked::Wrong)
    );
    assert_eq!(
        Hasher::new()
            .check(String::new(), Some("damaged".to_owned()))
            .await,
        Ok(Checked::Wrong)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_makes_no_room() {
    static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let hasher = Hasher::new();
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..8 {
        let ended = ended.clone();
        let hash = hasher.in_turn(move || {
            MOST.fetch_max(AT_ONCE.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            hash("correct horse").unwrap();
            AT_ONCE.fetch_sub(1, Ordering::SeqCst);
            ended.send(()).unwrap();
        });
        // The client waits for less than a hash takes.
        let _ = tokio::time::timeout(Duration::from_millis(2), hash).await;
    }
    drop(ended);
    while ends.recv().await.is_some() {}
    // Each turn comes back once its work has ended.
    let all = u32::try_from(CONCURRENT_HASHES).unwrap();
    let turns = tokio::time::timeout(Duration::from_secs(20), hasher.turns.acquire_many(all));
    drop(turns.await.expect("every turn comes back").unwrap());
    assert!((1..=CONCURRENT_HASHES).contains(&MOST.load(Ordering::SeqCst)));
}
