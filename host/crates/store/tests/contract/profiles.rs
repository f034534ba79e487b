//! A user's name, address and sessions.

use chrono::TimeDelta;
use vedette_core::{ManualClock, SessionId};
use vedette_store::{NewSession, PageRequest, Store, StoreError, both_databases};

use crate::{Owner, PAGE, owner, start};

both_databases!(
    names_and_addresses_stay_unique_in_changes,
    of_many_that_take_a_name_one_gets_it,
    sessions_are_listed_and_ended_by_their_user,
);

async fn names_and_addresses_stay_unique_in_changes(store: Store) {
    let (anna, _) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let change = async |name, email| store.update_profile(anna.user, name, email).await;
    let taken = change("BERT", "anna@example.com").await;
    assert!(
        matches!(taken, Err(StoreError::Conflict { field: "username" })),
        "{taken:?}"
    );
    let taken = change("carla", "Bert@Example.com").await;
    assert!(
        matches!(taken, Err(StoreError::Conflict { field: "email" })),
        "{taken:?}"
    );
    assert!(store.find_login("carla").await.unwrap().is_none());
    change("Anna", "anna@example.com").await.unwrap();
    change("carla", "carla@example.org").await.unwrap();
    let found = store
        .find_login("carla@example.org")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.user.id, found.user.username.as_str()),
        (anna.user, "carla")
    );
    assert!(store.find_login("anna").await.unwrap().is_none());
}

async fn of_many_that_take_a_name_one_gets_it(store: Store) {
    let mut tasks = Vec::new();
    for n in 0..6 {
        let (store, owner) = (store.clone(), owner(&store, &format!("user{n}")).await);
        tasks.push(tokio::spawn(async move {
            let email = format!("{n}@example.com");
            store.update_profile(owner.user, "anna", &email).await
        }));
    }
    let mut changed = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => changed += 1,
            Err(error) => assert!(
                matches!(error, StoreError::Conflict { field: "username" }),
                "{error:?}"
            ),
        }
    }
    assert_eq!(changed, 1);
}

/// The n-th session of a user; each begins a second after the one before.
async fn session(store: &Store, owner: &Owner, n: i64) -> SessionId {
    let now = start() + TimeDelta::seconds(n);
    let id = SessionId::generate(&ManualClock::at(now));
    let session = NewSession {
        id,
        user_id: owner.user,
        org_id: Some(owner.org),
        refresh_token_hash: [1; 32],
        created_at: now,
        expires_at: now + TimeDelta::days(1),
    };
    store.create_session(session).await.unwrap();
    id
}

async fn sessions_are_listed_and_ended_by_their_user(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(session(&store, &anna, n).await);
    }
    let foreign = session(&store, &bert, 0).await;
    let list = async |page, now| store.list_sessions(anna.user, page, now).await.unwrap();
    let all = list(PAGE, start()).await;
    let listed: Vec<_> = all.items.iter().map(|session| session.id).collect();
    assert_eq!(listed, [ids[2], ids[1], ids[0]]);
    assert_eq!(all.items[2].created_at, start());
    assert_eq!(all.items[2].expires_at, start() + TimeDelta::days(1));
    let mut page = PageRequest {
        limit: 2,
        cursor: None,
    };
    page.cursor = list(page, start()).await.next_cursor;
    assert_eq!(list(page, start()).await.items, all.items[2..]);
    let over = start() + TimeDelta::days(1) + TimeDelta::seconds(1);
    assert_eq!(list(PAGE, over).await.items, all.items[..1], "two are over");

    let revoke = async |id, now| store.revoke_own_session(anna.user, id, now).await.unwrap();
    assert!(!revoke(foreign, start()).await);
    assert!(store.find_caller(foreign, start()).await.unwrap().is_some());
    assert!(!revoke(ids[0], over).await, "it is over");
    assert!(revoke(ids[1], start()).await);
    assert!(!revoke(ids[1], start()).await, "it was ended");
    assert!(store.find_caller(ids[1], start()).await.unwrap().is_none());
    assert_eq!(list(PAGE, start()).await.items.len(), 2);
}
