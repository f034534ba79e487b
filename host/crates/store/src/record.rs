//! Recording finished slots: each ends in exactly one row, and the script's next slot is set in
//! the same transaction.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use chrono::{DateTime, Utc};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;
use vedette_core::{
    Clock, ExecutionId, MissedReason, OrgId, Outcome, ScriptId, ScriptVersionId,
    alert::observation::Observation,
    slot::{CatchUp, DEFAULT_LOCATION, catch_up},
};

use crate::{
    Store, StoreError, Trigger,
    alerts::{Executed, evidence_of, judge_executions},
    db::in_tx,
    executions::{ExecutionColumns, push_executions, push_logs},
    quotas::add_usage,
    recordings::keep_recording,
    slots::{Move, push_moves, read_schedule},
};

/// Missed slots of one script that one transaction records; the rest follows in the next.
pub(crate) const MAX_MISSED: usize = 1_000;
/// The same for all scripts of a batch together: after a long downtime every script of it has
/// missed slots, and nobody else writes to SQLite while they are recorded.
pub(crate) const MAX_MISSED_OF_BATCH: usize = 10_000;
/// Rows of one `INSERT`: SQLite allows 32,766 values in a statement.
pub(crate) const INSERT_ROWS: usize = 500;

/// A slot that was run, or that will never run.
#[derive(Debug, Clone)]
pub struct FinishedSlot {
    /// Id of the row to be.
    pub execution_id: ExecutionId,
    /// The script.
    pub script_id: ScriptId,
    /// Its organization.
    pub org_id: OrgId,
    /// The version that ran.
    pub version_id: ScriptVersionId,
    /// The slot.
    pub scheduled_at: DateTime<Utc>,
    /// A rule asked for it, not the schedule.
    pub is_recheck: bool,
    /// From the claim.
    pub lease_token: i64,
    /// When the run was handed over; for a missed slot, when that was decided.
    pub executed_at: DateTime<Utc>,
    /// What came of it.
    pub outcome: Outcome,
    /// Set exactly when the outcome is `missed`.
    pub missed_reason: Option<MissedReason>,
    /// Why slots between this one and now will not run.
    pub skipped_reason: MissedReason,
}

impl FinishedSlot {
    /// What its alert rules are told.
    fn executed(&self) -> Executed {
        Executed {
            script: self.script_id,
            id: self.execution_id,
            observation: Observation {
                is_recheck: self.is_recheck,
                ..Observation::of_outcome(self.scheduled_at, DEFAULT_LOCATION, &self.outcome)
            },
            evidence: evidence_of(self.execution_id, &self.outcome),
        }
    }
}

fn org_of(batch: &[FinishedSlot], script: ScriptId) -> OrgId {
    let mut slots = batch.iter();
    let slot = slots.find(|slot| slot.script_id == script);
    slot.map_or_else(|| OrgId::from_uuid(Uuid::nil()), |slot| slot.org_id)
}

/// What became of a finished slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordResult {
    /// Its row is there.
    Recorded,
    /// The slot has a row already, of another outcome; this one was not kept.
    Duplicate,
    /// The claim is no longer the current one: another node has the slot, or the script is gone.
    Refused,
}

#[derive(FromRow)]
struct LockedSlot {
    script_id: Uuid,
    scheduled_at: Option<DateTime<Utc>>,
    lease_token: i64,
    counts_from: Option<DateTime<Utc>>,
}

#[derive(FromRow)]
struct ScheduleRow {
    id: Uuid,
    is_enabled: bool,
    cron_expression: Option<String>,
    interval_seconds: Option<i64>,
    timezone: String,
}

impl Store {
    /// Records a batch in one transaction. A script stands in it at most once.
    ///
    /// # Errors
    /// Nothing is recorded then; the same batch can be recorded later.
    pub async fn record_executions(
        &self,
        batch: &[FinishedSlot],
        clock: &dyn Clock,
    ) -> Result<Vec<RecordResult>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        // A transaction of many statements is too large for the stack of whoever waits for it.
        Box::pin(self.record_batch(batch, clock)).await
    }

    async fn record_batch(
        &self,
        batch: &[FinishedSlot],
        clock: &dyn Clock,
    ) -> Result<Vec<RecordResult>, StoreError> {
        let now = clock.now();
        let lock = self.db.lock_slots();
        let results = in_tx!(self, D, tx => {
            let mut select = QueryBuilder::<D>::new(
                "SELECT script_id, scheduled_at, lease_token, counts_from FROM slots WHERE location = ",
            );
            select.push_bind(DEFAULT_LOCATION).push(" AND script_id IN (");
            let mut ids = select.separated(", ");
            for finished in batch {
                ids.push_bind(finished.script_id.as_uuid());
            }
            // In one order, so that two nodes never wait for each other.
            select.push(") ORDER BY script_id").push(lock);
            // The length of a batch makes the text: kept as prepared, each would be in the way.
            let slots: Vec<LockedSlot> =
                select.build_query_as().persistent(false).fetch_all(&mut *tx).await?;
            // Only once the slots are locked: PostgreSQL would read beside the lock what was there
            // before it had to wait, hence a schedule that has just been replaced.
            let mut select = QueryBuilder::<D>::new(
                "SELECT id, is_enabled, cron_expression, interval_seconds, timezone FROM scripts \
                 WHERE NOT is_deleted AND id IN (",
            );
            let mut ids = select.separated(", ");
            for finished in batch {
                ids.push_bind(finished.script_id.as_uuid());
            }
            select.push(")");
            let schedules: Vec<ScheduleRow> =
                select.build_query_as().persistent(false).fetch_all(&mut *tx).await?;
            let mut plan = Plan::make(batch, slots, schedules, now, clock);
            let mut inserted = HashSet::new();
            for rows in plan.executions.chunks(INSERT_ROWS) {
                let mut insert = QueryBuilder::<D>::new("");
                push_executions(&mut insert, rows);
                let ids: Vec<(Uuid,)> =
                    insert.build_query_as().persistent(false).fetch_all(&mut *tx).await?;
                inserted.extend(ids.into_iter().map(|(id,)| id));
            }
            let conflicts: Vec<_> = batch
                .iter()
                .zip(&mut plan.results)
                .filter(|(finished, result)| {
                    **result == RecordResult::Recorded
                        && !inserted.contains(&finished.execution_id.as_uuid())
                })
                .collect();
            if !conflicts.is_empty() {
                // A batch that comes again, because nobody heard that it was committed, meets its
                // own rows: they are recorded.
                let mut select =
                    QueryBuilder::<D>::new("SELECT id FROM script_executions WHERE id IN (");
                let mut ids = select.separated(", ");
                for (finished, _) in &conflicts {
                    ids.push_bind(finished.execution_id.as_uuid());
                }
                select.push(")");
                let own: Vec<(Uuid,)> =
                    select.build_query_as().persistent(false).fetch_all(&mut *tx).await?;
                let own: HashSet<_> = own.into_iter().collect();
                for (finished, result) in conflicts {
                    if !own.contains(&(finished.execution_id.as_uuid(),)) {
                        *result = RecordResult::Duplicate;
                    }
                }
            }
            let lines: Vec<_> = batch
                .iter()
                .filter(|finished| inserted.contains(&finished.execution_id.as_uuid()))
                .flat_map(|finished| {
                    let id = finished.execution_id.as_uuid();
                    (0_i64..).zip(&finished.outcome.logs).map(move |(number, line)| (id, number, line))
                })
                .collect();
            for lines in lines.chunks(INSERT_ROWS) {
                let mut insert = QueryBuilder::<D>::new("");
                push_logs(&mut insert, lines);
                insert.build().persistent(false).execute(&mut *tx).await?;
            }
            // One by one: they are large, and few.
            for finished in batch {
                if inserted.contains(&finished.execution_id.as_uuid()) {
                    keep_recording!(tx, finished.org_id, finished.execution_id, finished.outcome);
                }
            }
            let new = || batch.iter().filter(|new| inserted.contains(&new.execution_id.as_uuid()));
            add_usage!(D, tx, new().map(|new| (new.org_id, new.executed_at, &new.outcome)));
            let executed: Vec<Executed> = new().map(FinishedSlot::executed).collect();
            let org = |script| org_of(batch, script);
            let rechecks = judge_executions!(D, tx, org, executed, now, clock);
            plan.recheck(&rechecks, now);
            for moves in plan.moves.chunks(INSERT_ROWS) {
                let mut update = QueryBuilder::<D>::new("");
                push_moves(&mut update, moves, ", lease_owner = NULL, leased_until = NULL");
                update.build().persistent(false).execute(&mut *tx).await?;
            }
            plan.results
        });
        self.outbox.notify_one();
        Ok(results)
    }
}

/// What a batch comes to, given the slots as they are locked.
struct Plan<'a> {
    results: Vec<RecordResult>,
    executions: Vec<ExecutionColumns<'a>>,
    moves: Vec<Move>,
}

impl<'a> Plan<'a> {
    fn make(
        batch: &'a [FinishedSlot],
        slots: Vec<LockedSlot>,
        schedules: Vec<ScheduleRow>,
        now: DateTime<Utc>,
        clock: &dyn Clock,
    ) -> Self {
        let slots: HashMap<_, _> = slots.into_iter().map(|row| (row.script_id, row)).collect();
        let schedules: HashMap<_, _> = schedules.into_iter().map(|row| (row.id, row)).collect();
        let mut budget = MAX_MISSED_OF_BATCH;
        let mut plan = Self {
            results: Vec::new(),
            executions: Vec::new(),
            moves: Vec::new(),
        };
        for finished in batch {
            let script = finished.script_id.as_uuid();
            let slot = slots
                .get(&script)
                .filter(|slot| slot.lease_token == finished.lease_token);
            let (Some(slot), Some(schedule)) = (slot, schedules.get(&script)) else {
                plan.results.push(RecordResult::Refused);
                continue;
            };
            plan.results.push(RecordResult::Recorded);
            plan.executions.push(ExecutionColumns::scheduled(finished));
            // A batch that comes again: the slot has moved on, and may be on its way to a recheck.
            if slot.scheduled_at != Some(finished.scheduled_at) {
                continue;
            }
            let limit = MAX_MISSED.min(budget);
            let last = slot.counts_from.map_or(finished.scheduled_at, |from| {
                from.max(finished.scheduled_at)
            });
            let CatchUp { missed, next } = next_slots(schedule, last, now, limit);
            budget -= missed.len();
            // Pages are sorted by id, and ids of one millisecond come in any order.
            let mut ids: Vec<_> = missed
                .iter()
                .map(|_| ExecutionId::generate(clock))
                .collect();
            ids.sort_unstable();
            let rows = ids.into_iter().zip(missed);
            plan.executions
                .extend(rows.map(|(id, slot)| ExecutionColumns::skipped(finished, id, slot, now)));
            plan.moves.push(Move::by_schedule(script, last, next));
        }
        plan
    }

    /// Lets scripts run again soon whose rules ask for that.
    fn recheck(&mut self, scripts: &[ScriptId], now: DateTime<Utc>) {
        let wanted = |moved: &&mut Move| scripts.contains(&ScriptId::from_uuid(moved.script));
        for moved in self.moves.iter_mut().filter(wanted) {
            moved.recheck(now);
        }
    }
}

/// By the schedule as it is now: it may have been changed while the run was going on.
fn next_slots(
    script: &ScheduleRow,
    last: DateTime<Utc>,
    now: DateTime<Utc>,
    limit: usize,
) -> CatchUp {
    let nothing = CatchUp {
        missed: Vec::new(),
        next: None,
    };
    if !script.is_enabled {
        return nothing;
    }
    let cron = script.cron_expression.as_deref();
    match read_schedule(script.id, cron, script.interval_seconds, &script.timezone) {
        Ok(schedule) => catch_up(&schedule, last, now, limit),
        Err(error) => {
            tracing::error!(%error, "a script cannot be scheduled again");
            nothing
        }
    }
}

impl<'a> ExecutionColumns<'a> {
    fn scheduled(finished: &'a FinishedSlot) -> Self {
        Self::new(
            finished.execution_id,
            finished.org_id,
            finished.script_id,
            finished.version_id,
            Trigger::of_slot(finished.is_recheck),
            Some(finished.scheduled_at),
            finished.executed_at,
            Cow::Borrowed(&finished.outcome),
            finished.missed_reason,
        )
    }

    /// A slot after the finished one that will not run.
    fn skipped(
        finished: &FinishedSlot,
        id: ExecutionId,
        slot: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Self {
        let reason = finished.skipped_reason;
        Self::new(
            id,
            finished.org_id,
            finished.script_id,
            finished.version_id,
            Trigger::Schedule,
            Some(slot),
            now,
            Cow::Owned(Outcome::missed(reason.message())),
            Some(reason),
        )
    }
}
