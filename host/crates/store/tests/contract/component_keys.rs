//! Keys, signatures, and the policy that asks for them.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use vedette_core::ComponentKeyId;
use vedette_store::{NewComponentKey, NewSignature, Store, both_databases};

use crate::{
    Owner, PAGE, clock,
    components::{bytes, new_component, put},
    owner, start,
};

both_databases!(
    a_key_counts_until_it_is_revoked_or_over,
    the_policy_is_an_organizations
);

fn new_key(owner: &Owner, name: &str, expires_at: Option<DateTime<Utc>>) -> NewComponentKey {
    NewComponentKey {
        id: ComponentKeyId::generate(&clock()),
        org_id: owner.org,
        name: name.to_owned(),
        public_key: [7; 32],
        created_by: owner.user,
        created_at: start(),
        expires_at,
        most: 3,
    }
}

async fn a_key_counts_until_it_is_revoked_or_over(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let minute = start() + TimeDelta::minutes(1);
    let lasting = store
        .create_component_key(new_key(&anna, "lasting", None))
        .await;
    let lasting = lasting.unwrap().unwrap();
    let short = store
        .create_component_key(new_key(&anna, "short", Some(minute)))
        .await;
    let short = short.unwrap().unwrap();
    let valid = async |now| {
        let keys = store
            .list_valid_component_keys(anna.org, now)
            .await
            .unwrap();
        keys.into_iter()
            .map(|key| key.name)
            .collect::<BTreeSet<_>>()
    };
    let both = BTreeSet::from(["lasting".to_owned(), "short".to_owned()]);
    assert_eq!(valid(start()).await, both);
    assert_eq!(valid(minute).await, ["lasting".to_owned()].into());
    let of_bert = store
        .list_valid_component_keys(bert.org, start())
        .await
        .unwrap();
    assert!(of_bert.is_empty());
    let foreign = store
        .revoke_component_key(bert.org, lasting.id, start())
        .await;
    assert!(!foreign.unwrap());

    let (digest, bytes) = bytes(1, 100);
    put(&store, digest, &bytes, start()).await;
    let mut new = new_component(&anna, digest, 100, start());
    for key in [&lasting, &short, &lasting] {
        new.signature = Some(NewSignature {
            key_id: key.id,
            signature: [9; 64],
        });
        store.create_component(&new).await.unwrap();
    }
    let read = async |now| {
        let found = store.get_component(anna.org, digest, now).await;
        found.unwrap().unwrap()
    };
    let listed = store
        .list_components(anna.org, PAGE, start())
        .await
        .unwrap()
        .items;
    assert_eq!(listed, [read(start()).await]);
    assert_eq!(listed[0].signatures.len(), 2);
    let names: BTreeSet<_> = listed[0]
        .signatures
        .iter()
        .map(|signature| signature.key_name.clone())
        .collect();
    assert_eq!(names, both);
    assert!(read(minute).await.is_signed(minute));
    for _ in 0..2 {
        assert!(
            store
                .revoke_component_key(anna.org, lasting.id, start())
                .await
                .unwrap()
        );
    }
    assert!(read(start()).await.is_signed(start()), "by the short one");
    assert!(!read(minute).await.is_signed(minute));
    let all = store
        .list_component_keys(anna.org, PAGE)
        .await
        .unwrap()
        .items;
    assert_eq!(all.len(), 2);
    let revoked = all.iter().find(|key| key.id == lasting.id).unwrap();
    assert_eq!(revoked.revoked_at, Some(start()));

    // The revoked one makes room.
    for has_room in [true, true, false] {
        let made = store
            .create_component_key(new_key(&anna, "more", None))
            .await;
        assert_eq!(made.unwrap().is_some(), has_room);
    }
}

async fn the_policy_is_an_organizations(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    for required in [false, true, false] {
        store
            .set_requires_component_signature(anna.org, required)
            .await
            .unwrap();
        let of_anna = store.requires_component_signature(anna.org).await;
        assert_eq!(of_anna.unwrap(), required);
        let of_bert = store.requires_component_signature(bert.org).await;
        assert!(!of_bert.unwrap());
    }
}
