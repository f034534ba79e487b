//! Claims what falls due soon: at each tick, when woken, and when the queue runs low.

use std::sync::{Arc, atomic::Ordering};

use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};
use vedette_store::{ClaimRequest, ClaimedSlot, StoreError};

use crate::{
    config::to_delta,
    held::HeldSlot,
    ledger::{Ledger, NextClaim},
    measures,
    shared::{Alarm, Shared, in_time},
};

/// Claims until told to stop; the receiver's end tells that no claim is under way any more.
pub(crate) async fn claim_slots(
    shared: Arc<Shared>,
    claimed: mpsc::UnboundedSender<Vec<HeldSlot>>,
) {
    let _alarm = Alarm {
        name: "claim",
        broken: shared.broken.clone(),
    };
    let mut tick = interval(shared.config.tick);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_absent = false;
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => break,
            _ = tick.tick() => {
                // The end does not wait for a database that does not answer.
                let reading = shared.read_limits();
                let _: Option<()> = shared.stop.run_until_cancelled(reading).await;
            }
            () = shared.claim_now.notified() => {}
        }
        match claim_all(&shared, &claimed).await {
            Ok(()) => is_absent = false,
            Err(error) => {
                shared.note_absence();
                if !is_absent {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "no slots are claimed"
                    );
                }
                is_absent = true;
            }
        }
    }
}

/// Why nothing was claimed.
#[derive(Debug, thiserror::Error)]
enum ClaimError {
    #[error("outcomes wait for the database")]
    StoreIsAway,
    #[error("due slots could not be claimed")]
    Store(#[from] StoreError),
}

/// Claims until everything due is held or there is no more room.
async fn claim_all(
    shared: &Shared,
    claimed: &mpsc::UnboundedSender<Vec<HeldSlot>>,
) -> Result<(), ClaimError> {
    loop {
        let first = shared.next_claim(Ledger::first_claim);
        let is_last = first.is_none();
        if let Some(next) = first {
            let skipped = !next.skip.is_empty();
            if claim(shared, next, claimed).await? == Claimed::Everything {
                shared.claimed(skipped);
                return Ok(());
            }
        }
        // There is more than fits. What is due first may be all of one organization, again and again: the
        // others get theirs although it is due later.
        while let Some(next) = shared.next_claim(Ledger::claim_of_few) {
            if claim(shared, next, claimed).await? == Claimed::Everything {
                break;
            }
        }
        if is_last || shared.stop.is_cancelled() {
            shared.claimed(true);
            return Ok(());
        }
    }
}

/// What a claim came to.
#[derive(Debug, PartialEq, Eq)]
enum Claimed {
    /// All that was asked for: there may be more.
    Full,
    Everything,
}

async fn claim(
    shared: &Shared,
    next: NextClaim,
    claimed: &mpsc::UnboundedSender<Vec<HeldSlot>>,
) -> Result<Claimed, ClaimError> {
    if shared.store_is_away.load(Ordering::Acquire) {
        return Err(ClaimError::StoreIsAway);
    }
    let request = ClaimRequest {
        now: shared.clock.now(),
        look_ahead: to_delta(shared.config.look_ahead),
        lease: shared.config.lease(),
        owner: shared.config.owner.clone(),
        limit: to_u32(next.limit),
        most_of_one: next.most_of_one.map(to_u32),
        skip: next.skip,
        absent_until: shared.absent_until(),
    };
    let began = Instant::now();
    let slots = in_time(shared.store.claim_due(&request)).await?;
    measures::claim(request.most_of_one.is_some(), began.elapsed());
    let is_full = slots.len() >= next.limit;
    for slot in &slots {
        shared.take_up(slot.org_id);
        measures::missed(slot.missed_before);
    }
    let held = slots.into_iter().map(|slot| hold(slot, &request, shared));
    let held: Vec<_> = held.collect();
    if !held.is_empty() && claimed.send(held).is_err() {
        // The other end is gone only in a torn-down process; the leases lapse.
        return Ok(Claimed::Everything);
    }
    Ok(if is_full {
        Claimed::Full
    } else {
        Claimed::Everything
    })
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn hold(slot: ClaimedSlot, request: &ClaimRequest, shared: &Shared) -> HeldSlot {
    let late_reason = request.late_reason(slot.was_held, slot.scheduled_at);
    let leased_until = request.now + request.look_ahead + request.lease;
    HeldSlot::new(slot, leased_until, shared.config.run_grace, late_reason)
}
