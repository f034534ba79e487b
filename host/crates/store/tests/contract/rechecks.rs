//! Rechecks: a run more that confirms a failure before it counts, and its slot, which ends in one row as all do.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use vedette_core::{
    Clock as _, ExecutionId, ManualClock, MissedReason, Outcome, ScriptId, Status,
    alert::state::Phase,
};
use vedette_store::{
    AlertRule, ClaimedSlot, ExecutionSummary, FinishedSlot, Incident, IncidentFilter, RecordResult,
    ScriptChange, Store, Trigger, Updated, both_databases,
};

use crate::{
    Owner, PAGE,
    alerts::{content, definition, failure, rule},
    at, change, claim_at, finished, new_script, owner, start, success,
};

both_databases!(
    a_success_forgets_the_failure,
    a_failure_that_is_confirmed_counts_once,
    other_rules_do_not_see_rechecks,
    nothing_is_rechecked_where_the_next_slot_comes_as_soon,
    nothing_is_rechecked_that_no_rule_asks_for,
    a_recheck_that_does_not_come_is_not_waited_for,
    a_recheck_that_never_ran_confirms,
    a_recheck_that_is_overdue_is_missed,
    a_recheck_goes_on_after_its_node_died,
    a_batch_that_comes_again_leaves_the_recheck,
    a_recheck_goes_with_the_schedule_that_it_stood_in,
    a_schedule_that_is_replaced_gives_a_due_recheck_its_row,
    an_edit_during_a_recheck_counts_at_its_end,
    a_disabled_script_is_not_rechecked,
    a_recheck_whose_rule_is_gone_is_harmless,
    the_past_of_a_dry_run_has_no_rechecks,
);

/// A script of every minute, and a rule that asks for rechecks.
pub(crate) struct Checked<'a> {
    pub(crate) store: &'a Store,
    pub(crate) owner: Owner,
    pub(crate) script: ScriptId,
    rule: AlertRule,
    pub(crate) clock: ManualClock,
}

pub(crate) fn every(cron: &str, owner: &Owner, now: DateTime<Utc>) -> ScriptChange {
    ScriptChange {
        cron_expression: Some(cron.to_owned()),
        ..change(owner, now)
    }
}

impl<'a> Checked<'a> {
    async fn new(store: &'a Store) -> Self {
        Self::with(store, "0 * * * * *", 1).await
    }

    async fn with(store: &'a Store, cron: &str, consecutive_failures: u32) -> Self {
        Self::of(store, "anna", cron, consecutive_failures).await
    }

    pub(crate) async fn of(
        store: &'a Store,
        owned_by: &str,
        cron: &str,
        consecutive_failures: u32,
    ) -> Self {
        let owner = owner(store, owned_by).await;
        let new = new_script(&owner, every(cron, &owner, start()));
        let script = store.create_script(new).await.unwrap().id;
        let asked = json!({ "type": "status_change", "consecutive_failures": consecutive_failures,
            "recheck": true });
        let rule = rule(store, &owner, script, content("down", definition(&asked))).await;
        let clock = ManualClock::at(start());
        Self {
            store,
            owner,
            script,
            rule,
            clock,
        }
    }

    fn go_to(&self, time: &str) {
        let ahead = at(time) - self.clock.now();
        assert!(ahead >= TimeDelta::zero());
        self.clock.advance(ahead);
    }

    async fn claim(&self) -> Option<ClaimedSlot> {
        let slots = self.store.claim_due(&claim_at(self.clock.now())).await;
        slots.unwrap().pop()
    }

    pub(crate) fn done(&self, slot: &ClaimedSlot, outcome: Outcome) -> FinishedSlot {
        FinishedSlot {
            execution_id: ExecutionId::generate(&self.clock),
            missed_reason: (outcome.status == Status::Missed).then_some(MissedReason::Overloaded),
            ..finished(slot, outcome)
        }
    }

    pub(crate) async fn record(&self, done: &FinishedSlot) -> RecordResult {
        let batch = std::slice::from_ref(done);
        let recorded = self.store.record_executions(batch, &self.clock).await;
        recorded.unwrap().remove(0)
    }

    /// What is due at a time ends so, two seconds later. Answers its slot.
    async fn run_at(&self, time: &str, outcome: Outcome) -> ClaimedSlot {
        self.go_to(time);
        let slot = self.claim().await.expect("it is due");
        self.clock.advance(TimeDelta::seconds(2));
        let recorded = self.record(&self.done(&slot, outcome)).await;
        assert_eq!(recorded, RecordResult::Recorded);
        slot
    }

    pub(crate) async fn next(&self) -> Option<DateTime<Utc>> {
        let script = self.store.get_script(self.owner.org, self.script).await;
        script.unwrap().expect("it is there").next_run_at
    }

    async fn phase(&self) -> Phase {
        let rule = self.store.get_alert_rule(self.owner.org, self.rule.id);
        let rule = rule.await.unwrap().expect("it is there");
        rule.phase.expect("it is enabled")
    }

    async fn incidents(&self) -> Vec<Incident> {
        let (org, all) = (self.owner.org, &vedette_core::Projects::All);
        let page = self
            .store
            .list_incidents(org, all, IncidentFilter::default(), PAGE);
        page.await.unwrap().items
    }

    pub(crate) async fn update(&self, change: ScriptChange) {
        let change = ScriptChange {
            changed_at: self.clock.now(),
            ..change
        };
        let updated = self
            .store
            .update_script(self.owner.org, self.script, change, None);
        assert!(matches!(updated.await, Ok(Updated::Done(_))));
    }

    /// All executions, in the order of their slots.
    async fn executions(&self) -> Vec<ExecutionSummary> {
        let mut page = PAGE;
        let mut rows = Vec::new();
        loop {
            let found = self
                .store
                .list_executions(self.owner.org, self.script, page);
            let found = found.await.unwrap();
            rows.extend(found.items);
            page.cursor = found.next_cursor;
            if page.cursor.is_none() {
                rows.sort_by_key(|row| row.scheduled_at);
                return rows;
            }
        }
    }

    /// What started each execution, and why it never ran.
    pub(crate) async fn rows(&self) -> Vec<(DateTime<Utc>, Trigger, Option<MissedReason>)> {
        let rows = self.executions().await;
        let rows = rows.iter();
        rows.map(|row| (row.scheduled_at.unwrap(), row.trigger, row.missed_reason))
            .collect()
    }
}

async fn a_success_forgets_the_failure(store: Store) {
    let checked = Checked::new(&store).await;
    let slot = checked.run_at("2026-11-24T12:01:00Z", failure()).await;
    assert!(!slot.is_recheck);
    let due = at("2026-11-24T12:01:07Z");
    assert_eq!(checked.next().await, Some(due), "5 s after the record");
    checked.go_to("2026-11-24T12:01:05Z");
    assert!(checked.claim().await.is_none());
    let recheck = checked.run_at("2026-11-24T12:01:07Z", success()).await;
    assert_eq!((recheck.scheduled_at, recheck.is_recheck), (due, true));
    assert!(recheck.after_failure);
    assert_eq!(checked.next().await, Some(at("2026-11-24T12:02:00Z")));
    assert_eq!(checked.phase().await, Phase::Ok);
    // The next failure is another one, and is rechecked too.
    let slot = checked.run_at("2026-11-24T12:02:00Z", failure()).await;
    assert!(!slot.is_recheck && !slot.after_failure);
    checked.run_at("2026-11-24T12:02:07Z", success()).await;
    checked.go_to("2026-11-24T12:30:00Z");
    store.tick_alerts(&checked.clock).await.unwrap();
    assert!(checked.incidents().await.is_empty());
    let row = |slot, trigger| (at(slot), trigger, None);
    assert_eq!(
        checked.rows().await,
        [
            row("2026-11-24T12:01:00Z", Trigger::Schedule),
            row("2026-11-24T12:01:07Z", Trigger::Recheck),
            row("2026-11-24T12:02:00Z", Trigger::Schedule),
            row("2026-11-24T12:02:07Z", Trigger::Recheck),
        ]
    );
}

async fn a_failure_that_is_confirmed_counts_once(store: Store) {
    let checked = Checked::with(&store, "0 * * * * *", 2).await;
    checked.run_at("2026-11-24T12:01:00Z", failure()).await;
    checked.run_at("2026-11-24T12:01:07Z", failure()).await;
    assert_eq!(checked.phase().await, Phase::Pending { count: 1 });
    assert_eq!(checked.next().await, Some(at("2026-11-24T12:02:00Z")));
    // What is confirmed is not asked again.
    checked.run_at("2026-11-24T12:02:00Z", failure()).await;
    assert_eq!(checked.next().await, Some(at("2026-11-24T12:03:00Z")));
    assert_eq!(checked.phase().await, Phase::Firing);
    assert_eq!(checked.incidents().await.len(), 1);
}

async fn other_rules_do_not_see_rechecks(store: Store) {
    let checked = Checked::new(&store).await;
    let other = json!({ "type": "status_change", "consecutive_failures": 2 });
    let other = content("other", definition(&other));
    let other = rule(&store, &checked.owner, checked.script, other).await;
    checked.run_at("2026-11-24T12:01:00Z", failure()).await;
    checked.run_at("2026-11-24T12:01:07Z", failure()).await;
    assert_eq!(checked.phase().await, Phase::Firing);
    let [incident] = checked.incidents().await.try_into().expect("one incident");
    assert_eq!(incident.opened_at, at("2026-11-24T12:01:07Z"));
    let other = store.get_alert_rule(checked.owner.org, other.id).await;
    let phase = other.unwrap().expect("it is there").phase;
    assert_eq!(phase, Some(Phase::Pending { count: 1 }));
}

async fn nothing_is_rechecked_where_the_next_slot_comes_as_soon(store: Store) {
    let checked = Checked::with(&store, "*/7 * * * * *", 1).await;
    checked.go_to("2026-11-24T12:00:07Z");
    let slot = checked.claim().await.expect("it is due");
    checked.go_to("2026-11-24T12:00:09Z");
    checked.record(&checked.done(&slot, failure())).await;
    assert_eq!(checked.next().await, Some(at("2026-11-24T12:00:14Z")));
    let slot = checked.run_at("2026-11-24T12:00:14Z", failure()).await;
    assert!(!slot.is_recheck);
    assert_eq!(checked.phase().await, Phase::Firing, "it confirms as well");
}

async fn nothing_is_rechecked_that_no_rule_asks_for(store: Store) {
    let checked = Checked::new(&store).await;
    checked.run_at("2026-11-24T12:01:00Z", success()).await;
    assert_eq!(checked.next().await, Some(at("2026-11-24T12:02:00Z")));
    let plain = json!({ "type": "status_change", "consecutive_failures": 1 });
    let plain = content("plain", definition(&plain));
    let (org, rule, now) = (checked.owner.org, checked.rule.id, checked.clock.now());
    store
        .update_alert_rule(org, rule, plain, now, None)
        .await
        .unwrap();
    checked.run_at("2026-11-24T12:02:00Z", failure()).await;
    assert_eq!(checked.next().await, Some(at("2026-11-24T12:03:00Z")));
    assert_eq!(checked.phase().await, Phase::Firing);
}

async fn a_recheck_that_does_not_come_is_not_waited_for(store: Store) {
    let checked = Checked::with(&store, "0 0 * * * *", 1).await;
    checked.run_at("2026-11-24T13:00:00Z", failure()).await;
    checked.go_to("2026-11-24T13:02:59Z");
    assert_eq!(store.tick_alerts(&checked.clock).await.unwrap(), 0);
    assert_eq!(checked.phase().await, Phase::Ok);
    checked.go_to("2026-11-24T13:03:00Z");
    assert_eq!(store.tick_alerts(&checked.clock).await.unwrap(), 1);
    assert_eq!(checked.phase().await, Phase::Firing);
    // It still has its row, and what it says counts no more.
    let late = checked.run_at("2026-11-24T13:04:00Z", success()).await;
    assert_eq!(late.scheduled_at, at("2026-11-24T13:00:07Z"));
    assert_eq!(checked.phase().await, Phase::Firing);
    assert_eq!(checked.next().await, Some(at("2026-11-24T14:00:00Z")));
    assert_eq!(checked.rows().await.len(), 2);
    assert_eq!(checked.incidents().await.len(), 1);
}

async fn a_recheck_that_never_ran_confirms(store: Store) {
    let checked = Checked::new(&store).await;
    checked.run_at("2026-11-24T12:01:00Z", failure()).await;
    checked
        .run_at("2026-11-24T12:01:07Z", Outcome::missed("no place"))
        .await;
    assert_eq!(checked.phase().await, Phase::Firing);
    let missed = Some(MissedReason::Overloaded);
    let recheck = (at("2026-11-24T12:01:07Z"), Trigger::Recheck, missed);
    assert_eq!(checked.rows().await[1], recheck);
}

async fn a_recheck_that_is_overdue_is_missed(store: Store) {
    let checked = Checked::new(&store).await;
    checked.run_at("2026-11-24T12:01:00Z", failure()).await;
    let slot = checked.run_at("2026-11-24T12:03:30Z", success()).await;
    assert_eq!(slot.scheduled_at, at("2026-11-24T12:03:00Z"));
    assert_eq!((slot.is_recheck, slot.missed_before), (false, 2));
    let missed = |slot, trigger| (at(slot), trigger, Some(MissedReason::Overloaded));
    assert_eq!(
        checked.rows().await,
        [
            (at("2026-11-24T12:01:00Z"), Trigger::Schedule, None),
            missed("2026-11-24T12:01:07Z", Trigger::Recheck),
            missed("2026-11-24T12:02:00Z", Trigger::Schedule),
            (at("2026-11-24T12:03:00Z"), Trigger::Schedule, None),
        ]
    );
    assert_eq!(checked.next().await, Some(at("2026-11-24T12:04:00Z")));
    // The slot that ran instead has answered.
    assert_eq!(checked.phase().await, Phase::Ok);
}

async fn a_recheck_goes_on_after_its_node_died(store: Store) {
    let checked = Checked::with(&store, "0 0 * * * *", 1).await;
    checked.run_at("2026-11-24T13:00:00Z", failure()).await;
    checked.go_to("2026-11-24T13:00:07Z");
    let lost = checked.claim().await.expect("it is due");
    let again = checked.run_at("2026-11-24T13:01:20Z", success()).await;
    assert_eq!(again.scheduled_at, lost.scheduled_at);
    assert_eq!((again.is_recheck, again.was_held), (true, true));
    let late = checked.record(&checked.done(&lost, failure())).await;
    assert_eq!(late, RecordResult::Refused);
    assert_eq!(checked.phase().await, Phase::Ok);
    assert_eq!(checked.rows().await.len(), 2);
}

async fn a_batch_that_comes_again_leaves_the_recheck(store: Store) {
    let checked = Checked::new(&store).await;
    checked.go_to("2026-11-24T12:01:00Z");
    let slot = checked.claim().await.expect("it is due");
    let done = checked.done(&slot, failure());
    for _ in 0..3 {
        assert_eq!(checked.record(&done).await, RecordResult::Recorded);
        assert_eq!(checked.next().await, Some(at("2026-11-24T12:01:05Z")));
    }
    let recheck = checked.run_at("2026-11-24T12:01:05Z", failure()).await;
    assert!(recheck.is_recheck);
    assert_eq!(checked.rows().await.len(), 2);
}

async fn a_recheck_goes_with_the_schedule_that_it_stood_in(store: Store) {
    let checked = Checked::new(&store).await;
    checked.run_at("2026-11-24T12:01:00Z", failure()).await;
    // It is not due yet.
    let edit = every("30 * * * * *", &checked.owner, checked.clock.now());
    checked.update(edit).await;
    assert_eq!(checked.next().await, Some(at("2026-11-24T12:01:30Z")));
    let slot = checked.run_at("2026-11-24T12:01:30Z", failure()).await;
    assert!(!slot.is_recheck);
    let triggers: Vec<_> = checked.rows().await.iter().map(|row| row.1).collect();
    assert_eq!(triggers, [Trigger::Schedule; 2]);
    assert_eq!(checked.phase().await, Phase::Firing, "this one confirms");
}

async fn a_schedule_that_is_replaced_gives_a_due_recheck_its_row(store: Store) {
    let checked = Checked::new(&store).await;
    checked.run_at("2026-11-24T12:01:00Z", failure()).await;
    checked.go_to("2026-11-24T12:02:10Z");
    let edit = every("30 * * * * *", &checked.owner, checked.clock.now());
    checked.update(edit).await;
    let changed = |slot, trigger| (at(slot), trigger, Some(MissedReason::Changed));
    assert_eq!(
        checked.rows().await[1..],
        [
            changed("2026-11-24T12:01:07Z", Trigger::Recheck),
            changed("2026-11-24T12:02:00Z", Trigger::Schedule),
        ]
    );
    let slot = checked.run_at("2026-11-24T12:02:30Z", success()).await;
    assert!(!slot.is_recheck);
    assert_eq!(checked.phase().await, Phase::Ok);
}

async fn an_edit_during_a_recheck_counts_at_its_end(store: Store) {
    let checked = Checked::new(&store).await;
    checked.run_at("2026-11-24T12:01:00Z", failure()).await;
    checked.go_to("2026-11-24T12:01:07Z");
    let recheck = checked.claim().await.expect("it is due");
    checked.go_to("2026-11-24T12:02:03Z");
    let edit = every("30 * * * * *", &checked.owner, checked.clock.now());
    checked.update(edit).await;
    let recorded = checked.record(&checked.done(&recheck, failure())).await;
    assert_eq!(recorded, RecordResult::Recorded);
    assert_eq!(checked.next().await, Some(at("2026-11-24T12:02:30Z")));
    let overlap = Some(MissedReason::Overlap);
    assert_eq!(
        checked.rows().await[1..],
        [
            (at("2026-11-24T12:01:07Z"), Trigger::Recheck, None),
            (at("2026-11-24T12:02:00Z"), Trigger::Schedule, overlap),
        ]
    );
    assert_eq!(checked.phase().await, Phase::Firing);
}

async fn a_disabled_script_is_not_rechecked(store: Store) {
    let checked = Checked::new(&store).await;
    let every_minute = || every("0 * * * * *", &checked.owner, checked.clock.now());
    let disabled = || ScriptChange {
        is_enabled: false,
        ..every_minute()
    };
    // While the recheck waits.
    checked.run_at("2026-11-24T12:01:00Z", failure()).await;
    checked.update(disabled()).await;
    assert_eq!(checked.next().await, None);
    checked.go_to("2026-11-24T12:02:10Z");
    assert!(checked.claim().await.is_none());
    checked.update(every_minute()).await;
    // While the run goes on that will fail.
    checked.go_to("2026-11-24T12:03:00Z");
    let slot = checked.claim().await.expect("it is due");
    assert!(!slot.is_recheck);
    checked.update(disabled()).await;
    checked.record(&checked.done(&slot, failure())).await;
    assert_eq!(checked.next().await, None);
    checked.go_to("2026-11-24T12:10:00Z");
    assert!(checked.claim().await.is_none());
    let triggers: Vec<_> = checked.rows().await.iter().map(|row| row.1).collect();
    assert_eq!(triggers, [Trigger::Schedule; 2]);
}

async fn a_recheck_whose_rule_is_gone_is_harmless(store: Store) {
    let checked = Checked::new(&store).await;
    checked.run_at("2026-11-24T12:01:00Z", failure()).await;
    let (org, rule, now) = (checked.owner.org, checked.rule.id, checked.clock.now());
    assert!(store.delete_alert_rule(org, rule, now).await.unwrap());
    let recheck = checked.run_at("2026-11-24T12:01:07Z", failure()).await;
    assert!(recheck.is_recheck);
    assert_eq!(checked.next().await, Some(at("2026-11-24T12:02:00Z")));
    assert!(checked.incidents().await.is_empty());
}

async fn the_past_of_a_dry_run_has_no_rechecks(store: Store) {
    let checked = Checked::new(&store).await;
    checked.run_at("2026-11-24T12:01:00Z", failure()).await;
    checked.run_at("2026-11-24T12:01:07Z", success()).await;
    checked.run_at("2026-11-24T12:02:00Z", success()).await;
    let (org, time) = (checked.owner.org, start()..checked.clock.now());
    let past = store
        .past_observations(org, checked.script, time, 100)
        .await;
    let seen = past.unwrap().observations;
    let slots: Vec<_> = seen.iter().map(|one| one.at).collect();
    assert_eq!(
        slots,
        ["2026-11-24T12:02:00Z", "2026-11-24T12:01:00Z"].map(at)
    );
}
