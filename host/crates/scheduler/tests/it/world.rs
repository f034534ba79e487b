//! An organization with scripts in a real database, and what tests ask of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, json};
use tokio::time::{Instant, interval};
use vedette_core::{
    Clock, Environment, ExecutionId, OrgId, Program, ProjectId, Schedule, ScriptId,
    ScriptVersionId, SourceLanguage, Status, SystemClock, UserId, VariableId,
};
use vedette_scheduler::{RunRequest, Scheduler, SchedulerConfig, SchedulerHandle};
use vedette_store::{
    ClaimRequest, ClaimedSlot, CreatedVariable, ExecutionSummary, NewScript, NewUser, NewValue,
    NewVariable, PageRequest, ScriptChange, Store, VariableLevel,
};

use crate::witness::Witness;

/// Longer than anything takes on a busy machine, shorter than anyone's patience.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) org: OrgId,
    project: ProjectId,
    pub(crate) user: UserId,
}

impl World {
    pub(crate) async fn new(store: Store) -> Self {
        let clock = SystemClock;
        let new = NewUser {
            id: UserId::generate(&clock),
            org_id: OrgId::generate(&clock),
            project_id: ProjectId::generate(&clock),
            username: "ada".to_owned(),
            email: "ada@example.com".to_owned(),
            password_hash: "$argon2id$".to_owned(),
            invitation: None,
            created_at: clock.now(),
            allow_later: false,
        };
        let (org, project, user) = (new.org_id, new.project_id, new.id);
        store
            .register_user(new)
            .await
            .expect("the first user may register");
        Self {
            store,
            org,
            project,
            user,
        }
    }

    /// Another organization in the same database.
    pub(crate) async fn another(&self, username: &str) -> Self {
        let clock = SystemClock;
        let new = NewUser {
            id: UserId::generate(&clock),
            org_id: OrgId::generate(&clock),
            project_id: ProjectId::generate(&clock),
            username: username.to_owned(),
            email: format!("{username}@example.com"),
            password_hash: "$argon2id$".to_owned(),
            invitation: None,
            created_at: clock.now(),
            allow_later: true,
        };
        let (org, project, user) = (new.org_id, new.project_id, new.id);
        self.store.register_user(new).await.expect("anyone may");
        Self {
            store: self.store.clone(),
            org,
            project,
            user,
        }
    }

    /// A script that runs every second, from now on. The name decides what it does.
    pub(crate) async fn every_second(&self, name: &str) -> ScriptId {
        self.every_second_since(name, SystemClock.now()).await
    }

    /// A script whose slots of every second were left alone since `since`.
    pub(crate) async fn every_second_since(&self, name: &str, since: DateTime<Utc>) -> ScriptId {
        self.create(ScriptChange {
            changed_at: since,
            ..self.change(name)
        })
        .await
    }

    /// A script that runs once a day, at the second of `at`.
    pub(crate) async fn daily(&self, name: &str, at: DateTime<Utc>) -> ScriptId {
        let changed_at = at - TimeDelta::seconds(1);
        let cron_expression = Some(at.format("%S %M %H * * *").to_string());
        let interval_seconds = None;
        let change = self.change(name);
        self.create(ScriptChange {
            cron_expression,
            interval_seconds,
            changed_at,
            ..change
        })
        .await
    }

    pub(crate) async fn create(&self, content: ScriptChange) -> ScriptId {
        let id = ScriptId::generate(&SystemClock);
        let new = NewScript {
            id,
            org_id: self.org,
            has_default_rules: true,
            content,
        };
        self.store
            .create_script(new)
            .await
            .expect("the script is stored")
            .id
    }

    /// What makes a script that runs every second.
    pub(crate) fn change(&self, name: &str) -> ScriptChange {
        ScriptChange {
            project_id: self.project,
            name: name.to_owned(),
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
            parameters: Map::from_iter([("echo".to_owned(), json!({ "of": name }))]),
            env_vars: BTreeMap::new(),
            timeout_seconds: 30,
            version_id: ScriptVersionId::generate(&SystemClock),
            changed_by: self.user,
            changed_at: SystemClock.now(),
        }
    }

    /// Keeps a secret, under the master key of the store that the world has.
    pub(crate) async fn keep_secret(&self, level: VariableLevel) {
        let new = NewVariable {
            id: VariableId::generate(&SystemClock),
            org_id: self.org,
            level,
            name: "TOKEN".to_owned(),
            value: NewValue::Secret("some value".into()),
            description: None,
            created_by: self.user,
            created_at: SystemClock.now(),
        };
        let kept = self.store.create_variable(new).await;
        assert!(matches!(kept, Ok(CreatedVariable::Done(_))), "{kept:?}");
    }

    /// What a user's click on "run now" makes.
    pub(crate) fn request(&self, name: &str) -> RunRequest {
        RunRequest {
            execution_id: ExecutionId::generate(&SystemClock),
            org_id: self.org,
            script_id: ScriptId::generate(&SystemClock),
            version_id: ScriptVersionId::generate(&SystemClock),
            script_name: name.to_owned(),
            parameters: Map::new(),
            env_vars: Environment::default(),
            timeout: Duration::from_secs(30),
            after_failure: false,
        }
    }

    /// All executions of a script, in the order of their slots.
    pub(crate) async fn rows(&self, script: ScriptId) -> Vec<ExecutionSummary> {
        let mut rows = Vec::new();
        let mut cursor = None;
        loop {
            let page = PageRequest { limit: 100, cursor };
            let page = self
                .store
                .list_executions(self.org, script, page)
                .await
                .expect("a page");
            rows.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        rows.sort_by_key(|row| row.scheduled_at);
        rows
    }

    /// How many executions of a script have this status.
    pub(crate) async fn count(&self, script: ScriptId, status: Status) -> usize {
        self.rows(script)
            .await
            .iter()
            .filter(|row| row.status == status)
            .count()
    }

    /// Checks that a script of every second has exactly one row for each slot from its first
    /// until its next, and gives the rows.
    pub(crate) async fn check_slots(&self, id: ScriptId) -> Vec<ExecutionSummary> {
        let rows = self.rows(id).await;
        let script = self
            .store
            .get_script(self.org, id)
            .await
            .unwrap()
            .expect("it exists");
        let schedule = Schedule::interval(id, 1).expect("in range");
        let mut expected = schedule.next_after(script.created_at);
        for row in &rows {
            assert_eq!(row.scheduled_at, expected, "{rows:#?}");
            expected = expected.and_then(|slot| schedule.next_after(slot));
        }
        if script.is_enabled {
            assert_eq!(script.next_run_at, expected, "{rows:#?}");
        }
        rows
    }

    /// Claims what is due, as another node would.
    pub(crate) async fn claim(&self) -> Vec<ClaimedSlot> {
        self.claim_for(TimeDelta::seconds(60)).await
    }

    pub(crate) async fn claim_for(&self, lease: TimeDelta) -> Vec<ClaimedSlot> {
        let claim = ClaimRequest {
            now: SystemClock.now(),
            look_ahead: TimeDelta::zero(),
            lease,
            owner: "the test".to_owned(),
            limit: 1_000,
            most_of_one: None,
            skip: Vec::new(),
            absent_until: DateTime::UNIX_EPOCH,
        };
        self.store.claim_due(&claim).await.expect("a claim")
    }
}

/// Starts a scheduler with `concurrency` places.
pub(crate) fn start(store: &Store, witness: &Arc<Witness>, concurrency: usize) -> SchedulerHandle {
    start_with(
        store,
        witness,
        SchedulerConfig {
            concurrency,
            ..SchedulerConfig::default()
        },
    )
}

pub(crate) fn start_with(
    store: &Store,
    witness: &Arc<Witness>,
    config: SchedulerConfig,
) -> SchedulerHandle {
    let runner = Arc::clone(witness);
    Scheduler::start(store.clone(), runner, Arc::new(SystemClock), config)
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    let mut look = interval(Duration::from_millis(20));
    while !holds().await {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        look.tick().await;
    }
}

/// Waits until a time is over by the wall clock.
pub(crate) async fn until_time(time: DateTime<Utc>) {
    until("a time", async || SystemClock.now() >= time).await;
}
