//! A real store with a script that goes up and down, and workers that deliver what comes of it.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use vedette_alerting::{Deliverer, DeliveryOptions, MailTransport, Sender};
use vedette_core::{
    AlertRuleId, ChannelId, Clock as _, ExecutionId, ManualClock, MissedReason, OrgId, Outcome,
    Program, ProjectId, Projects, ScriptId, ScriptVersionId, SourceLanguage, Status, UserId,
    alert::{Severity, follow_up::FollowUp, rule::RuleDefinition},
};
use vedette_egress::{Guard, Policy};
use vedette_store::{
    ClaimRequest, CreatedChannel, CreatedRule, FinishedSlot, NewAlertRule, NewChannel, NewScript,
    NewUser, NotificationFilter, PageRequest, RecordResult, RuleContent, ScriptChange, SetChannels,
    Store, StoredNotification, testing::TestDatabase,
};

use crate::channels::SECRET;

/// Runs a test on both databases.
pub(crate) async fn on_each(test: impl AsyncFn(&TestDatabase)) {
    test(&TestDatabase::sqlite().await).await;
    if let Some(postgres) = TestDatabase::postgres().await {
        test(&postgres).await;
    }
}

/// Waits until there is an answer, which must be soon.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let looking = async {
        loop {
            ticks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(30), looking).await;
    found.unwrap_or_else(|_| panic!("not in time: {what}"))
}

fn start() -> DateTime<Utc> {
    "2026-11-24T12:00:05Z".parse().unwrap()
}

/// The clock of a test, which all worlds of it share.
pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(start()))
}

/// Of a world, to find it again in another process.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct WorldIds {
    org: OrgId,
    user: UserId,
    project: ProjectId,
    script: ScriptId,
    rule: AlertRuleId,
}

/// How often a script runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Each {
    pub(crate) cron: &'static str,
    /// The same as a time, for the clock.
    pub(crate) step: TimeDelta,
}

const TEN_SECONDS: Each = Each {
    cron: "*/10 * * * * *",
    step: TimeDelta::seconds(10),
};

/// An organization with a script and a rule that fires with one failure.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) org: OrgId,
    pub(crate) user: UserId,
    project: ProjectId,
    script: ScriptId,
    rule: AlertRuleId,
    each: Each,
}

impl World {
    /// With a script of ten seconds.
    pub(crate) async fn new(store: &Store, clock: &Arc<ManualClock>, name: &str) -> Self {
        Self::every(TEN_SECONDS, store, clock, name).await
    }

    pub(crate) async fn every(
        each: Each,
        store: &Store,
        clock: &Arc<ManualClock>,
        name: &str,
    ) -> Self {
        let now = clock.now();
        let (org, user) = (OrgId::generate(&**clock), UserId::generate(&**clock));
        let project = ProjectId::generate(&**clock);
        let new = NewUser {
            id: user,
            org_id: org,
            project_id: project,
            invitation: None,
            username: name.to_owned(),
            email: format!("{name}@example.com"),
            password_hash: "$argon2id$…".to_owned(),
            created_at: now,
            allow_later: true,
        };
        store.register_user(new).await.unwrap();
        let mut world = Self {
            store: store.clone(),
            clock: clock.clone(),
            org,
            user,
            project,
            script: ScriptId::generate(&**clock),
            rule: AlertRuleId::generate(&**clock),
            each,
        };
        (world.script, world.rule) = world.script("checkout").await;
        world
    }

    /// A script with its rule.
    pub(crate) async fn script(&self, name: &str) -> (ScriptId, AlertRuleId) {
        let (store, clock, now) = (&self.store, &self.clock, self.clock.now());
        let (org, user) = (self.org, self.user);
        let script = ScriptId::generate(&**clock);
        let content = ScriptChange {
            project_id: self.project,
            name: name.to_owned(),
            template_id: None,
            parent_id: None,
            tags: Vec::new(),
            is_enabled: true,
            cron_expression: Some(self.each.cron.to_owned()),
            interval_seconds: None,
            timezone: "UTC".to_owned(),
            program: Program::Source {
                text: "export default () => ({ success: true });".to_owned(),
                language: SourceLanguage::JavaScript,
            },
            parameters: serde_json::from_value(json!({})).unwrap(),
            env_vars: [].into(),
            timeout_seconds: 30,
            version_id: ScriptVersionId::generate(&**clock),
            changed_by: user,
            changed_at: now,
        };
        let new = NewScript {
            id: script,
            org_id: org,
            has_default_rules: true,
            content,
        };
        store.create_script(new).await.unwrap();
        let definition = json!({ "type": "status_change", "consecutive_failures": 1, "consecutive_successes": 1 });
        let new = NewAlertRule {
            id: AlertRuleId::generate(&**clock),
            org_id: org,
            script_id: script,
            content: RuleContent {
                name: "at once".to_owned(),
                definition: RuleDefinition::read(&definition).unwrap(),
                severity: Severity::Critical,
                is_enabled: true,
                follow_up: FollowUp::default(),
            },
            created_by: user,
            created_at: now,
        };
        let rule = new.id;
        let made = store.create_alert_rule(new).await.unwrap();
        assert!(matches!(made, CreatedRule::Done(_)));
        (script, rule)
    }

    pub(crate) fn ids(&self) -> WorldIds {
        WorldIds {
            org: self.org,
            user: self.user,
            project: self.project,
            script: self.script,
            rule: self.rule,
        }
    }

    /// One that was made elsewhere.
    pub(crate) fn reopen(
        each: Each,
        store: &Store,
        clock: &Arc<ManualClock>,
        ids: WorldIds,
    ) -> Self {
        Self {
            store: store.clone(),
            clock: clock.clone(),
            org: ids.org,
            user: ids.user,
            project: ids.project,
            script: ids.script,
            rule: ids.rule,
            each,
        }
    }

    /// A channel that the rule tells, beside those that it tells already.
    pub(crate) async fn told(&self, kind: &str, config: Value, secret: &Value) -> ChannelId {
        let id = ChannelId::generate(&*self.clock);
        let new = NewChannel {
            id,
            org_id: self.org,
            owner_id: self.user,
            name: id.to_string(),
            kind: kind.to_owned(),
            config,
            secret: secret.to_string().into(),
            is_enabled: true,
            created_at: self.clock.now(),
        };
        let made = self.store.create_channel(new).await.unwrap();
        assert!(matches!(made, CreatedChannel::Done(_)));
        let channels = self.store.list_rule_channels(self.org, self.rule).await;
        let mut channels = channels.unwrap().unwrap();
        channels.push(id);
        let set = self.store.set_rule_channels(self.org, self.rule, &channels);
        assert_eq!(set.await.unwrap(), SetChannels::Done);
        id
    }

    pub(crate) async fn webhook(&self, url: &str) -> ChannelId {
        let secret = json!({ "secret": SECRET });
        self.told("webhook", json!({ "url": url }), &secret).await
    }

    /// The next slot says that the target is down.
    pub(crate) async fn goes_down(&self) {
        self.run(Status::Failure, "answered 503").await;
    }

    /// The next slot says that it is up.
    pub(crate) async fn goes_up(&self) {
        self.run(Status::Success, "all is well").await;
    }

    async fn run(&self, status: Status, message: &str) {
        self.run_some(status, message, |script| script == self.script)
            .await;
    }

    /// The next slots of all scripts end so, in one moment.
    pub(crate) async fn run_all(&self, status: Status, message: &str) {
        self.run_some(status, message, |_| true).await;
    }

    async fn run_some(&self, status: Status, message: &str, is_one: impl Fn(ScriptId) -> bool) {
        let mut outcome = Outcome::missed(message);
        outcome.status = status;
        self.clock.advance(self.each.step);
        let claim = ClaimRequest {
            now: self.clock.now(),
            look_ahead: TimeDelta::milliseconds(1_500),
            lease: TimeDelta::seconds(5),
            owner: "node".to_owned(),
            limit: 1_000,
            most_of_one: None,
            skip: Vec::new(),
            absent_until: DateTime::UNIX_EPOCH,
        };
        let slots = self.store.claim_due(&claim).await.unwrap();
        let slots = slots.iter().filter(|slot| is_one(slot.script_id));
        let done = slots.map(|slot| FinishedSlot {
            execution_id: ExecutionId::generate(&*self.clock),
            script_id: slot.script_id,
            org_id: slot.org_id,
            version_id: slot.version_id,
            scheduled_at: slot.scheduled_at,
            is_recheck: slot.is_recheck,
            lease_token: slot.lease_token,
            executed_at: slot.scheduled_at,
            outcome: outcome.clone(),
            missed_reason: None,
            skipped_reason: MissedReason::Overlap,
        });
        let done: Vec<_> = done.collect();
        assert!(!done.is_empty(), "it is due");
        let recorded = self.store.record_executions(&done, &*self.clock).await;
        let all = vec![RecordResult::Recorded; done.len()];
        assert_eq!(recorded.unwrap(), all);
    }

    /// What there is in the outbox for a channel, oldest first.
    pub(crate) async fn outbox(&self, channel: ChannelId) -> Vec<StoredNotification> {
        let filter = NotificationFilter {
            channel: Some(channel),
            ..NotificationFilter::default()
        };
        let (mut items, mut cursor) = (Vec::new(), None);
        loop {
            let page = PageRequest { limit: 100, cursor };
            let listed = self
                .store
                .list_notifications(self.org, &Projects::All, filter, page);
            let listed = listed.await.unwrap();
            items.extend(listed.items);
            cursor = listed.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        items.sort_by_key(|item| item.created_at);
        items
    }
}

pub(crate) fn options() -> DeliveryOptions {
    DeliveryOptions {
        owner: "node".to_owned(),
        grace: Duration::from_millis(50),
        incident_link: Some("https://vedette.example.com/incidents/".to_owned()),
        ..DeliveryOptions::default()
    }
}

/// A worker. Dropped, it ends as a process that is killed.
pub(crate) struct Worker {
    pub(crate) wake: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Worker {
    pub(crate) fn start(store: &Store, clock: &Arc<ManualClock>) -> Self {
        Self::with_mail(store, clock, None)
    }

    pub(crate) fn with_mail(
        store: &Store,
        clock: &Arc<ManualClock>,
        mail: Option<Arc<dyn MailTransport>>,
    ) -> Self {
        let policy = Policy {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            ..Policy::default()
        };
        let sender = Sender::new(Guard::new(policy).unwrap());
        let deliverer = Deliverer::new(
            store.clone(),
            sender,
            mail,
            clock.clone(),
            || 0.0,
            options(),
        );
        let (wake, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let task = tokio::spawn(deliverer.run(wake.clone(), stop.clone()));
        Self { wake, stop, task }
    }

    /// Ends it in good order.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }

    /// Kills it.
    pub(crate) async fn kill(mut self) {
        self.task.abort();
        assert!((&mut self.task).await.unwrap_err().is_cancelled());
    }
}
