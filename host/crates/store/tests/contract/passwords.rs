//! Signing in, and changing the password, alone and against each other.

use chrono::TimeDelta;
use vedette_core::SessionId;
use vedette_store::{NewSession, Store, both_databases};

use crate::{Owner, clock, owner, start};

both_databases!(
    a_session_begins_by_the_password_of_this_moment,
    a_change_ends_all_other_sessions,
    no_session_survives_a_change_that_it_raced_with,
);

/// What `new_user` writes.
const HASH: &str = "$argon2id$…";

fn new_session(owner: &Owner) -> NewSession {
    NewSession {
        id: SessionId::generate(&clock()),
        user_id: owner.user,
        org_id: Some(owner.org),
        refresh_token_hash: [1; 32],
        created_at: start(),
        expires_at: start() + TimeDelta::days(1),
    }
}

async fn begin(store: &Store, owner: &Owner, seen: &str, new: &str) -> Option<SessionId> {
    let session = new_session(owner);
    let id = session.id;
    let is_begun = store.sign_in(session, seen, new).await.unwrap();
    is_begun.then_some(id)
}

async fn is_going_on(store: &Store, id: SessionId) -> bool {
    store.find_caller(id, start()).await.unwrap().is_some()
}

async fn a_session_begins_by_the_password_of_this_moment(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let hash = async |owner: &Owner| store.find_password_hash(owner.user).await.unwrap();
    let id = begin(&store, &anna, HASH, "rehashed").await.unwrap();
    assert!(is_going_on(&store, id).await);
    assert_eq!(hash(&anna).await.as_deref(), Some("rehashed"));
    assert_eq!(hash(&bert).await.as_deref(), Some(HASH), "nobody else's");
    assert_eq!(
        begin(&store, &anna, HASH, HASH).await,
        None,
        "it is another now"
    );
    assert_eq!(hash(&anna).await.as_deref(), Some("rehashed"));
}

async fn a_change_ends_all_other_sessions(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let own = begin(&store, &anna, HASH, HASH).await.unwrap();
    let other = begin(&store, &anna, HASH, HASH).await.unwrap();
    let foreign = begin(&store, &bert, HASH, HASH).await.unwrap();
    let change = async |seen, new| {
        let changed = store.change_password(anna.user, own, seen, new, start());
        changed.await.unwrap()
    };
    assert!(!change("another", "new").await);
    assert!(is_going_on(&store, other).await, "nothing was changed");
    assert!(change(HASH, "new").await);
    let going_on = [own, other, foreign].map(|id| is_going_on(&store, id));
    let [own, other, foreign] = going_on;
    assert_eq!((own.await, other.await, foreign.await), (true, false, true));
    assert!(!change(HASH, "newer").await, "it is another now");
}

async fn no_session_survives_a_change_that_it_raced_with(store: Store) {
    for round in 0..10 {
        let anna = owner(&store, &format!("anna{round}")).await;
        let own = begin(&store, &anna, HASH, HASH).await.unwrap();
        let logins: Vec<_> = (0..6)
            .map(|_| {
                let (store, session) = (store.clone(), new_session(&anna));
                tokio::spawn(async move {
                    let id = session.id;
                    store.sign_in(session, HASH, HASH).await.unwrap();
                    id
                })
            })
            .collect();
        let (changing, user) = (store.clone(), anna.user);
        let change = tokio::spawn(async move {
            let changed = changing.change_password(user, own, HASH, "new", start());
            changed.await.unwrap()
        });
        assert!(change.await.unwrap());
        for login in logins {
            let id = login.await.unwrap();
            assert!(
                !is_going_on(&store, id).await,
                "it began by the old password"
            );
        }
        assert!(is_going_on(&store, own).await);
    }
}
