//! Keys for machines.

use chrono::TimeDelta;
use vedette_core::{ApiKeyId, Permission};
use vedette_store::{ApiKey, ApiKeyCreated, NewApiKey, Store, both_databases};

use crate::{Owner, PAGE, clock, owner, start};

both_databases!(
    a_key_narrows_what_its_user_may_do,
    a_key_is_its_users_and_its_organizations,
);

fn new_key(anna: &Owner) -> NewApiKey {
    NewApiKey {
        key: ApiKey {
            id: ApiKeyId::generate(&clock()),
            name: "deploy".to_owned(),
            user_id: anna.user,
            permissions: [Permission::ScriptRead, Permission::UserRead]
                .into_iter()
                .collect(),
            project_id: None,
            created_at: start(),
            expires_at: Some(start() + TimeDelta::days(1)),
            last_used_at: None,
        },
        org_id: anna.org,
        token_hash: [5; 32],
        most: 1,
    }
}

async fn a_key_narrows_what_its_user_may_do(store: Store) {
    let anna = owner(&store, "anna").await;
    let new = new_key(&anna);
    let made = store.create_api_key(&new).await.unwrap();
    assert_eq!(made, ApiKeyCreated::Done);
    let one_more = store.create_api_key(&new).await.unwrap();
    assert_eq!(one_more, ApiKeyCreated::TooMany);
    let caller = store.find_key_caller([5; 32], start()).await.unwrap();
    let caller = caller.unwrap();
    assert_eq!((caller.user.id, caller.org_id), (anna.user, anna.org));
    assert_eq!(caller.access.everywhere(), new.key.permissions);
    // A use is noted to the minute.
    let used = async |second: i64| {
        let now = start() + TimeDelta::seconds(second);
        store.find_key_caller([5; 32], now).await.unwrap().unwrap();
        let listed = store.list_api_keys(anna.org, anna.user, false, PAGE).await;
        (listed.unwrap().items[0].last_used_at.unwrap() - start()).num_seconds()
    };
    assert_eq!(
        [used(59).await, used(60).await, used(61).await],
        [0, 60, 60]
    );
    let found = async |hash: u8, now| {
        store
            .find_key_caller([hash; 32], now)
            .await
            .unwrap()
            .is_some()
    };
    let end = start() + TimeDelta::days(1);
    assert!(!found(6, start()).await);
    assert!(!found(5, end).await);
    store
        .delete_organization_after(anna.org, end)
        .await
        .unwrap();
    assert!(!found(5, start()).await, "its organization is out of reach");
    assert!(
        store
            .restore_organization(anna.org, anna.user, start())
            .await
            .unwrap()
    );
    assert!(found(5, start()).await);
    assert!(
        store
            .delete_api_key(anna.org, new.key.id, anna.user, false)
            .await
            .unwrap()
    );
    assert!(!found(5, start()).await);
}

async fn a_key_is_its_users_and_its_organizations(store: Store) {
    let (anna, boris) = (owner(&store, "anna").await, owner(&store, "boris").await);
    let new = new_key(&anna);
    let made = store.create_api_key(&new).await.unwrap();
    assert_eq!(made, ApiKeyCreated::Done);
    let listed = async |org, user, of_all| {
        let page = store.list_api_keys(org, user, of_all, PAGE).await.unwrap();
        page.items.len()
    };
    assert_eq!(listed(anna.org, anna.user, false).await, 1);
    assert_eq!(
        listed(anna.org, boris.user, true).await,
        1,
        "who manages all"
    );
    assert_eq!(listed(anna.org, boris.user, false).await, 0);
    assert_eq!(listed(boris.org, boris.user, true).await, 0);
    let delete = async |org, user, of_all| {
        let deleted = store.delete_api_key(org, new.key.id, user, of_all).await;
        deleted.unwrap()
    };
    assert!(!delete(boris.org, boris.user, true).await);
    assert!(!delete(anna.org, boris.user, false).await);
    let mut foreign = new.clone();
    foreign.key.project_id = Some(boris.project);
    foreign.most = 2;
    let refused = store.create_api_key(&foreign).await.unwrap();
    assert_eq!(refused, ApiKeyCreated::UnknownProject);
    assert!(delete(anna.org, boris.user, true).await);
    assert!(!delete(anna.org, anna.user, true).await);
}
