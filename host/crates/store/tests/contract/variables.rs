//! Variables: their levels, their limits, and what a run is given of them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use secrecy::SecretString;
use vedette_core::{
    ProjectId, ScriptId, VariableId, VariableKind,
    variable::{MAX_LEVEL_BYTES, MAX_VARIABLE_BYTES, MAX_VARIABLES},
};
use vedette_store::{
    ClaimedSlot, CreatedVariable, NewValue, NewVariable, Store, StoreError, UpdatedVariable,
    Variable, VariableChange, VariableLevel, both_databases, testing::TestDatabase,
};

use crate::{
    Owner, PAGE, by_hand, change, claim_at, clock, count, finished, new_script, on_each, owner,
    script, start, success,
};

both_databases!(
    a_variable_is_kept_read_changed_and_deleted,
    a_name_is_there_once_a_level,
    a_level_has_limits,
    the_narrower_level_counts,
    a_changed_value_is_for_the_next_claim,
    a_claim_brings_them,
    a_foreign_owner_is_none,
    the_last_room_is_taken_once
);

pub(crate) fn plain(text: &str) -> NewValue {
    NewValue::Plain(text.to_owned())
}

pub(crate) fn secret(text: &str) -> NewValue {
    NewValue::Secret(SecretString::from(text))
}

pub(crate) fn new_variable(
    owner: &Owner,
    level: VariableLevel,
    name: &str,
    value: NewValue,
) -> NewVariable {
    NewVariable {
        id: VariableId::generate(&clock()),
        org_id: owner.org,
        level,
        name: name.to_owned(),
        value,
        description: None,
        created_by: owner.user,
        created_at: start(),
    }
}

pub(crate) async fn keep(
    store: &Store,
    owner: &Owner,
    level: VariableLevel,
    name: &str,
    value: NewValue,
) -> Variable {
    let new = new_variable(owner, level, name, value);
    match store.create_variable(new).await.unwrap() {
        CreatedVariable::Done(variable) => variable,
        other => panic!("{name}: {other:?}"),
    }
}

fn to(value: &str) -> VariableChange {
    VariableChange {
        value: Some(SecretString::from(value)),
        allowed_hosts: None,
        description: None,
        changed_at: start() + TimeDelta::seconds(1),
    }
}

async fn a_variable_is_kept_read_changed_and_deleted(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let level = VariableLevel::Organization;
    let mut new = new_variable(&anna, level, "REGION", plain("eu"));
    new.description = Some("Where it runs.".to_owned());
    let CreatedVariable::Done(region) = store.create_variable(new).await.unwrap() else {
        panic!("it is made");
    };
    let token = keep(&store, &anna, level, "TOKEN", secret("hunter22")).await;
    assert_eq!((token.kind, &token.value), (VariableKind::Secret, &None));
    assert_eq!(region.value.as_deref(), Some("eu"));
    for made in [&region, &token] {
        let read = store.get_variable(anna.org, made.id).await.unwrap();
        assert_eq!(read.as_ref(), Some(made));
        let foreign = store.get_variable(bert.org, made.id).await.unwrap();
        assert_eq!(foreign, None);
    }
    let listed = store.list_variables(anna.org, level, PAGE).await.unwrap();
    // Of one time, so that their ids come in any order.
    let mut items = listed.unwrap().items;
    items.sort_by_key(|variable| variable.kind);
    assert_eq!(items, [region.clone(), token.clone()]);
    let listed = store.list_variables(bert.org, level, PAGE).await.unwrap();
    assert_eq!(listed.unwrap().items, []);

    let update = async |owner: &Owner, id, change, expected| {
        let updated = store.update_variable(owner.org, id, change, expected);
        updated.await.unwrap()
    };
    let foreign = update(&bert, region.id, to("us"), None).await;
    assert!(matches!(foreign, UpdatedVariable::NotFound));
    let UpdatedVariable::Done(changed) = update(&anna, region.id, to("us"), Some(1)).await else {
        panic!("it is changed");
    };
    assert_eq!(changed.value.as_deref(), Some("us"));
    assert_eq!((changed.revision, &changed.description), (2, &None));
    assert_eq!(changed.updated_at, start() + TimeDelta::seconds(1));
    assert_eq!(changed.created_at, start());
    let stale = update(&anna, region.id, to("asia"), Some(1)).await;
    assert!(matches!(stale, UpdatedVariable::Stale));
    // Without a value, the value stays.
    let words = VariableChange {
        value: None,
        allowed_hosts: None,
        description: Some("For the shop.".to_owned()),
        changed_at: start(),
    };
    let described = update(&anna, token.id, words, None).await;
    assert!(
        matches!(described, UpdatedVariable::Done(token) if token.description.is_some()),
        "it is changed"
    );
    let script = script(&store, &anna).await;
    let environment = store.get_environment(&script).await.unwrap();
    assert_eq!(environment.values["TOKEN"], "hunter22");
    update(&anna, token.id, to("other-secret"), None).await;
    let environment = store.get_environment(&script).await.unwrap();
    assert_eq!(environment.values["TOKEN"], "other-secret");
    assert_eq!(environment.values["REGION"], "us");
    assert_eq!(environment.secrets, BTreeSet::from(["TOKEN".to_owned()]));

    assert!(!store.delete_variable(bert.org, token.id).await.unwrap());
    assert!(store.delete_variable(anna.org, token.id).await.unwrap());
    assert!(!store.delete_variable(anna.org, token.id).await.unwrap());
    let environment = store.get_environment(&script).await.unwrap();
    assert!(!environment.values.contains_key("TOKEN"));
}

async fn a_name_is_there_once_a_level(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let (one, other) = (script(&store, &anna).await, script(&store, &anna).await);
    let levels = [
        VariableLevel::Organization,
        VariableLevel::Project(anna.project),
        VariableLevel::Script(one.id),
        VariableLevel::Script(other.id),
    ];
    for level in levels {
        let made = keep(&store, &anna, level, "NAME", secret("some value")).await;
        for value in [plain("again"), secret("again and again")] {
            let again = store.create_variable(new_variable(&anna, level, "NAME", value));
            let error = again.await.unwrap_err();
            assert!(
                matches!(error, StoreError::Conflict { field: "name" }),
                "{level:?}: {error}"
            );
        }
        let listed = store.list_variables(anna.org, level, PAGE).await.unwrap();
        assert_eq!(listed.unwrap().items, [made], "{level:?}");
        // Names are told apart by case, as in any environment.
        keep(&store, &anna, level, "name", plain("")).await;
    }
    keep(
        &store,
        &bert,
        VariableLevel::Organization,
        "NAME",
        plain("his own"),
    )
    .await;
}

async fn a_level_has_limits(store: Store) {
    let anna = owner(&store, "anna").await;
    let level = VariableLevel::Organization;
    let largest = "x".repeat(MAX_VARIABLE_BYTES);
    let fit = MAX_LEVEL_BYTES / MAX_VARIABLE_BYTES;
    let mut last = None;
    for number in 0..fit {
        let value = if number % 2 == 0 {
            secret(&largest)
        } else {
            plain(&largest)
        };
        last = Some(keep(&store, &anna, level, &format!("LARGE_{number}"), value).await);
    }
    for value in [plain("x"), secret("four")] {
        let made = store.create_variable(new_variable(&anna, level, "MORE", value));
        assert!(matches!(made.await.unwrap(), CreatedVariable::TooLarge));
    }
    // What it takes itself is free for its new value, and not a byte more.
    let last = last.unwrap();
    for (length, fits) in [
        (MAX_VARIABLE_BYTES + 1, false),
        (MAX_VARIABLE_BYTES, true),
        (4, true),
    ] {
        let change = to(&"y".repeat(length));
        let updated = store.update_variable(anna.org, last.id, change, None).await;
        let is_done = matches!(updated.unwrap(), UpdatedVariable::Done(_));
        assert_eq!(is_done, fits, "{length}");
    }
    for number in fit..MAX_VARIABLES as usize {
        keep(&store, &anna, level, &format!("SMALL_{number}"), plain("x")).await;
    }
    let made = store.create_variable(new_variable(&anna, level, "MORE", plain("x")));
    assert!(matches!(made.await.unwrap(), CreatedVariable::TooMany));
    // Another level has room of its own.
    let project = VariableLevel::Project(anna.project);
    keep(&store, &anna, project, "MORE", plain(&largest)).await;
}

async fn the_narrower_level_counts(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let mut with_own = change(&anna, start());
    with_own.env_vars = [("D".to_owned(), "own".to_owned())].into();
    let made = store.create_script(new_script(&anna, with_own)).await;
    let (made, other) = (made.unwrap(), script(&store, &anna).await);
    let wide = VariableLevel::Organization;
    let project = VariableLevel::Project(anna.project);
    let narrow = VariableLevel::Script(made.id);
    // The narrow ones first: the order in which they were made does not count.
    for (level, names) in [
        (narrow, &["C", "D"][..]),
        (project, &["B", "C", "D"]),
        (wide, &["A", "B", "C", "D"]),
    ] {
        for name in names {
            let value = format!("{name} of {level:?}");
            let value = if *name == "C" && level == narrow {
                plain(&value)
            } else {
                secret(&value)
            };
            keep(&store, &anna, level, name, value).await;
        }
    }
    keep(&store, &bert, wide, "E", secret("of another organization")).await;
    let environment = store.get_environment(&made).await.unwrap();
    let expected = [
        ("A".to_owned(), format!("A of {wide:?}")),
        ("B".to_owned(), format!("B of {project:?}")),
        ("C".to_owned(), format!("C of {narrow:?}")),
        ("D".to_owned(), "own".to_owned()),
    ];
    assert_eq!(environment.values, expected.into());
    assert_eq!(environment.secrets, ["A", "B"].map(str::to_owned).into());
    let environment = store.get_environment(&other).await.unwrap();
    assert_eq!(environment.values["D"], format!("D of {project:?}"));
    assert_eq!(environment.values["KEY"], "välue");
}

/// A run that is going on has what it was claimed with.
async fn a_changed_value_is_for_the_next_claim(store: Store) {
    let anna = owner(&store, "anna").await;
    script(&store, &anna).await;
    let wide = VariableLevel::Organization;
    let kept = keep(&store, &anna, wide, "TOKEN", secret("the first")).await;
    let first = store
        .claim_due(&claim_at(start() + TimeDelta::seconds(10)))
        .await;
    let first = first.unwrap().remove(0);
    let changed = store.update_variable(anna.org, kept.id, to("the second"), None);
    let changed = changed.await;
    assert!(
        matches!(changed, Ok(UpdatedVariable::Done(_))),
        "{changed:?}"
    );
    let value = |slot: &ClaimedSlot| slot.env_vars.as_ref().unwrap().values["TOKEN"].clone();
    assert_eq!(value(&first), "the first");
    let clock = clock();
    clock.advance(TimeDelta::seconds(11));
    let done = finished(&first, success());
    store.record_executions(&[done], &clock).await.unwrap();
    let second = store
        .claim_due(&claim_at(start() + TimeDelta::seconds(20)))
        .await;
    assert_eq!(value(&second.unwrap()[0]), "the second");
}

async fn a_claim_brings_them(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let carl = owner(&store, "carl").await;
    let mut scripts = Vec::new();
    for owner in [&anna, &anna, &bert, &carl] {
        scripts.push(script(&store, owner).await);
    }
    let wide = VariableLevel::Organization;
    keep(&store, &anna, wide, "TOKEN", secret("of anna")).await;
    keep(&store, &anna, wide, "KEY", secret("under the script's own")).await;
    let narrow = VariableLevel::Script(scripts[1].id);
    keep(
        &store,
        &anna,
        narrow,
        "TOKEN",
        secret("of her second script"),
    )
    .await;
    let project = VariableLevel::Project(bert.project);
    keep(&store, &bert, project, "TOKEN", plain("of bert")).await;
    let due = claim_at(start() + TimeDelta::seconds(10));
    let claimed = store.claim_due(&due).await.unwrap();
    assert_eq!(claimed.len(), 4);
    for script in &scripts {
        let slot = claimed.iter().find(|slot| slot.script_id == script.id);
        let environment = store.get_environment(script).await.unwrap();
        assert_eq!(slot.unwrap().env_vars.as_ref(), Some(&environment));
        assert_eq!(environment.values["KEY"], "välue");
        let expected = match script.org_id {
            org if org == bert.org => Some("of bert"),
            org if org == carl.org => None,
            _ if script.id == scripts[1].id => Some("of her second script"),
            _ => Some("of anna"),
        };
        let found = environment.values.get("TOKEN").map(String::as_str);
        assert_eq!(found, expected);
        let secrets = usize::from(script.org_id == anna.org);
        assert_eq!(environment.secrets.len(), secrets);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_open_concerns_its_own_scripts_only() {
    on_each(async |database: &TestDatabase| {
        let store = &database.store;
        let (anna, bert) = (owner(store, "anna").await, owner(store, "bert").await);
        let (broken, fine) = (script(store, &anna).await, script(store, &anna).await);
        let other = script(store, &bert).await;
        let level = VariableLevel::Script(broken.id);
        keep(store, &anna, level, "BROKEN", secret("some value")).await;
        let wide = VariableLevel::Organization;
        for owner in [&anna, &bert] {
            keep(store, owner, wide, "TOKEN", secret("some value")).await;
        }
        let garbage = "UPDATE variables SET ciphertext = wrapped_key FROM organization_keys \
            WHERE name = 'BROKEN'";
        by_hand(database, garbage).await;
        let due = claim_at(start() + TimeDelta::seconds(10));
        let claimed = store.claim_due(&due).await.unwrap();
        assert_eq!(claimed.len(), 3);
        for slot in claimed {
            let is_fine = slot.script_id == fine.id || slot.script_id == other.id;
            assert_eq!(slot.env_vars.is_some(), is_fine);
        }
    })
    .await;
}

async fn a_foreign_owner_is_none(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let (made, deleted) = (script(&store, &anna).await, script(&store, &bert).await);
    store.delete_script(bert.org, deleted.id).await.unwrap();
    for level in [
        VariableLevel::Project(anna.project),
        VariableLevel::Project(ProjectId::generate(&clock())),
        VariableLevel::Script(made.id),
        VariableLevel::Script(ScriptId::generate(&clock())),
        VariableLevel::Script(deleted.id),
    ] {
        let new = new_variable(&bert, level, "NAME", secret("some value"));
        let made = store.create_variable(new).await.unwrap();
        assert!(matches!(made, CreatedVariable::NoOwner), "{level:?}");
        let listed = store.list_variables(bert.org, level, PAGE).await.unwrap();
        assert!(listed.is_none(), "{level:?}");
    }
}

async fn the_last_room_is_taken_once(store: Store) {
    let anna = owner(&store, "anna").await;
    let level = VariableLevel::Organization;
    for number in 1..MAX_VARIABLES {
        keep(&store, &anna, level, &format!("N_{number}"), plain("x")).await;
    }
    let mut makers = Vec::new();
    for number in 0..10 {
        let name = format!("LAST_{number}");
        let new = new_variable(&anna, level, &name, secret("some value"));
        let store = store.clone();
        makers.push(tokio::spawn(
            async move { store.create_variable(new).await },
        ));
    }
    let mut made = 0;
    for maker in makers {
        match maker.await.unwrap().unwrap() {
            CreatedVariable::Done(_) => made += 1,
            CreatedVariable::TooMany => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(made, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_go_with_what_they_are_for() {
    on_each(async |database: &TestDatabase| {
        let store = &database.store;
        let anna = owner(store, "anna").await;
        let (one, other) = (script(store, &anna).await, script(store, &anna).await);
        for script in [&one, &other] {
            let level = VariableLevel::Script(script.id);
            keep(store, &anna, level, "TOKEN", secret("some value")).await;
        }
        let project = VariableLevel::Project(anna.project);
        keep(store, &anna, project, "TOKEN", secret("some value")).await;
        store.delete_script(anna.org, one.id).await.unwrap();
        assert_eq!(count(database, "variables").await, 2);
        store.delete_script(anna.org, other.id).await.unwrap();
        assert_eq!(count(database, "variables").await, 1);
        by_hand(database, "DELETE FROM projects").await;
        assert_eq!(count(database, "variables").await, 0);
        let wide = VariableLevel::Organization;
        keep(store, &anna, wide, "TOKEN", secret("some value")).await;
        by_hand(database, "DELETE FROM organizations").await;
        for table in ["variables", "organization_keys"] {
            assert_eq!(count(database, table).await, 0, "{table}");
        }
    })
    .await;
}
