//! What becomes of the slots of a schedule that is replaced: those that were due and will not run
//! any more get their rows in the transaction of the change.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use vedette_core::{Clock, ExecutionId, MissedReason, Outcome};

use crate::{
    Script, Trigger, executions::ExecutionColumns, record::MAX_MISSED_OF_BATCH,
    slots::read_schedule,
};

/// A slot as it is when its script is changed.
#[derive(FromRow)]
pub(crate) struct SlotRow {
    pub(crate) scheduled_at: Option<DateTime<Utc>>,
    pub(crate) is_recheck: bool,
    pub(crate) leased_until: Option<DateTime<Utc>>,
    /// Slots up to here have their rows already, from a change during the run before this one.
    pub(crate) counts_from: Option<DateTime<Utc>>,
}

/// A time that was decided on, for the ids of its rows.
pub(crate) struct At(pub(crate) DateTime<Utc>);

impl Clock for At {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}

/// Slots of `old` up to `changed_at` that will not run, and why.
///
/// A slot that is leased is its run's to record, and those after it overlap with that run; one
/// that waits to be claimed has lost its schedule.
fn passed_slots(
    old: &Script,
    slot: &SlotRow,
    changed_at: DateTime<Utc>,
) -> (Vec<DateTime<Utc>>, MissedReason) {
    let is_leased = slot.leased_until.is_some_and(|until| until > changed_at);
    let reason = if is_leased {
        MissedReason::Overlap
    } else {
        MissedReason::Changed
    };
    let mut passed = Vec::new();
    let Some(first) = slot.scheduled_at.filter(|first| *first <= changed_at) else {
        return (passed, reason);
    };
    if !is_leased {
        passed.push(first);
    }
    // A disabled script has a slot only if its node died with it, and comes due no more.
    if old.is_enabled {
        let cron = old.cron_expression.as_deref();
        let interval = old.interval_seconds.map(i64::from);
        // A schedule that does not read came due no more, and the change may be what mends it.
        let Ok(schedule) = read_schedule(old.id.as_uuid(), cron, interval, &old.timezone) else {
            return (passed, reason);
        };
        let mut last = slot.counts_from.map_or(first, |from| from.max(first));
        while let Some(next) = schedule.next_after(last).filter(|next| *next <= changed_at) {
            if passed.len() >= MAX_MISSED_OF_BATCH {
                tracing::warn!(
                    script.id = %old.id,
                    "a script was changed after a long downtime; its oldest missed slots have rows, \
                     those after {last} have none"
                );
                break;
            }
            passed.push(next);
            last = next;
        }
    }
    (passed, reason)
}

/// The rows for [`passed_slots`].
pub(crate) fn rows_of_passed<'a>(
    old: &Script,
    slot: Option<&SlotRow>,
    changed_at: DateTime<Utc>,
) -> Vec<ExecutionColumns<'a>> {
    let Some(slot) = slot else { return Vec::new() };
    let (passed, reason) = passed_slots(old, slot, changed_at);
    // Pages are sorted by id, and ids of one millisecond come in any order.
    let mut ids: Vec<_> = passed
        .iter()
        .map(|_| ExecutionId::generate(&At(changed_at)))
        .collect();
    ids.sort_unstable();
    let row = |(id, passed)| {
        let is_recheck = slot.is_recheck && Some(passed) == slot.scheduled_at;
        ExecutionColumns::new(
            id,
            old.org_id,
            old.id,
            old.version_id,
            Trigger::of_slot(is_recheck),
            Some(passed),
            changed_at,
            Cow::Owned(Outcome::missed(reason.message())),
            Some(reason),
        )
    };
    ids.into_iter().zip(passed).map(row).collect()
}
