//! What is told of incidents: to whom, in which order, and what is in it.

use chrono::TimeDelta;
use serde_json::{Value, json};
use vedette_core::{
    AlertRuleId, ChannelId, Clock as _, ExecutionId, IncidentId, ManualClock, NotificationId,
    OrgId, Outcome, ProjectId, Projects, RequestRecord, ScriptId, Status, Step, StepKind,
    alert::{Severity, follow_up::FollowUp, rule::RuleDefinition},
};
use vedette_store::{
    AlertRule, AuditFilter, ChainId, ChangedIncident, ChannelChange, CreatedRule, FinishedSlot,
    IncidentAction, IncidentFilter, NewAlertRule, NewNotification, NotificationFilter,
    NotificationStatus, RuleContent, ScriptChange, SetChannels, Store, StoredNotification,
    both_databases,
};

use crate::{
    Owner, PAGE, change,
    channels::{as_it_is, channel, update},
    claim_at, clock, finished, owner, script, start, success,
};

both_databases!(
    down_goes_to_the_channels_of_the_rules_and_up_to_who_was_told,
    a_notification_says_all_that_is_known,
    recovery_is_told_whatever_was_edited,
    rules_of_one_turn_tell_once_and_later_ones_tell_theirs,
    people_are_told_of_people,
    notifications_are_read_by_their_organization,
    old_notifications_go_when_their_incident_is_over,
);

fn down() -> RuleDefinition {
    let value =
        json!({ "type": "status_change", "consecutive_failures": 1, "consecutive_successes": 1 });
    RuleDefinition::read(&value).unwrap()
}

pub(crate) fn content(name: &str) -> RuleContent {
    RuleContent {
        name: name.to_owned(),
        definition: down(),
        severity: Severity::Warning,
        is_enabled: true,
        follow_up: FollowUp::default(),
    }
}

pub(crate) async fn rule_with(
    store: &Store,
    owner: &Owner,
    script: ScriptId,
    content: RuleContent,
) -> AlertRule {
    let new = NewAlertRule {
        id: AlertRuleId::generate(&clock()),
        org_id: owner.org,
        script_id: script,
        content,
        created_by: owner.user,
        created_at: start(),
    };
    match store.create_alert_rule(new).await.unwrap() {
        CreatedRule::Done(rule) => rule,
        other => panic!("{other:?}"),
    }
}

/// A rule that fires with one failure.
pub(crate) async fn rule(store: &Store, owner: &Owner, script: ScriptId) -> AlertRule {
    rule_with(store, owner, script, content("down")).await
}

pub(crate) fn failure() -> Outcome {
    let mut outcome = success();
    outcome.status = Status::Failure;
    outcome.message = Some("expected 200, got 503".to_owned());
    outcome.steps = vec![Step {
        name: "log in".to_owned(),
        kind: StepKind::Step,
        passed: false,
        started_at_ms: 0.0,
        duration_ms: Some(2.0),
        message: Some("no".to_owned()),
    }];
    outcome.requests = vec![RequestRecord {
        method: "GET".to_owned(),
        url: "https://example.com/login".to_owned(),
        status: Some(503),
        error: None,
        started_at_ms: 0.5,
        total_ms: 12.5,
        dns_ms: None,
        connect_ms: None,
        tls_ms: None,
        first_byte_ms: None,
        download_ms: None,
        remote_address: None,
        body_bytes: 0,
        redirects: 0,
        certificate_expires_at: None,
    }];
    outcome
}

/// A script of ten seconds with a rule, and its runs.
pub(crate) struct World<'a> {
    pub(crate) store: &'a Store,
    pub(crate) owner: Owner,
    pub(crate) script: ScriptId,
    pub(crate) rule: AlertRuleId,
    pub(crate) clock: ManualClock,
}

impl<'a> World<'a> {
    pub(crate) async fn new(store: &'a Store) -> Self {
        let owner = owner(store, "anna").await;
        let script = script(store, &owner).await.id;
        let rule = rule(store, &owner, script).await.id;
        let clock = clock();
        clock.advance(TimeDelta::seconds(5));
        Self {
            store,
            owner,
            script,
            rule,
            clock,
        }
    }

    /// A channel that the rule tells, beside those that it tells already.
    pub(crate) async fn told(&self, name: &str) -> ChannelId {
        let made = channel(self.store, &self.owner, name).await.id;
        let channels = self
            .store
            .list_rule_channels(self.owner.org, self.rule)
            .await;
        let mut channels = channels.unwrap().unwrap();
        channels.push(made);
        self.tells(self.rule, &channels).await;
        made
    }

    pub(crate) async fn tells(&self, rule: AlertRuleId, channels: &[ChannelId]) {
        let set = self
            .store
            .set_rule_channels(self.owner.org, rule, channels)
            .await;
        assert_eq!(set.unwrap(), SetChannels::Done);
    }

    /// The next slot ends so.
    pub(crate) async fn run(&self, outcome: Outcome) -> ExecutionId {
        self.clock.advance(TimeDelta::seconds(10));
        let slots = self
            .store
            .claim_due(&claim_at(self.clock.now()))
            .await
            .unwrap();
        let slot = slots.iter().find(|slot| slot.script_id == self.script);
        let done = FinishedSlot {
            execution_id: ExecutionId::generate(&self.clock),
            ..finished(slot.expect("it is due"), outcome)
        };
        let recorded = self
            .store
            .record_executions(std::slice::from_ref(&done), &self.clock);
        recorded.await.unwrap();
        done.execution_id
    }

    /// All that was told, oldest first: those of one moment by channel and place.
    pub(crate) async fn outbox(&self) -> Vec<StoredNotification> {
        let listed = self.store.list_notifications(
            self.owner.org,
            &Projects::All,
            NotificationFilter::default(),
            PAGE,
        );
        let mut items = listed.await.unwrap().items;
        items.sort_by_key(|item| (item.created_at, item.channel_id));
        items
    }

    /// The events that a channel was told of, in the order of their time.
    pub(crate) async fn events(&self, channel: ChannelId) -> Vec<String> {
        let all = self.outbox().await;
        let its = all.into_iter().filter(|item| item.channel_id == channel);
        its.map(|item| item.event).collect()
    }

    async fn incident(&self) -> IncidentId {
        let filter = IncidentFilter::default();
        let page = self
            .store
            .list_incidents(self.owner.org, &Projects::All, filter, PAGE);
        page.await.unwrap().items[0].id
    }

    pub(crate) async fn act(&self, action: IncidentAction) {
        self.clock.advance(TimeDelta::seconds(1));
        let incident = self.incident().await;
        let user = self.owner.user;
        let done = self
            .store
            .change_incident(self.owner.org, incident, &action, user, &self.clock);
        assert!(matches!(done.await.unwrap(), ChangedIncident::Done(_)));
    }

    pub(crate) async fn edit(&self, change: ScriptChange) {
        self.clock.advance(TimeDelta::seconds(1));
        let change = ScriptChange {
            changed_at: self.clock.now(),
            ..change
        };
        self.store
            .update_script(self.owner.org, self.script, change, None)
            .await
            .unwrap();
    }
}

async fn down_goes_to_the_channels_of_the_rules_and_up_to_who_was_told(store: Store) {
    let world = World::new(&store).await;
    let (one, two) = (world.told("one").await, world.told("two").await);
    let off = world.told("off").await;
    let disabled = store
        .get_channel(world.owner.org, off)
        .await
        .unwrap()
        .unwrap();
    let disabled = ChannelChange {
        is_enabled: false,
        ..as_it_is(&disabled)
    };
    update(&store, world.owner.org, off, disabled).await;
    let unasked = channel(&store, &world.owner, "unasked").await.id;
    world.run(success()).await;
    assert_eq!(world.outbox().await, []);
    world.run(failure()).await;
    world.run(failure()).await;
    for channel in [one, two] {
        assert_eq!(
            world.events(channel).await,
            ["down"],
            "once, however long it lasts"
        );
    }
    world.run(success()).await;
    for channel in [one, two] {
        assert_eq!(world.events(channel).await, ["down", "up"]);
    }
    for channel in [off, unasked] {
        assert_eq!(world.events(channel).await, [""; 0]);
    }
    for item in world.outbox().await {
        assert_eq!(item.status, NotificationStatus::Pending);
        assert_eq!(item.next_attempt_at, Some(item.created_at));
        assert_eq!((item.attempts, item.last_error), (0, None));
    }
    // The next incident is another one.
    world.run(failure()).await;
    assert_eq!(world.events(one).await, ["down", "up", "down"]);
}

async fn a_notification_says_all_that_is_known(store: Store) {
    let world = World::new(&store).await;
    world.told("one").await;
    let good = world.run(success()).await;
    let bad = world.run(failure()).await;
    let incident = world.incident().await;
    let slot = world.clock.now() - TimeDelta::milliseconds(5_250);
    let [item] = world.outbox().await.try_into().unwrap();
    assert_eq!(
        (item.incident_id, item.script_id),
        (Some(incident), Some(world.script))
    );
    let run = |id: ExecutionId, at: chrono::DateTime<chrono::Utc>| json!({ "id": id, "at": at });
    let project = store
        .list_projects(world.owner.org, &Projects::All)
        .await
        .unwrap();
    let organization = store
        .get_organization(world.owner.org)
        .await
        .unwrap()
        .unwrap();
    let expected = json!({
        "id": item.id,
        "event": "down",
        "severity": "warning",
        "organization": organization.name,
        "project": project[0].name,
        "script": "check",
        "rule": "down",
        "incident": incident,
        "occurred_at": slot,
        "started_at": slot,
        "ended_at": null,
        "resolution": null,
        "message": "expected 200, got 503",
        "failing_step": "log in",
        "requests": [{
            "method": "GET", "url": "https://example.com/login", "status": 503, "error": null, "total_ms": 12.5,
        }],
        "last_good": run(good, slot - TimeDelta::seconds(10)),
        "first_bad": run(bad, slot),
        "link": null,
    });
    assert_eq!(item.payload, expected);
    world.run(success()).await;
    let up = world.outbox().await.pop().unwrap();
    assert_eq!(up.event, "up");
    let mut expected = expected;
    for (name, value) in [
        ("id", json!(up.id)),
        ("event", json!("up")),
        ("occurred_at", json!(world.clock.now())),
        ("ended_at", json!(world.clock.now())),
        ("resolution", json!("recovered")),
        ("message", json!("fine")),
        ("failing_step", Value::Null),
        ("requests", json!([])),
    ] {
        expected[name] = value;
    }
    assert_eq!(up.payload, expected);
}

async fn recovery_is_told_whatever_was_edited(store: Store) {
    let world = World::new(&store).await;
    let org = world.owner.org;
    let last = async |channel: ChannelId| {
        let mut all = world.outbox().await.into_iter();
        all.rfind(|item| item.channel_id == channel).unwrap()
    };
    // The channel is no longer the rule's, and the script has another name.
    let one = world.told("one").await;
    world.run(failure()).await;
    world.tells(world.rule, &[]).await;
    world
        .edit(ScriptChange {
            name: "renamed".to_owned(),
            ..change(&world.owner, start())
        })
        .await;
    world.run(success()).await;
    let up = last(one).await;
    assert_eq!(
        (up.event.as_str(), up.payload["script"].as_str()),
        ("up", Some("check"))
    );
    // The rule is deleted: what is told does not say that it is well.
    world.tells(world.rule, &[one]).await;
    world.run(failure()).await;
    assert_eq!(last(one).await.event, "down");
    world.clock.advance(TimeDelta::seconds(1));
    assert!(
        store
            .delete_alert_rule(org, world.rule, world.clock.now())
            .await
            .unwrap()
    );
    let up = last(one).await;
    assert_eq!(
        (up.event.as_str(), up.payload["resolution"].as_str()),
        ("up", Some("rule_removed"))
    );
    // The script is paused, and then deleted.
    let again = rule_with(&store, &world.owner, world.script, content("again"))
        .await
        .id;
    world.tells(again, &[one]).await;
    world.run(failure()).await;
    world
        .edit(ScriptChange {
            is_enabled: false,
            ..change(&world.owner, start())
        })
        .await;
    let up = last(one).await;
    assert_eq!(
        (up.event.as_str(), up.payload["resolution"].as_str()),
        ("up", Some("script_paused"))
    );
    world.edit(change(&world.owner, start())).await;
    world.run(failure()).await;
    assert_eq!(last(one).await.event, "down");
    let before = world.events(one).await.len();
    world.clock.advance(TimeDelta::seconds(1));
    let by = store.by(vedette_store::Author::system(world.clock.now()));
    assert!(by.delete_script(org, world.script).await.unwrap());
    assert_eq!(world.events(one).await.len(), before + 1);
    let up = last(one).await;
    assert_eq!(
        (up.event.as_str(), up.payload["resolution"].as_str()),
        ("up", Some("script_paused"))
    );
}

async fn rules_of_one_turn_tell_once_and_later_ones_tell_theirs(store: Store) {
    let world = World::new(&store).await;
    let shared = world.told("shared").await;
    let more = |name: &str, severity, failures: u32| RuleContent {
        severity,
        definition: RuleDefinition::read(&json!({
            "type": "status_change", "consecutive_failures": failures, "consecutive_successes": 1,
        }))
        .unwrap(),
        ..content(name)
    };
    let together = more("worse", Severity::Critical, 1);
    let together = rule_with(&store, &world.owner, world.script, together)
        .await
        .id;
    let later = rule_with(
        &store,
        &world.owner,
        world.script,
        more("later", Severity::Info, 2),
    )
    .await
    .id;
    let own = channel(&store, &world.owner, "own").await.id;
    let pager = channel(&store, &world.owner, "pager").await.id;
    world.tells(together, &[shared, own]).await;
    world.tells(later, &[shared, pager]).await;
    world.run(failure()).await;
    let told = world.outbox().await;
    assert_eq!(told.len(), 2, "{told:?}");
    for item in &told {
        assert_eq!(item.payload["severity"], "critical");
        assert_eq!(item.payload["rule"], "worse");
    }
    assert_eq!(world.events(pager).await, [""; 0]);
    world.run(failure()).await;
    assert_eq!(world.events(shared).await, ["down"]);
    assert_eq!(world.events(own).await, ["down"]);
    assert_eq!(
        world.events(pager).await,
        ["down"],
        "it was not told before"
    );
    let item = world.outbox().await.pop().unwrap();
    assert_eq!(item.payload["rule"], "later");
    assert_eq!(item.payload["started_at"], told[0].payload["started_at"]);
    world.run(success()).await;
    for channel in [shared, own, pager] {
        assert_eq!(world.events(channel).await, ["down", "up"]);
    }
}

async fn people_are_told_of_people(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    world.run(failure()).await;
    let late = world.told("late").await;
    world.act(IncidentAction::Comment("hm".to_owned())).await;
    world.act(IncidentAction::Acknowledge).await;
    world.act(IncidentAction::Resolve).await;
    assert_eq!(world.events(one).await, ["down", "acknowledged", "up"]);
    assert_eq!(
        world.events(late).await,
        [""; 0],
        "it was not told that it is down"
    );
    let told = world.outbox().await;
    assert_eq!(told[1].payload["message"], "anna sees to it.");
    assert_eq!(told[2].payload["message"], "anna said that it is over.");
    assert_eq!(told[2].payload["resolution"], "person");
}

/// What was recorded last in the log of an organization, and of which thing.
pub(crate) async fn last_record(store: &Store, org: OrgId) -> (String, Option<String>) {
    let all = AuditFilter::default();
    let log = store.list_audit(ChainId::from(org), &all, PAGE).await;
    let record = log.unwrap().items.remove(0).record;
    (record.action, record.target)
}

async fn notifications_are_read_by_their_organization(store: Store) {
    let world = World::new(&store).await;
    let bert = owner(&store, "bert").await;
    let (one, two) = (world.told("one").await, world.told("two").await);
    world.run(failure()).await;
    let list = async |org, projects: &Projects, filter| {
        let page = store
            .list_notifications(org, projects, filter, PAGE)
            .await
            .unwrap();
        page.items.len()
    };
    let all = NotificationFilter::default();
    let org = world.owner.org;
    assert_eq!(list(org, &Projects::All, all).await, 2);
    assert_eq!(list(bert.org, &Projects::All, all).await, 0);
    let own = Projects::Only(vec![world.owner.project]);
    assert_eq!(list(org, &own, all).await, 2);
    let other = Projects::Only(vec![ProjectId::generate(&clock())]);
    assert_eq!(list(org, &other, all).await, 0);
    assert_eq!(list(org, &Projects::Only(Vec::new()), all).await, 0);
    let to_one = NotificationFilter {
        channel: Some(one),
        ..all
    };
    assert_eq!(list(org, &own, to_one).await, 1);
    let dead = NotificationFilter {
        status: Some(NotificationStatus::Dead),
        ..to_one
    };
    assert_eq!(list(org, &Projects::All, dead).await, 0);
    let of_it = NotificationFilter {
        incident: Some(world.incident().await),
        status: Some(NotificationStatus::Pending),
        channel: Some(two),
    };
    assert_eq!(list(org, &own, of_it).await, 1);
    let [item, _] = world.outbox().await.try_into().unwrap();
    let detail = store.get_notification(org, item.id).await.unwrap().unwrap();
    assert_eq!(
        (detail.notification, detail.attempts.len()),
        (item.clone(), 0)
    );
    assert_eq!(own, Projects::Only(vec![detail.project_id.unwrap()]));
    assert_eq!(
        store.get_notification(bert.org, item.id).await.unwrap(),
        None
    );
    // One about no incident. Lists are in the order of time.
    world.clock.advance(TimeDelta::milliseconds(1));
    let new = NewNotification {
        id: NotificationId::generate(&world.clock),
        org_id: org,
        channel_id: one,
        event: "test".to_owned(),
        payload: json!({ "event": "test" }),
        created_at: world.clock.now(),
    };
    let foreign = NewNotification {
        org_id: bert.org,
        ..new.clone()
    };
    assert!(!store.create_notification(&foreign).await.unwrap());
    assert!(store.create_notification(&new).await.unwrap());
    let detail = store.get_notification(org, new.id).await.unwrap().unwrap();
    assert_eq!(detail.project_id, None);
    let tried = ("channel.test".to_owned(), Some(one.to_string()));
    assert_eq!(last_record(&store, org).await, tried);
    assert_eq!(world.events(one).await, ["down", "test"]);
    assert_eq!(list(org, &own, to_one).await, 1, "it is of no project");
}

async fn old_notifications_go_when_their_incident_is_over(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    world.run(failure()).await;
    let later = world.clock.now() + TimeDelta::days(90);
    let delete = async || store.delete_notifications_before(later, 100).await.unwrap();
    assert_eq!(delete().await, 0, "it waits");
    assert!(store.delete_channel(world.owner.org, one).await.unwrap());
    let none = store
        .claim_notifications(world.clock.now(), TimeDelta::seconds(60), 9, "node")
        .await;
    assert_eq!(none.unwrap(), []);
    assert_eq!(delete().await, 0, "the incident goes on");
    world.run(success()).await;
    assert_eq!(world.events(one).await, ["down", "up"]);
    assert_eq!(delete().await, 1, "Up waits still");
    assert_eq!(world.events(one).await, ["up"]);
}
