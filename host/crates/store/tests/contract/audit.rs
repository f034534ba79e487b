//! The audit log: what is written, and by whom.

use std::net::IpAddr;

use serde_json::json;
use vedette_core::{ApiKeyId, ProjectId};
use vedette_store::{
    Actor, AuditAction, AuditFilter, AuditRecord, Author, ChainId, CheckpointKey, NewValue,
    NewVariable, PageRequest, Project, Store, StoreError, VariableChange, VariableLevel,
    both_databases,
};

use crate::{Owner, PAGE, by_hand, clock, on_each, owner, script, session, start};

both_databases!(
    a_change_and_its_record_are_one,
    what_is_refused_leaves_no_record,
    secrets_are_in_no_record,
    accounts_and_organizations_have_chains_of_their_own,
    lists_are_filtered_and_paged,
    a_hundred_writers_make_one_chain,
    checkpoints_come_when_a_chain_has_grown,
);

fn anna(owner: &Owner) -> Author {
    Author {
        actor: Actor::User {
            id: owner.user,
            name: "anna".to_owned(),
        },
        address: Some(IpAddr::from([192, 0, 2, 1])),
        request_id: Some("request".to_owned()),
        at: start(),
    }
}

fn project(name: &str) -> Project {
    Project {
        id: ProjectId::generate(&clock()),
        name: name.to_owned(),
        created_at: start(),
    }
}

/// The records of a chain, oldest first.
pub(crate) async fn records(store: &Store, chain: impl Into<ChainId>) -> Vec<AuditRecord> {
    let entries = store.read_audit(chain.into(), 0, 10_000).await.unwrap();
    entries.into_iter().map(|entry| entry.record).collect()
}

fn actions(records: &[AuditRecord]) -> Vec<&str> {
    records.iter().map(|one| one.action.as_str()).collect()
}

async fn a_change_and_its_record_are_one(store: Store) {
    let owner = owner(&store, "anna").await;
    let store = store.by(anna(&owner));
    let shop = project("shop");
    assert!(store.create_project(owner.org, &shop, 10).await.unwrap());
    assert!(
        store
            .rename_project(owner.org, shop.id, "shops")
            .await
            .unwrap()
    );
    store.delete_project(owner.org, shop.id).await.unwrap();
    let records = records(&store, owner.org).await;
    assert_eq!(
        actions(&records),
        [
            "organization.create",
            "project.create",
            "project.update",
            "project.delete"
        ]
    );
    assert_eq!(records[0].actor, Actor::System, "nobody was named");
    let changed = &records[2];
    assert_eq!(changed.actor, anna(&owner).actor);
    assert_eq!(changed.address, anna(&owner).address);
    assert_eq!(changed.request_id.as_deref(), Some("request"));
    assert_eq!(changed.at, start());
    assert_eq!(changed.seq, 3);
    assert_eq!(
        changed.target.as_deref(),
        Some(shop.id.to_string().as_str())
    );
    assert_eq!(changed.before, Some(json!({ "name": "shop" })));
    assert_eq!(changed.after, Some(json!({ "name": "shops" })));
    assert_eq!(records[1].before, None);
    assert_eq!(records[3].after, None);
}

async fn what_is_refused_leaves_no_record(store: Store) {
    let owner = owner(&store, "anna").await;
    let before = records(&store, owner.org).await.len();
    let taken = store
        .create_project(owner.org, &project("default"), 10)
        .await;
    assert!(matches!(taken, Err(StoreError::Conflict { field: "name" })));
    let too_many = store.create_project(owner.org, &project("shop"), 1).await;
    assert!(!too_many.unwrap());
    let absent = ProjectId::generate(&clock());
    let renamed = store.rename_project(owner.org, absent, "shop").await;
    assert!(!renamed.unwrap());
    store.delete_project(owner.org, absent).await.unwrap();
    assert_eq!(records(&store, owner.org).await.len(), before);
}

async fn secrets_are_in_no_record(store: Store) {
    const CANARY: &str = "canary-5f1d";
    let owner = owner(&store, "anna").await;
    let id = vedette_core::VariableId::generate(&clock());
    let new = NewVariable {
        id,
        org_id: owner.org,
        level: VariableLevel::Organization,
        name: "TOKEN".to_owned(),
        value: NewValue::Secret(CANARY.into()),
        description: None,
        created_by: owner.user,
        created_at: start(),
    };
    store.create_variable(new).await.unwrap();
    let change = VariableChange {
        value: Some(CANARY.into()),
        allowed_hosts: None,
        description: Some("new".to_owned()),
        changed_at: start(),
    };
    store
        .update_variable(owner.org, id, change, None)
        .await
        .unwrap();
    let mut content = crate::change(&owner, start());
    content.env_vars = [("KEY".to_owned(), CANARY.to_owned())].into();
    let new = crate::new_script(&owner, content);
    store.create_script(new).await.unwrap();
    let entries = store.read_audit(owner.org.into(), 0, 100).await.unwrap();
    let text: String = entries.iter().map(|entry| entry.text.as_str()).collect();
    assert!(!text.contains(CANARY), "{text}");
    let of_variable = &entries[2].record;
    let after = of_variable.after.clone().unwrap();
    assert_eq!(after, json!({ "description": "new", "revision": 2 }));
    let of_script = entries[3].record.after.clone().unwrap();
    assert_eq!(of_script["env_vars"], json!(["KEY"]));
}

async fn accounts_and_organizations_have_chains_of_their_own(store: Store) {
    let anna = owner(&store, "anna").await;
    let berta = owner(&store, "berta").await;
    let id = session(&store, &anna).await;
    store.refuse_session(anna.user).await.unwrap();
    store.revoke_session(id, start()).await.unwrap();
    store.revoke_session(id, start()).await.unwrap();
    let of_anna = records(&store, anna.org).await;
    assert_eq!(
        actions(&of_anna),
        ["organization.create", "session.create", "session.revoke"]
    );
    let of_berta = records(&store, berta.org).await;
    assert_eq!(actions(&of_berta), ["organization.create"]);
    let installation = records(&store, ChainId::INSTALLATION).await;
    assert_eq!(
        actions(&installation),
        ["user.create", "user.create", "session.refuse"]
    );
    let mut expected = [ChainId::INSTALLATION, anna.org.into(), berta.org.into()];
    expected.sort();
    assert_eq!(store.list_audit_chains().await.unwrap(), expected);
}

async fn lists_are_filtered_and_paged(store: Store) {
    let owner = owner(&store, "anna").await;
    let key = Actor::ApiKey {
        id: owner.user,
        name: "anna".to_owned(),
        key_id: ApiKeyId::generate(&clock()),
    };
    let later = start() + chrono::TimeDelta::minutes(1);
    let by_key = store.by(Author {
        actor: key,
        at: later,
        ..anna(&owner)
    });
    let made = script(&store.by(anna(&owner)), &owner).await;
    for n in 0..5 {
        let named = project(&format!("p{n}"));
        by_key.create_project(owner.org, &named, 10).await.unwrap();
    }
    let list = async |filter: AuditFilter, page: PageRequest| {
        let page = store.list_audit(owner.org.into(), &filter, page).await;
        page.unwrap()
    };
    let seqs = async |filter: AuditFilter| {
        let page = list(filter, PAGE).await;
        let items = page.items.iter().map(|entry| entry.record.seq);
        items.collect::<Vec<_>>()
    };
    assert_eq!(seqs(AuditFilter::default()).await, [7, 6, 5, 4, 3, 2, 1]);
    let action = |action: &str| AuditFilter {
        action: Some(action.to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(seqs(action("script.create")).await, [2]);
    assert_eq!(seqs(action("project.")).await, [7, 6, 5, 4, 3]);
    assert!(seqs(action("project")).await.is_empty());
    assert!(seqs(action(".")).await.is_empty());
    let of_script = AuditFilter {
        target: Some(made.id.to_string()),
        ..AuditFilter::default()
    };
    assert_eq!(seqs(of_script).await, [2]);
    let by_anna = AuditFilter {
        actor: Some(owner.user),
        until: Some(later),
        ..AuditFilter::default()
    };
    assert_eq!(seqs(by_anna).await, [2]);
    let since = AuditFilter {
        actor: Some(owner.user),
        since: Some(later),
        ..AuditFilter::default()
    };
    assert_eq!(seqs(since.clone()).await, [7, 6, 5, 4, 3]);
    let mut page = PageRequest {
        limit: 2,
        cursor: None,
    };
    let mut seen = Vec::new();
    loop {
        let found = list(since.clone(), page).await;
        seen.extend(found.items.iter().map(|entry| entry.record.seq));
        page.cursor = found.next_cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, [7, 6, 5, 4, 3]);
}

async fn a_hundred_writers_make_one_chain(store: Store) {
    let owner = owner(&store, "anna").await;
    let writers = (0..100).map(|n| {
        let (store, org) = (store.clone(), owner.org);
        tokio::spawn(async move {
            let named = project(&format!("p{n}"));
            // A database that is busy for longer than a call waits says so, and nothing is done.
            while let Err(error) = store.create_project(org, &named, 1_000).await {
                assert!(error.is_retryable(), "{error:?}");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let report = store.verify_audit(owner.org.into(), &[], &[]).await;
    let report = report.unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.records, 101);
    let names: std::collections::BTreeSet<_> = records(&store, owner.org)
        .await
        .into_iter()
        .map(|record| record.target)
        .collect();
    assert_eq!(names.len(), 101);
}

async fn checkpoints_come_when_a_chain_has_grown(store: Store) {
    let owner = owner(&store, "anna").await;
    let key = CheckpointKey::new("1".to_owned(), &[1; 32]).unwrap();
    let sign = async |all, minutes| {
        let now = start() + chrono::TimeDelta::minutes(minutes);
        let signed = store.sign_checkpoints(&key, all, now).await.unwrap();
        store.put_checkpoints(&signed).await.unwrap();
        let places = signed.iter().map(|one| (one.chain, one.seq));
        places.collect::<Vec<_>>()
    };
    let org = ChainId::from(owner.org);
    assert_eq!(sign(false, 0).await, [(ChainId::INSTALLATION, 1), (org, 1)]);
    assert_eq!(sign(false, 120).await, [], "nothing has come");
    script(&store, &owner).await;
    assert_eq!(sign(false, 59).await, []);
    assert_eq!(sign(false, 60).await, [(org, 2)]);
    script(&store, &owner).await;
    assert_eq!(sign(true, 61).await, [(org, 3)]);
    for n in 0..1_000 {
        let named = project(&format!("p{n}"));
        store
            .create_project(owner.org, &named, 2_000)
            .await
            .unwrap();
        if n < 999 {
            continue;
        }
        assert_eq!(sign(false, 62).await, [(org, 1_003)]);
    }
    let report = store.verify_audit(org, &[key], &[]).await.unwrap();
    assert_eq!((report.checkpoints, report.findings), (4, Vec::new()));
}

#[tokio::test]
async fn the_log_is_append_only() {
    on_each(async |database| {
        let owner = owner(&database.store, "anna").await;
        for sql in ["UPDATE audit_log SET action = ''", "DELETE FROM audit_log"] {
            let refused = database.try_execute(sql).await;
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("audit_log is append-only"), "{error}");
        }
        assert_eq!(records(&database.store, owner.org).await.len(), 1);
        assert_eq!(
            by_hand(database, "UPDATE audit_heads SET seq = seq").await,
            2
        );
    })
    .await;
}

#[test]
fn every_action_is_documented() {
    let documented = include_str!("../../../../../docs/audit.md");
    for action in AuditAction::ALL {
        let row = format!("| `{}` | {} |", action.as_str(), action.description());
        assert!(documented.contains(&row), "docs/audit.md lacks: {row}");
    }
}
