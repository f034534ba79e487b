//! Keys for codes, and what counts once.

use vedette_core::UserId;
use vedette_store::{Store, TotpKey, both_databases};

use crate::{clock, owner, start};

both_databases!(
    a_key_counts_from_its_confirmation_on,
    a_step_counts_once_and_ends_the_earlier_ones,
    a_recovery_code_counts_once,
    of_many_uses_at_once_one_counts,
);

const HASHES: [[u8; 32]; 3] = [[1; 32], [2; 32], [3; 32]];

async fn find(store: &Store, user: UserId) -> Option<TotpKey> {
    store.find_totp_key(user).await.unwrap()
}

async fn confirm(store: &Store, user: UserId, key: &[u8], step: i64) -> bool {
    store
        .confirm_totp_key(user, key, step, &HASHES, start())
        .await
        .unwrap()
}

/// A user whose key `key` is confirmed by the code of step 10.
async fn enrolled(store: &Store, name: &str) -> UserId {
    let user = owner(store, name).await.user;
    assert!(store.put_totp_key(user, b"key", start()).await.unwrap());
    assert!(confirm(store, user, b"key", 10).await);
    user
}

async fn a_key_counts_from_its_confirmation_on(store: Store) {
    let (anna, bert) = (
        owner(&store, "anna").await.user,
        owner(&store, "bert").await.user,
    );
    let put = async |user, key: &[u8]| store.put_totp_key(user, key, start()).await.unwrap();
    assert_eq!(find(&store, anna).await, None);
    assert!(!confirm(&store, anna, b"first", 10).await, "there is none");
    for key in [b"first", b"other"] {
        assert!(put(anna, key).await);
    }
    assert!(put(bert, b"first").await);
    let key = |last_step| TotpKey {
        sealed_key: b"other".to_vec(),
        last_step,
    };
    assert_eq!(find(&store, anna).await, Some(key(None)));
    assert!(
        !store.use_totp_step(anna, b"other", 99).await.unwrap(),
        "it does not count yet"
    );
    assert!(
        !confirm(&store, anna, b"first", 10).await,
        "it was replaced"
    );
    assert!(confirm(&store, anna, b"other", 10).await);
    assert!(!confirm(&store, anna, b"other", 11).await);
    assert!(!put(anna, b"third").await);
    assert_eq!(find(&store, anna).await, Some(key(Some(10))));
    assert_eq!(
        find(&store, bert).await.unwrap().last_step,
        None,
        "nobody else's"
    );
    let left = async |user| store.count_recovery_codes(user).await.unwrap();
    assert_eq!((left(anna).await, left(bert).await), (3, 0));

    assert!(store.delete_totp_key(anna).await.unwrap());
    assert!(!store.delete_totp_key(anna).await.unwrap());
    assert_eq!((find(&store, anna).await, left(anna).await), (None, 0));
    assert!(find(&store, bert).await.is_some());
    // It begins anew, and the old codes are gone.
    assert!(put(anna, b"third").await && confirm(&store, anna, b"third", 5).await);
    assert_eq!(left(anna).await, 3);
}

async fn a_step_counts_once_and_ends_the_earlier_ones(store: Store) {
    let (anna, bert) = (
        enrolled(&store, "anna").await,
        enrolled(&store, "bert").await,
    );
    let used = async |user, key: &[u8], step| store.use_totp_step(user, key, step).await.unwrap();
    assert!(
        !used(anna, b"key", 10).await,
        "the confirmation has used it"
    );
    assert!(!used(anna, b"another", 12).await);
    assert!(used(anna, b"key", 12).await);
    for step in [12, 11] {
        assert!(!used(anna, b"key", step).await);
    }
    assert!(used(bert, b"key", 11).await);
    assert!(!used(UserId::generate(&clock()), b"key", 11).await);
}

async fn a_recovery_code_counts_once(store: Store) {
    let (anna, bert) = (
        enrolled(&store, "anna").await,
        enrolled(&store, "bert").await,
    );
    let used = async |user, hash| store.use_recovery_code(user, hash).await.unwrap();
    assert!(used(anna, HASHES[0]).await);
    assert!(!used(anna, HASHES[0]).await);
    assert!(!used(anna, [9; 32]).await);
    assert_eq!(store.count_recovery_codes(anna).await.unwrap(), 2);
    assert!(used(bert, HASHES[0]).await, "everybody's are their own");
}

async fn of_many_uses_at_once_one_counts(store: Store) {
    let anna = enrolled(&store, "anna").await;
    let attempts: Vec<_> = (0..12)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let used = if n % 2 == 0 {
                    store.use_totp_step(anna, b"key", 11).await
                } else {
                    store.use_recovery_code(anna, HASHES[1]).await
                };
                (n % 2, used.unwrap())
            })
        })
        .collect();
    let mut counted = [0, 0];
    for one in attempts {
        let (kind, used) = one.await.unwrap();
        counted[kind] += i32::from(used);
    }
    assert_eq!(counted, [1, 1]);
}
