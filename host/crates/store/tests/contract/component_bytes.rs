//! The bytes of components: whole or refused, and swept when nobody has them.

use chrono::TimeDelta;
use vedette_core::Program;
use vedette_store::{CHUNK_BYTES, DeletedComponent, Store, StoreError, both_databases};

use crate::{
    by_hand, change,
    components::{bytes, new_component, put, upload},
    count, new_script, on_each, owner, start,
};

both_databases!(
    bytes_come_back_whole,
    a_record_without_its_bytes_is_not_made,
    what_is_uploaded_while_others_delete_it_is_whole,
    a_script_never_loses_its_component,
);

async fn bytes_come_back_whole(store: Store) {
    let anna = owner(&store, "anna").await;
    for (seed, length) in [
        (1, 1),
        (2, CHUNK_BYTES),
        (3, CHUNK_BYTES + 1),
        (4, 3 * CHUNK_BYTES - 1),
    ] {
        let (digest, bytes) = bytes(seed, length);
        put(&store, digest, &bytes, start()).await;
        let found = store.get_component_bytes(digest).await.unwrap();
        assert_eq!(found, None, "not before it has a record");
        let new = new_component(&anna, digest, length, start());
        let made = store.create_component(&new).await.unwrap();
        assert!(made.is_new);
        assert_eq!(made.component.facts, new.facts);
        let found = store.get_component_bytes(digest).await.unwrap();
        assert!(found == Some(bytes), "{length}");
    }
}

/// W28.
#[tokio::test]
async fn a_bit_that_changed_on_disk_is_found() {
    on_each(async |database| {
        let store = &database.store;
        let anna = owner(store, "anna").await;
        let made = upload(store, &anna, 1, start()).await.component;
        let whole = store.get_component_bytes(made.digest).await.unwrap();
        let refused = async |why: &str| {
            let error = store.get_component_bytes(made.digest).await.unwrap_err();
            assert!(
                matches!(
                    &error,
                    StoreError::Corrupt {
                        table: "component_chunks",
                        ..
                    }
                ),
                "{why}: {error:?}"
            );
            assert!(!error.is_retryable());
        };
        let flipped = {
            let mut bytes = whole.clone().unwrap();
            bytes[1_234] ^= 1;
            bytes
                .iter()
                .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
        };
        let literal = |hex: &str| {
            if store.is_embedded() {
                format!("X'{hex}'")
            } else {
                format!("'\\x{hex}'")
            }
        };
        let sql = format!("UPDATE component_chunks SET bytes = {}", literal(&flipped));
        assert_eq!(by_hand(database, &sql).await, 1);
        refused("one bit").await;
        let sql = format!(
            "UPDATE component_chunks SET bytes = {}",
            literal(&flipped[2..])
        );
        by_hand(database, &sql).await;
        refused("one byte less").await;
        by_hand(database, "DELETE FROM component_chunks").await;
        refused("nothing left").await;
        // The same upload again mends it.
        upload(store, &anna, 1, start()).await;
        assert_eq!(store.get_component_bytes(made.digest).await.unwrap(), whole);
    })
    .await;
}

async fn a_record_without_its_bytes_is_not_made(store: Store) {
    let anna = owner(&store, "anna").await;
    let (digest, bytes) = bytes(1, CHUNK_BYTES + 5);
    let new = new_component(&anna, digest, bytes.len(), start());
    let error = store.create_component(&new).await.unwrap_err();
    assert!(matches!(error, StoreError::ChunksMissing) && error.is_retryable());
    put(&store, digest, &bytes[..CHUNK_BYTES], start()).await;
    assert!(store.create_component(&new).await.is_err());
    let none = store.get_component(anna.org, digest, start()).await;
    assert_eq!(none.unwrap(), None);
    put(&store, digest, &bytes, start()).await;
    assert!(store.create_component(&new).await.unwrap().is_new);
}

#[tokio::test]
async fn only_old_pieces_without_a_component_are_swept() {
    on_each(async |database| {
        let store = &database.store;
        let anna = owner(store, "anna").await;
        upload(store, &anna, 1, start()).await;
        let (left, bytes_left) = bytes(2, 2 * CHUNK_BYTES);
        put(store, left, &bytes_left, start()).await;
        let (again, bytes_again) = bytes(3, 100);
        put(store, again, &bytes_again, start()).await;
        let day = start() + TimeDelta::days(1);
        assert_eq!(store.sweep_component_chunks(day).await.unwrap(), 0);
        // An upload of bytes that lie there is no orphan of yesterday.
        put(store, again, &bytes_again, day).await;
        let later = day + TimeDelta::seconds(1);
        assert_eq!(store.sweep_component_chunks(later).await.unwrap(), 2);
        assert_eq!(store.sweep_component_chunks(later).await.unwrap(), 0);
        assert_eq!(count(database, "component_chunks").await, 2);
        let far = later + TimeDelta::days(1);
        assert_eq!(store.sweep_component_chunks(far).await.unwrap(), 1);
    })
    .await;
}

/// Two organizations upload and delete the same bytes all the time: whoever has a record has the
/// bytes, and whoever was in the way is told to try again.
async fn what_is_uploaded_while_others_delete_it_is_whole(store: Store) {
    let owners = [owner(&store, "anna").await, owner(&store, "bert").await];
    let (digest, bytes) = bytes(1, CHUNK_BYTES + 500);
    let bytes = std::sync::Arc::new(bytes);
    let works = owners.into_iter().map(|owner| {
        let (store, bytes) = (store.clone(), bytes.clone());
        tokio::spawn(async move {
            for round in 0..12 {
                let now = start() + TimeDelta::seconds(round);
                let new = new_component(&owner, digest, bytes.len(), now);
                loop {
                    put(&store, digest, &bytes, now).await;
                    match store.create_component(&new).await {
                        Ok(_) => break,
                        Err(error) => assert!(error.is_retryable(), "{error:?}"),
                    }
                }
                let found = store.get_component_bytes(digest).await.unwrap();
                assert!(found.as_ref() == Some(&*bytes), "round {round}");
                loop {
                    match store.delete_component(owner.org, digest, now).await {
                        Ok(deleted) => break assert_eq!(deleted, DeletedComponent::Done),
                        Err(error) => assert!(error.is_retryable(), "{error:?}"),
                    }
                }
            }
        })
    });
    for work in works.collect::<Vec<_>>() {
        work.await.unwrap();
    }
    assert_eq!(store.get_component_bytes(digest).await.unwrap(), None);
}

/// Either the script is there and the component with it, or neither is.
async fn a_script_never_loses_its_component(store: Store) {
    let anna = owner(&store, "anna").await;
    for seed in 1..=8 {
        let digest = upload(&store, &anna, seed, start()).await.component.digest;
        let mut content = change(&anna, start());
        content.program = Program::Component(digest);
        let new = new_script(&anna, content);
        let (made, deleted) = tokio::join!(
            store.create_script(new),
            store.delete_component(anna.org, digest, start())
        );
        let left = store
            .get_component(anna.org, digest, start())
            .await
            .unwrap();
        match made {
            Ok(_) => {
                assert_eq!(deleted.unwrap(), DeletedComponent::InUse);
                assert!(left.is_some());
            }
            Err(error) => {
                assert!(matches!(error, StoreError::ComponentMissing), "{error:?}");
                assert_eq!(deleted.unwrap(), DeletedComponent::Done);
                assert_eq!(left, None);
            }
        }
    }
}
