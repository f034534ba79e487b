//! Alert rules: what executions and time do to them, and the incidents that come of it.

use chrono::TimeDelta;
use serde_json::{Value, json};
use vedette_core::{
    AlertRuleId, Clock as _, ErrorClass, ExecutionId, ManualClock, Outcome, Projects, ScriptId,
    Status,
    alert::{Severity, follow_up::FollowUp, rule::RuleDefinition, state::Phase},
};
use vedette_store::{
    AlertRule, AlertTransition, ChangedIncident, CreatedRule, FinishedSlot, HistoryFilter,
    Incident, IncidentAction, IncidentDetail, IncidentEventKind, IncidentFilter, IncidentStage,
    MAX_RULES, NewAlertRule, RuleContent, ScriptChange, Store, StoreError, Updated, UpdatedRule,
    both_databases,
};

use crate::{Owner, PAGE, at, change, claim_at, clock, finished, owner, script, start, success};

both_databases!(
    a_rule_is_kept_read_changed_and_deleted,
    a_script_has_so_many_rules,
    failures_in_a_row_are_an_incident_until_successes_in_a_row,
    what_says_nothing_about_the_target_does_not_count,
    a_batch_that_comes_again_counts_once,
    an_edited_rule_keeps_what_it_may,
    silence_is_noticed_by_time,
    silence_is_noticed_after_a_pause_and_by_another_schedule,
);

pub(crate) fn definition(value: &Value) -> RuleDefinition {
    RuleDefinition::read(value).expect("it is a rule")
}

pub(crate) fn down() -> RuleDefinition {
    definition(
        &json!({ "type": "status_change", "consecutive_failures": 3, "consecutive_successes": 2 }),
    )
}

pub(crate) fn content(name: &str, definition: RuleDefinition) -> RuleContent {
    RuleContent {
        name: name.to_owned(),
        definition,
        severity: Severity::Warning,
        is_enabled: true,
        follow_up: FollowUp::default(),
    }
}

fn new_rule(owner: &Owner, script: ScriptId, content: RuleContent) -> NewAlertRule {
    NewAlertRule {
        id: AlertRuleId::generate(&clock()),
        org_id: owner.org,
        script_id: script,
        content,
        created_by: owner.user,
        created_at: start(),
    }
}

pub(crate) async fn rule(
    store: &Store,
    owner: &Owner,
    script: ScriptId,
    content: RuleContent,
) -> AlertRule {
    let new = new_rule(owner, script, content);
    match store.create_alert_rule(new).await.unwrap() {
        CreatedRule::Done(rule) => rule,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn failure() -> Outcome {
    let mut outcome = success();
    outcome.status = Status::Failure;
    outcome.message = Some("expected 200, got 503".to_owned());
    outcome
}

pub(crate) fn error(class: ErrorClass) -> Outcome {
    Outcome::error(class, "no verdict")
}

/// One script of ten seconds and its runs.
pub(crate) struct Runs<'a> {
    store: &'a Store,
    owner: &'a Owner,
    pub(crate) script: ScriptId,
    pub(crate) clock: ManualClock,
}

impl<'a> Runs<'a> {
    pub(crate) async fn new(store: &'a Store, owner: &'a Owner) -> Self {
        let script = script(store, owner).await.id;
        let clock = clock();
        clock.advance(TimeDelta::seconds(5));
        Self {
            store,
            owner,
            script,
            clock,
        }
    }

    pub(crate) async fn finish(&self, outcome: Outcome) -> FinishedSlot {
        self.clock.advance(TimeDelta::seconds(10));
        let slots = self.store.claim_due(&claim_at(self.clock.now())).await;
        let slots = slots.unwrap();
        let slot = slots.iter().find(|slot| slot.script_id == self.script);
        FinishedSlot {
            // In the order of the slots.
            execution_id: ExecutionId::generate(&self.clock),
            ..finished(slot.expect("it is due"), outcome)
        }
    }

    /// The next slot ends so.
    pub(crate) async fn run(&self, outcome: Outcome) {
        let done = self.finish(outcome).await;
        self.store
            .record_executions(&[done], &self.clock)
            .await
            .unwrap();
    }

    pub(crate) async fn incidents(&self) -> Vec<Incident> {
        let filter = IncidentFilter::default();
        let page = self
            .store
            .list_incidents(self.owner.org, &Projects::All, filter, PAGE);
        page.await.unwrap().items
    }

    /// The one incident that there is, with its timeline.
    pub(crate) async fn incident(&self) -> IncidentDetail {
        let [incident] = self.incidents().await.try_into().expect("one incident");
        let detail = self.store.get_incident(self.owner.org, incident.id).await;
        let detail = detail.unwrap().expect("it is there");
        assert_eq!(detail.incident, incident);
        detail
    }

    pub(crate) async fn phase(&self, rule: &AlertRule) -> Option<Phase> {
        let read = self.store.get_alert_rule(self.owner.org, rule.id).await;
        read.unwrap().expect("it is there").phase
    }

    pub(crate) async fn transitions(&self) -> Vec<AlertTransition> {
        let filter = HistoryFilter::default();
        let page = self
            .store
            .list_alert_history(self.owner.org, &Projects::All, filter, PAGE);
        let mut entries = page.await.unwrap().items;
        entries.reverse();
        entries.iter().map(|entry| entry.transition).collect()
    }

    pub(crate) async fn change(&self, action: IncidentAction) -> ChangedIncident {
        self.clock.advance(TimeDelta::milliseconds(1));
        let id = self.incidents().await[0].id;
        let user = self.owner.user;
        let changed = self
            .store
            .change_incident(self.owner.org, id, &action, user, &self.clock);
        changed.await.unwrap()
    }
}

pub(crate) fn kinds(detail: &IncidentDetail) -> Vec<IncidentEventKind> {
    detail.events.iter().map(|event| event.kind).collect()
}

async fn a_rule_is_kept_read_changed_and_deleted(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let made = script(&store, &anna).await.id;
    let one = rule(&store, &anna, made, content("down", down())).await;
    assert_eq!(one.phase, Some(Phase::Ok));
    let read = store.get_alert_rule(anna.org, one.id).await.unwrap();
    assert_eq!(read.as_ref(), Some(&one));
    let listed = store.list_alert_rules(anna.org, made, PAGE).await.unwrap();
    assert_eq!(listed.items, std::slice::from_ref(&one));

    // Nothing of it is there for others.
    assert_eq!(store.get_alert_rule(bert.org, one.id).await.unwrap(), None);
    let listed = store.list_alert_rules(bert.org, made, PAGE).await.unwrap();
    assert_eq!(listed.items, []);
    let foreign = store.create_alert_rule(new_rule(&bert, made, content("mine", down())));
    assert!(matches!(foreign.await, Ok(CreatedRule::NoScript)));
    let change = content("theirs", down());
    let foreign = store.update_alert_rule(bert.org, one.id, change, start(), None);
    assert!(matches!(foreign.await, Ok(UpdatedRule::NotFound)));
    assert!(
        !store
            .delete_alert_rule(bert.org, one.id, start())
            .await
            .unwrap()
    );

    let again = store.create_alert_rule(new_rule(&anna, made, content("down", down())));
    assert!(matches!(
        again.await,
        Err(StoreError::Conflict { field: "name" })
    ));
    let change = RuleContent {
        severity: Severity::Critical,
        is_enabled: false,
        ..content(
            "renamed",
            definition(&json!({ "type": "error", "consecutive": 5 })),
        )
    };
    let later = start() + TimeDelta::seconds(9);
    let stale = store.update_alert_rule(anna.org, one.id, change.clone(), later, Some(7));
    assert!(matches!(stale.await, Ok(UpdatedRule::Stale)));
    let changed = store.update_alert_rule(anna.org, one.id, change.clone(), later, Some(1));
    let Ok(UpdatedRule::Done(changed)) = changed.await else {
        panic!("it is changed")
    };
    assert_eq!(
        (&changed.content, changed.phase, changed.revision),
        (&change, None, 2)
    );
    let read = store.get_alert_rule(anna.org, one.id).await.unwrap();
    assert_eq!(read, Some(changed));
    assert!(
        store
            .delete_alert_rule(anna.org, one.id, later)
            .await
            .unwrap()
    );
    assert!(
        !store
            .delete_alert_rule(anna.org, one.id, later)
            .await
            .unwrap()
    );
    assert_eq!(store.get_alert_rule(anna.org, one.id).await.unwrap(), None);
}

async fn a_script_has_so_many_rules(store: Store) {
    let anna = owner(&store, "anna").await;
    let made = script(&store, &anna).await.id;
    for number in 0..MAX_RULES {
        rule(&store, &anna, made, content(&number.to_string(), down())).await;
    }
    let one_more = store.create_alert_rule(new_rule(&anna, made, content("more", down())));
    assert!(matches!(one_more.await, Ok(CreatedRule::TooMany)));
}

async fn failures_in_a_row_are_an_incident_until_successes_in_a_row(store: Store) {
    let anna = owner(&store, "anna").await;
    let runs = Runs::new(&store, &anna).await;
    let down = rule(&store, &anna, runs.script, content("down", down())).await;
    for outcome in [
        success(),
        failure(),
        failure(),
        success(),
        failure(),
        failure(),
    ] {
        runs.run(outcome).await;
    }
    assert_eq!(runs.phase(&down).await, Some(Phase::Pending { count: 2 }));
    assert!(runs.incidents().await.is_empty());
    runs.run(failure()).await;
    assert_eq!(runs.phase(&down).await, Some(Phase::Firing));
    let detail = runs.incident().await;
    let incident = &detail.incident;
    assert_eq!(
        (incident.stage(), incident.severity),
        (IncidentStage::Open, Severity::Warning)
    );
    // The slot of the seventh run.
    assert_eq!(incident.opened_at, at("2026-11-24T12:01:10Z"));
    assert_eq!(
        kinds(&detail),
        [IncidentEventKind::Opened, IncidentEventKind::RuleFired]
    );

    // What somebody wants to know at three in the morning.
    let rows = store.list_executions(anna.org, runs.script, PAGE).await;
    let mut rows = rows.unwrap().items;
    rows.sort_by_key(|row| row.scheduled_at);
    let evidence = &incident.evidence;
    assert_eq!(evidence["message"], "expected 200, got 503");
    assert_eq!(evidence["execution_id"], json!(rows[6].id));
    assert_eq!(evidence["last_good_execution_id"], json!(rows[3].id));
    assert_eq!(evidence["first_bad_execution_id"], json!(rows[4].id));

    for outcome in [failure(), success(), failure(), success()] {
        runs.run(outcome).await;
        assert_eq!(runs.incident().await.incident.stage(), IncidentStage::Open);
    }
    runs.run(success()).await;
    let detail = runs.incident().await;
    assert_eq!(detail.incident.stage(), IncidentStage::Resolved);
    assert_eq!(detail.incident.resolution.as_deref(), Some("recovered"));
    assert_eq!(kinds(&detail).last(), Some(&IncidentEventKind::Resolved));
    assert_eq!(
        runs.transitions().await,
        [AlertTransition::Fired, AlertTransition::Recovered]
    );

    // The next one is another one.
    for _ in 0..3 {
        runs.run(failure()).await;
    }
    assert_eq!(runs.incidents().await.len(), 2);
}

async fn what_says_nothing_about_the_target_does_not_count(store: Store) {
    let anna = owner(&store, "anna").await;
    let runs = Runs::new(&store, &anna).await;
    let down = rule(&store, &anna, runs.script, content("down", down())).await;
    for outcome in [
        failure(),
        error(ErrorClass::PlatformError),
        failure(),
        error(ErrorClass::QuotaExceeded),
        error(ErrorClass::ScriptError),
    ] {
        runs.run(outcome).await;
    }
    // A slot that was missed in between, too.
    runs.clock.advance(TimeDelta::seconds(30));
    assert_eq!(runs.phase(&down).await, Some(Phase::Pending { count: 2 }));
    runs.run(failure()).await;
    assert_eq!(runs.phase(&down).await, Some(Phase::Firing));
    runs.run(error(ErrorClass::PlatformError)).await;
    runs.run(success()).await;
    runs.run(error(ErrorClass::PlatformError)).await;
    assert_eq!(runs.incident().await.incident.stage(), IncidentStage::Open);
    runs.run(success()).await;
    assert_eq!(
        runs.incident().await.incident.stage(),
        IncidentStage::Resolved
    );
}

async fn a_batch_that_comes_again_counts_once(store: Store) {
    let anna = owner(&store, "anna").await;
    let runs = Runs::new(&store, &anna).await;
    let down = rule(&store, &anna, runs.script, content("down", down())).await;
    let done = runs.finish(failure()).await;
    for _ in 0..3 {
        store
            .record_executions(std::slice::from_ref(&done), &runs.clock)
            .await
            .unwrap();
    }
    assert_eq!(runs.phase(&down).await, Some(Phase::Pending { count: 1 }));
}

async fn an_edited_rule_keeps_what_it_may(store: Store) {
    let anna = owner(&store, "anna").await;
    let runs = Runs::new(&store, &anna).await;
    let one = rule(&store, &anna, runs.script, content("down", down())).await;
    for _ in 0..3 {
        runs.run(failure()).await;
    }
    let eased = definition(
        &json!({ "type": "status_change", "consecutive_failures": 5, "consecutive_successes": 1 }),
    );
    let eased = store.update_alert_rule(
        anna.org,
        one.id,
        content("eased", eased),
        runs.clock.now(),
        None,
    );
    eased.await.unwrap();
    assert_eq!(runs.phase(&one).await, Some(Phase::Firing));
    assert_eq!(runs.incident().await.incident.stage(), IncidentStage::Open);
    runs.run(success()).await;
    assert_eq!(
        runs.incident().await.incident.resolution.as_deref(),
        Some("recovered")
    );
}

async fn silence_is_noticed_by_time(store: Store) {
    let anna = owner(&store, "anna").await;
    let runs = Runs::new(&store, &anna).await;
    let silent = definition(&json!({ "type": "no_data", "intervals": 3 }));
    let one = rule(&store, &anna, runs.script, content("silent", silent)).await;
    runs.run(success()).await;
    assert_eq!(
        store.tick_alerts(&runs.clock).await.unwrap(),
        0,
        "nothing is due"
    );
    // Three slots of ten seconds, and the time that a run may take.
    runs.clock.advance(TimeDelta::seconds(110));
    assert_eq!(store.tick_alerts(&runs.clock).await.unwrap(), 0);
    runs.clock.advance(TimeDelta::seconds(10));
    assert_eq!(store.tick_alerts(&runs.clock).await.unwrap(), 1);
    assert_eq!(
        store.tick_alerts(&runs.clock).await.unwrap(),
        0,
        "each thing once"
    );
    assert_eq!(runs.phase(&one).await, Some(Phase::Firing));
    let detail = runs.incident().await;
    assert_eq!(detail.incident.opened_at, runs.clock.now());
    runs.run(success()).await;
    assert_eq!(
        runs.incident().await.incident.resolution.as_deref(),
        Some("recovered")
    );
}

async fn silence_is_noticed_after_a_pause_and_by_another_schedule(store: Store) {
    let anna = owner(&store, "anna").await;
    let runs = Runs::new(&store, &anna).await;
    let silent = definition(&json!({ "type": "no_data", "intervals": 3 }));
    let one = rule(&store, &anna, runs.script, content("silent", silent)).await;
    let update = async |is_enabled, interval| {
        let change = ScriptChange {
            is_enabled,
            cron_expression: None,
            interval_seconds: Some(interval),
            ..change(&anna, runs.clock.now())
        };
        let updated = store
            .update_script(anna.org, runs.script, change, None)
            .await;
        assert!(matches!(updated, Ok(Updated::Done(_))), "{updated:?}");
    };
    let long = TimeDelta::hours(2);
    update(false, 10).await;
    runs.clock.advance(long);
    assert_eq!(
        store.tick_alerts(&runs.clock).await.unwrap(),
        0,
        "nobody looks"
    );
    // An hour, of which three are long; then ten seconds.
    update(true, 3_600).await;
    runs.clock.advance(long);
    assert_eq!(store.tick_alerts(&runs.clock).await.unwrap(), 0);
    update(true, 10).await;
    assert_eq!(runs.phase(&one).await, Some(Phase::Ok));
    runs.clock.advance(TimeDelta::minutes(3));
    assert_eq!(store.tick_alerts(&runs.clock).await.unwrap(), 1);
    assert_eq!(runs.phase(&one).await, Some(Phase::Firing));
}
