//! Quotas: what may be had only so often, and what runs use in a day.

use chrono::TimeDelta;
use vedette_core::{
    BuiltInRole, DayUsage, InvitationId, OrgId, OwnQuotas, Quota, Quotas, RequestRecord,
};
use vedette_store::{
    Grant, Invitation, ManualExecution, NewInvitation, Store, StoreError, both_databases,
    built_in_role_id,
};

use crate::{
    Owner, at, change, claim_at, clock, finished, new_script, owner, script, start, success,
};

both_databases!(
    scripts_are_counted_and_nothing_is_deleted,
    scripts_made_at_once_do_not_pass_the_quota,
    members_are_counted,
    an_organization_has_quotas_of_its_own,
    what_runs_use_is_counted_once,
    runs_by_hand_are_counted_on_their_day,
);

/// An organization that may have `limit`.
async fn limited(store: &Store, name: &str, quota: Quota, limit: u64) -> Owner {
    let owner = owner(store, name).await;
    set(store, &owner, quota, Some(limit)).await;
    owner
}

async fn set(store: &Store, owner: &Owner, quota: Quota, limit: Option<u64>) {
    let mut own = OwnQuotas::default();
    own.set(quota, limit);
    let set = store
        .set_own_quotas(owner.org, &own, owner.user, start())
        .await;
    assert!(set.unwrap());
}

async fn scripts_are_counted_and_nothing_is_deleted(store: Store) {
    let owner = limited(&store, "anna", Quota::Scripts, 2).await;
    let other = crate::owner(&store, "boris").await;
    let first = script(&store, &owner).await;
    script(&store, &owner).await;
    let third = new_script(&owner, change(&owner, start()));
    let refused = store.create_script(third.clone()).await.unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::QuotaExceeded {
                quota: Quota::Scripts,
                limit: 2
            }
        ),
        "{refused:?}"
    );
    script(&store, &other).await;
    // What is deleted makes room.
    assert!(store.delete_script(owner.org, first.id).await.unwrap());
    store.create_script(third).await.unwrap();

    set(&store, &owner, Quota::Scripts, Some(1)).await;
    let usage = store.usage(owner.org, start()).await.unwrap();
    assert_eq!(usage.scripts, 2, "nothing is deleted");
    set(&store, &owner, Quota::Scripts, Some(0)).await;
    script(&store, &owner).await;
}

async fn scripts_made_at_once_do_not_pass_the_quota(store: Store) {
    let owner = limited(&store, "anna", Quota::Scripts, 3).await;
    let making = (0..10).map(|_| {
        let (store, new) = (store.clone(), new_script(&owner, change(&owner, start())));
        tokio::spawn(async move { store.create_script(new).await })
    });
    let mut made = 0;
    for one in making.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert!(
                matches!(error, StoreError::QuotaExceeded { .. }),
                "{error:?}"
            ),
        }
    }
    assert_eq!(made, 3);
}

async fn members_are_counted(store: Store) {
    let anna = limited(&store, "anna", Quota::Members, 2).await;
    let (boris, carl) = (owner(&store, "boris").await, owner(&store, "carl").await);
    for number in 1..=3_u8 {
        let invitation = Invitation {
            id: InvitationId::generate(&clock()),
            email: None,
            grant: Grant {
                role_id: built_in_role_id(BuiltInRole::Viewer),
                project_id: None,
            },
            created_by: anna.user,
            created_at: start(),
            expires_at: start() + TimeDelta::days(7),
        };
        let new = NewInvitation {
            invitation,
            org_id: anna.org,
            token_hash: [number; 32],
            most: 9,
        };
        store.create_invitation(&new).await.unwrap();
    }
    let accept =
        async |number: u8, user| store.accept_invitation([number; 32], user, start()).await;
    accept(1, boris.user).await.unwrap();
    let refused = accept(2, carl.user).await.unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::QuotaExceeded {
                quota: Quota::Members,
                limit: 2
            }
        ),
        "{refused:?}"
    );
    // Who is a member takes up nothing more; the invitation that was refused is still good.
    accept(3, boris.user).await.unwrap();
    set(&store, &anna, Quota::Members, None).await;
    accept(2, carl.user).await.unwrap();
    assert_eq!(store.usage(anna.org, start()).await.unwrap().members, 3);
}

async fn an_organization_has_quotas_of_its_own(store: Store) {
    let mut defaults = Quotas::default();
    defaults.set(Quota::Weight, 7);
    let store = store.with_quotas(defaults);
    let (anna, boris) = (owner(&store, "anna").await, owner(&store, "boris").await);
    let mut own = OwnQuotas::default();
    for (number, quota) in (11..).zip(Quota::ALL) {
        own.set(quota, Some(number));
    }
    assert!(
        store
            .set_own_quotas(anna.org, &own, anna.user, start())
            .await
            .unwrap()
    );
    assert_eq!(store.own_quotas(anna.org).await.unwrap(), own);
    let quotas = store.quotas_of(anna.org).await.unwrap();
    for (number, quota) in (11..).zip(Quota::ALL) {
        assert_eq!(quotas.get(quota), number, "{}", quota.as_str());
    }
    assert_eq!(store.quotas_of(boris.org).await.unwrap(), defaults);
    let listed = store.list_own_quotas().await.unwrap();
    assert_eq!(listed.into_iter().collect::<Vec<_>>(), [(anna.org, own)]);
    let nobody = OrgId::generate(&clock());
    let set = store.set_own_quotas(nobody, &own, anna.user, start()).await;
    assert!(!set.unwrap(), "there is no such organization");
    set_back(&store, &anna).await;
}

async fn set_back(store: &Store, owner: &Owner) {
    let none = OwnQuotas::default();
    let set = store.set_own_quotas(owner.org, &none, owner.user, start());
    assert!(set.await.unwrap());
    let quotas = store.quotas_of(owner.org).await.unwrap();
    assert_eq!(quotas, store.default_quotas());
}

/// A run that used fuel and made requests.
fn costly(fuel_used: u64, requests: usize) -> vedette_core::Outcome {
    let mut outcome = success();
    outcome.fuel_used = fuel_used;
    let request = serde_json::json!({ "method": "GET", "url": "https://example.com/", "started_at_ms": 0.0,
        "total_ms": 1.0, "body_bytes": 0, "redirects": 0 });
    let request: RequestRecord = serde_json::from_value(request).unwrap();
    outcome.requests = vec![request; requests];
    outcome
}

async fn what_runs_use_is_counted_once(store: Store) {
    let (anna, boris) = (owner(&store, "anna").await, owner(&store, "boris").await);
    for owner in [&anna, &anna, &boris] {
        script(&store, owner).await;
    }
    let due = at("2026-11-24T12:00:10Z");
    let claimed = store.claim_due(&claim_at(due)).await.unwrap();
    let batch: Vec<_> = claimed
        .iter()
        .map(|slot| finished(slot, costly(100, 2)))
        .collect();
    for _ in 0..2 {
        // Again, because nobody heard that it was committed: it is recorded already.
        store.record_executions(&batch, &clock()).await.unwrap();
    }
    let used = async |org, time| store.usage(org, time).await.unwrap().day;
    let both = DayUsage {
        fuel: 200,
        fetches: 4,
    };
    assert_eq!(used(anna.org, due).await, both);
    assert_eq!(used(boris.org, due).await.fuel, 100);
    assert_eq!(
        used(anna.org, due + TimeDelta::days(1)).await,
        DayUsage::default()
    );

    assert_eq!(store.used_up(anna.org, due).await.unwrap(), None);
    set(&store, &anna, Quota::FuelPerDay, Some(200)).await;
    let midnight = at("2026-11-25T00:00:00Z");
    assert_eq!(
        store.used_up(anna.org, due).await.unwrap(),
        Some((Quota::FuelPerDay, 200, midnight))
    );
    assert_eq!(store.used_up(anna.org, midnight).await.unwrap(), None);
    assert_eq!(store.used_up(boris.org, due).await.unwrap(), None);
    set(&store, &anna, Quota::FetchesPerDay, Some(5)).await;
    assert_eq!(store.used_up(anna.org, due).await.unwrap(), None);

    let mut listed = store.list_day_usage(due).await.unwrap();
    listed.sort_by_key(|(org, ..)| *org != anna.org);
    assert_eq!(listed.len(), 2);
    assert_eq!((listed[0].0, listed[0].1), (anna.org, both));
    assert_eq!(listed[0].2.limit(Quota::FetchesPerDay), Some(5));
    assert_eq!(listed[1].2, store.default_quotas());
}

async fn runs_by_hand_are_counted_on_their_day(store: Store) {
    let owner = owner(&store, "anna").await;
    let script = script(&store, &owner).await;
    let late = at("2026-11-24T23:59:59.9Z");
    let new = ManualExecution {
        execution_id: vedette_core::ExecutionId::generate(&clock()),
        org_id: owner.org,
        script_id: script.id,
        version_id: script.version_id,
        started_by: owner.user,
        executed_at: late,
        leased_until: late + TimeDelta::minutes(1),
    };
    store.insert_manual_execution(&new).await.unwrap();
    for _ in 0..2 {
        // The second time it is not running any more.
        let outcome = costly(5, 1);
        let finished = store.finish_manual_execution(owner.org, new.execution_id, &outcome);
        finished.await.unwrap();
    }
    let day = store.usage(owner.org, late).await.unwrap().day;
    assert_eq!(
        day,
        DayUsage {
            fuel: 5,
            fetches: 1
        }
    );
}
