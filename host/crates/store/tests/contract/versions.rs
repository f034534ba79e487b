//! The versions of a script, in order and by number.

use vedette_core::{Program, ScriptVersionId, SourceLanguage};
use vedette_store::{PageRequest, Store, Updated, VersionKind, both_databases};

use crate::{PAGE, change, clock, javascript, owner, script, start};

both_databases!(
    versions_are_listed_and_found_by_number,
    versions_go_with_their_script
);

async fn versions_are_listed_and_found_by_number(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let made = script(&store, &anna).await;
    let mut programs = vec![made.program.clone()];
    for text in ["two", "three", "four", "five"] {
        let mut new = change(&anna, start());
        new.program = Program::Source {
            text: text.to_owned(),
            language: SourceLanguage::TypeScript,
        };
        // Made in one millisecond: their ids sort by chance.
        new.version_id = ScriptVersionId::generate(&clock());
        programs.push(new.program.clone());
        let updated = store.update_script(anna.org, made.id, new, None).await;
        assert!(matches!(updated.unwrap(), Updated::Done(_)));
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: 2, cursor };
        let page = store.list_versions(anna.org, made.id, page).await.unwrap();
        seen.extend(page.items);
        let Some(next) = page.next_cursor else { break };
        cursor = Some(next);
    }
    let numbers: Vec<_> = seen.iter().map(|version| version.number).collect();
    assert_eq!(numbers, [5, 4, 3, 2, 1]);
    assert_eq!(seen[4].id, made.version_id);
    assert_eq!(
        seen[4].kind,
        VersionKind::Source(SourceLanguage::JavaScript)
    );
    assert_eq!(
        seen[0].kind,
        VersionKind::Source(SourceLanguage::TypeScript)
    );
    assert_eq!(
        (seen[0].created_by, seen[0].created_at),
        (anna.user, made.created_at)
    );
    for (number, program) in (1..).zip(programs) {
        let found = store.get_numbered_version(anna.org, made.id, number).await;
        let id = seen[usize::try_from(5 - number).unwrap()].id;
        assert_eq!(found.unwrap(), Some((id, program)));
        let foreign = store.get_numbered_version(bert.org, made.id, number).await;
        assert_eq!(foreign.unwrap(), None);
    }
    for number in [0, 6, -1, i64::MAX] {
        let none = store.get_numbered_version(anna.org, made.id, number).await;
        assert_eq!(none.unwrap(), None);
    }
    let foreign = store.list_versions(bert.org, made.id, PAGE).await.unwrap();
    assert!(foreign.items.is_empty());
}

async fn versions_go_with_their_script(store: Store) {
    let anna = owner(&store, "anna").await;
    let made = script(&store, &anna).await;
    assert_eq!(
        made.program,
        javascript("export default () => ({ success: true });")
    );
    assert!(store.delete_script(anna.org, made.id).await.unwrap());
    let listed = store.list_versions(anna.org, made.id, PAGE).await.unwrap();
    assert!(listed.items.is_empty());
    let none = store.get_numbered_version(anna.org, made.id, 1).await;
    assert_eq!(none.unwrap(), None);
}
