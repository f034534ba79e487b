//! Writes outcomes in batches, and keeps each until the database has it.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, atomic::Ordering},
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use vedette_core::{ErrorClass, MissedReason, Outcome, ScriptId, Status};
use vedette_store::{FinishedSlot, RecordResult, StoreError, Trigger};

use crate::{
    config::to_delta,
    held::Finished,
    measures,
    runner::FinishedRun,
    shared::{Alarm, Backoff, Shared, in_time},
};

/// Tries for an outcome that the database refuses for a reason that should not pass, before it
/// is replaced by one that says so.
const REFUSED_TRIES: u32 = 3;

pub(crate) struct Recorder {
    shared: Arc<Shared>,
    outcomes: mpsc::Receiver<Finished>,
    /// Came for a script that the batch of then had already.
    put_off: VecDeque<Finished>,
}

impl Recorder {
    pub(crate) const fn new(shared: Arc<Shared>, outcomes: mpsc::Receiver<Finished>) -> Self {
        Self {
            shared,
            outcomes,
            put_off: VecDeque::new(),
        }
    }

    /// Writes until told to flush, and then what is left.
    pub(crate) async fn run(mut self) {
        let _alarm = Alarm {
            name: "record",
            broken: self.shared.broken.clone(),
        };
        while let Some(batch) = self.gather().await {
            let Batch {
                slots,
                names,
                due_again,
            } = batch;
            self.write(slots, &names).await;
            self.claim_soon(due_again);
        }
    }

    /// The next batch: what comes within one interval after the first. `None` at the end.
    async fn gather(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        for finished in std::mem::take(&mut self.put_off) {
            self.put_off.extend(batch.add(finished));
        }
        let most = self.shared.config.record_batch;
        let mut until = Instant::now() + self.shared.config.record_interval;
        while batch.slots.len() < most {
            let finished = tokio::select! {
                biased;
                finished = self.outcomes.recv() => finished,
                () = self.shared.flush.cancelled() => self.outcomes.try_recv().ok(),
                () = sleep_until(until), if !batch.slots.is_empty() => None,
            };
            let Some(finished) = finished else { break };
            if batch.slots.is_empty() {
                until = Instant::now() + self.shared.config.record_interval;
            }
            self.put_off.extend(batch.add(finished));
        }
        (!batch.slots.is_empty()).then_some(batch)
    }

    /// Writes a batch, whatever it takes: again while the database is away, and one by one when
    /// it refuses the whole.
    async fn write(&self, slots: Vec<FinishedSlot>, names: &Names) {
        let Err((slots, error)) = self.try_write(slots, names).await else {
            return;
        };
        if slots.len() > 1 {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a batch was refused; its outcomes are recorded one by one"
            );
        }
        for slot in slots {
            self.write_one(slot, names).await;
        }
    }

    async fn write_one(&self, slot: FinishedSlot, names: &Names) {
        let script = slot.script_id;
        let mut pause = Backoff::new();
        let mut slots = vec![slot];
        for _ in 0..REFUSED_TRIES {
            match self.try_write(slots, names).await {
                Ok(()) => return,
                Err((refused, error)) => {
                    tracing::error!(
                        script.id = %script,
                        error = &error as &dyn std::error::Error,
                        "an outcome was refused by the database"
                    );
                    slots = refused;
                }
            }
            pause.wait().await;
        }
        // Without a row the slot would run and be refused again and again.
        slots.iter_mut().for_each(say_less);
        if let Err((_, error)) = self.try_write(slots, names).await {
            tracing::error!(
                script.id = %script,
                error = &error as &dyn std::error::Error,
                "an outcome is lost; its slot runs again when its lease is over"
            );
        }
    }

    /// Writes in one transaction, again and again while the database is away. Gives the slots
    /// back with an error that will not pass.
    async fn try_write(
        &self,
        mut slots: Vec<FinishedSlot>,
        names: &Names,
    ) -> Result<(), (Vec<FinishedSlot>, StoreError)> {
        let shared = &self.shared;
        let mut pause = Backoff::new();
        loop {
            match in_time(shared.store.record_executions(&slots, &*shared.clock)).await {
                Ok(results) => {
                    shared.store_is_away.store(false, Ordering::Release);
                    self.announce(slots, names, &results);
                    return Ok(());
                }
                Err(error) if error.is_retryable() => {
                    if !shared.store_is_away.swap(true, Ordering::AcqRel) {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "outcomes wait for the database"
                        );
                    }
                    slots.iter_mut().for_each(blame_the_database);
                    pause.wait().await;
                }
                Err(error) => {
                    // It answered.
                    shared.store_is_away.store(false, Ordering::Release);
                    return Err((slots, error));
                }
            }
        }
    }

    fn announce(&self, slots: Vec<FinishedSlot>, names: &Names, results: &[RecordResult]) {
        for (slot, result) in slots.into_iter().zip(results) {
            match result {
                RecordResult::Recorded => {
                    measures::execution(
                        Trigger::of_slot(slot.is_recheck),
                        Some(slot.scheduled_at),
                        slot.executed_at,
                        &slot.outcome,
                    );
                    let name = names.get(&slot.script_id).cloned().unwrap_or_default();
                    // Nobody may be watching, which is fine.
                    drop(self.shared.news.send(to_news(slot, name)));
                }
                RecordResult::Duplicate => tracing::warn!(
                    script.id = %slot.script_id,
                    scheduled_at = %slot.scheduled_at,
                    "an outcome was not kept: its slot has another already"
                ),
                RecordResult::Refused => tracing::warn!(
                    script.id = %slot.script_id,
                    "an outcome came too late: the script is gone, or another node has its slot"
                ),
            }
        }
    }

    /// A script that is due again before the next tick would come late without this.
    fn claim_soon(&self, due_again: Option<DateTime<Utc>>) {
        let ahead = self.shared.clock.now() + to_delta(self.shared.config.look_ahead);
        if due_again.is_some_and(|due_again| due_again <= ahead) {
            self.shared.claim_now.notify_one();
        }
    }
}

type Names = HashMap<ScriptId, String>;

/// Outcomes for one transaction, at most one of each script.
#[derive(Default)]
struct Batch {
    slots: Vec<FinishedSlot>,
    names: Names,
    /// The first time that one of the scripts is due again.
    due_again: Option<DateTime<Utc>>,
}

impl Batch {
    /// Adds an outcome; gives it back when the batch has one of this script. That happens when a
    /// lease lapsed while the database was away and the slot ran again.
    fn add(&mut self, finished: Finished) -> Option<Finished> {
        let Entry::Vacant(name) = self.names.entry(finished.slot.script_id) else {
            return Some(finished);
        };
        name.insert(finished.script_name);
        self.due_again = self.due_again.into_iter().chain(finished.due_again).min();
        self.slots.push(finished.slot);
        None
    }
}

/// Slots that pass while an outcome waits for the database did not lack a place.
fn blame_the_database(slot: &mut FinishedSlot) {
    if slot.skipped_reason == MissedReason::Overloaded {
        slot.skipped_reason = MissedReason::Downtime;
    }
}

/// Replaces an outcome that cannot be stored by one that says so.
fn say_less(slot: &mut FinishedSlot) {
    if slot.outcome.status != Status::Missed {
        let duration_ms = slot.outcome.duration_ms;
        slot.outcome = Outcome::error(
            ErrorClass::PlatformError,
            "the outcome of the run could not be stored",
        );
        slot.outcome.duration_ms = if duration_ms.is_finite() {
            duration_ms
        } else {
            0.0
        };
    }
}

fn to_news(mut slot: FinishedSlot, script_name: String) -> FinishedRun {
    // It is in the database now; nobody who watches needs a copy.
    slot.outcome.recording = None;
    FinishedRun {
        execution_id: slot.execution_id,
        org_id: slot.org_id,
        script_id: slot.script_id,
        script_name,
        version_id: slot.version_id,
        scheduled_at: Some(slot.scheduled_at),
        executed_at: slot.executed_at,
        outcome: slot.outcome,
    }
}
