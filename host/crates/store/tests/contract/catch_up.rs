//! Slots that nobody ran: each becomes a row that says so, in bounded steps.

use chrono::{DateTime, TimeDelta, Utc};
use vedette_core::{Clock as _, MissedReason, Outcome, ScriptId, Status};
use vedette_store::{ClaimRequest, RecordResult, Store, both_databases};

use crate::{Owner, PAGE, at, claim_at, clock, finished, owner, script, success};

both_databases!(
    skipped_slots_become_missed_rows,
    a_long_downtime_is_caught_up_in_bounded_steps,
    many_scripts_catch_up_in_bounded_batches,
    a_late_claim_is_of_the_latest_slot,
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
    let mut rows = 0;
    for step in 0..10 {
        let slots = store.claim_due(&claim_at(clock.now())).await.unwrap();
        let Some(slot) = slots.first() else { break };
        let mut written = vec![all_slots(&store, &owner, made.id).await.len() - rows];
        let is_over = slot
            .schedule
            .next_after(slot.scheduled_at)
            .is_some_and(|next| next <= clock.now());
        let mut done = finished(slot, success());
        done.skipped_reason = MissedReason::Downtime;
        if is_over {
            done.outcome = Outcome::missed("downtime");
            done.missed_reason = Some(MissedReason::Downtime);
        }
        store.record_executions(&[done], &clock).await.unwrap();
        let after = all_slots(&store, &owner, made.id).await.len();
        written.push(after - rows - written[0]);
        assert!(
            written.iter().all(|rows| *rows <= 1_001),
            "step {step}: {written:?}"
        );
        rows = after;
    }
    let mut slots = all_slots(&store, &owner, made.id).await;
    slots.sort_unstable();
    assert_eq!(slots.len(), 2_500);
    assert!(
        slots
            .windows(2)
            .all(|pair| pair[1] - pair[0] == TimeDelta::seconds(10))
    );
}

async fn rows_of_all(store: &Store, owner: &Owner, scripts: &[ScriptId]) -> usize {
    let mut rows = 0;
    for id in scripts {
        rows += all_slots(store, owner, *id).await.len();
    }
    rows
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
        let claimed = rows_of_all(&store, &owner, &scripts).await;
        store.record_executions(&batch, &clock).await.unwrap();
        let after = rows_of_all(&store, &owner, &scripts).await;
        let written = [claimed - rows, after - claimed];
        assert!(
            written.iter().all(|rows| *rows <= 10_000 + 12),
            "round {round}: {written:?}"
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

/// Who claims too seldom would claim nothing but slots that are over, for ever.
async fn a_late_claim_is_of_the_latest_slot(store: Store) {
    let owner = owner(&store, "anna").await;
    let made = script(&store, &owner).await;
    let claim = |now| ClaimRequest {
        absent_until: at("2026-11-24T12:00:20Z"),
        ..claim_at(at(now))
    };
    let late = claim("2026-11-24T12:00:45Z");
    let slot = store.claim_due(&late).await.unwrap().remove(0);
    assert_eq!(slot.scheduled_at, at("2026-11-24T12:00:40Z"));
    assert_eq!((slot.missed_before, slot.was_held), (3, false));
    assert!(slot.after_failure, "what was missed is no success");
    let rows = store.list_executions(owner.org, made.id, PAGE).await;
    let rows = rows.unwrap().items;
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.scheduled_at.unwrap(),
                row.executed_at,
                row.status,
                row.missed_reason.unwrap(),
            )
        })
        .collect();
    let missed = |slot, reason| (at(slot), late.now, Status::Missed, reason);
    assert_eq!(
        found,
        [
            missed("2026-11-24T12:00:30Z", MissedReason::Overloaded),
            missed("2026-11-24T12:00:20Z", MissedReason::Downtime),
            missed("2026-11-24T12:00:10Z", MissedReason::Downtime),
        ]
    );

    // The claim is one of the slot as it stands now.
    let clock = clock();
    clock.advance(late.now - clock.now());
    let done = finished(&slot, success());
    let recorded = store.record_executions(&[done], &clock).await.unwrap();
    assert_eq!(recorded, [RecordResult::Recorded]);
    let script = store.get_script(owner.org, made.id).await.unwrap().unwrap();
    assert_eq!(script.next_run_at, Some(at("2026-11-24T12:00:50Z")));

    // Whoever had it is gone: the slots that passed meanwhile fell to that.
    let held = store.claim_due(&claim("2026-11-24T12:00:50Z")).await;
    assert_eq!(held.unwrap().len(), 1);
    let after_its_lease = claim("2026-11-24T12:02:05Z");
    let slot = store.claim_due(&after_its_lease).await.unwrap().remove(0);
    assert_eq!(slot.scheduled_at, at("2026-11-24T12:02:00Z"));
    assert_eq!((slot.missed_before, slot.was_held), (7, false));
    let rows = store.list_executions(owner.org, made.id, PAGE).await;
    for row in &rows.unwrap().items[..7] {
        assert_eq!(row.missed_reason, Some(MissedReason::Downtime), "{row:?}");
    }
}
