//! Claims what falls due soon: at each tick, when woken, and when the queue runs low.

use std::sync::{Arc, atomic::Ordering};

use chrono::{DateTime, Utc};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use vedette_core::MissedReason;
use vedette_store::{ClaimRequest, ClaimedSlot, StoreError};

use crate::{
    config::to_delta,
    held::HeldSlot,
    shared::{Alarm, Shared, in_time},
};

/// Most slots of one statement.
const MAX_CLAIM: usize = 1_000;

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
    // What was due before nobody could claim is downtime; what is late for another reason
    // waited for a place.
    let mut absent_until = shared.clock.now();
    let mut is_absent = false;
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => break,
            _ = tick.tick() => {}
            () = shared.claim_now.notified() => {}
        }
        match claim_all(&shared, absent_until, &claimed).await {
            Ok(()) => is_absent = false,
            Err(error) => {
                absent_until = shared.clock.now();
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
    absent_until: DateTime<Utc>,
    claimed: &mpsc::UnboundedSender<Vec<HeldSlot>>,
) -> Result<(), ClaimError> {
    loop {
        if shared.store_is_away.load(Ordering::Acquire) {
            return Err(ClaimError::StoreIsAway);
        }
        let limit = shared.room().min(MAX_CLAIM);
        if limit == 0 {
            shared.take_up(0, true);
            return Ok(());
        }
        let request = ClaimRequest {
            now: shared.clock.now(),
            look_ahead: to_delta(shared.config.look_ahead),
            lease: shared.config.lease(),
            owner: shared.config.owner.clone(),
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
        };
        let slots = in_time(shared.store.claim_due(&request)).await?;
        let (count, is_full) = (slots.len(), slots.len() >= limit);
        shared.take_up(count, is_full);
        let held = slots
            .into_iter()
            .map(|slot| hold(slot, &request, shared, absent_until));
        if count > 0 && claimed.send(held.collect()).is_err() {
            // The other end is gone only in a torn-down process; the leases lapse.
            return Ok(());
        }
        if !is_full || shared.stop.is_cancelled() {
            return Ok(());
        }
    }
}

fn hold(
    slot: ClaimedSlot,
    request: &ClaimRequest,
    shared: &Shared,
    absent_until: DateTime<Utc>,
) -> HeldSlot {
    // Claims take the oldest first, so a slot that is later than a whole lease did not wait for
    // a place: a node that is gone held it.
    let was_held = request.now - slot.scheduled_at >= request.lease;
    let late_reason = if was_held || slot.scheduled_at <= absent_until {
        MissedReason::Downtime
    } else {
        MissedReason::Overloaded
    };
    let leased_until = request.now + request.look_ahead + request.lease;
    HeldSlot::new(slot, leased_until, shared.config.run_grace, late_reason)
}
