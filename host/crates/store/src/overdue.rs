//! What becomes of slots that are claimed too late to run, because a later one of the same script is due: they
//! get their rows with the claim, and the claim is of the latest.
//!
//! Their scheduler could record them and claim the latest next time. But where more falls due than it can claim,
//! each next time would be too late again, and nothing would run at all.

use std::{borrow::Cow, iter};

use chrono::{DateTime, Utc};
use vedette_core::{
    ExecutionId, OrgId, Outcome, ScriptId, ScriptVersionId,
    slot::{CatchUp, catch_up},
};

use crate::{
    ClaimRequest, Trigger,
    executions::ExecutionColumns,
    record::{MAX_MISSED, MAX_MISSED_OF_BATCH},
    replaced::At,
    slots::{DueRow, Move},
};

/// What a claim writes besides its leases.
#[derive(Default)]
pub(crate) struct Overdue {
    /// Rows of slots that will not run.
    pub(crate) missed: Vec<ExecutionColumns<'static>>,
    /// Scripts whose slots move on, and where to.
    pub(crate) moves: Vec<Move>,
}

impl Overdue {
    /// Moves `rows` on to the latest slots that are due. After a long downtime some are still late then: one
    /// transaction does not record all that was missed.
    pub(crate) fn pass_over(rows: &mut [DueRow], claim: &ClaimRequest) -> Self {
        let mut overdue = Self::default();
        for row in rows {
            let budget = MAX_MISSED_OF_BATCH.saturating_sub(overdue.missed.len());
            if let Some((missed, next)) = missed_slots(row, claim.now, MAX_MISSED.min(budget)) {
                row.missed_before = missed.len();
                overdue.missed.extend(rows_of(row, claim, missed));
                let moved = Move::by_schedule(row.script_id, row.scheduled_at, Some(next));
                overdue.moves.push(moved);
                row.pass_over_to(next);
            }
        }
        overdue
    }
}

/// The slots of a script that will not run, and the one to take up instead; `None` where the claimed one may run.
fn missed_slots(
    row: &DueRow,
    now: DateTime<Utc>,
    limit: usize,
) -> Option<(Vec<DateTime<Utc>>, DateTime<Utc>)> {
    // The claim says loudly what does not read.
    let schedule = row.schedule().ok()?;
    let first = row.scheduled_at;
    let last = row.counts_from.map_or(first, |from| from.max(first));
    let CatchUp { missed, next } = catch_up(&schedule, last, now, limit.checked_sub(1)?);
    let next = next.filter(|next| *next <= now)?;
    Some(([first].into_iter().chain(missed).collect(), next))
}

fn rows_of(
    row: &DueRow,
    claim: &ClaimRequest,
    missed: Vec<DateTime<Utc>>,
) -> impl Iterator<Item = ExecutionColumns<'static>> {
    // Pages are sorted by id, and ids of one millisecond come in any order.
    let mut ids: Vec<_> = missed
        .iter()
        .map(|_| ExecutionId::generate(&At(claim.now)))
        .collect();
    ids.sort_unstable();
    let (org, script) = (
        OrgId::from_uuid(row.org_id),
        ScriptId::from_uuid(row.script_id),
    );
    let version = ScriptVersionId::from_uuid(row.version_id);
    let was_held = row.was_held;
    // Where a recheck was to come, it was the first.
    let first = Trigger::of_slot(row.is_recheck);
    let triggers = iter::once(first).chain(iter::repeat(Trigger::Schedule));
    let rows = ids.into_iter().zip(missed).zip(triggers);
    rows.map(move |((id, slot), trigger)| {
        let reason = claim.late_reason(was_held, slot);
        ExecutionColumns::new(
            id,
            org,
            script,
            version,
            trigger,
            Some(slot),
            claim.now,
            Cow::Owned(Outcome::missed(reason.message())),
            Some(reason),
        )
    })
}
