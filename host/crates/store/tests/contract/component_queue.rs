//! The queue of components to be compiled: fair, fenced, and each compiled once.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use vedette_core::{ComponentRefusal, ComponentState, ErrorClass};
use vedette_store::{
    BlockedComponent, ClaimedComponent, ComponentUsage, FinishedComponent, Store, both_databases,
};

use crate::{
    components::{compile, compiled, upload},
    count, on_each, owner, start,
};

both_databases!(
    who_used_the_least_comes_first,
    a_lease_that_is_over_gives_the_component_up,
    a_late_completion_is_refused,
    only_what_is_ready_is_queued_again,
    a_blocked_component_is_not_compiled,
    a_claim_is_had_by_one,
    what_was_compiled_counts_after_a_deletion,
);

fn after(seconds: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(seconds)
}

async fn claim(store: &Store, now: DateTime<Utc>) -> Option<ClaimedComponent> {
    let lease = TimeDelta::seconds(60);
    store.claim_component(now, lease, "node").await.unwrap()
}

fn done(claim: &ClaimedComponent, now: DateTime<Utc>) -> FinishedComponent {
    FinishedComponent {
        digest: claim.digest,
        lease_token: claim.lease_token,
        finished_at: now,
        compile_ms: 100,
        result: compiled(),
    }
}

async fn who_used_the_least_comes_first(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let mut of_anna = Vec::new();
    for seed in 1..=3 {
        of_anna.push(
            upload(&store, &anna, seed, after(seed.into()))
                .await
                .component
                .digest,
        );
    }
    let of_bert = upload(&store, &bert, 9, after(9)).await.component.digest;
    assert_eq!(
        compile(&store, after(10), 500, compiled()).await,
        of_anna[0],
        "the oldest"
    );
    assert_eq!(compile(&store, after(11), 700, compiled()).await, of_bert);
    assert_eq!(
        compile(&store, after(12), 500, compiled()).await,
        of_anna[1]
    );
    let late = upload(&store, &bert, 10, after(13)).await.component.digest;
    assert_eq!(
        compile(&store, after(14), 1, compiled()).await,
        late,
        "700 against 1,000"
    );
    // After an hour nothing counts but the age.
    let hour = after(14) + TimeDelta::hours(1);
    let newest = upload(&store, &bert, 11, hour).await.component.digest;
    assert_eq!(compile(&store, hour, 1, compiled()).await, of_anna[2]);
    assert_eq!(compile(&store, hour, 1, compiled()).await, newest);
    assert_eq!(claim(&store, hour).await, None);
}

async fn a_lease_that_is_over_gives_the_component_up(store: Store) {
    let anna = owner(&store, "anna").await;
    let digest = upload(&store, &anna, 1, start()).await.component.digest;
    let first = claim(&store, after(1)).await.unwrap();
    assert_eq!(
        (first.digest, first.org_id, first.attempts),
        (digest, anna.org, 1)
    );
    let shown = store
        .get_component(anna.org, digest, after(2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(shown.state, ComponentState::Compiling);
    assert_eq!(claim(&store, after(60)).await, None);
    let second = claim(&store, after(61)).await.unwrap();
    assert_eq!((second.digest, second.attempts), (digest, 2));
    assert!(second.lease_token > first.lease_token);
    store
        .release_component(digest, first.lease_token)
        .await
        .unwrap();
    assert_eq!(
        claim(&store, after(62)).await,
        None,
        "only the current claim is given back"
    );
    store
        .release_component(digest, second.lease_token)
        .await
        .unwrap();
    let third = claim(&store, after(62)).await.unwrap();
    assert_eq!(third.attempts, 2, "one that was given back is no attempt");
    assert_eq!(store.release_all_components().await.unwrap(), 1);
    assert!(claim(&store, after(63)).await.is_some());
}

async fn a_late_completion_is_refused(store: Store) {
    let anna = owner(&store, "anna").await;
    let digest = upload(&store, &anna, 1, start()).await.component.digest;
    let first = claim(&store, after(0)).await.unwrap();
    let second = claim(&store, after(100)).await.unwrap();
    let mut late = done(&first, after(101));
    late.result = Err(ComponentRefusal {
        class: ErrorClass::CompileError,
        message: "late".to_owned(),
    });
    assert!(!store.finish_component(&late).await.unwrap());
    let usage = store.component_usage(anna.org, after(102)).await.unwrap();
    assert_eq!((usage.queued, usage.compile_ms_last_hour), (1, 0));
    assert!(
        store
            .finish_component(&done(&second, after(102)))
            .await
            .unwrap()
    );
    assert!(
        !store
            .finish_component(&done(&second, after(103)))
            .await
            .unwrap()
    );
    let shown = store
        .get_component(anna.org, digest, after(103))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((shown.state, shown.refusal), (ComponentState::Ready, None));
    let expected = ComponentUsage {
        stored_bytes: 5_000,
        queued: 0,
        compile_ms_last_hour: 100,
    };
    assert_eq!(
        store.component_usage(anna.org, after(103)).await.unwrap(),
        expected
    );
    let hour = after(102) + TimeDelta::hours(1);
    let usage = store.component_usage(anna.org, hour).await.unwrap();
    assert_eq!(usage.compile_ms_last_hour, 0);
}

async fn only_what_is_ready_is_queued_again(store: Store) {
    let anna = owner(&store, "anna").await;
    let digest = upload(&store, &anna, 1, start()).await.component.digest;
    assert!(
        !store.requeue_component(digest).await.unwrap(),
        "it waits already"
    );
    compile(&store, after(1), 100, compiled()).await;
    assert!(store.requeue_component(digest).await.unwrap());
    assert!(!store.requeue_component(digest).await.unwrap());
    let shown = store
        .get_component(anna.org, digest, after(2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(shown.state, ComponentState::Pending);
    let refusal = ComponentRefusal {
        class: ErrorClass::AbiMismatch,
        message: "`run` has other types".to_owned(),
    };
    assert_eq!(
        compile(&store, after(3), 100, Err(refusal.clone())).await,
        digest
    );
    let shown = store
        .get_component(anna.org, digest, after(4))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (shown.state, shown.refusal),
        (ComponentState::Refused, Some(refusal))
    );
    assert!(!store.requeue_component(digest).await.unwrap());
    let usage = store.component_usage(anna.org, after(4)).await.unwrap();
    assert_eq!(usage.compile_ms_last_hour, 100, "once");
}

async fn a_blocked_component_is_not_compiled(store: Store) {
    let anna = owner(&store, "anna").await;
    let digest = upload(&store, &anna, 1, start()).await.component.digest;
    let block = BlockedComponent {
        digest,
        reason: "no".to_owned(),
        blocked_by: anna.user,
        blocked_at: start(),
    };
    store.block_component(&block).await.unwrap();
    assert_eq!(claim(&store, after(1)).await, None);
    store.unblock_component(digest).await.unwrap();
    assert!(claim(&store, after(1)).await.is_some());
}

async fn a_claim_is_had_by_one(store: Store) {
    let anna = owner(&store, "anna").await;
    for seed in 1..=6 {
        upload(&store, &anna, seed, start()).await;
    }
    let claims = (0..12).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { claim(&store, after(1)).await })
    });
    let mut seen = BTreeSet::new();
    for claimed in claims.collect::<Vec<_>>() {
        if let Some(claimed) = claimed.await.unwrap() {
            assert!(seen.insert(claimed.digest), "twice");
        }
    }
    // Who met a row that another was taking up may have gone without.
    while let Some(claimed) = claim(&store, after(1)).await {
        assert!(seen.insert(claimed.digest), "twice");
    }
    assert_eq!(seen.len(), 6);
}

/// Else deleting and uploading again would compile without end.
async fn what_was_compiled_counts_after_a_deletion(store: Store) {
    let anna = owner(&store, "anna").await;
    for round in 1..=3 {
        let now = after(round * 10);
        let digest = upload(&store, &anna, 1, now).await.component.digest;
        let claimed = claim(&store, now).await.unwrap();
        let delete = async || store.delete_component(anna.org, digest, now).await.unwrap();
        // While it is being compiled in the last round, and after that in the others.
        if round == 3 {
            delete().await;
            assert!(store.get_component_bytes(digest).await.unwrap().is_some());
            assert_eq!(store.sweep_components(now).await.unwrap(), 0);
        }
        let kept = store.finish_component(&done(&claimed, now)).await;
        assert!(kept.unwrap());
        if round != 3 {
            delete().await;
        }
    }
    let usage = store.component_usage(anna.org, after(60)).await.unwrap();
    assert_eq!((usage.stored_bytes, usage.queued), (0, 0));
    assert_eq!(
        usage.compile_ms_last_hour, 300,
        "in vain is not for nothing"
    );
    assert_eq!(store.sweep_components(after(60)).await.unwrap(), 1);
    // One whose compiling never ended goes too, and nobody compiles it again.
    let digest = upload(&store, &anna, 1, after(70)).await.component.digest;
    claim(&store, after(70)).await.unwrap();
    store
        .delete_component(anna.org, digest, after(71))
        .await
        .unwrap();
    assert_eq!(claim(&store, after(200)).await, None);
    assert_eq!(store.sweep_components(after(200)).await.unwrap(), 1);
}

#[tokio::test]
async fn what_nobody_looks_back_to_is_swept() {
    on_each(async |database| {
        let store = &database.store;
        let anna = owner(store, "anna").await;
        upload(store, &anna, 1, start()).await;
        compile(store, start(), 100, compiled()).await;
        store
            .sweep_components(start() + TimeDelta::hours(2))
            .await
            .unwrap();
        assert_eq!(count(database, "component_compiles").await, 1);
        store
            .sweep_components(start() + TimeDelta::hours(25))
            .await
            .unwrap();
        assert_eq!(count(database, "component_compiles").await, 0);
    })
    .await;
}
