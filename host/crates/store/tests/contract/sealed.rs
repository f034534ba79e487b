//! Sealed variables: no run sees them, and where they may be sent is decided by who knows them.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::json;
use vedette_core::{AllowedHost, VariableKind, variable::MAX_VARIABLE_BYTES};
use vedette_store::{
    CreatedVariable, NewValue, Rotated, Store, StoreError, UpdatedVariable, Variable,
    VariableChange, VariableLevel, both_databases, testing, testing::TestDatabase,
};

use crate::{
    Owner, PAGE, by_hand, change, claim_at, new_script, on_each, owner, script, start,
    variables::{keep, new_variable, plain, secret},
    vault::is_unreadable,
};

both_databases!(
    it_is_kept_and_not_shown,
    fewer_hosts_need_no_value_and_others_do,
    only_sealed_ones_have_hosts,
    it_takes_room_as_others_do,
    the_narrower_level_counts_among_kinds,
    new_keys_are_for_sealed_ones_too,
    records_have_the_hosts_and_no_value
);

const CANARY: &str = "canary-91c4e7";
const API: &str = "api.example.com";
const BELOW: &str = "*.example.com";
const LOCAL: &str = "http://127.0.0.1:8080";
/// A list that is longer by a stranger.
const WIDER: &str = "allowed_hosts = '[\"api.example.com\", \"*.example.com\", \"evil.example\"]'";
const WIDE: VariableLevel = VariableLevel::Organization;

pub(crate) fn hosts(texts: &[&str]) -> Vec<AllowedHost> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

pub(crate) fn sealed(value: &str, allowed_hosts: &[&str]) -> NewValue {
    NewValue::Sealed {
        value: value.into(),
        allowed_hosts: hosts(allowed_hosts),
    }
}

pub(crate) fn to(value: Option<&str>, allowed_hosts: Option<&[&str]>) -> VariableChange {
    VariableChange {
        value: value.map(Into::into),
        allowed_hosts: allowed_hosts.map(hosts),
        description: None,
        changed_at: start(),
    }
}

async fn update(
    store: &Store,
    owner: &Owner,
    variable: &Variable,
    change: VariableChange,
) -> UpdatedVariable {
    let updated = store.update_variable(owner.org, variable.id, change, None);
    updated.await.unwrap()
}

fn done(updated: UpdatedVariable) -> Variable {
    match updated {
        UpdatedVariable::Done(variable) => variable,
        other => panic!("{other:?}"),
    }
}

async fn it_is_kept_and_not_shown(store: Store) {
    let anna = owner(&store, "anna").await;
    let new = new_variable(&anna, WIDE, "TOKEN", sealed(CANARY, &[API, LOCAL]));
    assert!(!format!("{new:?}").contains(CANARY), "{new:?}");
    assert!(format!("{new:?}").contains("TOKEN"));
    let change = to(Some(CANARY), Some(&[API]));
    assert!(!format!("{change:?}").contains(CANARY), "{change:?}");
    let CreatedVariable::Done(token) = store.create_variable(new).await.unwrap() else {
        panic!("it is made");
    };
    assert_eq!((token.kind, &token.value), (VariableKind::Sealed, &None));
    assert_eq!(token.allowed_hosts, Some(hosts(&[API, LOCAL])));
    let read = store.get_variable(anna.org, token.id).await.unwrap();
    assert_eq!(read.as_ref(), Some(&token));
    let listed = store.list_variables(anna.org, WIDE, PAGE).await.unwrap();
    assert_eq!(listed.unwrap().items, [token]);
    let script = script(&store, &anna).await;
    let given = store.get_environment(&script).await.unwrap();
    // It is not among what the run is given.
    assert_eq!(given.values.keys().collect::<Vec<_>>(), ["KEY"]);
    assert!(given.secrets.is_empty());
    let token = &given.sealed["TOKEN"];
    assert_eq!(token.value, CANARY);
    assert_eq!(token.allowed_hosts, hosts(&[API, LOCAL]));
    assert!(!format!("{given:?}").contains(CANARY), "{given:?}");
    let due = claim_at(start() + TimeDelta::seconds(10));
    let claimed = store.claim_due(&due).await.unwrap();
    assert_eq!(claimed[0].env_vars.as_ref(), Some(&given));
    assert!(!format!("{claimed:?}").contains(CANARY), "{claimed:?}");
}

async fn fewer_hosts_need_no_value_and_others_do(store: Store) {
    let anna = owner(&store, "anna").await;
    let script = script(&store, &anna).await;
    let all = [API, LOCAL, BELOW];
    let token = keep(&store, &anna, WIDE, "TOKEN", sealed(CANARY, &all)).await;
    let is = async |value: &str, allowed: &[&str], revision: i64| {
        let read = store.get_variable(anna.org, token.id).await.unwrap();
        let read = read.unwrap();
        assert_eq!(read.revision, revision);
        assert_eq!(read.allowed_hosts, Some(hosts(allowed)));
        let given = store.get_environment(&script).await.unwrap();
        assert_eq!(given.sealed["TOKEN"].value, value);
        assert_eq!(given.sealed["TOKEN"].allowed_hosts, hosts(allowed));
    };
    let fewer = update(&store, &anna, &token, to(None, Some(&[BELOW, API]))).await;
    assert_eq!(done(fewer).allowed_hosts, Some(hosts(&[BELOW, API])));
    is(CANARY, &[BELOW, API], 2).await;
    for refused in [
        // The one that it had is one of others too.
        &[API, BELOW, LOCAL][..],
        &["evil.example"],
        &[API, "evil.example"],
        &["http://api.example.com"],
        &["api.example.com:8443"],
        // Below one that it has, but not one of them.
        &["shop.example.com"],
        &["*.api.example.com"],
    ] {
        let answer = update(&store, &anna, &token, to(None, Some(refused))).await;
        assert!(
            matches!(answer, UpdatedVariable::NeedsValue),
            "{refused:?}: {answer:?}"
        );
    }
    is(CANARY, &[BELOW, API], 2).await;
    // The same ones, and none given.
    done(update(&store, &anna, &token, to(None, Some(&[BELOW, API]))).await);
    done(update(&store, &anna, &token, to(None, None)).await);
    is(CANARY, &[BELOW, API], 4).await;
    done(update(&store, &anna, &token, to(Some("another value"), None)).await);
    is("another value", &[BELOW, API], 5).await;
    let wider = to(Some("a third value"), Some(&[API, "evil.example"]));
    done(update(&store, &anna, &token, wider).await);
    is("a third value", &[API, "evil.example"], 6).await;
    let stale = to(None, Some(&[API]));
    let stale = store.update_variable(anna.org, token.id, stale, Some(5));
    assert!(matches!(stale.await.unwrap(), UpdatedVariable::Stale));
    is("a third value", &[API, "evil.example"], 6).await;
}

async fn only_sealed_ones_have_hosts(store: Store) {
    let anna = owner(&store, "anna").await;
    for (name, value) in [("REGION", plain("eu")), ("TOKEN", secret(CANARY))] {
        let kept = keep(&store, &anna, WIDE, name, value).await;
        assert_eq!(kept.allowed_hosts, None);
        for value in [None, Some("another value")] {
            let answer = update(&store, &anna, &kept, to(value, Some(&[API]))).await;
            assert!(matches!(answer, UpdatedVariable::NotSealed), "{answer:?}");
        }
        let read = store.get_variable(anna.org, kept.id).await.unwrap();
        assert_eq!(read, Some(kept));
    }
}

async fn it_takes_room_as_others_do(store: Store) {
    let anna = owner(&store, "anna").await;
    let largest = "x".repeat(MAX_VARIABLE_BYTES);
    let mut last = None;
    for number in 0..8 {
        let value = sealed(&largest, &[API, LOCAL]);
        last = Some(keep(&store, &anna, WIDE, &format!("L{number}"), value).await);
    }
    let new = new_variable(&anna, WIDE, "MORE", sealed("12345678", &[API]));
    let made = store.create_variable(new).await.unwrap();
    assert!(matches!(made, CreatedVariable::TooLarge), "{made:?}");
    let last = last.unwrap();
    let larger = "y".repeat(MAX_VARIABLE_BYTES + 1);
    let answer = update(&store, &anna, &last, to(Some(&larger), None)).await;
    assert!(matches!(answer, UpdatedVariable::TooLarge), "{answer:?}");
    // Fewer hosts need no room.
    done(update(&store, &anna, &last, to(None, Some(&[API]))).await);
    done(update(&store, &anna, &last, to(Some(&largest), None)).await);
}

async fn the_narrower_level_counts_among_kinds(store: Store) {
    let anna = owner(&store, "anna").await;
    let mut with_own = change(&anna, start());
    with_own.env_vars = [("OWN".to_owned(), "own".to_owned())].into();
    let made = store.create_script(new_script(&anna, with_own)).await;
    let made = made.unwrap();
    let levels = [
        WIDE,
        VariableLevel::Project(anna.project),
        VariableLevel::Script(made.id),
    ];
    // Each kind over each, on three levels; then those of which a level has none.
    let of_kind = |letter: char, value: &str| match letter {
        'p' => plain(value),
        's' => secret(value),
        _ => sealed(value, &[API]),
    };
    let mut names = Vec::new();
    for first in ['p', 's', 'x', '_'] {
        for second in ['p', 's', 'x', '_'] {
            for third in ['p', 's', 'x', '_'] {
                names.push(format!("N_{first}{second}{third}"));
            }
        }
    }
    for name in &names {
        let letters = name.chars().skip(2);
        for (letter, level) in letters.zip(levels).filter(|(letter, _)| *letter != '_') {
            let value = of_kind(letter, &format!("{name} of {level:?}"));
            keep(&store, &anna, level, name, value).await;
        }
    }
    for level in levels {
        keep(&store, &anna, level, "OWN", sealed(CANARY, &[API])).await;
    }
    let given = store.get_environment(&made).await.unwrap();
    let mut seen = BTreeMap::new();
    for name in names.iter().rev() {
        let is_secret = given.secrets.contains(name);
        let sealed = given.sealed.get(name).map(|secret| &secret.value);
        let value = given.values.get(name);
        let expected = name
            .chars()
            .zip([None, None].into_iter().chain(levels.map(Some)));
        let narrowest = expected
            .filter_map(|(letter, level)| Some((letter, level?)))
            .filter(|(letter, _)| *letter != '_')
            .last();
        let Some((letter, level)) = narrowest else {
            assert_eq!((value, is_secret, sealed), (None, false, None));
            continue;
        };
        let text = format!("{name} of {level:?}");
        let expected = match letter {
            'p' => (Some(&text), false, None),
            's' => (Some(&text), true, None),
            _ => (None, false, Some(&text)),
        };
        assert_eq!((value, is_secret, sealed), expected, "{name}");
        *seen.entry(letter).or_insert(0) += 1;
    }
    assert_eq!(seen, [('p', 21), ('s', 21), ('x', 21)].into());
    assert_eq!(given.values["OWN"], "own");
    assert!(!given.sealed.contains_key("OWN"));
}

/// Whoever writes the database can neither have a value sent elsewhere nor have it given to a run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_by_hand_does_not_open() {
    // PostgreSQL does not take it.
    const NO_JSON: &str = "allowed_hosts = 'api.example.com'";
    on_each(async |database: &TestDatabase| {
        let store = &database.store;
        let anna = owner(store, "anna").await;
        let (one, other) = (script(store, &anna).await, script(store, &anna).await);
        let level = VariableLevel::Script(one.id);
        keep(store, &anna, level, "TOKEN", sealed(CANARY, &[API, BELOW])).await;
        let level = VariableLevel::Script(other.id);
        keep(store, &anna, level, "SECRET", secret(CANARY)).await;
        keep(
            store,
            &anna,
            level,
            "OTHER",
            sealed(CANARY, &["evil.example"]),
        )
        .await;
        let whole = store.get_environment(&one).await.unwrap();
        let others = store.get_environment(&other).await.unwrap();
        by_hand(database, "CREATE TABLE kept AS SELECT * FROM variables").await;
        let mut now = start();
        for damage in [
            NO_JSON,
            WIDER,
            "allowed_hosts = '[\"api.example.com\"]'",
            "allowed_hosts = '[\"*.example.com\", \"api.example.com\"]'",
            "allowed_hosts = '[]'",
            "allowed_hosts = '{}'",
            "allowed_hosts = '[1]'",
            "allowed_hosts = '[\"no host\"]'",
            "allowed_hosts = 'null'",
            "kind = 'secret', allowed_hosts = NULL",
            // A list that another ciphertext was made for.
            "allowed_hosts = (SELECT kept.allowed_hosts FROM kept WHERE kept.name = 'OTHER')",
            "allowed_hosts = (SELECT kept.allowed_hosts FROM kept WHERE kept.name = 'OTHER'), \
             ciphertext = (SELECT kept.ciphertext FROM kept WHERE kept.name = 'OTHER')",
        ] {
            if damage == NO_JSON && !store.is_embedded() {
                continue;
            }
            let sql = format!("UPDATE variables SET {damage} WHERE name = 'TOKEN'");
            assert_eq!(by_hand(database, &sql).await, 1, "{damage}");
            let error = store.get_environment(&one).await.unwrap_err();
            assert!(is_unreadable(&error), "{damage}: {error:?}");
            assert!(!format!("{error:?} {error}").contains(CANARY), "{damage}");
            // It concerns nobody else, and no rotation makes it right.
            assert_eq!(store.get_environment(&other).await.unwrap(), others);
            now += TimeDelta::seconds(10);
            let claimed = store.claim_due(&claim_at(now)).await.unwrap();
            for slot in &claimed {
                let is_whole = slot.script_id == other.id;
                assert_eq!(slot.env_vars.is_some(), is_whole, "{damage}");
            }
            by_hand(database, "UPDATE slots SET leased_until = NULL").await;
            assert_eq!(claimed.len(), 2, "{damage}");
            let error = store.rotate_data_key(anna.org, start()).await.unwrap_err();
            assert!(is_corrupt(&error), "{damage}: {error:?}");
            by_hand(
                database,
                "UPDATE variables SET kind = kept.kind, allowed_hosts = kept.allowed_hosts, \
                 ciphertext = kept.ciphertext, key_version = kept.key_version FROM kept \
                 WHERE kept.id = variables.id",
            )
            .await;
            assert_eq!(store.get_environment(&one).await.unwrap(), whole);
        }
        // A secret does not become one that may be sent somewhere.
        by_hand(
            database,
            "UPDATE variables SET kind = 'sealed', allowed_hosts = '[\"evil.example\"]' \
             WHERE name = 'SECRET'",
        )
        .await;
        let error = store.get_environment(&other).await.unwrap_err();
        assert!(is_unreadable(&error), "{error:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_takes_no_wrong_hosts_over() {
    on_each(async |database: &TestDatabase| {
        let store = &database.store;
        let anna = owner(store, "anna").await;
        let script = script(store, &anna).await;
        let token = keep(store, &anna, WIDE, "TOKEN", sealed(CANARY, &[API, BELOW])).await;
        let sql = format!("UPDATE variables SET {WIDER} WHERE name = 'TOKEN'");
        by_hand(database, &sql).await;
        for change in [
            to(None, Some(&["evil.example"])),
            to(None, Some(&[API])),
            to(Some("a new value"), None),
        ] {
            let shown = format!("{change:?}");
            let refused = store
                .update_variable(anna.org, token.id, change, None)
                .await;
            let error = refused.unwrap_err();
            assert!(is_corrupt(&error), "{shown}: {error:?}");
        }
        let mended = update(store, &anna, &token, to(Some("a new value"), Some(&[API]))).await;
        assert_eq!(done(mended).revision, 2, "what was refused left nothing");
        let given = store.get_environment(&script).await.unwrap();
        assert_eq!(given.sealed["TOKEN"].value, "a new value");
        assert_eq!(given.sealed["TOKEN"].allowed_hosts, hosts(&[API]));
    })
    .await;
}

fn is_corrupt(error: &StoreError) -> bool {
    let table = "variables";
    matches!(error, StoreError::Corrupt { table: found, .. } if *found == table)
}

/// The database itself refuses rows that make no sense.
#[tokio::test]
async fn columns_go_with_the_kind() {
    on_each(async |database: &TestDatabase| {
        let store = &database.store;
        let anna = owner(store, "anna").await;
        keep(store, &anna, WIDE, "PLAIN", plain("eu")).await;
        keep(store, &anna, WIDE, "SECRET", secret(CANARY)).await;
        keep(store, &anna, WIDE, "SEALED", sealed(CANARY, &[API])).await;
        for (name, wrong) in [
            ("PLAIN", "allowed_hosts = '[]'"),
            ("PLAIN", "value = NULL"),
            ("PLAIN", "kind = 'sealed'"),
            ("PLAIN", "kind = 'other'"),
            ("SECRET", "allowed_hosts = '[]'"),
            ("SECRET", "kind = 'sealed'"),
            ("SECRET", "ciphertext = NULL"),
            ("SECRET", "key_version = NULL"),
            ("SECRET", "value = 'x'"),
            ("SEALED", "allowed_hosts = NULL"),
            ("SEALED", "kind = 'secret'"),
            ("SEALED", "kind = 'plain'"),
            ("SEALED", "ciphertext = NULL"),
            ("SEALED", "key_version = NULL"),
            ("SEALED", "key_version = 7"),
            ("SEALED", "value = 'x'"),
        ] {
            let sql = format!("UPDATE variables SET {wrong} WHERE name = '{name}'");
            let refused = database.try_execute(&sql).await;
            assert!(refused.is_err(), "{name}: {wrong}");
        }
    })
    .await;
}

async fn new_keys_are_for_sealed_ones_too(store: Store) {
    let anna = owner(&store, "anna").await;
    let script = script(&store, &anna).await;
    keep(&store, &anna, WIDE, "TOKEN", sealed(CANARY, &[API, BELOW])).await;
    let level = VariableLevel::Script(script.id);
    let narrow = keep(
        &store,
        &anna,
        level,
        "NARROW",
        sealed(CANARY, &[API, LOCAL]),
    )
    .await;
    keep(&store, &anna, level, "SECRET", secret(CANARY)).await;
    let before = store.get_environment(&script).await.unwrap();
    assert_eq!(before.sealed.len(), 2);
    let expected = Rotated {
        version: 2,
        reencrypted: 3,
    };
    let rotated = store.rotate_data_key(anna.org, start()).await.unwrap();
    assert_eq!(rotated, Some(expected));
    assert_eq!(store.get_environment(&script).await.unwrap(), before);
    // A newer master key, after which the old one is not needed.
    let both = store.clone().with_vault(testing::vault(&["1", "2"]));
    assert_eq!(both.rewrap_data_keys().await.unwrap(), 1);
    let newer = store.clone().with_vault(testing::vault(&["2"]));
    assert_eq!(newer.get_environment(&script).await.unwrap(), before);
    // Fewer hosts are under the newest key too.
    done(update(&newer, &anna, &narrow, to(None, Some(&[LOCAL]))).await);
    let rotated = newer.rotate_data_key(anna.org, start()).await.unwrap();
    assert_eq!(rotated.map(|rotated| rotated.reencrypted), Some(3));
    let given = newer.get_environment(&script).await.unwrap();
    assert_eq!(given.sealed["NARROW"].allowed_hosts, hosts(&[LOCAL]));
    assert_eq!(given.sealed["NARROW"].value, CANARY);
    assert!(is_unreadable_without_key(
        &store.get_environment(&script).await
    ));
}

fn is_unreadable_without_key<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::VariableUnreadable(cause))
        if matches!(**cause, StoreError::Vault(_)))
}

async fn records_have_the_hosts_and_no_value(store: Store) {
    let anna = owner(&store, "anna").await;
    let token = keep(&store, &anna, WIDE, "TOKEN", sealed(CANARY, &[API, LOCAL])).await;
    done(update(&store, &anna, &token, to(None, Some(&[API]))).await);
    done(update(&store, &anna, &token, to(Some(CANARY), Some(&[BELOW]))).await);
    done(update(&store, &anna, &token, to(Some(CANARY), None)).await);
    let refused = update(&store, &anna, &token, to(None, Some(&[LOCAL]))).await;
    assert!(matches!(refused, UpdatedVariable::NeedsValue));
    assert!(store.delete_variable(anna.org, token.id).await.unwrap());
    let entries = store.read_audit(anna.org.into(), 0, 100).await.unwrap();
    let text: String = entries.iter().map(|entry| entry.text.as_str()).collect();
    assert!(!text.contains(CANARY), "{text}");
    let [_, made, fewer, other, same, gone] = &entries[..] else {
        panic!("one of the organization, and five: {text}");
    };
    let made = made.record.after.as_ref().unwrap();
    assert_eq!(made["kind"], "sealed");
    assert_eq!(made["value"], json!(null));
    assert_eq!(made["allowed_hosts"], json!([API, LOCAL]));
    for (entry, before, after) in [
        (
            fewer,
            json!({ "allowed_hosts": [API, LOCAL], "revision": 1 }),
            json!({ "allowed_hosts": [API], "revision": 2 }),
        ),
        (
            other,
            json!({ "allowed_hosts": [API], "revision": 2 }),
            json!({ "allowed_hosts": [BELOW], "revision": 3 }),
        ),
        (same, json!({ "revision": 3 }), json!({ "revision": 4 })),
    ] {
        assert_eq!(entry.record.before, Some(before));
        assert_eq!(entry.record.after, Some(after));
    }
    let gone = gone.record.before.as_ref().unwrap();
    assert_eq!(gone["allowed_hosts"], json!([BELOW]));
}
