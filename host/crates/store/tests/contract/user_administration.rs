//! Users as administrators see them, and links that set a new password.

use chrono::TimeDelta;
use vedette_core::{SessionId, UserId};
use vedette_store::{
    ChangedUser, NewPasswordReset, NewSession, PageRequest, Store, UserChange, both_databases,
};

use crate::{Owner, PAGE, clock, owner, session, start};

both_databases!(
    all_users_are_listed,
    a_disabled_user_is_out_at_once_and_for_good,
    there_is_always_an_administrator,
    of_two_administrators_who_disable_each_other_one_stays,
    a_link_is_good_once_and_for_its_time,
    of_many_uses_of_a_link_one_counts,
    links_end_with_what_they_are_for,
    a_reset_and_a_change_do_not_lock_each_other_out,
);

const HASH: &str = "$argon2id$…";
const NOTHING: UserChange = UserChange {
    is_disabled: false,
    is_admin: false,
};
const DISABLED: UserChange = UserChange {
    is_disabled: true,
    ..NOTHING
};
const ADMIN: UserChange = UserChange {
    is_admin: true,
    ..NOTHING
};

async fn change(store: &Store, user: UserId, change: UserChange) -> ChangedUser {
    store.change_user(user, change, start()).await.unwrap()
}

async fn is_going_on(store: &Store, id: SessionId) -> bool {
    store.find_caller(id, start()).await.unwrap().is_some()
}

fn new_reset(for_user: &Owner, by: &Owner, token_hash: [u8; 32]) -> NewPasswordReset {
    NewPasswordReset {
        user_id: for_user.user,
        token_hash,
        created_by: by.user,
        created_at: start(),
        expires_at: start() + TimeDelta::hours(1),
    }
}

async fn all_users_are_listed(store: Store) {
    let mut ids = Vec::new();
    for name in ["anna", "bert", "carla"] {
        ids.push(owner(&store, name).await.user);
    }
    ids.sort();
    ids.reverse();
    let all = store.list_users(PAGE).await.unwrap();
    let listed: Vec<_> = all.items.iter().map(|user| user.id).collect();
    assert_eq!(listed, ids);
    let anna = all
        .items
        .iter()
        .find(|user| user.username == "anna")
        .unwrap();
    assert_eq!(
        (
            anna.email.as_str(),
            anna.is_admin,
            anna.is_disabled,
            anna.created_at
        ),
        ("anna@example.com", true, false, start())
    );
    let page = PageRequest {
        limit: 2,
        cursor: None,
    };
    let first = store.list_users(page).await.unwrap();
    let cursor = first.next_cursor;
    let rest = store
        .list_users(PageRequest { cursor, ..page })
        .await
        .unwrap();
    assert_eq!([first.items, rest.items].concat(), all.items);
    assert!(rest.next_cursor.is_none());
}

async fn a_disabled_user_is_out_at_once_and_for_good(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let (of_anna, of_bert) = (session(&store, &anna).await, session(&store, &bert).await);
    let ChangedUser::Done(changed) = change(&store, bert.user, DISABLED).await else {
        panic!("bert is no administrator")
    };
    assert_eq!((changed.id, changed.is_disabled), (bert.user, true));
    assert!(!is_going_on(&store, of_bert).await);
    assert!(is_going_on(&store, of_anna).await);
    let again = NewSession {
        id: SessionId::generate(&clock()),
        user_id: bert.user,
        org_id: Some(bert.org),
        refresh_token_hash: [1; 32],
        created_at: start(),
        expires_at: start() + TimeDelta::days(1),
    };
    assert!(!store.sign_in(again.clone(), HASH, HASH).await.unwrap());
    assert!(matches!(
        change(&store, bert.user, NOTHING).await,
        ChangedUser::Done(_)
    ));
    assert!(
        !is_going_on(&store, of_bert).await,
        "what has ended stays so"
    );
    assert!(store.sign_in(again, HASH, HASH).await.unwrap());
    let unknown = UserId::generate(&clock());
    assert_eq!(change(&store, unknown, DISABLED).await, ChangedUser::Absent);
}

async fn there_is_always_an_administrator(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let id = session(&store, &anna).await;
    for wrong in [
        NOTHING,
        DISABLED,
        UserChange {
            is_admin: true,
            ..DISABLED
        },
    ] {
        let refused = change(&store, anna.user, wrong).await;
        assert_eq!(refused, ChangedUser::LastAdministrator, "{wrong:?}");
    }
    let stored = store.find_login("anna").await.unwrap().unwrap().user;
    assert!(stored.is_admin && !stored.is_disabled);
    assert!(is_going_on(&store, id).await, "nothing was done");
    assert!(matches!(
        change(&store, bert.user, ADMIN).await,
        ChangedUser::Done(_)
    ));
    assert!(matches!(
        change(&store, anna.user, NOTHING).await,
        ChangedUser::Done(_)
    ));
    let refused = change(&store, bert.user, NOTHING).await;
    assert_eq!(refused, ChangedUser::LastAdministrator);
}

async fn of_two_administrators_who_disable_each_other_one_stays(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    for _ in 0..5 {
        for user in [anna.user, bert.user] {
            change(&store, user, ADMIN).await;
        }
        let tasks = [anna.user, bert.user].map(|user| {
            let store = store.clone();
            tokio::spawn(async move { change(&store, user, DISABLED).await })
        });
        let mut refused = 0;
        for task in tasks {
            refused += i32::from(task.await.unwrap() == ChangedUser::LastAdministrator);
        }
        assert_eq!(refused, 1);
    }
}

async fn a_link_is_good_once_and_for_its_time(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let ids = [session(&store, &bert).await, session(&store, &bert).await];
    let other = session(&store, &anna).await;
    let (old, new) = ([1; 32], [2; 32]);
    for token in [old, new] {
        assert!(
            store
                .put_password_reset(&new_reset(&bert, &anna, token))
                .await
                .unwrap()
        );
    }
    let end = start() + TimeDelta::hours(1);
    let before = end - TimeDelta::microseconds(1);
    let find = async |token, now| store.find_password_reset(token, now).await.unwrap();
    assert_eq!(find(old, start()).await, None, "a new one took its place");
    assert_eq!(find(new, end).await, None, "it is over");
    assert_eq!(find(new, before).await.unwrap().id, bert.user);
    let reset = async |token, now| store.use_password_reset(token, "new", now).await.unwrap();
    assert!(!reset(old, start()).await);
    assert!(!reset(new, end).await);
    assert!(is_going_on(&store, ids[0]).await, "nothing was done");
    assert!(reset(new, before).await);
    assert!(!reset(new, before).await);
    assert_eq!(find(new, before).await, None);
    let hash = async |user| store.find_password_hash(user).await.unwrap().unwrap();
    assert_eq!(
        (hash(bert.user).await, hash(anna.user).await),
        ("new".into(), HASH.into())
    );
    for id in ids {
        assert!(!is_going_on(&store, id).await);
    }
    assert!(is_going_on(&store, other).await);
}

async fn of_many_uses_of_a_link_one_counts(store: Store) {
    let anna = owner(&store, "anna").await;
    store
        .put_password_reset(&new_reset(&anna, &anna, [1; 32]))
        .await
        .unwrap();
    let uses: Vec<_> = (0..8)
        .map(|n| {
            let store = store.clone();
            let hash = format!("hash {n}");
            tokio::spawn(async move {
                let used = store.use_password_reset([1; 32], &hash, start()).await;
                used.unwrap().then_some(hash)
            })
        })
        .collect();
    let mut counted = Vec::new();
    for one in uses {
        counted.extend(one.await.unwrap());
    }
    assert_eq!(counted.len(), 1);
    let stored = store.find_password_hash(anna.user).await.unwrap();
    assert_eq!(stored.as_ref(), counted.first());
}

async fn links_end_with_what_they_are_for(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let own = session(&store, &bert).await;
    let find = async |token| store.find_password_reset(token, start()).await.unwrap();
    let put = async |token| {
        let new = new_reset(&bert, &anna, token);
        store.put_password_reset(&new).await.unwrap()
    };
    assert!(put([1; 32]).await);
    let changed = store.change_password(bert.user, own, HASH, "new", start());
    assert!(changed.await.unwrap());
    assert_eq!(find([1; 32]).await, None, "the password is another one now");
    assert!(put([2; 32]).await);
    change(&store, bert.user, DISABLED).await;
    assert!(!put([3; 32]).await, "not for who is disabled");
    change(&store, bert.user, NOTHING).await;
    for token in [[2; 32], [3; 32]] {
        assert_eq!(find(token).await, None);
        assert!(
            !store
                .use_password_reset(token, "newer", start())
                .await
                .unwrap()
        );
    }
    let nobody = Owner {
        user: UserId::generate(&clock()),
        ..bert
    };
    let new = new_reset(&nobody, &anna, [4; 32]);
    assert!(!store.put_password_reset(&new).await.unwrap());
}

async fn a_reset_and_a_change_do_not_lock_each_other_out(store: Store) {
    let anna = owner(&store, "anna").await;
    for round in 0..10_u8 {
        let name = format!("bert{round}");
        let bert = owner(&store, &name).await;
        let own = session(&store, &bert).await;
        store
            .put_password_reset(&new_reset(&bert, &anna, [round; 32]))
            .await
            .unwrap();
        let (one, other, third) = (store.clone(), store.clone(), store.clone());
        let reset = tokio::spawn(async move {
            one.use_password_reset([round; 32], "reset", start())
                .await
                .map(drop)
        });
        let change = tokio::spawn(async move {
            other
                .change_password(bert.user, own, HASH, "changed", start())
                .await
                .map(drop)
        });
        let disable =
            tokio::spawn(async move { third.change_user(bert.user, DISABLED, start()).await });
        reset.await.unwrap().expect("no deadlock");
        change.await.unwrap().expect("no deadlock");
        disable.await.unwrap().expect("no deadlock");
    }
}
