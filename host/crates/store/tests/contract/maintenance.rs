//! Maintenance windows and silences as they are kept.

use chrono::TimeDelta;
use vedette_core::{
    Clock as _, MaintenanceWindowId, ProjectId, Projects, ScriptId, SilenceId,
    silence::{Interval, MatcherText, Scope, Window, WindowText},
};
use vedette_store::{
    Author, CreatedSilence, CreatedWindow, MAX_SILENCES, MAX_WINDOWS, MaintenanceWindow,
    NewSilence, NewWindow, PageRequest, Project, SilenceContent, Store, StoredSilence,
    UpdatedSilence, UpdatedWindow, WindowContent, both_databases,
};

use crate::{Owner, PAGE, audit::records, clock, owner, script, start};

both_databases!(
    a_window_is_kept_changed_and_deleted,
    a_silence_is_kept_changed_and_deleted,
    what_it_is_about_has_to_be_there,
    an_organization_has_so_many_that_are_not_over,
    who_sees_some_projects_sees_theirs,
);

/// One stretch, by seconds after the start of the tests.
pub(crate) fn once(from: i64, until: i64) -> WindowText {
    let at = |seconds| start() + TimeDelta::seconds(seconds);
    WindowText {
        from: Some(at(from)),
        until: Some(at(until)),
        ..WindowText::default()
    }
}

pub(crate) fn content(scope: Scope, definition: WindowText) -> WindowContent {
    WindowContent {
        name: "backup".to_owned(),
        scope,
        ends_at: Window::parse(&definition).unwrap().ends_at(),
        definition,
    }
}

async fn create(store: &Store, owner: &Owner, content: WindowContent) -> CreatedWindow {
    let new = NewWindow {
        id: MaintenanceWindowId::generate(&clock()),
        org_id: owner.org,
        content,
        created_by: owner.user,
        created_at: start(),
    };
    store.create_maintenance_window(new).await.unwrap()
}

pub(crate) async fn window(
    store: &Store,
    owner: &Owner,
    scope: Scope,
    definition: WindowText,
) -> MaintenanceWindow {
    match create(store, owner, content(scope, definition)).await {
        CreatedWindow::Done(window) => *window,
        other => panic!("{other:?}"),
    }
}

fn matcher(label: &str, operator: &str, value: &str) -> MatcherText {
    MatcherText {
        label: label.to_owned(),
        operator: operator.to_owned(),
        value: value.to_owned(),
    }
}

/// For some seconds after the start of the tests.
fn silence_content(matchers: Vec<MatcherText>, from: i64, until: i64) -> SilenceContent {
    SilenceContent {
        matchers,
        project_id: None,
        interval: Interval {
            from: start() + TimeDelta::seconds(from),
            until: start() + TimeDelta::seconds(until),
        },
        comment: "why".to_owned(),
    }
}

async fn create_silence(store: &Store, owner: &Owner, content: SilenceContent) -> CreatedSilence {
    let new = NewSilence {
        id: SilenceId::generate(&clock()),
        org_id: owner.org,
        content,
        created_by: owner.user,
        created_at: start(),
    };
    store.create_silence(new).await.unwrap()
}

/// Of what one matcher matches.
pub(crate) async fn silence(
    store: &Store,
    owner: &Owner,
    (label, operator, value): (&str, &str, &str),
    from: i64,
    until: i64,
) -> StoredSilence {
    let content = silence_content(vec![matcher(label, operator, value)], from, until);
    match create_silence(store, owner, content).await {
        CreatedSilence::Done(silence) => silence,
        other => panic!("{other:?}"),
    }
}

/// The actions on a thing, oldest first.
async fn recorded(store: &Store, owner: &Owner, target: &str) -> Vec<String> {
    let records = records(store, owner.org).await.into_iter();
    let about = records.filter(|record| record.target.as_deref() == Some(target));
    about.map(|record| record.action).collect()
}

async fn a_window_is_kept_changed_and_deleted(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let scope = Scope::Tag {
        name: "shop".to_owned(),
    };
    let made = window(&store, &anna, scope, once(0, 60)).await;
    let read = async |owner: &Owner| {
        let read = store.get_maintenance_window(owner.org, made.id);
        read.await.unwrap()
    };
    assert_eq!(read(&anna).await, Some(made.clone()));
    assert_eq!(read(&bert).await, None);
    let nightly = WindowText {
        cron_expression: Some("0 2 * * *".to_owned()),
        duration_minutes: Some(120),
        timezone: Some("Europe/Berlin".to_owned()),
        ..WindowText::default()
    };
    let project = Scope::Project { id: anna.project };
    let change = content(project, nightly);
    let later = start() + TimeDelta::seconds(1);
    let update = async |owner: &Owner, revision: Option<i64>| {
        let change = change.clone();
        let updated = store.update_maintenance_window(owner.org, made.id, change, later, revision);
        updated.await.unwrap()
    };
    assert!(matches!(update(&anna, Some(2)).await, UpdatedWindow::Stale));
    assert!(matches!(update(&bert, None).await, UpdatedWindow::NotFound));
    let UpdatedWindow::Done(changed) = update(&anna, Some(1)).await else {
        panic!("it is there")
    };
    assert_eq!(
        (&changed.content, changed.revision, changed.updated_at),
        (&change, 2, later)
    );
    assert_eq!(read(&anna).await, Some(*changed));

    let delete = async |owner: &Owner| {
        let deleted = store.delete_maintenance_window(owner.org, made.id);
        deleted.await.unwrap()
    };
    assert!(!delete(&bert).await);
    assert!(delete(&anna).await);
    assert!(!delete(&anna).await);
    assert!(matches!(update(&anna, None).await, UpdatedWindow::NotFound));
    assert_eq!(
        recorded(&store, &anna, &made.id.to_string()).await,
        [
            "maintenance_window.create",
            "maintenance_window.update",
            "maintenance_window.delete"
        ]
    );
}

async fn a_silence_is_kept_changed_and_deleted(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let made = silence(&store, &anna, ("severity", "!=", "critical"), 0, 60).await;
    let read = async |owner: &Owner| store.get_silence(owner.org, made.id).await.unwrap();
    assert_eq!(read(&anna).await, Some(made.clone()));
    assert_eq!(read(&bert).await, None);
    let change = SilenceContent {
        project_id: Some(anna.project),
        comment: String::new(),
        ..silence_content(
            vec![matcher("tag", "=", "*"), matcher("script", "!=", "a")],
            5,
            9,
        )
    };
    let later = start() + TimeDelta::seconds(1);
    let update = async |owner: &Owner, revision: Option<i64>| {
        let updated = store.update_silence(owner.org, made.id, change.clone(), later, revision);
        updated.await.unwrap()
    };
    assert!(matches!(
        update(&anna, Some(2)).await,
        UpdatedSilence::Stale
    ));
    assert!(matches!(
        update(&bert, None).await,
        UpdatedSilence::NotFound
    ));
    let UpdatedSilence::Done(changed) = update(&anna, Some(1)).await else {
        panic!("it is there")
    };
    assert_eq!(
        (&changed.content, changed.revision, changed.updated_at),
        (&change, 2, later)
    );
    assert_eq!(read(&anna).await, Some(changed));

    let delete = async |owner: &Owner| store.delete_silence(owner.org, made.id).await.unwrap();
    assert!(!delete(&bert).await);
    assert!(delete(&anna).await);
    assert!(!delete(&anna).await);
    assert!(matches!(
        update(&anna, None).await,
        UpdatedSilence::NotFound
    ));
    assert_eq!(
        recorded(&store, &anna, &made.id.to_string()).await,
        ["silence.create", "silence.update", "silence.delete"]
    );
}

async fn what_it_is_about_has_to_be_there(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let (own, foreign) = (
        script(&store, &anna).await.id,
        script(&store, &bert).await.id,
    );
    let good = window(&store, &anna, Scope::Script { id: own }, once(0, 60)).await;
    let nowhere = (ScriptId::generate(&clock()), ProjectId::generate(&clock()));
    for scope in [
        Scope::Script { id: foreign },
        Scope::Script { id: nowhere.0 },
        Scope::Project { id: bert.project },
        Scope::Project { id: nowhere.1 },
    ] {
        let content = content(scope, once(0, 60));
        let made = create(&store, &anna, content.clone()).await;
        assert!(matches!(made, CreatedWindow::NoScope), "{made:?}");
        let changed = store.update_maintenance_window(anna.org, good.id, content, start(), None);
        let changed = changed.await.unwrap();
        assert!(matches!(changed, UpdatedWindow::NoScope), "{changed:?}");
    }
    let quiet = silence(&store, &anna, ("tag", "=", "*"), 0, 60).await;
    for project in [bert.project, nowhere.1] {
        let content = SilenceContent {
            project_id: Some(project),
            ..quiet.content.clone()
        };
        let made = create_silence(&store, &anna, content.clone()).await;
        assert!(matches!(made, CreatedSilence::NoProject), "{made:?}");
        let changed = store.update_silence(anna.org, quiet.id, content, start(), None);
        let changed = changed.await.unwrap();
        assert!(matches!(changed, UpdatedSilence::NoProject), "{changed:?}");
    }
    // A window goes with its script.
    let by = store.by(Author::system(start()));
    assert!(by.delete_script(anna.org, own).await.unwrap());
    let gone = store.get_maintenance_window(anna.org, good.id).await;
    assert_eq!(gone.unwrap(), None);
}

async fn an_organization_has_so_many_that_are_not_over(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let at = |days: i64| days * 86_400;
    let (old, over) = (once(at(-402), at(-401)), once(at(-2), at(-1)));
    let old = window(&store, &anna, Scope::Organization, old).await.id;
    let over = window(&store, &anna, Scope::Organization, over).await.id;
    let tag = ("tag", "=", "*");
    let old_silence = silence(&store, &anna, tag, at(-402), at(-401)).await.id;
    let over_silence = silence(&store, &anna, tag, at(-2), at(-1)).await.id;
    for _ in 1..MAX_WINDOWS {
        window(&store, &anna, Scope::Organization, once(0, 60)).await;
    }
    for _ in 1..MAX_SILENCES {
        silence(&store, &anna, tag, 0, 60).await;
    }
    // Two who make the last one at once.
    let last = || content(Scope::Organization, once(0, 60));
    let made = tokio::join!(create(&store, &anna, last()), create(&store, &anna, last()));
    let done = |made: &CreatedWindow| matches!(made, CreatedWindow::Done(_));
    assert!(done(&made.0) != done(&made.1), "{made:?}");
    let last = || silence_content(vec![matcher("tag", "=", "*")], 0, 60);
    let made = tokio::join!(
        create_silence(&store, &anna, last()),
        create_silence(&store, &anna, last())
    );
    let done = |made: &CreatedSilence| matches!(made, CreatedSilence::Done(_));
    assert!(done(&made.0) != done(&made.1), "{made:?}");
    // Others are not concerned, and what has long been over is forgotten.
    window(&store, &bert, Scope::Organization, once(0, 60)).await;
    let read = async |id| store.get_maintenance_window(anna.org, id).await.unwrap();
    assert_eq!((read(old).await, read(over).await.is_some()), (None, true));
    let read = async |id| store.get_silence(anna.org, id).await.unwrap();
    assert_eq!(
        (read(old_silence).await, read(over_silence).await.is_some()),
        (None, true)
    );
}

async fn who_sees_some_projects_sees_theirs(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let clock = clock();
    let other = ProjectId::generate(&clock);
    let project = Project {
        id: other,
        name: "shop".to_owned(),
        created_at: start(),
    };
    assert!(store.create_project(anna.org, &project, 10).await.unwrap());
    let inside = script(&store, &anna).await.id;
    let scopes = [
        Scope::Organization,
        Scope::Project { id: anna.project },
        Scope::Project { id: other },
        Scope::Script { id: inside },
        Scope::Tag {
            name: "shop".to_owned(),
        },
    ];
    let mut windows = Vec::new();
    let mut silences = Vec::new();
    for scope in scopes {
        clock.advance(TimeDelta::seconds(1));
        let new = NewWindow {
            id: MaintenanceWindowId::generate(&clock),
            org_id: anna.org,
            content: content(scope.clone(), once(0, 60)),
            created_by: anna.user,
            created_at: clock.now(),
        };
        windows.insert(0, new.id);
        store.create_maintenance_window(new).await.unwrap();
        let Scope::Project { id } = scope else {
            continue;
        };
        let new = NewSilence {
            id: SilenceId::generate(&clock),
            org_id: anna.org,
            content: SilenceContent {
                project_id: Some(id),
                ..silence_content(vec![matcher("tag", "=", "*")], 0, 60)
            },
            created_by: anna.user,
            created_at: clock.now(),
        };
        silences.insert(0, new.id);
        store.create_silence(new).await.unwrap();
    }
    let [_, of_script, of_other, of_first, _] = windows[..] else {
        panic!("{windows:?}")
    };
    let list = async |org, projects: &Projects, page: PageRequest| {
        let listed = store.list_maintenance_windows(org, projects, page);
        let listed = listed.await.unwrap();
        let ids = listed.items.iter().map(|window| window.id);
        (ids.collect::<Vec<_>>(), listed.next_cursor)
    };
    let silent = async |org, projects: &Projects| {
        let listed = store.list_silences(org, projects, PAGE).await.unwrap();
        let ids = listed.items.iter().map(|silence| silence.id);
        ids.collect::<Vec<_>>()
    };
    let only = |ids: &[ProjectId]| Projects::Only(ids.to_vec());
    assert_eq!(list(anna.org, &Projects::All, PAGE).await.0, windows);
    assert_eq!(silent(anna.org, &Projects::All).await, silences);
    let first = only(&[anna.project]);
    assert_eq!(list(anna.org, &first, PAGE).await.0, [of_script, of_first]);
    assert_eq!(silent(anna.org, &first).await, [silences[1]]);
    let both = only(&[other, anna.project]);
    assert_eq!(
        list(anna.org, &both, PAGE).await.0,
        [of_script, of_other, of_first]
    );
    assert_eq!(silent(anna.org, &both).await, silences);
    assert_eq!(list(anna.org, &only(&[]), PAGE).await.0, []);
    assert_eq!(silent(anna.org, &only(&[])).await, []);
    assert_eq!(list(bert.org, &Projects::All, PAGE).await.0, []);
    assert_eq!(silent(bert.org, &Projects::All).await, []);
    // Page by page.
    let mut page = PageRequest {
        limit: 2,
        cursor: None,
    };
    let mut seen = Vec::new();
    loop {
        let (ids, next) = list(anna.org, &Projects::All, page).await;
        seen.extend(ids);
        page.cursor = next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(seen, windows);
}
