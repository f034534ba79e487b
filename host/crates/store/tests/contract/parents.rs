//! Scripts that depend on another, and tags.

use chrono::TimeDelta;
use vedette_core::{OrgId, ProjectId, Projects, ScriptId};
use vedette_store::{
    NewScript, ParentError, Script, ScriptChange, Store, StoreError, Updated, both_databases,
};

use crate::{Owner, PAGE, change, clock, new_script, owner, script, start};

both_databases!(
    scripts_are_found_by_tag,
    a_parent_is_kept_until_it_is_deleted,
    no_script_depends_on_itself,
    ten_scripts_in_a_row_are_enough,
    changes_at_once_make_no_circle,
);

/// Gives a script a parent, or none.
async fn place(
    store: &Store,
    owner: &Owner,
    script: ScriptId,
    parent_id: Option<ScriptId>,
) -> Result<Script, StoreError> {
    let change = ScriptChange {
        parent_id,
        ..change(owner, start())
    };
    match store.update_script(owner.org, script, change, None).await? {
        Updated::Done(script) => Ok(*script),
        other => panic!("{other:?}"),
    }
}

fn refused(result: Result<Script, StoreError>) -> ParentError {
    match result {
        Err(StoreError::Parent(why)) => why,
        other => panic!("{other:?}"),
    }
}

async fn scripts_are_found_by_tag(store: Store) {
    let anna = owner(&store, "anna").await;
    let clock = clock();
    let make = async |tags: &[&str]| {
        clock.advance(TimeDelta::seconds(1));
        let content = ScriptChange {
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..change(&anna, start())
        };
        let new = NewScript {
            id: ScriptId::generate(&clock),
            org_id: anna.org,
            has_default_rules: true,
            content,
        };
        store.create_script(new).await.unwrap()
    };
    let none = make(&[]).await;
    let shop = make(&["shop", "prod"]).await;
    let odd = make(&[r#"a "shop""#, "über", "%", "Shop"]).await;
    assert_eq!(odd.tags, [r#"a "shop""#, "über", "%", "Shop"]);
    let read = store.get_script(anna.org, odd.id).await.unwrap();
    assert_eq!(read, Some(odd.clone()));
    let list = async |org: OrgId, projects: &Projects, tag: Option<&str>| {
        let page = store.list_scripts(org, projects, tag, PAGE).await;
        let items = page.unwrap().items.into_iter();
        items.map(|script| script.id).collect::<Vec<_>>()
    };
    let all = &Projects::All;
    assert_eq!(list(anna.org, all, None).await, [odd.id, shop.id, none.id]);
    for (tag, expected) in [
        ("shop", Some(shop.id)),
        ("prod", Some(shop.id)),
        ("Shop", Some(odd.id)),
        (r#"a "shop""#, Some(odd.id)),
        ("über", Some(odd.id)),
        ("%", Some(odd.id)),
        ("sho", None),
        ("", None),
    ] {
        let found = list(anna.org, all, Some(tag)).await;
        assert_eq!(found, Vec::from_iter(expected), "{tag}");
    }
    let here = Projects::Only(vec![anna.project]);
    assert_eq!(list(anna.org, &here, Some("shop")).await, [shop.id]);
    let elsewhere = Projects::Only(vec![ProjectId::generate(&clock)]);
    assert!(list(anna.org, &elsewhere, Some("shop")).await.is_empty());
    let bert = owner(&store, "bert").await;
    assert!(list(bert.org, all, Some("shop")).await.is_empty());

    let change = ScriptChange {
        tags: vec!["prod".to_owned()],
        ..change(&anna, start())
    };
    let changed = store.update_script(anna.org, shop.id, change, None).await;
    let Ok(Updated::Done(changed)) = changed else {
        panic!("{changed:?}")
    };
    assert_eq!(changed.tags, ["prod"]);
    assert!(list(anna.org, all, Some("shop")).await.is_empty());
}

async fn a_parent_is_kept_until_it_is_deleted(store: Store) {
    let anna = owner(&store, "anna").await;
    let parent = script(&store, &anna).await.id;
    let content = ScriptChange {
        parent_id: Some(parent),
        ..change(&anna, start())
    };
    let child = store.create_script(new_script(&anna, content)).await;
    let child = child.unwrap();
    assert_eq!(child.parent_id, Some(parent));
    let read = async || store.get_script(anna.org, child.id).await.unwrap().unwrap();
    assert_eq!(read().await, child);
    assert_eq!(
        place(&store, &anna, child.id, None)
            .await
            .unwrap()
            .parent_id,
        None
    );
    assert_eq!(read().await.parent_id, None);
    place(&store, &anna, child.id, Some(parent)).await.unwrap();
    assert_eq!(read().await.parent_id, Some(parent));

    store.delete_script(anna.org, parent).await.unwrap();
    assert_eq!(read().await.parent_id, None);
    let again = place(&store, &anna, child.id, Some(parent)).await;
    assert_eq!(refused(again), ParentError::Missing);
}

async fn no_script_depends_on_itself(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(script(&store, &anna).await.id);
    }
    let [one, two, three] = made[..] else {
        panic!("three")
    };
    let put = async |script, parent| place(&store, &anna, script, Some(parent)).await;
    assert_eq!(refused(put(one, one).await), ParentError::Cycle);
    put(two, one).await.unwrap();
    put(three, two).await.unwrap();
    for script in [two, three] {
        assert_eq!(refused(put(one, script).await), ParentError::Cycle);
    }
    // What is of others is not there.
    let foreign = script(&store, &bert).await.id;
    assert_eq!(refused(put(one, foreign).await), ParentError::Missing);
    let content = ScriptChange {
        parent_id: Some(foreign),
        ..change(&anna, start())
    };
    let made = store.create_script(new_script(&anna, content)).await;
    assert_eq!(refused(made), ParentError::Missing);
    // Nothing of what was refused is left, and an end of the chain that is free can be its beginning.
    assert_eq!(
        place(&store, &anna, two, None).await.unwrap().parent_id,
        None
    );
    put(one, three).await.unwrap();
}

async fn ten_scripts_in_a_row_are_enough(store: Store) {
    let anna = owner(&store, "anna").await;
    let below = async |parent_id: Option<ScriptId>| {
        let content = ScriptChange {
            parent_id,
            ..change(&anna, start())
        };
        let made = store.create_script(new_script(&anna, content)).await;
        made.map(|script| script.id)
    };
    let mut chain = vec![below(None).await.unwrap()];
    for _ in 1..10 {
        chain.push(below(chain.last().copied()).await.unwrap());
    }
    let eleventh = below(chain.last().copied()).await;
    assert!(matches!(
        eleventh,
        Err(StoreError::Parent(ParentError::TooDeep))
    ));
    // What depends on a script comes with it.
    let top = below(None).await.unwrap();
    let put = async |script, parent| place(&store, &anna, script, Some(parent)).await;
    assert_eq!(refused(put(chain[0], top).await), ParentError::TooDeep);
    put(chain[1], top).await.unwrap();
    put(chain[9], chain[0]).await.unwrap();
    put(chain[0], top).await.unwrap();
}

async fn changes_at_once_make_no_circle(store: Store) {
    let anna = owner(&store, "anna").await;
    for _ in 0..5 {
        let (one, two) = (
            script(&store, &anna).await.id,
            script(&store, &anna).await.id,
        );
        let (there, back) = tokio::join!(
            place(&store, &anna, one, Some(two)),
            place(&store, &anna, two, Some(one))
        );
        let refusals = [there, back].into_iter().filter_map(Result::err);
        let refusals: Vec<_> = refusals.collect();
        assert!(
            matches!(refusals[..], [StoreError::Parent(ParentError::Cycle)]),
            "{refusals:?}"
        );
    }
}
