//! Secrets in a database that others can read and write, and new keys while they are in use.

use std::{
    error::Error,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use secrecy::SecretBox;
use vedette_core::OrgId;
use vedette_store::{
    MasterKey, MasterKeySource, Rotated, Store, StoreError, UpdatedVariable, VariableChange,
    VariableLevel, Vault, VaultError, both_databases, testing,
};

use crate::{
    by_hand, clock, count, on_each, owner, script,
    sealed::{sealed, to},
    start,
    variables::{keep, plain, secret},
};

both_databases!(
    without_its_master_key_nothing_opens,
    another_key_of_the_same_name_is_noticed,
    keys_change_while_secrets_are_used,
    a_new_key_of_nobody_is_none
);

const CANARY: &str = "canary-7f3a9c";

pub(crate) fn is_unreadable(error: &StoreError) -> bool {
    let StoreError::VariableUnreadable(cause) = error else {
        return false;
    };
    matches!(
        **cause,
        StoreError::Corrupt {
            table: "variables",
            ..
        }
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_ciphertext_opens_nowhere() {
    on_each(async |database| {
        let store = &database.store;
        let (anna, bert) = (owner(store, "anna").await, owner(store, "bert").await);
        let mut scripts = Vec::new();
        for number in 0..100 {
            let script = script(store, &anna).await;
            let level = VariableLevel::Script(script.id);
            let made = keep(store, &anna, level, "TOKEN", secret(CANARY)).await;
            let words = VariableChange {
                value: None,
                allowed_hosts: None,
                description: Some(number.to_string()),
                changed_at: start(),
            };
            let numbered = store.update_variable(anna.org, made.id, words, None).await;
            assert!(matches!(numbered.unwrap(), UpdatedVariable::Done(_)));
            scripts.push(script);
        }
        let his = script(store, &bert).await;
        keep(
            store,
            &bert,
            VariableLevel::Organization,
            "TOKEN",
            secret(CANARY),
        )
        .await;
        for script in scripts.iter().chain([&his]) {
            let environment = store.get_environment(script).await.unwrap();
            assert_eq!(environment.values["TOKEN"], CANARY);
        }
        by_hand(database, "CREATE TABLE kept AS SELECT * FROM variables").await;
        // Into the row of another organization.
        for number in 0..100 {
            let sql = format!(
                "UPDATE variables SET ciphertext = (SELECT kept.ciphertext FROM kept \
                 WHERE kept.description = '{number}') WHERE description IS NULL"
            );
            assert_eq!(by_hand(database, &sql).await, 1);
            let error = store.get_environment(&his).await.unwrap_err();
            assert!(is_unreadable(&error), "{error:?}");
            assert!(!format!("{error:?} {error}").contains(CANARY));
        }
        // Into the row of the next script.
        let moved = by_hand(
            database,
            "UPDATE variables SET ciphertext = (SELECT kept.ciphertext FROM kept WHERE \
             kept.description = CAST((CAST(variables.description AS INTEGER) + 1) % 100 AS TEXT)) \
             WHERE description IS NOT NULL",
        );
        assert_eq!(moved.await, 100);
        for script in &scripts {
            let error = store.get_environment(script).await.unwrap_err();
            assert!(is_unreadable(&error), "{error:?}");
        }
        // Back in its place.
        by_hand(
            database,
            "UPDATE variables SET ciphertext = (SELECT kept.ciphertext FROM kept \
             WHERE kept.id = variables.id)",
        )
        .await;
        for script in scripts.iter().chain([&his]) {
            assert!(store.get_environment(script).await.is_ok());
        }
        // A key under another organization's name.
        by_hand(
            database,
            "CREATE TABLE kept_keys AS SELECT * FROM organization_keys",
        )
        .await;
        by_hand(
            database,
            "UPDATE organization_keys SET wrapped_key = (SELECT kept_keys.wrapped_key \
             FROM kept_keys WHERE kept_keys.org_id <> organization_keys.org_id)",
        )
        .await;
        let error = store.get_environment(&his).await.unwrap_err();
        let StoreError::VariableUnreadable(cause) = &error else {
            panic!("{error:?}");
        };
        assert!(matches!(
            **cause,
            StoreError::Corrupt {
                table: "organization_keys",
                ..
            }
        ));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_interrupted_is_completed() {
    on_each(async |database| {
        let store = &database.store;
        let anna = owner(store, "anna").await;
        let script = script(store, &anna).await;
        let level = VariableLevel::Script(script.id);
        for number in 0..3 {
            keep(store, &anna, level, &format!("T{number}"), secret(CANARY)).await;
        }
        // A row that does not open stops the rotation after its new key came.
        by_hand(database, "CREATE TABLE kept AS SELECT * FROM variables").await;
        let break_one = "UPDATE variables SET ciphertext = wrapped_key FROM organization_keys \
            WHERE name = 'T1'";
        assert_eq!(by_hand(database, break_one).await, 1);
        let error = store.rotate_data_key(anna.org, start()).await.unwrap_err();
        assert!(matches!(
            error,
            StoreError::Corrupt {
                table: "variables",
                ..
            }
        ));
        assert_eq!(count(database, "organization_keys").await, 2);
        let mend = "UPDATE variables SET ciphertext = (SELECT kept.ciphertext FROM kept \
            WHERE kept.name = 'T1') WHERE name = 'T1'";
        by_hand(database, mend).await;
        let rotated = store.rotate_data_key(anna.org, start()).await.unwrap();
        let expected = Rotated {
            version: 3,
            reencrypted: 3,
        };
        assert_eq!(rotated, Some(expected));
        assert_eq!(count(database, "organization_keys").await, 1);
        let environment = store.get_environment(&script).await.unwrap();
        assert_eq!(environment.values["T1"], CANARY);
        assert_eq!(environment.secrets.len(), 3);
    })
    .await;
}

async fn without_its_master_key_nothing_opens(store: Store) {
    let anna = owner(&store, "anna").await;
    let script = script(&store, &anna).await;
    let level = VariableLevel::Organization;
    keep(&store, &anna, level, "TOKEN", secret(CANARY)).await;
    let other = store.clone().with_vault(testing::vault(&["2"]));
    let error = other.get_environment(&script).await.unwrap_err();
    let StoreError::VariableUnreadable(cause) = &error else {
        panic!("{error:?}");
    };
    assert!(matches!(
        &**cause,
        StoreError::Vault(VaultError::UnknownMasterKey(id)) if id == "1"
    ));
    assert!(other.rewrap_data_keys().await.is_err());
    // With both, one call is enough, and the old one is needed no more.
    let both = store.clone().with_vault(testing::vault(&["1", "2"]));
    assert_eq!(both.rewrap_data_keys().await.unwrap(), 1);
    assert_eq!(both.rewrap_data_keys().await.unwrap(), 0);
    let environment = other.get_environment(&script).await.unwrap();
    assert_eq!(environment.values["TOKEN"], CANARY);
    assert!(store.get_environment(&script).await.is_err());
}

async fn another_key_of_the_same_name_is_noticed(store: Store) {
    let drawer = Drawer(Arc::new(Mutex::new(vec!["1"])));
    let other = store.clone().with_vault(Vault::open(drawer).unwrap());
    for store in [&store, &other] {
        store.check_master_keys().await.unwrap();
    }
    let anna = owner(&store, "anna").await;
    store.rotate_data_key(anna.org, start()).await.unwrap();
    store.check_master_keys().await.unwrap();
    let error = other.check_master_keys().await.unwrap_err();
    let table = "organization_keys";
    assert!(matches!(error, StoreError::Corrupt { table: found, .. } if found == table));
    // One that was never used is none to complain of.
    let both = store.with_vault(testing::vault(&["1", "2"]));
    both.check_master_keys().await.unwrap();
}

/// Master keys of which there may become more.
#[derive(Clone)]
struct Drawer(Arc<Mutex<Vec<&'static str>>>);

impl MasterKeySource for Drawer {
    fn read(&self) -> Result<Vec<MasterKey>, Box<dyn Error + Send + Sync>> {
        let ids = self.0.lock().unwrap();
        Ok(ids
            .iter()
            .map(|id| MasterKey {
                id: (*id).to_owned(),
                bytes: SecretBox::new(Box::new([id.as_bytes()[0]; 32])),
            })
            .collect())
    }
}

/// A server with four readers and a writer, and an administrator beside it who gives it new keys.
async fn keys_change_while_secrets_are_used(store: Store) {
    let drawer = Drawer(Arc::new(Mutex::new(vec!["a"])));
    let server = store
        .clone()
        .with_vault(Vault::open(drawer.clone()).unwrap());
    let anna = owner(&store, "anna").await;
    let script = script(&store, &anna).await;
    let level = VariableLevel::Script(script.id);
    let mut made = Vec::new();
    // More than one batch has.
    for number in 0..60 {
        made.push(keep(&server, &anna, level, &format!("T{number}"), secret(CANARY)).await);
        let wide = VariableLevel::Organization;
        keep(&server, &anna, wide, &format!("W{number}"), secret(CANARY)).await;
    }
    keep(&server, &anna, level, "PLAIN", plain("some value")).await;
    let hosts = [&["a.example", "b.example"][..], &["b.example"]];
    let sealed = keep(&server, &anna, level, "SEALED", sealed(CANARY, hosts[0])).await;
    let (done, reads) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut users = Vec::new();
    for _ in 0..4 {
        let (server, script) = (server.clone(), script.clone());
        let (done, reads) = (done.clone(), reads.clone());
        users.push(tokio::spawn(async move {
            while !done.load(Ordering::SeqCst) {
                let environment = server.get_environment(&script).await.unwrap();
                assert_eq!(environment.secrets.len(), 120);
                let sealed = &environment.sealed["SEALED"];
                assert!(sealed.value.starts_with(CANARY));
                assert!((1..=2).contains(&sealed.allowed_hosts.len()));
                for name in &environment.secrets {
                    assert!(environment.values[name].starts_with(CANARY), "{name}");
                }
                reads.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    {
        let (server, done) = (server.clone(), done.clone());
        users.push(tokio::spawn(async move {
            for number in 0.. {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                let change = VariableChange {
                    value: Some(format!("{CANARY} {number}").into()),
                    allowed_hosts: None,
                    description: None,
                    changed_at: start(),
                };
                let id = made[number % made.len()].id;
                let updated = server.update_variable(anna.org, id, change, None).await;
                assert!(matches!(updated.unwrap(), UpdatedVariable::Done(_)));
                // Fewer hosts with the value that is there, and more with a new one.
                let value = format!("{CANARY} {number}");
                let value = (number % 2 == 1).then_some(value.as_str());
                let change = to(value, Some(hosts[(number + 1) % 2]));
                let updated = server.update_variable(anna.org, sealed.id, change, None);
                let updated = updated.await.unwrap();
                assert!(matches!(updated, UpdatedVariable::Done(_)), "{updated:?}");
            }
        }));
    }
    for (round, master) in ["b", "c", "d"].into_iter().enumerate() {
        drawer.0.lock().unwrap().push(master);
        let admin = store
            .clone()
            .with_vault(Vault::open(drawer.clone()).unwrap());
        assert!(admin.rewrap_data_keys().await.unwrap() >= 1);
        let rotated = admin.rotate_data_key(anna.org, start()).await.unwrap();
        assert!(rotated.unwrap().version >= 2 + i64::try_from(round).unwrap());
        // Whoever read in that moment has read again since.
        let before = reads.load(Ordering::SeqCst);
        while reads.load(Ordering::SeqCst) < before + 8
            && !users.iter().any(tokio::task::JoinHandle::is_finished)
        {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::SeqCst);
    for user in users {
        user.await.unwrap();
    }
    assert!(reads.load(Ordering::SeqCst) >= 24);
    // What came of it does not need the old master keys.
    let only_new = Drawer(Arc::new(Mutex::new(vec!["d"])));
    let later = store.with_vault(Vault::open(only_new).unwrap());
    let environment = later.get_environment(&script).await.unwrap();
    assert_eq!(environment.secrets.len(), 120);
    assert!(environment.sealed["SEALED"].value.starts_with(CANARY));
}

async fn a_new_key_of_nobody_is_none(store: Store) {
    let nobody = OrgId::generate(&clock());
    assert_eq!(store.rotate_data_key(nobody, start()).await.unwrap(), None);
    // An organization without secrets gets its first key.
    let anna = owner(&store, "anna").await;
    let rotated = store.rotate_data_key(anna.org, start()).await.unwrap();
    let expected = Rotated {
        version: 1,
        reencrypted: 0,
    };
    assert_eq!(rotated, Some(expected));
    let without_keys = store.clone().with_vault(testing::vault(&[]));
    let error = without_keys.rewrap_data_keys().await.unwrap_err();
    assert!(matches!(error, StoreError::Vault(VaultError::NoMasterKey)));
}
