//! Slots that nobody ran: each becomes a row that says so, in bounded steps.

use chrono::{DateTime, TimeDelta, Utc};
use vedette_core::{Clock as _, MissedReason, Outcome, ScriptId, Status};
use vedette_store::{Store, both_databases};

use crate::{Owner, PAGE, at, claim_at, clock, finished, owner, script, success};

both_databases!(
    skipped_slots_become_missed_rows,
    a_long_downtime_is_caught_up_in_bounded_steps,
    many_scripts_catch_up_in_bounded_batches,
);

/// The slots of all rows of a script, as the pages give them.
async fn all_slots(store: &Store, owner: &Owner, script: ScriptId) -> Vec<DateTime<Utc>> {
    let mut page = PAGE;
    let mut slots = Vec::new();
    loop {
        let found = store
            .list_executions(owner.org, script, page)
            .await
            .unwrap();
        slots.extend(found.items.iter().map(|row| row.scheduled_at.unwrap()));
        page.cursor = found.next_cursor;
        if page.cursor.is_none() {
            return slots;
        }
    }
}

async fn skipped_slots_become_missed_rows(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let due = at("2026-11-24T12:00:10Z");
    let slot = store.claim_due(&claim_at(due)).await.unwrap().remove(0);
    let clock = clock();
    clock.advance(at("2026-11-24T12:05:05Z") - clock.now());
    let done = finished(&slot, success());
    store.record_executions(&[done], &clock).await.unwrap();
    let script = store.get_script(owner.org, made.id).await.unwrap().unwrap();
    let late = at("2026-11-24T12:05:00Z");
    assert_eq!(script.next_run_at, Some(late), "the latest runs late");
    let rows = store
        .list_executions(owner.org, made.id, PAGE)
        .await
        .unwrap()
        .items;
    assert_eq!(rows.len(), 29);
    for (row, nth) in rows.iter().zip(1..) {
        let slot = late - TimeDelta::seconds(10 * nth);
        let is_missed = slot > due;
        assert_eq!(row.scheduled_at, Some(slot), "newest first, none left out");
        let status = if is_missed {
            Status::Missed
        } else {
            Status::Success
        };
        let reason = is_missed.then_some(MissedReason::Overlap);
        assert_eq!((row.status, row.missed_reason), (status, reason));
        assert_eq!(row.executed_at, if is_missed { clock.now() } else { due });
    }
}

async fn a_long_downtime_is_caught_up_in_bounded_steps(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let clock = clock();
    // 2,500 slots of ten seconds.
    clock.advance(TimeDelta::seconds(25_000));
    let mut missed = 0;
    for _ in 0..10 {
        let slots = store.claim_due(&claim_at(clock.now())).await.unwrap();
        let Some(slot) = slots.first() else { break };
        let is_over = slot
            .schedule
            .next_after(slot.scheduled_at)
            .is_some_and(|next| next <= clock.now());
        let mut done = finished(slot, success());
        done.skipped_reason = MissedReason::Downtime;
        if is_over {
            done.outcome = Outcome::missed("downtime");
            done.missed_reason = Some(MissedReason::Downtime);
            missed += 1;
        }
        store.record_executions(&[done], &clock).await.unwrap();
    }
    assert!((2..=4).contains(&missed), "{missed} steps");
    let mut slots = all_slots(&store, &owner, made.id).await;
    slots.sort_unstable();
    assert_eq!(slots.len(), 2_500);
    assert!(
        slots
            .windows(2)
            .all(|pair| pair[1] - pair[0] == TimeDelta::seconds(10))
    );
}

async fn many_scripts_catch_up_in_bounded_batches(store: Store) {
    let owner = owner(&store, "anna").await;
    let mut scripts = Vec::new();
    for _ in 0..12 {
        scripts.push(script(&store, &owner).await.id);
    }
    let clock = clock();
    // 1,100 slots of ten seconds each: more than one transaction takes of one script, and of all.
    clock.advance(TimeDelta::seconds(11_000));
    let mut rows = 0;
    for round in 0..10 {
        let slots = store.claim_due(&claim_at(clock.now())).await.unwrap();
        if slots.is_empty() {
            break;
        }
        let batch: Vec<_> = slots
            .iter()
            .map(|slot| {
                let mut done = finished(slot, success());
                if slot
                    .schedule
                    .next_after(slot.scheduled_at)
                    .is_some_and(|next| next <= clock.now())
                {
                    done.outcome = Outcome::missed("downtime");
                    done.missed_reason = Some(MissedReason::Downtime);
                }
                done
            })
            .collect();
        store.record_executions(&batch, &clock).await.unwrap();
        let mut after = 0;
        for id in &scripts {
            after += all_slots(&store, &owner, *id).await.len();
        }
        assert!(
            after - rows <= 10_000 + 12,
            "round {round} wrote {}",
            after - rows
        );
        rows = after;
    }
    assert_eq!(rows, 12 * 1_100);
    for id in scripts {
        let slots = all_slots(&store, &owner, id).await;
        let mut sorted = slots.clone();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        sorted.dedup();
        assert_eq!(slots.len(), sorted.len(), "each slot once");
    }
}
