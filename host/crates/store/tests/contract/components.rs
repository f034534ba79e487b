//! Components: their bytes, the records of organizations, keys, signatures, and what is blocked.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};
use vedette_core::{
    Capability, ComponentFacts, ComponentId, ComponentRefusal, ComponentState, Digest, ErrorClass,
    Program, ScriptId, ScriptVersionId,
};
use vedette_store::{
    BlockedComponent, CHUNK_BYTES, CompiledComponent, Component, CreatedComponent,
    DeletedComponent, FinishedComponent, NewChunk, NewComponent, PageRequest, Store, StoreError,
    Updated, VersionProgram, both_databases,
};

use crate::{Owner, PAGE, change, clock, javascript, new_script, owner, start};

both_databases!(
    a_component_is_its_organizations,
    the_same_bytes_again_are_the_same_component,
    bytes_of_another_show_as_if_they_were_new,
    components_come_in_pages,
    a_script_runs_a_component,
    a_component_that_is_run_stays,
    a_block_counts_for_everybody_at_once,
);

/// Bytes that no other seed gives, and their digest.
pub(crate) fn bytes(seed: u8, length: usize) -> (Digest, Vec<u8>) {
    let bytes: Vec<u8> = (0..length)
        .map(|place| seed ^ u8::try_from((place / 3) % 251).unwrap())
        .collect();
    (Digest::new(Sha256::digest(&bytes).into()), bytes)
}

pub(crate) async fn put(store: &Store, digest: Digest, bytes: &[u8], now: DateTime<Utc>) {
    for (number, bytes) in (0..).zip(bytes.chunks(CHUNK_BYTES)) {
        let chunk = NewChunk {
            digest,
            number,
            bytes,
            created_at: now,
        };
        store.put_component_chunk(chunk).await.unwrap();
    }
}

pub(crate) fn new_component(
    owner: &Owner,
    digest: Digest,
    size: usize,
    now: DateTime<Utc>,
) -> NewComponent {
    NewComponent {
        id: ComponentId::generate(&vedette_core::ManualClock::at(now)),
        org_id: owner.org,
        digest,
        name: Some("checkout".to_owned()),
        uploaded_by: owner.user,
        created_at: now,
        facts: ComponentFacts {
            size_bytes: size as u64,
            imports: vec!["wasi:clocks/wall-clock@0.2.0".to_owned()],
            exports: vec!["run".to_owned()],
            producers: Vec::new(),
            capabilities: vec![Capability::Clocks],
            functions: 7,
            memory_bytes: 65_536,
        },
        signature: None,
    }
}

pub(crate) async fn upload(
    store: &Store,
    owner: &Owner,
    seed: u8,
    now: DateTime<Utc>,
) -> CreatedComponent {
    let (digest, bytes) = bytes(seed, 5_000);
    put(store, digest, &bytes, now).await;
    let new = new_component(owner, digest, bytes.len(), now);
    store.create_component(&new).await.unwrap()
}

/// Compiles whatever is next.
pub(crate) async fn compile(
    store: &Store,
    now: DateTime<Utc>,
    compile_ms: u64,
    result: Result<CompiledComponent, ComponentRefusal>,
) -> Digest {
    let claim = store
        .claim_component(now, TimeDelta::minutes(2), "node")
        .await
        .unwrap()
        .unwrap();
    let finished = FinishedComponent {
        digest: claim.digest,
        lease_token: claim.lease_token,
        finished_at: now,
        compile_ms,
        result,
    };
    assert!(store.finish_component(&finished).await.unwrap());
    claim.digest
}

#[expect(clippy::unnecessary_wraps, reason = "it is a result of a compiling")]
pub(crate) fn compiled() -> Result<CompiledComponent, ComponentRefusal> {
    Ok(CompiledComponent {
        native_bytes: 1_000_000,
        compiled_for: Some("engine 1".to_owned()),
    })
}

async fn state(store: &Store, owner: &Owner, digest: Digest, now: DateTime<Utc>) -> ComponentState {
    let component = store.get_component(owner.org, digest, now).await;
    component.unwrap().unwrap().state
}

async fn ready(store: &Store, owner: &Owner, seed: u8) -> Component {
    let made = upload(store, owner, seed, start()).await.component;
    assert_eq!(compile(store, start(), 5, compiled()).await, made.digest);
    made
}

async fn a_component_is_its_organizations(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let made = upload(&store, &anna, 1, start()).await.component;
    assert_eq!(made.state, ComponentState::Pending);
    let later = start() + TimeDelta::seconds(1);
    let read = store.get_component(anna.org, made.digest, later).await;
    assert_eq!(read.unwrap(), Some(made.clone()));
    let none = store.get_component(bert.org, made.digest, later).await;
    assert_eq!(none.unwrap(), None);
    let listed = store.list_components(bert.org, PAGE, later).await.unwrap();
    assert!(listed.items.is_empty());
    let deleted = store.delete_component(bert.org, made.digest, later).await;
    assert_eq!(deleted.unwrap(), DeletedComponent::NotFound);
    let mut foreign = change(&bert, start());
    foreign.program = Program::Component(made.digest);
    let refused = store.create_script(new_script(&bert, foreign)).await;
    assert!(matches!(refused, Err(StoreError::ComponentMissing)));
}

async fn the_same_bytes_again_are_the_same_component(store: Store) {
    let anna = owner(&store, "anna").await;
    let first = upload(&store, &anna, 1, start()).await;
    let later = start() + TimeDelta::seconds(5);
    let again = upload(&store, &anna, 1, later).await;
    assert!(first.is_new && !again.is_new);
    assert_eq!(first.component, again.component);
    let digest = first.component.digest;
    let deleted = store.delete_component(anna.org, digest, later).await;
    assert_eq!(deleted.unwrap(), DeletedComponent::Done);
    assert_eq!(store.get_component_bytes(digest).await.unwrap(), None);
    let none = store.get_component(anna.org, digest, later).await;
    assert_eq!(none.unwrap(), None);
    let anew = upload(&store, &anna, 1, later).await;
    assert!(anew.is_new);
    assert_eq!(anew.component.created_at, later);
}

/// W26.
async fn bytes_of_another_show_as_if_they_were_new(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let carl = owner(&store, "carl").await;
    let refusal = ComponentRefusal {
        class: ErrorClass::CompileError,
        message: "too much".to_owned(),
    };
    for (seed, result) in [(1, compiled()), (2, Err(refusal.clone()))] {
        let first = upload(&store, &anna, seed, start()).await.component;
        let digest = first.digest;
        compile(
            &store,
            start() + TimeDelta::seconds(3),
            4_000,
            result.clone(),
        )
        .await;
        let uploaded = start() + TimeDelta::seconds(60 * i64::from(seed));
        let second = upload(&store, &bert, seed, uploaded).await;
        assert!(second.is_new);
        assert_eq!(second.component.state, first.state, "as anna's looked");
        assert_eq!(second.component.facts, first.facts);
        let usage = store.component_usage(bert.org, uploaded).await.unwrap();
        assert_eq!(usage.queued, 1);
        let nothing = store
            .claim_component(uploaded, TimeDelta::minutes(1), "node")
            .await;
        assert_eq!(nothing.unwrap(), None, "one compiling");
        for (after_ms, expected) in [
            (1, ComponentState::Compiling),
            (3_999, ComponentState::Compiling),
        ] {
            let now = uploaded + TimeDelta::milliseconds(after_ms);
            assert_eq!(state(&store, &bert, digest, now).await, expected);
            let shown = store.get_component(bert.org, digest, now).await.unwrap();
            assert_eq!(shown.unwrap().refusal, None);
        }
        let done = uploaded + TimeDelta::milliseconds(4_000);
        let theirs = store
            .get_component(bert.org, digest, done)
            .await
            .unwrap()
            .unwrap();
        let ours = store
            .get_component(anna.org, digest, done)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((theirs.state, &theirs.refusal), (ours.state, &ours.refusal));
        assert_eq!(theirs.refusal, result.err());
        let usage = store.component_usage(bert.org, done).await.unwrap();
        assert_eq!(
            (usage.queued, usage.stored_bytes),
            (0, 5_000 * u64::from(seed))
        );
        assert_eq!(usage.compile_ms_last_hour, 4_000 * u64::from(seed));
        assert_eq!(usage, store.component_usage(anna.org, done).await.unwrap());
    }
    // While the first one's is being compiled, the second one waits for the same.
    let now = start() + TimeDelta::seconds(300);
    let digest = upload(&store, &anna, 3, now).await.component.digest;
    let claim = store
        .claim_component(now, TimeDelta::minutes(1), "node")
        .await
        .unwrap();
    assert_eq!(claim.map(|claim| claim.digest), Some(digest));
    let now = now + TimeDelta::seconds(1);
    let third = upload(&store, &carl, 3, now).await.component;
    assert_eq!(third.state, ComponentState::Pending);
    let later = now + TimeDelta::seconds(1);
    assert_eq!(
        state(&store, &carl, digest, later).await,
        ComponentState::Compiling
    );
    assert_eq!(
        state(&store, &anna, digest, later).await,
        ComponentState::Compiling
    );
    // The first one's deletion takes nothing from the second.
    let deleted = store.delete_component(anna.org, digest, later).await;
    assert_eq!(deleted.unwrap(), DeletedComponent::Done);
    assert!(store.get_component_bytes(digest).await.unwrap().is_some());
    assert_eq!(
        state(&store, &carl, digest, later).await,
        ComponentState::Compiling
    );
}

async fn components_come_in_pages(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let mut made = Vec::new();
    for seed in 1..=5 {
        let now = start() + TimeDelta::seconds(seed.into());
        upload(&store, &bert, seed + 50, now).await;
        made.push(upload(&store, &anna, seed, now).await.component.digest);
    }
    made.reverse();
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: 2, cursor };
        let page = store
            .list_components(anna.org, page, start())
            .await
            .unwrap();
        seen.extend(page.items.iter().map(|component| component.digest));
        let Some(next) = page.next_cursor else { break };
        cursor = Some(next);
    }
    assert_eq!(seen, made);
}

async fn a_script_runs_a_component(store: Store) {
    let anna = owner(&store, "anna").await;
    let (one, other) = (ready(&store, &anna, 1).await, ready(&store, &anna, 2).await);
    let mut content = change(&anna, start());
    content.program = Program::Component(one.digest);
    let made = store
        .create_script(new_script(&anna, content.clone()))
        .await
        .unwrap();
    assert_eq!(made.program, Program::Component(one.digest));
    let read = store.get_script(anna.org, made.id).await.unwrap();
    assert_eq!(read, Some(made.clone()));
    content.version_id = ScriptVersionId::generate(&clock());
    for (digest, version) in [(one.digest, 1), (other.digest, 2), (other.digest, 2)] {
        content.program = Program::Component(digest);
        let updated = store
            .update_script(anna.org, made.id, content.clone(), None)
            .await;
        let Updated::Done(updated) = updated.unwrap() else {
            panic!("it is there")
        };
        assert_eq!(updated.version_number, version);
        let found = store
            .get_version_program(anna.org, updated.version_id)
            .await;
        let state = ComponentState::Ready;
        assert_eq!(
            found.unwrap(),
            Some(VersionProgram::Component { digest, state })
        );
    }
    let (absent, _) = bytes(9, 10);
    content.program = Program::Component(absent);
    let refused = store.update_script(anna.org, made.id, content, None).await;
    assert!(matches!(refused, Err(StoreError::ComponentMissing)));
    assert!(store.requeue_component(other.digest).await.unwrap());
    let found = store
        .get_numbered_version(anna.org, made.id, 2)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.1, Program::Component(other.digest));
    let state = store.get_version_program(anna.org, found.0).await.unwrap();
    let digest = other.digest;
    let expected = VersionProgram::Component {
        digest,
        state: ComponentState::Pending,
    };
    assert_eq!(state, Some(expected));
}

async fn a_component_that_is_run_stays(store: Store) {
    let anna = owner(&store, "anna").await;
    let made = ready(&store, &anna, 1).await;
    let mut content = change(&anna, start());
    content.program = Program::Component(made.digest);
    let script: ScriptId = store
        .create_script(new_script(&anna, content.clone()))
        .await
        .unwrap()
        .id;
    let delete = async || {
        let deleted = store.delete_component(anna.org, made.digest, start()).await;
        deleted.unwrap()
    };
    assert_eq!(delete().await, DeletedComponent::InUse);
    // Another program: an earlier version names it still.
    content.program = javascript("export default () => ({ success: true });");
    content.version_id = ScriptVersionId::generate(&clock());
    store
        .update_script(anna.org, script, content.clone(), None)
        .await
        .unwrap();
    assert_eq!(delete().await, DeletedComponent::Done);
    assert_eq!(delete().await, DeletedComponent::NotFound);
    let listed = store
        .list_components(anna.org, PAGE, start())
        .await
        .unwrap();
    assert!(listed.items.is_empty());
    content.program = Program::Component(made.digest);
    let refused = store.update_script(anna.org, script, content, None).await;
    assert!(matches!(refused, Err(StoreError::ComponentMissing)));
    assert_eq!(store.sweep_components(start()).await.unwrap(), 0);
    let usage = store.component_usage(anna.org, start()).await.unwrap();
    assert_eq!(usage.stored_bytes, 5_000, "its bytes are kept");
    // The same bytes come back without being compiled again.
    let back = upload(&store, &anna, 1, start() + TimeDelta::seconds(9)).await;
    assert!(back.is_new);
    assert_eq!(delete().await, DeletedComponent::Done);
    assert!(
        store
            .get_component_bytes(made.digest)
            .await
            .unwrap()
            .is_some()
    );
    // With the last version that names it, nothing of it stays.
    assert!(store.delete_script(anna.org, script).await.unwrap());
    assert_eq!(store.sweep_components(start()).await.unwrap(), 2);
    assert_eq!(store.get_component_bytes(made.digest).await.unwrap(), None);
    assert_eq!(store.sweep_components(start()).await.unwrap(), 0);
}

async fn a_block_counts_for_everybody_at_once(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let made = ready(&store, &anna, 1).await;
    let digest = made.digest;
    upload(&store, &bert, 1, start()).await;
    let mut content = change(&anna, start());
    content.program = Program::Component(digest);
    let script = store
        .create_script(new_script(&anna, content))
        .await
        .unwrap();
    let block = |reason: &str| BlockedComponent {
        digest,
        reason: reason.to_owned(),
        blocked_by: anna.user,
        blocked_at: start(),
    };
    store.block_component(&block("a worm")).await.unwrap();
    store
        .block_component(&block("a worm, really"))
        .await
        .unwrap();
    let (absent, _) = bytes(9, 10);
    let unknown = BlockedComponent {
        digest: absent,
        ..block("not here")
    };
    store.block_component(&unknown).await.unwrap();
    let later = start() + TimeDelta::seconds(60);
    for owner in [&anna, &bert] {
        let found = store
            .get_component(owner.org, digest, later)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.state, ComponentState::Blocked);
        assert_eq!(found.blocked_reason.as_deref(), Some("a worm, really"));
    }
    let program = store.get_version_program(anna.org, script.version_id).await;
    let expected = VersionProgram::Component {
        digest,
        state: ComponentState::Blocked,
    };
    assert_eq!(program.unwrap(), Some(expected));
    let blocked: BTreeSet<_> = store.blocked_digests().await.unwrap().into_iter().collect();
    assert_eq!(blocked, [digest, absent].into());
    let listed = store.list_blocked_components().await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&block("a worm, really")));
    assert!(store.unblock_component(digest).await.unwrap());
    assert!(!store.unblock_component(digest).await.unwrap());
    assert_eq!(
        state(&store, &anna, digest, later).await,
        ComponentState::Ready
    );
}
