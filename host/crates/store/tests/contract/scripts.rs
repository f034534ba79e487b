//! Scripts, versions, templates, and whom they belong to.

use chrono::TimeDelta;
use vedette_core::{Clock as _, Program, Projects, ScriptVersionId, SourceLanguage, TemplateId};
use vedette_store::{
    Cursor, NewTemplate, PageRequest, RecordResult, Store, Updated, VersionProgram, both_databases,
};

use crate::{
    PAGE, at, change, claim_at, clock, finished, javascript, new_script, owner, script, start,
    success,
};

both_databases!(
    a_script_reads_as_it_was_written,
    another_organization_sees_nothing,
    a_new_source_is_a_new_version,
    a_new_language_is_a_new_version,
    a_change_against_an_old_revision_is_refused,
    a_name_does_not_move_the_slot,
    pages_follow_each_other,
    a_template_keeps_its_id,
    a_cursor_of_others_shows_nothing_of_theirs,
    a_schedule_of_every_kind_finds_its_first_slot,
    odd_text_survives,
    a_deleted_script_is_gone_before_its_rows_are,
);

async fn a_script_reads_as_it_was_written(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    assert_eq!(made.next_run_at, Some(at("2026-11-24T12:00:10Z")));
    assert_eq!(
        store.get_script(owner.org, made.id).await.unwrap(),
        Some(made.clone())
    );
    assert_eq!(
        store
            .list_scripts(owner.org, &Projects::All, None, PAGE)
            .await
            .unwrap()
            .items,
        [made]
    );
}

async fn another_organization_sees_nothing(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let made = script(&store, &anna).await;
    assert_eq!(store.get_script(bert.org, made.id).await.unwrap(), None);
    assert_eq!(
        store
            .get_version_program(bert.org, made.version_id)
            .await
            .unwrap(),
        None
    );
    assert!(
        store
            .list_scripts(bert.org, &Projects::All, None, PAGE)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let updated = store
        .update_script(bert.org, made.id, change(&bert, start()), None)
        .await
        .unwrap();
    assert!(matches!(updated, Updated::NotFound));
    assert!(!store.delete_script(bert.org, made.id).await.unwrap());
    assert!(
        store
            .list_executions(bert.org, made.id, PAGE)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(
        store.get_script(anna.org, made.id).await.unwrap(),
        Some(made.clone())
    );
    assert!(store.delete_script(anna.org, made.id).await.unwrap());
    assert_eq!(store.get_script(anna.org, made.id).await.unwrap(), None);
}

async fn a_new_source_is_a_new_version(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let mut new = change(&owner, start());
    new.program = javascript("export default () => ({ success: false });");
    let Updated::Done(changed) = store
        .update_script(owner.org, made.id, new, Some(1))
        .await
        .unwrap()
    else {
        panic!("it is there")
    };
    assert_eq!((changed.version_number, changed.revision), (2, 2));
    let source = |id: ScriptVersionId| {
        let store = store.clone();
        async move {
            store
                .get_version_program(owner.org, id)
                .await
                .unwrap()
                .unwrap()
        }
    };
    assert!(
        format!("{:?}", source(made.version_id).await).contains("true"),
        "the old version stays"
    );
    assert!(format!("{:?}", source(changed.version_id).await).contains("false"));
}

async fn a_new_language_is_a_new_version(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let mut new = change(&owner, start());
    let Program::Source { text, .. } = made.program.clone() else {
        panic!("it is a source")
    };
    let typescript = Program::Source {
        text: text.clone(),
        language: SourceLanguage::TypeScript,
    };
    new.program = typescript.clone();
    for expected in [(2, 2), (2, 3)] {
        // The second time nothing but the revision is new.
        new.version_id = ScriptVersionId::generate(&clock());
        let Updated::Done(changed) = store
            .update_script(owner.org, made.id, new.clone(), None)
            .await
            .unwrap()
        else {
            panic!("it is there")
        };
        assert_eq!((changed.version_number, changed.revision), expected);
        assert_eq!(changed.program, typescript);
        let read = store.get_script(owner.org, made.id).await.unwrap();
        assert_eq!(read.as_ref(), Some(&*changed));
        let listed = store
            .list_scripts(owner.org, &Projects::All, None, PAGE)
            .await
            .unwrap()
            .items;
        assert_eq!(listed, [*changed.clone()]);
        for (version, language) in [
            (made.version_id, SourceLanguage::JavaScript),
            (changed.version_id, SourceLanguage::TypeScript),
        ] {
            let text = text.clone();
            let found = store.get_version_program(owner.org, version).await.unwrap();
            assert_eq!(found, Some(VersionProgram::Source { text, language }));
        }
    }
    let mut typed = new_script(&owner, new);
    typed.content.version_id = ScriptVersionId::generate(&clock());
    let made = store.create_script(typed).await.unwrap();
    let read = store.get_script(owner.org, made.id).await.unwrap().unwrap();
    assert_eq!(read.program, typescript);
    let found = store.get_version_program(owner.org, made.version_id).await;
    let language = SourceLanguage::TypeScript;
    assert_eq!(
        found.unwrap(),
        Some(VersionProgram::Source { text, language })
    );
}

async fn a_change_against_an_old_revision_is_refused(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let update =
        |expected| store.update_script(owner.org, made.id, change(&owner, start()), expected);
    assert!(matches!(update(Some(1)).await.unwrap(), Updated::Done(_)));
    assert!(matches!(update(Some(1)).await.unwrap(), Updated::Stale));
    assert!(matches!(update(Some(2)).await.unwrap(), Updated::Done(_)));
}

async fn a_name_does_not_move_the_slot(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let later = start() + TimeDelta::minutes(5);
    let mut new = change(&owner, later);
    new.name = String::from("other");
    let Updated::Done(named) = store
        .update_script(owner.org, made.id, new.clone(), None)
        .await
        .unwrap()
    else {
        panic!("it is there")
    };
    assert_eq!(named.next_run_at, made.next_run_at);
    new.is_enabled = false;
    let Updated::Done(disabled) = store
        .update_script(owner.org, made.id, new.clone(), None)
        .await
        .unwrap()
    else {
        panic!("it is there")
    };
    assert_eq!(disabled.next_run_at, None);
    new.is_enabled = true;
    let Updated::Done(enabled) = store
        .update_script(owner.org, made.id, new, None)
        .await
        .unwrap()
    else {
        panic!("it is there")
    };
    assert_eq!(
        enabled.next_run_at,
        Some(at("2026-11-24T12:05:10Z")),
        "from now, not from then"
    );
}

async fn pages_follow_each_other(store: Store) {
    let owner = owner(&store, "anna").await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(script(&store, &owner).await.id);
    }
    made.sort_unstable();
    made.reverse();
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = store
            .list_scripts(
                owner.org,
                &Projects::All,
                None,
                PageRequest { limit: 2, cursor },
            )
            .await
            .unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|script| script.id));
        let Some(next) = page.next_cursor else { break };
        cursor = Some(Cursor::parse(&next.to_string()).unwrap());
    }
    assert_eq!(seen, made);
    for tampered in [
        "",
        "x",
        "0",
        "' OR 1=1",
        "018f3b3e-0000-7000-8000-000000000000",
    ] {
        assert!(Cursor::parse(tampered).is_err(), "{tampered}");
    }
}

async fn a_template_keeps_its_id(store: Store) {
    let mut template = NewTemplate {
        id: TemplateId::generate(&clock()),
        slug: "http".to_owned(),
        name: "HTTP".to_owned(),
        description: "d".to_owned(),
        parameter_schema: serde_json::json!({ "type": "object" }),
        script_body: "x".to_owned(),
    };
    store.upsert_template(&template, start()).await.unwrap();
    let first = template.id;
    template.id = TemplateId::generate(&clock());
    template.name = String::from("renamed");
    store.upsert_template(&template, start()).await.unwrap();
    let listed = store.list_templates(PAGE).await.unwrap().items;
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id, listed[0].name.as_str()), (first, "renamed"));
    assert_eq!(
        store.get_template(first).await.unwrap().as_ref(),
        Some(&listed[0])
    );
    assert_eq!(store.get_template(template.id).await.unwrap(), None);
}

async fn a_cursor_of_others_shows_nothing_of_theirs(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    for _ in 0..3 {
        script(&store, &anna).await;
        script(&store, &bert).await;
    }
    let one = PageRequest {
        limit: 1,
        cursor: None,
    };
    let cursor = store
        .list_scripts(anna.org, &Projects::All, None, one)
        .await
        .unwrap()
        .next_cursor;
    assert!(cursor.is_some());
    let page = PageRequest { limit: 100, cursor };
    let seen = store
        .list_scripts(bert.org, &Projects::All, None, page)
        .await
        .unwrap()
        .items;
    assert!(seen.iter().all(|script| script.org_id == bert.org));
}

async fn a_schedule_of_every_kind_finds_its_first_slot(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let update = async |cron: Option<&str>, interval_seconds, timezone: &str, is_enabled| {
        let mut new = change(&owner, start());
        new.cron_expression = cron.map(str::to_owned);
        new.interval_seconds = interval_seconds;
        new.timezone = timezone.into();
        new.is_enabled = is_enabled;
        match store
            .update_script(owner.org, made.id, new, None)
            .await
            .unwrap()
        {
            Updated::Done(script) => {
                assert_eq!(script.interval_seconds, interval_seconds);
                script.next_run_at
            }
            other => panic!("{other:?}"),
        }
    };
    let kolkata = update(Some("0 18 * * *"), None, "Asia/Kolkata", true).await;
    assert_eq!(kolkata, Some(at("2026-11-24T12:30:00Z")));
    let interval = update(None, Some(60), "UTC", true)
        .await
        .expect("it comes due");
    assert!(interval > start() && interval <= start() + TimeDelta::seconds(60));
    assert_eq!(
        update(Some("0 0 30 2 *"), None, "UTC", true).await,
        None,
        "30 February"
    );
    assert_eq!(update(Some("* * * * *"), None, "UTC", false).await, None);
    let mut neither = change(&owner, start());
    neither.cron_expression = None;
    assert!(
        store
            .update_script(owner.org, made.id, neither, None)
            .await
            .is_err()
    );
}

async fn odd_text_survives(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let odd = "\u{1}\u{7f}\u{85}\u{2028}\u{202e}\u{feff}\u{fffe}\u{10ffff}e\u{301} ' \" \\ \\u0000 % _ $1 ? --";
    let mut new = change(&owner, start());
    new.name = odd.into();
    new.program = javascript(&format!("// {odd}\r\n"));
    new.parameters.insert(
        odd.to_owned(),
        serde_json::json!([odd, null, 0.1, -7, u64::MAX, {"": 1e-9}]),
    );
    new.env_vars.insert("ODD".to_owned(), odd.to_owned());
    let expected = new.clone();
    store
        .update_script(owner.org, made.id, new, None)
        .await
        .unwrap();
    let read = store.get_script(owner.org, made.id).await.unwrap().unwrap();
    assert_eq!(
        (&read.name, &read.program),
        (&expected.name, &expected.program)
    );
    assert_eq!(
        (&read.parameters, &read.env_vars),
        (&expected.parameters, &expected.env_vars)
    );
    let source = store
        .get_version_program(owner.org, read.version_id)
        .await
        .unwrap();
    let Program::Source { text, language } = expected.program else {
        panic!("it is a source")
    };
    assert_eq!(source, Some(VersionProgram::Source { text, language }));
    let due = at("2026-11-24T12:00:10Z");
    let claimed = store.claim_due(&claim_at(due)).await.unwrap().remove(0);
    assert_eq!(claimed.parameters, expected.parameters);
}

async fn a_deleted_script_is_gone_before_its_rows_are(store: Store) {
    let owner = owner(&store, "anna").await;
    let (made, other) = (script(&store, &owner).await, script(&store, &owner).await);
    // A thousand missed slots in one transaction each, more than a deletion takes along at once.
    let clock = clock();
    clock.advance(TimeDelta::seconds(60_000));
    let mut held = Vec::new();
    for _ in 0..2 {
        held = store.claim_due(&claim_at(clock.now())).await.unwrap();
        let batch: Vec<_> = held.iter().map(|slot| finished(slot, success())).collect();
        store.record_executions(&batch, &clock).await.unwrap();
    }
    let newest = store
        .list_executions(owner.org, made.id, PAGE)
        .await
        .unwrap()
        .items
        .remove(0);
    assert!(store.delete_script(owner.org, made.id).await.unwrap());
    assert_eq!(
        store.list_deleted_scripts().await.unwrap(),
        [(owner.org, made.id)],
        "rows are left"
    );

    assert_eq!(store.get_script(owner.org, made.id).await.unwrap(), None);
    let listed = store
        .list_scripts(owner.org, &Projects::All, None, PAGE)
        .await
        .unwrap()
        .items;
    let listed: Vec<_> = listed.iter().map(|script| script.id).collect();
    assert_eq!(listed, [other.id]);
    let executions = store.list_executions(owner.org, made.id, PAGE).await;
    assert!(executions.unwrap().items.is_empty());
    let execution = store.get_execution(owner.org, newest.id).await.unwrap();
    assert_eq!(execution, None);
    let source = store.get_version_program(owner.org, made.version_id).await;
    assert_eq!(source.unwrap(), None);
    let update = store.update_script(owner.org, made.id, change(&owner, clock.now()), None);
    assert!(matches!(update.await.unwrap(), Updated::NotFound));
    assert!(!store.delete_script(owner.org, made.id).await.unwrap());
    let late: Vec<_> = held
        .iter()
        .filter(|slot| slot.script_id == made.id)
        .map(|slot| finished(slot, success()))
        .collect();
    let late = store.record_executions(&late, &clock).await.unwrap();
    assert_eq!(late, [RecordResult::Refused]);
    let claimed = store.claim_due(&claim_at(clock.now())).await.unwrap();
    let claimed: Vec<_> = claimed.iter().map(|slot| slot.script_id).collect();
    assert_eq!(claimed, [other.id]);

    while !store.purge_script(owner.org, made.id).await.unwrap() {}
    assert!(store.list_deleted_scripts().await.unwrap().is_empty());
    // Only what is deleted is purged.
    let rows = store.list_executions(owner.org, other.id, PAGE);
    assert!(!rows.await.unwrap().items.is_empty());
    assert!(
        store
            .get_script(owner.org, other.id)
            .await
            .unwrap()
            .is_some()
    );
}
