//! What the vault promises of a ciphertext, without a database.

use std::{
    collections::HashSet,
    error::Error,
    sync::{Arc, Mutex},
};

use secrecy::{ExposeSecret as _, SecretBox};
use uuid::Uuid;
use vedette_core::{AllowedHost, OrgId, ProjectId, ScriptId};

use super::*;
use crate::VariableLevel;

const VALUE: &str = "correct-horse-battery-staple";

/// Keys that a test can change while they are in use.
#[derive(Clone, Default)]
struct Drawer(Arc<Mutex<Vec<(&'static str, u8)>>>);

impl MasterKeySource for Drawer {
    fn read(&self) -> Result<Vec<MasterKey>, Box<dyn Error + Send + Sync>> {
        let keys = self.0.lock().unwrap();
        Ok(keys
            .iter()
            .map(|(id, byte)| MasterKey {
                id: (*id).to_owned(),
                bytes: SecretBox::new(Box::new([*byte; 32])),
            })
            .collect())
    }
}

fn org(number: u128) -> OrgId {
    OrgId::from_uuid(Uuid::from_u128(number))
}

fn vault() -> Vault {
    let drawer = Drawer::default();
    drawer.0.lock().unwrap().push(("1", 1));
    Vault::open(drawer).unwrap()
}

fn data_key(vault: &Vault, org: OrgId, version: i64) -> DataKey {
    let wrapped = vault.new_data_key(org, version).unwrap();
    vault.unwrap(org, version, &wrapped).unwrap()
}

const HERE: Place<'static> = Place {
    level: VariableLevel::Organization,
    name: "TOKEN",
    allowed_hosts: None,
};

#[test]
fn a_value_opens_in_its_place_only() {
    let vault = vault();
    let wrapped = vault.new_data_key(org(1), 1).unwrap();
    let key = vault.unwrap(org(1), 1, &wrapped).unwrap();
    let sealed = key.seal(HERE, VALUE).unwrap();
    assert_eq!(key.open(HERE, &sealed).unwrap().expose_secret(), VALUE);
    // The same id on another level is another place.
    let id = org(1).as_uuid();
    for level in [
        VariableLevel::Project(ProjectId::from_uuid(id)),
        VariableLevel::Script(ScriptId::from_uuid(id)),
    ] {
        let place = Place { level, ..HERE };
        assert!(key.open(place, &sealed).is_err());
    }
    for name in ["", "TOKE", "TOKEN2", "OTHER", "token"] {
        assert!(key.open(Place { name, ..HERE }, &sealed).is_err());
    }
    // The same key bytes as the key of another organization, or as another version.
    let bytes = SecretBox::new(Box::new([9; 32]));
    let sealed = DataKey::new(org(1), 1, &bytes)
        .and_then(|key| key.seal(HERE, VALUE))
        .unwrap();
    for (org, version, opens) in [(org(1), 1, true), (org(2), 1, false), (org(1), 2, false)] {
        let key = DataKey::new(org, version, &bytes).unwrap();
        assert_eq!(key.open(HERE, &sealed).is_ok(), opens);
    }
    // A wrapped key opens as nobody else's, and as no other version.
    assert!(vault.unwrap(org(2), 1, &wrapped).is_err());
    assert!(vault.unwrap(org(1), 2, &wrapped).is_err());
}

fn hosts(texts: &[&str]) -> Vec<AllowedHost> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_value_opens_for_its_hosts_only() {
    let key = data_key(&vault(), org(1), 1);
    let (api, other) = (hosts(&["api.example.com"]), hosts(&["other.example.com"]));
    let lists = [
        hosts(&[]),
        api.clone(),
        other.clone(),
        hosts(&["http://api.example.com"]),
        hosts(&["api.example.com:8443"]),
        hosts(&["*.example.com"]),
        hosts(&["*.api.example.com"]),
        [api.clone(), other.clone()].concat(),
        [other, api.clone()].concat(),
        [api.clone(), api].concat(),
        hosts(&["a", "bc"]),
        hosts(&["ab", "c"]),
    ];
    let places: Vec<Place<'_>> = lists
        .iter()
        .map(|hosts| Some(hosts.as_slice()))
        .chain([None])
        .flat_map(|allowed_hosts| {
            // What ends the hosts may not begin the name.
            ["TOKEN", "cTOKEN", "c"].map(|name| Place {
                level: HERE.level,
                name,
                allowed_hosts,
            })
        })
        .collect();
    for (number, place) in places.iter().enumerate() {
        let sealed = key.seal(*place, VALUE).unwrap();
        for (other_number, other) in places.iter().enumerate() {
            let opens = key.open(*other, &sealed).is_ok();
            assert_eq!(opens, number == other_number, "{place:?} as {other:?}");
        }
    }
    // Nor as a secret whose name is made of what stands before the name of a sealed one.
    let one = hosts(&["a"]);
    let place = Place {
        allowed_hosts: Some(&one),
        ..HERE
    };
    let sealed = key.seal(place, VALUE).unwrap();
    let name = "\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01aTOKEN";
    assert!(key.open(Place { name, ..HERE }, &sealed).is_err());
    assert!(key.open(place, &sealed).is_ok());
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let vault = vault();
    let key = data_key(&vault, org(1), 1);
    let sealed = key.seal(HERE, VALUE).unwrap();
    assert_eq!(sealed.len(), VALUE.len() + OVERHEAD);
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(key.open(HERE, &flipped).is_err(), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert!(key.open(HERE, &sealed[..length]).is_err(), "{length} bytes");
    }
    let mut wrapped = vault.new_data_key(org(1), 1).unwrap();
    for bit in 0..wrapped.wrapped_key.len() * 8 {
        wrapped.wrapped_key[bit / 8] ^= 1 << (bit % 8);
        assert!(vault.unwrap(org(1), 1, &wrapped).is_err(), "bit {bit}");
        wrapped.wrapped_key[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(vault.unwrap(org(1), 1, &wrapped).is_ok());
}

#[test]
fn no_nonce_comes_twice() {
    let key = data_key(&vault(), org(1), 1);
    let mut nonces = HashSet::new();
    for _ in 0..100_000 {
        let sealed = key.seal(HERE, "x").unwrap();
        assert!(nonces.insert(<[u8; 12]>::try_from(&sealed[..12]).unwrap()));
    }
}

#[test]
fn the_last_key_wraps_and_all_unwrap() {
    let drawer = Drawer::default();
    let vault = Vault::open(drawer.clone()).unwrap();
    let none = vault.new_data_key(org(1), 1).map(drop);
    assert!(matches!(none, Err(VaultError::NoMasterKey)));
    drawer.0.lock().unwrap().push(("a", 1));
    vault.reload().unwrap();
    let old = vault.new_data_key(org(1), 1).unwrap();
    assert_eq!(old.master_key_id, "a");
    // Another process has a newer key, and this one has not looked again.
    drawer.0.lock().unwrap().push(("b", 2));
    let elsewhere = Vault::open(drawer.clone()).unwrap();
    let new = elsewhere.rewrap(org(1), 1, &old).unwrap();
    assert_eq!(new.master_key_id, "b");
    let sealed = vault
        .unwrap(org(1), 1, &old)
        .and_then(|key| key.seal(HERE, VALUE))
        .unwrap();
    let opened = vault
        .unwrap(org(1), 1, &new)
        .and_then(|key| key.open(HERE, &sealed))
        .unwrap();
    assert_eq!(opened.expose_secret(), VALUE);
    assert_eq!(vault.newest_id().unwrap(), "b");
    // Without the old key, only what was wrapped anew opens.
    drawer.0.lock().unwrap().remove(0);
    vault.reload().unwrap();
    assert!(vault.unwrap(org(1), 1, &new).is_ok());
    let lost = vault.unwrap(org(1), 1, &old).map(drop);
    assert!(matches!(lost, Err(VaultError::UnknownMasterKey(id)) if id == "a"));
    // Another key under the same name.
    drawer.0.lock().unwrap()[0].1 = 3;
    vault.reload().unwrap();
    let wrong = vault.unwrap(org(1), 1, &new).map(drop);
    assert!(matches!(wrong, Err(VaultError::NotOpened)));
}

#[test]
fn nothing_is_shown_of_keys() {
    let vault = vault();
    let key = data_key(&vault, org(1), 1);
    assert_eq!(format!("{vault:?}"), r#"{"1"}"#);
    let shown = format!(
        "{key:?} {:?}",
        MasterKey {
            id: "1".to_owned(),
            bytes: SecretBox::new(Box::new([77; 32])),
        }
    );
    assert!(!shown.contains("77"), "{shown}");
    assert!(shown.contains("key: Key"), "{shown}");
}
