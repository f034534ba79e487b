//! A claimed slot on its way to a run, and what is to become of it. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};
use vedette_core::{ErrorClass, ExecutionId, MissedReason, OrgId, Outcome, Quota, ScriptVersionId};
use vedette_store::{ClaimedSlot, FinishedSlot, SlotLease};

use crate::{config::to_delta, runner::RunRequest};

#[cfg(test)]
mod tests;

/// A slot that this node holds the lease of.
#[derive(Debug)]
pub(crate) struct HeldSlot {
    claimed: ClaimedSlot,
    /// When the script is due again. Computed at the claim, because at the firing every
    /// microsecond counts a thousand times.
    due_again: Option<DateTime<Utc>>,
    /// After this time the run might outlive the lease.
    start_until: DateTime<Utc>,
    /// Why it will not have run, if it comes to that.
    late_reason: MissedReason,
}

/// What is to become of a slot whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It runs.
    Run,
    /// It never ran and never will: a later slot of the same script is due already.
    Missed(MissedReason),
    /// It does not run, because its organization has used up a quota of the day.
    Refused(Quota),
    /// It is given back, for this or another node to claim anew.
    HandBack,
}

impl HeldSlot {
    /// Takes up a claim that lasts until `leased_until`; `late_reason` is for the case that it
    /// does not run in time.
    pub(crate) fn new(
        claimed: ClaimedSlot,
        leased_until: DateTime<Utc>,
        run_grace: Duration,
        late_reason: MissedReason,
    ) -> Self {
        let longest = timeout_of(&claimed).saturating_add(run_grace);
        Self {
            due_again: claimed.schedule.next_after(claimed.scheduled_at),
            start_until: leased_until
                .checked_sub_signed(to_delta(longest))
                .unwrap_or(leased_until),
            claimed,
            late_reason,
        }
    }

    pub(crate) const fn scheduled_at(&self) -> DateTime<Utc> {
        self.claimed.scheduled_at
    }

    pub(crate) const fn org_id(&self) -> OrgId {
        self.claimed.org_id
    }

    pub(crate) const fn lease(&self) -> SlotLease {
        SlotLease {
            script_id: self.claimed.script_id,
            org_id: self.claimed.org_id,
            lease_token: self.claimed.lease_token,
        }
    }

    /// What is to become of it at `now`.
    pub(crate) fn fate(&self, now: DateTime<Utc>) -> Fate {
        if self.due_again.is_some_and(|later| later <= now) {
            Fate::Missed(self.late_reason)
        } else if now > self.start_until {
            Fate::HandBack
        } else {
            Fate::Run
        }
    }

    /// Whether its run can be given what it needs.
    pub(crate) const fn can_run(&self) -> bool {
        self.claimed.env_vars.is_some()
    }

    /// Splits into the inputs of its run and what is needed to record it.
    pub(crate) fn into_run(self, execution_id: ExecutionId) -> (RunRequest, RunningSlot) {
        let running = RunningSlot {
            execution_id,
            org_id: self.claimed.org_id,
            version_id: self.claimed.version_id,
            script_name: self.claimed.script_name.clone(),
            lease: self.lease(),
            scheduled_at: self.claimed.scheduled_at,
            is_recheck: self.claimed.is_recheck,
            due_again: self.due_again,
        };
        let request = RunRequest {
            timeout: timeout_of(&self.claimed),
            execution_id,
            org_id: self.claimed.org_id,
            script_id: self.claimed.script_id,
            version_id: self.claimed.version_id,
            script_name: self.claimed.script_name,
            parameters: self.claimed.parameters,
            env_vars: self.claimed.env_vars.unwrap_or_default(),
            after_failure: self.claimed.after_failure,
        };
        (request, running)
    }

    /// The record of a slot that never ran, given up at `now`.
    pub(crate) fn into_missed(
        self,
        execution_id: ExecutionId,
        now: DateTime<Utc>,
        reason: MissedReason,
    ) -> Finished {
        let outcome = Outcome::missed(reason.message());
        self.without_run(execution_id, now, outcome, Some(reason))
    }

    /// The record of a slot that must not run.
    pub(crate) fn into_refused(
        self,
        execution_id: ExecutionId,
        now: DateTime<Utc>,
        quota: Quota,
    ) -> Finished {
        let message = format!(
            "the organization has used up its quota `{}`, so that nothing runs until midnight (UTC); this \
             says nothing about the target",
            quota.as_str()
        );
        let outcome = Outcome::error(ErrorClass::QuotaExceeded, message);
        self.without_run(execution_id, now, outcome, None)
    }

    fn without_run(
        self,
        execution_id: ExecutionId,
        now: DateTime<Utc>,
        outcome: Outcome,
        missed_reason: Option<MissedReason>,
    ) -> Finished {
        let due_again = self.due_again;
        let script_name = self.claimed.script_name;
        let slot = FinishedSlot {
            execution_id,
            script_id: self.claimed.script_id,
            org_id: self.claimed.org_id,
            version_id: self.claimed.version_id,
            scheduled_at: self.claimed.scheduled_at,
            is_recheck: self.claimed.is_recheck,
            lease_token: self.claimed.lease_token,
            executed_at: now,
            outcome,
            missed_reason,
            skipped_reason: missed_reason.unwrap_or(self.late_reason),
        };
        Finished {
            slot,
            script_name,
            due_again,
        }
    }
}

/// A slot whose run has begun.
#[derive(Debug)]
pub(crate) struct RunningSlot {
    execution_id: ExecutionId,
    org_id: OrgId,
    version_id: ScriptVersionId,
    script_name: String,
    lease: SlotLease,
    scheduled_at: DateTime<Utc>,
    is_recheck: bool,
    due_again: Option<DateTime<Utc>>,
}

/// A slot that came to its end, on its way to the database.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) slot: FinishedSlot,
    /// For those who watch.
    pub(crate) script_name: String,
    /// When the script is due again.
    pub(crate) due_again: Option<DateTime<Utc>>,
}

impl RunningSlot {
    pub(crate) const fn lease(&self) -> SlotLease {
        self.lease
    }

    /// The record of a run that began at `executed_at` and ended at `ended_at`.
    ///
    /// Slots that came due while it ran are an overlap. Others that cannot run any more once
    /// this is recorded fell to a lack of capacity.
    pub(crate) fn into_finished(
        self,
        executed_at: DateTime<Utc>,
        ended_at: DateTime<Utc>,
        outcome: Outcome,
    ) -> Finished {
        let overlapped = self.due_again.is_some_and(|later| later <= ended_at);
        let slot = FinishedSlot {
            execution_id: self.execution_id,
            script_id: self.lease.script_id,
            org_id: self.org_id,
            version_id: self.version_id,
            scheduled_at: self.scheduled_at,
            is_recheck: self.is_recheck,
            lease_token: self.lease.lease_token,
            executed_at,
            outcome,
            missed_reason: None,
            skipped_reason: if overlapped {
                MissedReason::Overlap
            } else {
                MissedReason::Overloaded
            },
        };
        Finished {
            slot,
            script_name: self.script_name,
            due_again: self.due_again,
        }
    }
}

fn timeout_of(claimed: &ClaimedSlot) -> Duration {
    Duration::from_secs(claimed.timeout_seconds.into())
}
