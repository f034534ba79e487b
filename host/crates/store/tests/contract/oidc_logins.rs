//! Logins that come back from a provider: once, in time, and to who began them.

use chrono::TimeDelta;
use vedette_store::{NewOidcLogin, OidcLogin, Store, both_databases};

use crate::{owner, start};

both_databases!(
    a_login_comes_back_once_to_who_began_it,
    of_many_that_bring_it_back_one_has_it,
    logins_that_are_over_are_forgotten,
);

fn new(state: u8) -> NewOidcLogin {
    NewOidcLogin {
        state_hash: [state; 32],
        login_token_hash: [state + 100; 32],
        provider: "corp".to_owned(),
        login: OidcLogin {
            nonce: format!("nonce {state}"),
            pkce_verifier: format!("verifier {state}"),
            invitation: None,
            link_to: None,
        },
        created_at: start(),
        expires_at: start() + TimeDelta::minutes(10),
    }
}

async fn take(store: &Store, state: u8, token: u8, provider: &str, at: i64) -> Option<OidcLogin> {
    let now = start() + TimeDelta::seconds(at);
    let taking = store.take_oidc_login([state; 32], [token; 32], provider, now);
    taking.await.unwrap()
}

async fn a_login_comes_back_once_to_who_began_it(store: Store) {
    let anna = owner(&store, "anna").await;
    let mut full = new(1);
    full.login.invitation = Some([9; 32]);
    full.login.link_to = Some(anna.user);
    store.begin_oidc_login(&full).await.unwrap();
    store.begin_oidc_login(&new(2)).await.unwrap();
    // The state of one with the token of the other, at another provider, too late.
    for (state, token, provider, at) in [
        (1, 102, "corp", 0),
        (2, 101, "corp", 0),
        (3, 103, "corp", 0),
        (1, 101, "other", 0),
        (1, 101, "corp", 600),
    ] {
        let taken = take(&store, state, token, provider, at).await;
        assert_eq!(taken, None, "{state} {token} {provider} {at}");
    }
    let taken = take(&store, 1, 101, "corp", 599).await;
    assert_eq!(taken, Some(full.login), "nothing of that has ended it");
    assert_eq!(take(&store, 1, 101, "corp", 0).await, None);
    assert_eq!(take(&store, 2, 102, "corp", 0).await, Some(new(2).login));
}

async fn of_many_that_bring_it_back_one_has_it(store: Store) {
    store.begin_oidc_login(&new(1)).await.unwrap();
    let takes: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { take(&store, 1, 101, "corp", 0).await })
        })
        .collect();
    let mut had = 0;
    for take in takes {
        had += usize::from(take.await.unwrap().is_some());
    }
    assert_eq!(had, 1);
}

async fn logins_that_are_over_are_forgotten(store: Store) {
    for state in 1..=3 {
        store.begin_oidc_login(&new(state)).await.unwrap();
    }
    assert_eq!(store.count_oidc_logins(start()).await.unwrap(), 3);
    let later = start() + TimeDelta::minutes(10);
    assert_eq!(store.count_oidc_logins(later).await.unwrap(), 0);
    let mut next = new(4);
    next.created_at = later;
    next.expires_at = later + TimeDelta::minutes(10);
    store.begin_oidc_login(&next).await.unwrap();
    // Also by the clock of before: they are gone.
    assert_eq!(store.count_oidc_logins(start()).await.unwrap(), 1);
}
