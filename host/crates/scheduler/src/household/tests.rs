//! Tests of the works of the household on real databases. When they come is the library's
//! matter; that it accepts their times and ends is tested too.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use serde_json::{Map, json};
use tokio::time::timeout;
use vedette_core::{
    AlertRuleId, Clock, ExecutionId, ManualClock, MissedReason, OrgId, Outcome, Program, ProjectId,
    ScriptId, ScriptVersionId, SessionId, SourceLanguage, Status, SystemClock, UserId,
    alert::{Severity, follow_up::FollowUp, rule::RuleDefinition},
};
use vedette_store::{
    ClaimRequest, FinishedSlot, ManualExecution, NewAlertRule, NewScript, NewSession, NewUser,
    PageRequest, RuleContent, ScriptChange, Store, both_databases,
};

use super::*;
use crate::{
    config::SchedulerConfig,
    runner::{RunRequest, Runner},
    self_health::{References, SelfHealth},
};

both_databases!(
    old_executions_are_deleted_batch_by_batch,
    without_a_retention_nothing_is_deleted,
    interrupted_executions_do_not_stay_running,
    a_deleted_script_goes_with_its_last_execution,
    sessions_that_are_over_are_deleted,
    organizations_that_are_over_are_deleted,
    silence_says_nothing_without_a_network,
    the_household_starts_and_ends,
);

struct Nobody;

#[async_trait]
impl Runner for Nobody {
    async fn run(&self, _: RunRequest) -> Outcome {
        Outcome::missed("nothing runs here")
    }
}

struct House {
    shared: Arc<Shared>,
    clock: Arc<ManualClock>,
    user: UserId,
    org: OrgId,
    script: ScriptId,
    version: ScriptVersionId,
}

impl House {
    /// With a script of every second, made on a day long ago that is still today here.
    async fn new(store: Store, retention: Option<Duration>) -> Self {
        let config = SchedulerConfig {
            retention,
            ..SchedulerConfig::default()
        };
        Self::with(store, config).await
    }

    async fn with(store: Store, config: SchedulerConfig) -> Self {
        let long_ago = DateTime::from_timestamp(1_700_000_000, 0).expect("in range");
        let clock = Arc::new(ManualClock::at(long_ago));
        let user = NewUser {
            id: UserId::generate(&*clock),
            org_id: OrgId::generate(&*clock),
            project_id: ProjectId::generate(&*clock),
            username: "ada".to_owned(),
            email: "ada@example.com".to_owned(),
            password_hash: "$argon2id$".to_owned(),
            invitation: None,
            created_at: clock.now(),
            allow_later: false,
        };
        let (owner, org, project) = (user.id, user.org_id, user.project_id);
        store.register_user(user).await.unwrap();
        let content = ScriptChange {
            project_id: project,
            name: "check".to_owned(),
            template_id: None,
            parent_id: None,
            tags: Vec::new(),
            is_enabled: true,
            cron_expression: None,
            interval_seconds: Some(1),
            timezone: "UTC".to_owned(),
            program: Program::Source {
                text: "export default () => ({ success: true })".to_owned(),
                language: SourceLanguage::JavaScript,
            },
            parameters: Map::new(),
            env_vars: BTreeMap::new(),
            timeout_seconds: 30,
            version_id: ScriptVersionId::generate(&*clock),
            changed_by: owner,
            changed_at: clock.now(),
        };
        let id = ScriptId::generate(&*clock);
        let new = NewScript {
            id,
            org_id: org,
            has_default_rules: true,
            content,
        };
        let script = store.create_script(new).await.unwrap();
        let (shared, _) = Shared::new(store, Arc::new(Nobody), clock.clone(), config);
        Self {
            shared,
            clock,
            user: owner,
            org,
            script: script.id,
            version: script.version_id,
        }
    }

    /// Records slots that are due as missed, in two transactions of at most a thousand each, if there are any.
    async fn miss_slots(&self) {
        let claim = ClaimRequest {
            now: self.clock.now(),
            look_ahead: TimeDelta::zero(),
            lease: TimeDelta::seconds(60),
            owner: "test".to_owned(),
            limit: 1,
            most_of_one: None,
            skip: Vec::new(),
            absent_until: DateTime::UNIX_EPOCH,
        };
        let slots = self.shared.store.claim_due(&claim).await.unwrap();
        let Some(slot) = slots.into_iter().next() else {
            return;
        };
        let missed = FinishedSlot {
            execution_id: ExecutionId::generate(&*self.clock),
            script_id: slot.script_id,
            org_id: slot.org_id,
            version_id: slot.version_id,
            scheduled_at: slot.scheduled_at,
            is_recheck: slot.is_recheck,
            lease_token: slot.lease_token,
            executed_at: self.clock.now(),
            outcome: Outcome::missed("missed"),
            missed_reason: Some(MissedReason::Downtime),
            skipped_reason: MissedReason::Downtime,
        };
        self.shared
            .store
            .record_executions(&[missed], &*self.clock)
            .await
            .unwrap();
    }

    async fn work(&self, work: Work) -> u64 {
        work.run(&self.shared, self.clock.now()).await.unwrap()
    }

    async fn any_executions(&self) -> bool {
        let page = PageRequest {
            limit: 1,
            cursor: None,
        };
        let page = self
            .shared
            .store
            .list_executions(self.org, self.script, page)
            .await
            .unwrap();
        !page.items.is_empty()
    }
}

async fn old_executions_are_deleted_batch_by_batch(store: Store) {
    let house = House::new(store, Some(Duration::from_hours(10 * 24))).await;
    // 2,500 slots, of which one transaction catches up a thousand.
    house.clock.advance(TimeDelta::seconds(2_500));
    for _ in 0..3 {
        house.miss_slots().await;
    }
    house
        .clock
        .advance(TimeDelta::days(10) - TimeDelta::seconds(1));
    assert_eq!(house.work(Work::DeleteExecutions).await, 0);
    house.clock.advance(TimeDelta::seconds(2));
    assert!(house.any_executions().await);
    let deleted = house.work(Work::DeleteExecutions).await;
    assert!((2_490..=2_500).contains(&deleted), "{deleted}");
    assert!(!house.any_executions().await);
    assert_eq!(
        house.work(Work::DeleteExecutions).await,
        0,
        "it may be repeated"
    );
}

async fn without_a_retention_nothing_is_deleted(store: Store) {
    let house = House::new(store, None).await;
    house.clock.advance(TimeDelta::seconds(10));
    house.miss_slots().await;
    house.clock.advance(TimeDelta::days(36_500));
    assert_eq!(house.work(Work::DeleteExecutions).await, 0);
    assert!(house.any_executions().await);
}

async fn interrupted_executions_do_not_stay_running(store: Store) {
    let house = House::new(store, None).await;
    let execution_id = ExecutionId::generate(&*house.clock);
    let manual = ManualExecution {
        execution_id,
        org_id: house.org,
        script_id: house.script,
        version_id: house.version,
        started_by: house.user,
        executed_at: house.clock.now(),
        leased_until: house.clock.now() + TimeDelta::seconds(60),
    };
    house
        .shared
        .store
        .insert_manual_execution(&manual)
        .await
        .unwrap();
    house.clock.advance(TimeDelta::seconds(59));
    assert_eq!(house.work(Work::FailInterrupted).await, 0);
    house.clock.advance(TimeDelta::seconds(2));
    assert_eq!(house.work(Work::FailInterrupted).await, 1);
    assert_eq!(
        house.work(Work::FailInterrupted).await,
        0,
        "it may be repeated"
    );
    let row = house
        .shared
        .store
        .get_execution(house.org, execution_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.summary.status, Status::Error);
}

async fn a_deleted_script_goes_with_its_last_execution(store: Store) {
    let house = House::new(store, None).await;
    // 2,500 slots: more than a deletion takes along at once.
    house.clock.advance(TimeDelta::seconds(2_500));
    for _ in 0..3 {
        house.miss_slots().await;
    }
    let store = &house.shared.store;
    assert_eq!(house.work(Work::PurgeScripts).await, 0);
    assert!(store.delete_script(house.org, house.script).await.unwrap());
    assert!(!house.any_executions().await);
    assert_eq!(
        store.list_deleted_scripts().await.unwrap(),
        [(house.org, house.script)]
    );
    assert_eq!(house.work(Work::PurgeScripts).await, 1);
    assert!(store.list_deleted_scripts().await.unwrap().is_empty());
    assert_eq!(
        house.work(Work::PurgeScripts).await,
        0,
        "it may be repeated"
    );
}

async fn sessions_that_are_over_are_deleted(store: Store) {
    let house = House::new(store, None).await;
    for days in [1, 3] {
        let session = NewSession {
            id: SessionId::generate(&*house.clock),
            user_id: house.user,
            org_id: Some(house.org),
            refresh_token_hash: [7; 32],
            created_at: house.clock.now(),
            expires_at: house.clock.now() + TimeDelta::days(days),
        };
        house.shared.store.create_session(session).await.unwrap();
    }
    house.clock.advance(TimeDelta::days(2));
    assert_eq!(house.work(Work::DeleteSessions).await, 1);
    assert_eq!(
        house.work(Work::DeleteSessions).await,
        0,
        "it may be repeated"
    );
}

async fn organizations_that_are_over_are_deleted(store: Store) {
    let house = House::new(store, None).await;
    let store = &house.shared.store;
    let end = house.clock.now() + TimeDelta::days(14);
    store
        .delete_organization_after(house.org, end)
        .await
        .unwrap();
    assert_eq!(house.work(Work::DeleteOrganizations).await, 0, "not yet");
    house.clock.advance(TimeDelta::days(14));
    assert_eq!(house.work(Work::DeleteOrganizations).await, 1);
    assert!(store.get_organization(house.org).await.unwrap().is_none());
    assert_eq!(
        house.work(Work::DeleteOrganizations).await,
        0,
        "it may be repeated"
    );
}

/// References that are gone.
struct Gone;

#[async_trait]
impl References for Gone {
    async fn is_any_reachable(&self) -> bool {
        false
    }
}

async fn silence_says_nothing_without_a_network(store: Store) {
    let config = SchedulerConfig {
        self_health: SelfHealth::new(Box::new(Gone), None, Arc::new(SystemClock)),
        ..SchedulerConfig::default()
    };
    let house = House::with(store, config).await;
    let definition = json!({ "type": "no_data", "intervals": 1 });
    let rule = NewAlertRule {
        id: AlertRuleId::generate(&*house.clock),
        org_id: house.org,
        script_id: house.script,
        content: RuleContent {
            name: "silent".to_owned(),
            definition: RuleDefinition::read(&definition).unwrap(),
            severity: Severity::Warning,
            is_enabled: true,
            follow_up: FollowUp::default(),
        },
        created_by: house.user,
        created_at: house.clock.now(),
    };
    house.shared.store.create_alert_rule(rule).await.unwrap();
    // The node is there long enough, and the script silent for too long, in the years until today.
    house.clock.advance(SystemClock.now() - house.clock.now());
    let self_health = house.shared.config.self_health.clone();
    let looking = timeout(Duration::from_secs(20), async {
        while self_health.silent_at().is_none() {
            tokio::task::yield_now().await;
        }
    });
    tokio::select! {
        () = self_health.watch() => unreachable!("it does not end"),
        seen = looking => seen.expect("a look"),
    }
    assert_eq!(house.work(Work::TickAlerts).await, 0);
    house.clock.advance(TICKS_AFTER - TimeDelta::seconds(1));
    assert_eq!(house.work(Work::TickAlerts).await, 0, "runs go on first");
    house.clock.advance(TimeDelta::seconds(21));
    assert_eq!(house.work(Work::TickAlerts).await, 1);
}

async fn the_household_starts_and_ends(store: Store) {
    let house = House::new(store, None).await;
    let entries = timeout(Duration::from_secs(20), start(&house.shared)).await;
    let mut entries = entries
        .expect("adding does not hang")
        .expect("the times are accepted");
    entries.shutdown().await.unwrap();

    let keeping = tokio::spawn(keep_house(Arc::clone(&house.shared)));
    house.shared.stop.cancel();
    timeout(Duration::from_secs(20), keeping)
        .await
        .expect("it ends")
        .unwrap();
}
