//! An outage of our own: what could not reach its target then is an error of ours, and nobody is alerted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use tokio::task::JoinSet;
use vedette_core::{
    AlertRuleId, Clock as _, ErrorClass, Outcome, Projects, RequestRecord, ScriptId, Status,
    SystemClock,
    alert::{Severity, follow_up::FollowUp, rule::RuleDefinition},
};
use vedette_scheduler::{
    References, RunRequest, Runner, Scheduler, SchedulerConfig, SchedulerHandle, SelfHealth,
};
use vedette_store::{
    CreatedRule, ExecutionSummary, IncidentFilter, NewAlertRule, PageRequest, RuleContent, Store,
    both_databases,
};

use crate::world::{World, until};

both_databases!(
    an_outage_of_ours_is_no_incident_of_anybody,
    a_target_that_is_down_is_told_at_once,
);

/// A network that is there or not: of the references, and of the target of scripts called `remote`. The target of
/// those called `down` never answers, that of those called `ok` always.
#[derive(Clone)]
struct Net {
    is_up: Arc<AtomicBool>,
    looks: Arc<AtomicUsize>,
}

#[async_trait]
impl References for Net {
    async fn is_any_reachable(&self) -> bool {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.is_up.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Runner for Net {
    async fn run(&self, request: RunRequest) -> Outcome {
        let answers = match request.script_name.as_str() {
            "ok" => true,
            "remote" => self.is_up.load(Ordering::SeqCst),
            _ => false,
        };
        let mut outcome = Outcome::missed("what the check says");
        outcome.status = if answers {
            Status::Success
        } else {
            Status::Failure
        };
        outcome.requests.push(RequestRecord {
            method: "GET".to_owned(),
            url: "https://example.com/".to_owned(),
            status: answers.then_some(200),
            error: (!answers).then(|| "dns: Name or service not known".to_owned()),
            started_at_ms: 0.5,
            total_ms: 12.0,
            dns_ms: None,
            connect_ms: None,
            tls_ms: None,
            first_byte_ms: None,
            download_ms: None,
            remote_address: None,
            body_bytes: 0,
            redirects: 0,
            certificate_expires_at: None,
        });
        outcome
    }
}

impl Net {
    fn new(is_up: bool) -> Self {
        Self {
            is_up: Arc::new(AtomicBool::new(is_up)),
            looks: Arc::default(),
        }
    }

    fn start(&self, world: &World) -> SchedulerHandle {
        let clock = Arc::new(SystemClock);
        let config = SchedulerConfig {
            self_health: SelfHealth::new(Box::new(self.clone()), None, clock.clone()),
            ..SchedulerConfig::default()
        };
        let (store, runner) = (world.store.clone(), Arc::new(self.clone()));
        Scheduler::start(store, runner, clock, config)
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }
}

/// A script that is due now and has rules that fire with the first failure and with the first broken run.
async fn watched(world: &World, name: &str) -> ScriptId {
    let now = SystemClock.now();
    let script = world.daily(name, now).await;
    for (rule, definition) in [
        (
            "down",
            json!({ "type": "status_change", "consecutive_failures": 1 }),
        ),
        ("broken", json!({ "type": "error", "consecutive": 1 })),
    ] {
        let rule = NewAlertRule {
            id: AlertRuleId::generate(&SystemClock),
            org_id: world.org,
            script_id: script,
            content: RuleContent {
                name: rule.to_owned(),
                definition: RuleDefinition::read(&definition).expect("it is a rule"),
                severity: Severity::Critical,
                is_enabled: true,
                follow_up: FollowUp::default(),
            },
            created_by: world.change(name).changed_by,
            created_at: now,
        };
        let created = world.store.create_alert_rule(rule).await.unwrap();
        assert!(matches!(created, CreatedRule::Done(_)), "{created:?}");
    }
    script
}

async fn incidents(world: &World) -> Vec<ScriptId> {
    let page = PageRequest {
        limit: 100,
        cursor: None,
    };
    let filter = IncidentFilter::default();
    let incidents = world
        .store
        .list_incidents(world.org, &Projects::All, filter, page);
    let incidents = incidents.await.unwrap().items;
    incidents.into_iter().map(|one| one.script_id).collect()
}

/// The one row of a script, when it is there.
async fn row(world: &World, script: ScriptId) -> ExecutionSummary {
    until("it is recorded", async || {
        !world.rows(script).await.is_empty()
    })
    .await;
    world.rows(script).await.remove(0)
}

async fn an_outage_of_ours_is_no_incident_of_anybody(store: Store) {
    let world = World::new(store).await;
    let mut scripts = Vec::new();
    for _ in 0..50 {
        scripts.push(watched(&world, "remote").await);
    }
    let well = watched(&world, "ok").await;
    let net = Net::new(false);
    let scheduler = net.start(&world);
    for script in scripts {
        let row = row(&world, script).await;
        let found = (row.status, row.error_class);
        assert_eq!(found, (Status::Error, Some(ErrorClass::PlatformError)));
        let message = row.message.unwrap_or_default();
        assert!(message.contains("reference targets"), "{message}");
    }
    assert_eq!(row(&world, well).await.status, Status::Success);
    assert!(net.looks() < 10, "{}", net.looks());
    let by_hand = scheduler.run_now(world.request("remote")).await;
    assert_eq!(by_hand.error_class, Some(ErrorClass::PlatformError));
    assert_eq!(by_hand.requests.len(), 1, "what was measured stays");
    assert_eq!(incidents(&world).await, []);

    net.is_up.store(true, Ordering::SeqCst);
    let looks = net.looks();
    until("the network is seen again", async || net.looks() > looks).await;
    let (well, down) = (
        watched(&world, "remote").await,
        watched(&world, "down").await,
    );
    scheduler.wake();
    assert_eq!(row(&world, well).await.status, Status::Success);
    assert_eq!(row(&world, down).await.status, Status::Failure);
    assert_eq!(incidents(&world).await, [down]);
    scheduler.drain(Duration::from_secs(10)).await;
}

async fn a_target_that_is_down_is_told_at_once(store: Store) {
    let world = World::new(store).await;
    let net = Net::new(true);
    let scheduler = net.start(&world);
    until("the first look", async || net.looks() > 0).await;
    let mut runs = JoinSet::new();
    for _ in 0..50 {
        let (scheduler, request) = (scheduler.clone(), world.request("down"));
        runs.spawn(async move { scheduler.run_now(request).await });
    }
    for outcome in runs.join_all().await {
        assert_eq!(outcome.status, Status::Failure);
    }
    assert!(net.looks() < 6, "they share looks: {}", net.looks());
    let down = watched(&world, "down").await;
    scheduler.wake();
    assert_eq!(row(&world, down).await.status, Status::Failure);
    assert_eq!(incidents(&world).await, [down]);
    scheduler.drain(Duration::from_secs(10)).await;
}
