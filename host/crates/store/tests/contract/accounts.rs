//! Users and sessions.

use chrono::TimeDelta;
use vedette_core::{BuiltInRole, OrgId, SessionId};
use vedette_store::{Store, StoreError, both_databases};

use crate::{clock, new_user, owner, session, start};

both_databases!(
    the_first_user_is_administrator,
    names_and_addresses_are_unique,
    of_two_first_registrations_one_wins,
    a_session_ends_in_every_way,
    a_used_refresh_token_ends_the_session,
    a_refresh_prolongs_the_session,
    each_organization_has_a_project_of_its_own,
);

async fn the_first_user_is_administrator(store: Store) {
    assert!(!store.has_users().await.unwrap());
    let mut first = new_user("first");
    first.allow_later = false;
    assert!(store.register_user(first).await.unwrap().user.is_admin);
    assert!(store.has_users().await.unwrap());
    let mut second = new_user("second");
    second.allow_later = false;
    let refused = store.register_user(second.clone()).await;
    assert!(
        matches!(refused, Err(StoreError::RegistrationClosed)),
        "{refused:?}"
    );
    second.allow_later = true;
    assert!(!store.register_user(second).await.unwrap().user.is_admin);
    let login = store
        .find_login("SECOND@example.COM")
        .await
        .unwrap()
        .expect("by address, any case");
    assert_eq!(login.user.username, "second");
    assert!(store.find_login("third").await.unwrap().is_none());
}

async fn names_and_addresses_are_unique(store: Store) {
    owner(&store, "anna").await;
    let same_name = store.register_user(new_user("ANNA")).await;
    assert!(
        matches!(same_name, Err(StoreError::Conflict { field: "username" })),
        "{same_name:?}"
    );
    let mut same_email = new_user("bert");
    same_email.email = String::from("Anna@Example.com");
    let same_email = store.register_user(same_email).await;
    assert!(
        matches!(same_email, Err(StoreError::Conflict { field: "email" })),
        "{same_email:?}"
    );
    // Nothing half-done: the refused name is still free.
    store.register_user(new_user("bert")).await.unwrap();
}

async fn of_two_first_registrations_one_wins(store: Store) {
    let race = (0..8).map(|n| {
        let store = store.clone();
        let mut new = new_user(&format!("user{n}"));
        new.allow_later = false;
        tokio::spawn(async move { store.register_user(new).await })
    });
    let mut admins = 0;
    for attempt in race.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(registration) => admins += i32::from(registration.user.is_admin),
            Err(error) => assert!(matches!(error, StoreError::RegistrationClosed), "{error:?}"),
        }
    }
    assert_eq!(admins, 1);
}

async fn a_session_ends_in_every_way(store: Store) {
    let anna = owner(&store, "anna").await;
    let id = session(&store, &anna).await;
    let caller = store
        .find_caller(id, start())
        .await
        .unwrap()
        .expect("it is there");
    assert_eq!(caller.user.username, "anna");
    let (_, access) = caller.member.expect("a member of the own organization");
    assert_eq!(access.everywhere(), BuiltInRole::Owner.permissions());
    let after = start() + TimeDelta::days(1);
    assert!(
        store.find_caller(id, after).await.unwrap().is_none(),
        "it is over"
    );
    assert!(
        store
            .find_caller(SessionId::generate(&clock()), start())
            .await
            .unwrap()
            .is_none()
    );
    store.revoke_session(id, start()).await.unwrap();
    assert!(
        store.find_caller(id, start()).await.unwrap().is_none(),
        "it is revoked"
    );
    assert_eq!(
        store
            .delete_expired_sessions(after + TimeDelta::seconds(1))
            .await
            .unwrap(),
        1
    );
}

async fn a_used_refresh_token_ends_the_session(store: Store) {
    let anna = owner(&store, "anna").await;
    let id = session(&store, &anna).await;
    let end = start() + TimeDelta::days(2);
    assert!(
        store
            .rotate_session(id, [1; 32], [2; 32], end, start())
            .await
            .unwrap()
    );
    assert!(store.find_caller(id, start()).await.unwrap().is_some());
    assert!(
        !store
            .rotate_session(id, [1; 32], [3; 32], end, start())
            .await
            .unwrap()
    );
    assert!(
        store.find_caller(id, start()).await.unwrap().is_none(),
        "the thief's copy is dead too"
    );
    assert!(
        !store
            .rotate_session(id, [2; 32], [3; 32], end, start())
            .await
            .unwrap()
    );
}

async fn a_refresh_prolongs_the_session(store: Store) {
    let anna = owner(&store, "anna").await;
    let id = session(&store, &anna).await;
    let (before, later) = (
        start() + TimeDelta::hours(23),
        start() + TimeDelta::hours(25),
    );
    let end = start() + TimeDelta::days(2);
    assert!(
        store
            .rotate_session(id, [1; 32], [2; 32], end, before)
            .await
            .unwrap()
    );
    assert!(store.find_caller(id, later).await.unwrap().is_some());
    assert!(
        !store
            .rotate_session(id, [2; 32], [3; 32], end, end)
            .await
            .unwrap(),
        "it is over"
    );
    let unknown = SessionId::generate(&clock());
    assert!(
        !store
            .rotate_session(unknown, [2; 32], [3; 32], end, start())
            .await
            .unwrap()
    );
}

async fn each_organization_has_a_project_of_its_own(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    assert_eq!(
        store.default_project(anna.org).await.unwrap(),
        Some(anna.project)
    );
    assert_eq!(
        store.default_project(bert.org).await.unwrap(),
        Some(bert.project)
    );
    assert_eq!(
        store
            .default_project(OrgId::generate(&clock()))
            .await
            .unwrap(),
        None
    );
}
