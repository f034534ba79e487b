//! Claims, leases, and every slot ending in exactly one row.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use vedette_core::{Clock as _, MissedReason, ScriptId, ScriptVersionId};
use vedette_store::{ClaimRequest, RecordResult, SlotLease, Store, Updated, both_databases};

use crate::{Owner, PAGE, at, change, claim_at, clock, finished, owner, script, start, success};

both_databases!(
    a_slot_is_claimed_once,
    a_batch_that_comes_again_is_recorded,
    concurrent_claims_share_the_slots,
    an_expired_lease_comes_back_and_fences_the_late,
    a_released_slot_comes_back_at_once,
    an_edit_during_a_run_counts_at_its_end,
    a_script_disabled_or_deleted_during_a_run_stops,
    a_script_disabled_before_its_node_died_does_not_run,
    slots_that_wait_get_their_rows_when_the_schedule_goes,
    an_edit_during_a_long_run_invents_no_slots_and_loses_none,
    an_edit_that_comes_late_takes_no_slot_twice,
    claims_come_in_the_order_of_their_time,
    a_batch_of_nothing_is_nothing,
);

async fn a_slot_is_claimed_once(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let due = at("2026-11-24T12:00:10Z");
    assert!(
        store
            .claim_due(&claim_at(start()))
            .await
            .unwrap()
            .is_empty(),
        "not within the look-ahead"
    );
    let claimed = store
        .claim_due(&claim_at(due - TimeDelta::seconds(1)))
        .await
        .unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].scheduled_at, due);
    assert_eq!(claimed[0].parameters, made.parameters);
    assert_eq!(claimed[0].env_vars, Some(made.env_vars.clone().into()));
    assert!(
        store.claim_due(&claim_at(due)).await.unwrap().is_empty(),
        "it is leased"
    );
    let results = store
        .record_executions(&[finished(&claimed[0], success())], &clock())
        .await
        .unwrap();
    assert_eq!(results, [RecordResult::Recorded]);
    let next = store
        .get_script(owner.org, made.id)
        .await
        .unwrap()
        .unwrap()
        .next_run_at;
    assert_eq!(next, Some(at("2026-11-24T12:00:20Z")));
    // Another result for the same claim, whose token is still the current one: nothing is stored
    // twice, and nobody is told that it was.
    let again = store
        .record_executions(&[finished(&claimed[0], success())], &clock())
        .await
        .unwrap();
    assert_eq!(again, [RecordResult::Duplicate]);
    assert_eq!(
        store
            .list_executions(owner.org, made.id, PAGE)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

/// The commit came through, its answer did not.
async fn a_batch_that_comes_again_is_recorded(store: Store) {
    let owner = owner(&store, "anna").await;
    let (first, second) = (script(&store, &owner).await, script(&store, &owner).await);
    let due = at("2026-11-24T12:00:10Z");
    let slots = store.claim_due(&claim_at(due)).await.unwrap();
    let mut batch: Vec<_> = slots.iter().map(|slot| finished(slot, success())).collect();
    for _ in 0..2 {
        let results = store.record_executions(&batch, &clock()).await.unwrap();
        assert_eq!(results, [RecordResult::Recorded; 2]);
    }
    // One of them under another id is another outcome of the same slot.
    batch[0].execution_id = finished(&slots[0], success()).execution_id;
    let results = store.record_executions(&batch, &clock()).await.unwrap();
    assert_eq!(results, [RecordResult::Duplicate, RecordResult::Recorded]);
    for made in [first, second] {
        let rows = store.list_executions(owner.org, made.id, PAGE).await;
        assert_eq!(rows.unwrap().items.len(), 1);
    }
}

async fn concurrent_claims_share_the_slots(store: Store) {
    let owner = owner(&store, "anna").await;
    for _ in 0..60 {
        script(&store, &owner).await;
    }
    let due = at("2026-11-24T12:00:10Z");
    let claims = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            let mut claim = claim_at(due);
            claim.limit = 7;
            loop {
                let slots = store.claim_due(&claim).await.unwrap();
                if slots.is_empty() {
                    return mine;
                }
                mine.extend(slots.into_iter().map(|slot| slot.script_id));
            }
        })
    });
    let mut all = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        all.extend(claim.await.unwrap());
    }
    // One that found all others locked may leave early; nothing is lost for that.
    all.extend(
        store
            .claim_due(&claim_at(due))
            .await
            .unwrap()
            .into_iter()
            .map(|slot| slot.script_id),
    );
    assert_eq!(all.len(), 60);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 60);
}

async fn an_expired_lease_comes_back_and_fences_the_late(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let due = at("2026-11-24T12:00:10Z");
    // Over before the script is due again.
    let claim = ClaimRequest {
        lease: TimeDelta::seconds(2),
        ..claim_at(due)
    };
    let late = store.claim_due(&claim).await.unwrap().remove(0);
    let after = due + TimeDelta::seconds(4);
    let taken_over = store.claim_due(&claim_at(after)).await.unwrap().remove(0);
    assert_eq!(taken_over.scheduled_at, due);
    assert!(taken_over.lease_token > late.lease_token);
    let refused = store
        .record_executions(&[finished(&late, success())], &clock())
        .await
        .unwrap();
    assert_eq!(refused, [RecordResult::Refused]);
    assert!(
        store
            .list_executions(owner.org, made.id, PAGE)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let recorded = store
        .record_executions(&[finished(&taken_over, success())], &clock())
        .await
        .unwrap();
    assert_eq!(recorded, [RecordResult::Recorded]);
    assert_eq!(
        store
            .list_executions(owner.org, made.id, PAGE)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

async fn a_released_slot_comes_back_at_once(store: Store) {
    let owner = owner(&store, "anna").await;
    script(&store, &owner).await;
    let due = at("2026-11-24T12:00:10Z");
    let slot = store.claim_due(&claim_at(due)).await.unwrap().remove(0);
    let lease = SlotLease {
        script_id: slot.script_id,
        org_id: slot.org_id,
        lease_token: slot.lease_token,
    };
    let stale = SlotLease {
        lease_token: slot.lease_token - 1,
        ..lease
    };
    store.release_slots(&[stale]).await.unwrap();
    assert!(
        store.claim_due(&claim_at(due)).await.unwrap().is_empty(),
        "only its holder gives it back"
    );
    store.release_slots(&[lease]).await.unwrap();
    assert_eq!(store.claim_due(&claim_at(due)).await.unwrap().len(), 1);
    assert_eq!(store.release_all_leases().await.unwrap(), 1);
    assert_eq!(store.claim_due(&claim_at(due)).await.unwrap().len(), 1);
}

async fn an_edit_during_a_run_counts_at_its_end(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let due = at("2026-11-24T12:00:10Z");
    let slot = store.claim_due(&claim_at(due)).await.unwrap().remove(0);
    let mut edit = change(&owner, due);
    edit.cron_expression = Some("0 0 * * * *".to_owned());
    edit.version_id = ScriptVersionId::generate(&clock());
    store
        .update_script(owner.org, made.id, edit, None)
        .await
        .unwrap();
    let leased = store.get_script(owner.org, made.id).await.unwrap().unwrap();
    assert_eq!(leased.next_run_at, Some(due), "the slot is left to its run");
    assert!(
        store.claim_due(&claim_at(due)).await.unwrap().is_empty(),
        "the lease holds"
    );
    let clock = clock();
    clock.advance(due - clock.now());
    let recorded = store
        .record_executions(&[finished(&slot, success())], &clock)
        .await
        .unwrap();
    assert_eq!(recorded, [RecordResult::Recorded]);
    let script = store.get_script(owner.org, made.id).await.unwrap().unwrap();
    assert_eq!(script.next_run_at, Some(at("2026-11-24T13:00:00Z")));
}

async fn a_script_disabled_or_deleted_during_a_run_stops(store: Store) {
    let owner = owner(&store, "anna").await;
    let (disabled, deleted) = (script(&store, &owner).await, script(&store, &owner).await);
    let due = at("2026-11-24T12:00:10Z");
    let slots = store.claim_due(&claim_at(due)).await.unwrap();
    let mut off = change(&owner, due);
    off.is_enabled = false;
    assert!(matches!(
        store
            .update_script(owner.org, disabled.id, off, None)
            .await
            .unwrap(),
        Updated::Done(_)
    ));
    assert!(store.delete_script(owner.org, deleted.id).await.unwrap());
    let batch: Vec<_> = slots.iter().map(|slot| finished(slot, success())).collect();
    let results = store.record_executions(&batch, &clock()).await.unwrap();
    for (slot, result) in slots.iter().zip(results) {
        let expected = if slot.script_id == deleted.id {
            RecordResult::Refused
        } else {
            RecordResult::Recorded
        };
        assert_eq!(result, expected);
    }
    assert_eq!(
        store
            .get_script(owner.org, disabled.id)
            .await
            .unwrap()
            .unwrap()
            .next_run_at,
        None
    );
    assert!(
        store
            .claim_due(&claim_at(due + TimeDelta::hours(1)))
            .await
            .unwrap()
            .is_empty()
    );
}

async fn a_script_disabled_before_its_node_died_does_not_run(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let due = at("2026-11-24T12:00:10Z");
    let slot = store.claim_due(&claim_at(due)).await.unwrap().remove(0);
    let mut new = change(&owner, due);
    new.is_enabled = false;
    let Updated::Done(disabled) = store
        .update_script(owner.org, made.id, new.clone(), None)
        .await
        .unwrap()
    else {
        panic!("it is there")
    };
    assert_eq!(disabled.next_run_at, None, "also while its slot is leased");
    let lease = SlotLease {
        script_id: slot.script_id,
        org_id: slot.org_id,
        lease_token: slot.lease_token,
    };
    store.release_slots(&[lease]).await.unwrap();
    let later = due + TimeDelta::hours(1);
    assert!(store.claim_due(&claim_at(later)).await.unwrap().is_empty());
    new.is_enabled = true;
    new.changed_at = later;
    store
        .update_script(owner.org, made.id, new, None)
        .await
        .unwrap();
    let next = at("2026-11-24T13:00:20Z");
    let claimed = store.claim_due(&claim_at(next)).await.unwrap();
    assert_eq!(claimed[0].scheduled_at, next, "nothing is made up for");
    // The slot that had begun has its row, and those of the disabled hour were none.
    assert_eq!(
        missed(&store, &owner, made.id).await,
        [(due, MissedReason::Changed)]
    );
}

/// The missed slots of a script, oldest first.
async fn missed(
    store: &Store,
    owner: &Owner,
    script: ScriptId,
) -> Vec<(DateTime<Utc>, MissedReason)> {
    let page = store
        .list_executions(owner.org, script, PAGE)
        .await
        .unwrap();
    let rows = page.items.iter();
    let mut missed: Vec<_> = rows
        .filter_map(|row| Some((row.scheduled_at?, row.missed_reason?)))
        .collect();
    missed.sort_unstable();
    missed
}

async fn slots_that_wait_get_their_rows_when_the_schedule_goes(store: Store) {
    let owner = owner(&store, "anna").await;
    // Every ten seconds; nobody claims.
    for is_enabled in [true, false] {
        let made = script(&store, &owner).await;
        let mut edit = change(&owner, at("2026-11-24T12:00:35Z"));
        edit.cron_expression = Some("0 0 * * * *".to_owned());
        edit.is_enabled = is_enabled;
        store
            .update_script(owner.org, made.id, edit, None)
            .await
            .unwrap();
        let expected = [
            "2026-11-24T12:00:10Z",
            "2026-11-24T12:00:20Z",
            "2026-11-24T12:00:30Z",
        ]
        .map(|slot| (at(slot), MissedReason::Changed));
        assert_eq!(missed(&store, &owner, made.id).await, expected);
        let script = store.get_script(owner.org, made.id).await.unwrap().unwrap();
        let next = is_enabled.then(|| at("2026-11-24T13:00:00Z"));
        assert_eq!(script.next_run_at, next);
    }
}

async fn an_edit_during_a_long_run_invents_no_slots_and_loses_none(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let due = at("2026-11-24T12:00:10Z");
    let slot = store.claim_due(&claim_at(due)).await.unwrap().remove(0);
    // The run goes on, two more slots pass, and the schedule becomes another.
    let mut edit = change(&owner, at("2026-11-24T12:00:35Z"));
    edit.cron_expression = Some("*/15 * * * * *".to_owned());
    store
        .update_script(owner.org, made.id, edit, None)
        .await
        .unwrap();
    let clock = clock();
    clock.advance(at("2026-11-24T12:01:05Z") - clock.now());
    let recorded = store
        .record_executions(&[finished(&slot, success())], &clock)
        .await
        .unwrap();
    assert_eq!(recorded, [RecordResult::Recorded]);
    let slots: Vec<_> = missed(&store, &owner, made.id)
        .await
        .into_iter()
        .map(|(slot, _)| slot)
        .collect();
    // Two of the old schedule, and of the new one what was over before the latest that is due.
    let expected = [
        "2026-11-24T12:00:20Z",
        "2026-11-24T12:00:30Z",
        "2026-11-24T12:00:45Z",
    ];
    assert_eq!(slots, expected.map(at));
    let script = store.get_script(owner.org, made.id).await.unwrap().unwrap();
    assert_eq!(script.next_run_at, Some(at("2026-11-24T12:01:00Z")));
}

async fn an_edit_that_comes_late_takes_no_slot_twice(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let due = at("2026-11-24T12:00:10Z");
    let slot = store.claim_due(&claim_at(due)).await.unwrap().remove(0);
    let clock = clock();
    clock.advance(due - clock.now());
    store
        .record_executions(&[finished(&slot, success())], &clock)
        .await
        .unwrap();
    // Decided before the slot ran, written after it.
    let mut edit = change(&owner, due - TimeDelta::seconds(3));
    edit.cron_expression = Some("*/2 * * * * *".to_owned());
    store
        .update_script(owner.org, made.id, edit, None)
        .await
        .unwrap();
    let script = store.get_script(owner.org, made.id).await.unwrap().unwrap();
    assert_eq!(script.next_run_at, Some(due + TimeDelta::seconds(2)));
}

async fn claims_come_in_the_order_of_their_time(store: Store) {
    let owner = owner(&store, "anna").await;
    let mut expected = Vec::new();
    for second in [7, 3, 9, 5, 1] {
        let made = script(&store, &owner).await;
        let mut new = change(&owner, start());
        new.cron_expression = Some(format!("{second} * * * * *"));
        store
            .update_script(owner.org, made.id, new, None)
            .await
            .unwrap();
        expected.push((
            start()
                .with_second(second)
                .unwrap()
                .with_nanosecond(0)
                .unwrap(),
            made.id,
        ));
    }
    expected.sort_unstable();
    let mut claim = claim_at(start() + TimeDelta::seconds(8));
    claim.limit = 2;
    let mut claimed = Vec::new();
    for size in [2, 2, 1, 0] {
        let slots = store.claim_due(&claim).await.unwrap();
        assert_eq!(slots.len(), size);
        let mut slots: Vec<_> = slots
            .iter()
            .map(|slot| (slot.scheduled_at, slot.script_id))
            .collect();
        slots.sort_unstable();
        claimed.extend(slots);
    }
    assert_eq!(claimed, expected);
}

async fn a_batch_of_nothing_is_nothing(store: Store) {
    assert!(
        store
            .record_executions(&[], &clock())
            .await
            .unwrap()
            .is_empty()
    );
    store.release_slots(&[]).await.unwrap();
    assert_eq!(store.release_all_leases().await.unwrap(), 0);
}
