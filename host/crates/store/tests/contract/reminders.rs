//! Telling again: reminders and escalations of incidents that nobody acknowledges.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use vedette_core::{
    AlertRuleId, ChannelId, Clock as _,
    alert::follow_up::{EscalationStep, FollowUp},
    silence::Scope,
};
use vedette_store::{
    AfterAttempt, AttemptOutcome, ChannelChange, CreatedRule, DeliveryAttempt, IncidentAction,
    NewAlertRule, RuleContent, Store, StoredNotification, UpdatedRule, both_databases,
};

use crate::{
    channels::{as_it_is, channel, update},
    maintenance::{once, window},
    outbox::{World, content, failure, rule_with},
    owner, start, success,
};

both_databases!(
    a_rule_keeps_what_it_says_about_telling_again,
    channels_of_others_are_no_steps,
    reminders_come_until_somebody_acknowledges,
    reminders_end_with_the_incident,
    a_channel_that_waits_is_not_reminded,
    who_is_reminded_is_decided_when_it_is_time,
    steps_are_told_once_and_then_of_all_that_follows,
    steps_of_one_moment_tell_a_channel_once,
    what_was_missed_is_told_once,
    an_edit_counts_at_once,
    a_rule_that_is_gone_tells_nothing_more,
    many_ticks_at_once_tell_once,
    a_window_keeps_it_back_until_it_is_over,
);

fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}

fn step(after_minutes: u32, channels: &[ChannelId]) -> EscalationStep {
    EscalationStep {
        after_minutes,
        channel_ids: channels.to_vec(),
    }
}

fn escalating(escalation: Vec<EscalationStep>) -> FollowUp {
    FollowUp {
        remind_after_minutes: None,
        escalation,
    }
}

fn reminding(minutes: u32) -> FollowUp {
    FollowUp {
        remind_after_minutes: Some(minutes),
        escalation: Vec::new(),
    }
}

impl World<'_> {
    /// The rule says another thing about telling again.
    async fn follows_up(&self, follow_up: FollowUp) {
        let rule = self.store.get_alert_rule(self.owner.org, self.rule).await;
        let content = RuleContent {
            follow_up,
            ..rule.unwrap().unwrap().content
        };
        self.edits(content).await;
    }

    async fn edits(&self, content: RuleContent) {
        let now = self.clock.now();
        let edited = self
            .store
            .update_alert_rule(self.owner.org, self.rule, content, now, None);
        assert!(matches!(edited.await.unwrap(), UpdatedRule::Done(_)));
    }

    async fn channel(&self, name: &str) -> ChannelId {
        channel(self.store, &self.owner, name).await.id
    }

    /// So much later, looked at as the household does, and delivered.
    async fn later(&self, time: TimeDelta) {
        self.clock.advance(time);
        self.look().await;
        self.deliver().await;
    }

    async fn look(&self) {
        while self.store.tick_alerts(&self.clock).await.unwrap() > 0 {}
    }

    async fn deliver(&self) {
        let now = self.clock.now();
        loop {
            let claims = self
                .store
                .claim_notifications(now, TimeDelta::seconds(60), 100, "node")
                .await;
            let claims = claims.unwrap();
            if claims.is_empty() {
                break;
            }
            for claim in claims {
                let attempt = DeliveryAttempt {
                    attempted_at: now,
                    outcome: AttemptOutcome::Delivered,
                    status: Some(204),
                    duration: std::time::Duration::from_millis(1),
                    error: None,
                    excerpt: None,
                };
                let next = AfterAttempt::Delivered;
                let recorded =
                    self.store
                        .record_attempt(claim.id, claim.lease_token, &attempt, &next);
                assert!(recorded.await.unwrap());
            }
        }
    }

    /// What a channel was told, and how long after the first failure.
    async fn told_after(&self, channel: ChannelId, from: DateTime<Utc>) -> Vec<(String, i64)> {
        let all = self.outbox().await;
        let its = all.into_iter().filter(|item| item.channel_id == channel);
        its.map(|item| (item.event, (item.created_at - from).num_minutes()))
            .collect()
    }

    async fn last(&self, channel: ChannelId) -> StoredNotification {
        let mut all = self.outbox().await.into_iter();
        all.rfind(|item| item.channel_id == channel).unwrap()
    }

    async fn disables(&self, channel: ChannelId) {
        let org = self.owner.org;
        let known = self.store.get_channel(org, channel).await.unwrap().unwrap();
        let change = ChannelChange {
            is_enabled: false,
            ..as_it_is(&known)
        };
        update(self.store, org, channel, change).await;
    }
}

fn told(events: &[(&str, i64)]) -> Vec<(String, i64)> {
    let events = events.iter();
    events
        .map(|(event, minutes)| ((*event).to_owned(), *minutes))
        .collect()
}

async fn a_rule_keeps_what_it_says_about_telling_again(store: Store) {
    let world = World::new(&store).await;
    let org = world.owner.org;
    let (one, two) = (world.channel("one").await, world.channel("two").await);
    let (first, second) = (one.min(two), one.max(two));
    let all = FollowUp {
        remind_after_minutes: Some(30),
        escalation: vec![step(5, &[second, first]), step(60, &[second])],
    };
    // Channels have no order.
    let kept = all.clone().in_order();
    assert_eq!(kept.escalation[0].channel_ids, [first, second]);
    world.follows_up(all.clone()).await;
    let rule = store
        .get_alert_rule(org, world.rule)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rule.content.follow_up, kept);
    let made = RuleContent {
        follow_up: all,
        ..content("another")
    };
    let made = rule_with(&store, &world.owner, world.script, made).await;
    assert_eq!(made.content.follow_up, kept);
    let listed = store.list_alert_rules(org, world.script, crate::PAGE).await;
    for rule in listed.unwrap().items {
        assert_eq!(rule.content.follow_up, kept);
    }
    // A channel that is deleted is in no step, and a step without any is none.
    assert!(store.delete_channel(org, first).await.unwrap());
    let read = async |rule| store.get_alert_rule(org, rule).await.unwrap().unwrap();
    let steps = read(made.id).await.content.follow_up.escalation;
    assert_eq!(steps, [step(5, &[second]), step(60, &[second])]);
    assert!(store.delete_channel(org, second).await.unwrap());
    assert_eq!(read(made.id).await.content.follow_up, reminding(30));
    world.follows_up(FollowUp::default()).await;
    assert_eq!(
        read(world.rule).await.content.follow_up,
        FollowUp::default()
    );
    assert_eq!(read(made.id).await.content.follow_up, reminding(30));
}

async fn channels_of_others_are_no_steps(store: Store) {
    let world = World::new(&store).await;
    let bert = owner(&store, "bert").await;
    let own = world.channel("own").await;
    let foreign = channel(&store, &bert, "foreign").await.id;
    let content = RuleContent {
        follow_up: escalating(vec![step(5, &[own]), step(6, &[own, foreign])]),
        ..content("another")
    };
    let new = NewAlertRule {
        id: AlertRuleId::generate(&world.clock),
        org_id: world.owner.org,
        script_id: world.script,
        content: content.clone(),
        created_by: world.owner.user,
        created_at: start(),
    };
    let id = new.id;
    let made = store.create_alert_rule(new).await.unwrap();
    assert!(matches!(made, CreatedRule::NoChannel(missing) if missing == foreign));
    let org = world.owner.org;
    assert_eq!(store.get_alert_rule(org, id).await.unwrap(), None);
    let before = store.get_alert_rule(org, world.rule).await.unwrap();
    let changed = store.update_alert_rule(org, world.rule, content, start(), None);
    let changed = changed.await.unwrap();
    assert!(matches!(changed, UpdatedRule::NoChannel(missing) if missing == foreign));
    assert_eq!(store.get_alert_rule(org, world.rule).await.unwrap(), before);
}

async fn reminders_come_until_somebody_acknowledges(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    world.follows_up(reminding(30)).await;
    world.run(failure()).await;
    let from = world.clock.now();
    world.deliver().await;
    for _ in 0..65 {
        world.later(minutes(1)).await;
    }
    let expected = [("down", 0), ("reminder", 30), ("reminder", 60)];
    assert_eq!(world.told_after(one, from).await, told(&expected));
    let [down, reminder, _] = world.outbox().await.try_into().unwrap();
    assert_ne!(reminder.id, down.id);
    assert_eq!(reminder.incident_id, down.incident_id);
    let mut payload = down.payload;
    for (name, value) in [
        ("id", json!(reminder.id)),
        ("event", json!("reminder")),
        ("occurred_at", json!(reminder.created_at)),
    ] {
        payload[name] = value;
    }
    assert_eq!(reminder.payload, payload);
    world.act(IncidentAction::Acknowledge).await;
    world.follows_up(reminding(5)).await;
    for _ in 0..30 {
        world.later(minutes(5)).await;
    }
    world.run(success()).await;
    let events = world.events(one).await;
    assert_eq!(
        events,
        ["down", "reminder", "reminder", "acknowledged", "up"]
    );
}

async fn reminders_end_with_the_incident(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    world.follows_up(reminding(5)).await;
    world.run(failure()).await;
    world.deliver().await;
    world.later(minutes(4)).await;
    world.act(IncidentAction::Resolve).await;
    world.later(minutes(20)).await;
    assert_eq!(world.events(one).await, ["down", "up"]);
    // The next incident begins from its own beginning.
    world.run(success()).await;
    world.run(failure()).await;
    world.deliver().await;
    world.later(minutes(4)).await;
    assert_eq!(world.events(one).await, ["down", "up", "down"]);
    world.later(minutes(1)).await;
    world.run(success()).await;
    world.later(minutes(20)).await;
    assert_eq!(
        world.events(one).await,
        ["down", "up", "down", "reminder", "up"]
    );
}

async fn a_channel_that_waits_is_not_reminded(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    world.follows_up(reminding(5)).await;
    world.run(failure()).await;
    for _ in 0..6 {
        world.clock.advance(minutes(5));
        world.look().await;
    }
    assert_eq!(
        world.events(one).await,
        ["down"],
        "nothing was delivered yet"
    );
    world.deliver().await;
    world.later(minutes(5)).await;
    assert_eq!(world.events(one).await, ["down", "reminder"]);
}

async fn who_is_reminded_is_decided_when_it_is_time(store: Store) {
    let world = World::new(&store).await;
    let org = world.owner.org;
    let (one, off) = (world.told("one").await, world.told("off").await);
    let (gone, detached) = (world.told("gone").await, world.told("detached").await);
    // Of a rule that fires too, and says nothing of reminders.
    let quiet = rule_with(&store, &world.owner, world.script, content("quiet")).await;
    let other = world.channel("other").await;
    world.tells(quiet.id, &[other]).await;
    world.follows_up(reminding(10)).await;
    world.run(failure()).await;
    world.deliver().await;
    let late = world.told("late").await;
    world.disables(off).await;
    assert!(store.delete_channel(org, gone).await.unwrap());
    world.tells(world.rule, &[one, off, late]).await;
    world.later(minutes(10)).await;
    assert_eq!(world.events(one).await, ["down", "reminder"]);
    for channel in [off, gone, detached, other] {
        assert_eq!(world.events(channel).await, ["down"]);
    }
    assert_eq!(world.events(late).await, [""; 0]);
    world.run(success()).await;
    for channel in [off, gone, detached, other] {
        assert_eq!(world.events(channel).await, ["down", "up"]);
    }
}

async fn steps_are_told_once_and_then_of_all_that_follows(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    let (boss, all) = (world.channel("boss").await, world.channel("all").await);
    let off = world.channel("off").await;
    let steps = vec![step(15, &[boss, off]), step(60, &[one, all])];
    world.follows_up(escalating(steps)).await;
    world.disables(off).await;
    let good = world.run(success()).await;
    let bad = world.run(failure()).await;
    let from = world.clock.now();
    world.deliver().await;
    for _ in 0..90 {
        world.later(minutes(1)).await;
    }
    let expected = [("down", 0), ("escalated", 60)];
    assert_eq!(world.told_after(one, from).await, told(&expected));
    assert_eq!(
        world.told_after(boss, from).await,
        told(&[("escalated", 15)])
    );
    assert_eq!(
        world.told_after(all, from).await,
        told(&[("escalated", 60)])
    );
    assert_eq!(world.events(off).await, [""; 0]);
    // All of it is said to who hears of it for the first time.
    let down = &world.outbox().await[0];
    let escalated = world.last(boss).await;
    let mut payload = down.payload.clone();
    for (name, value) in [
        ("id", json!(escalated.id)),
        ("event", json!("escalated")),
        ("occurred_at", json!(escalated.created_at)),
    ] {
        payload[name] = value;
    }
    assert_eq!(escalated.payload, payload);
    assert_eq!(payload["last_good"]["id"], json!(good));
    assert_eq!(payload["first_bad"]["id"], json!(bad));
    assert_eq!(payload["failing_step"], "log in");
    world.act(IncidentAction::Acknowledge).await;
    world.run(success()).await;
    assert_eq!(
        world.events(one).await,
        ["down", "escalated", "acknowledged", "up"]
    );
    for channel in [boss, all] {
        let events = world.events(channel).await;
        assert_eq!(events, ["escalated", "acknowledged", "up"]);
    }
    let up = world.last(boss).await;
    assert_eq!(up.payload["rule"], "down");
    assert_eq!(up.payload["started_at"], payload["started_at"]);
}

async fn steps_of_one_moment_tell_a_channel_once(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    world
        .follows_up(FollowUp {
            remind_after_minutes: Some(10),
            escalation: vec![step(5, &[one]), step(10, &[one])],
        })
        .await;
    world.run(failure()).await;
    world.deliver().await;
    world.later(minutes(10)).await;
    assert_eq!(world.events(one).await, ["down", "escalated"]);
    world.later(minutes(10)).await;
    assert_eq!(world.events(one).await, ["down", "escalated", "reminder"]);
}

async fn what_was_missed_is_told_once(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    let (boss, all) = (world.channel("boss").await, world.channel("all").await);
    world
        .follows_up(FollowUp {
            remind_after_minutes: Some(10),
            escalation: vec![step(15, &[boss]), step(20, &[all])],
        })
        .await;
    world.run(failure()).await;
    let from = world.clock.now();
    world.deliver().await;
    world.later(minutes(65)).await;
    let expected = [("down", 0), ("reminder", 65)];
    assert_eq!(world.told_after(one, from).await, told(&expected));
    for channel in [boss, all] {
        assert_eq!(
            world.told_after(channel, from).await,
            told(&[("escalated", 65)])
        );
    }
    // And then as if nothing had been missed.
    for _ in 0..5 {
        world.later(minutes(1)).await;
    }
    assert_eq!(world.last(one).await.created_at, from + minutes(70));
}

async fn an_edit_counts_at_once(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    let boss = world.channel("boss").await;
    world.run(failure()).await;
    let from = world.clock.now();
    world.deliver().await;
    world.later(minutes(20)).await;
    assert_eq!(world.events(one).await, ["down"], "it says nothing");
    world.follows_up(reminding(15)).await;
    world.later(TimeDelta::zero()).await;
    world.follows_up(reminding(60)).await;
    world.later(minutes(15)).await;
    let expected = [("down", 0), ("reminder", 20)];
    assert_eq!(world.told_after(one, from).await, told(&expected));
    world.follows_up(escalating(vec![step(40, &[boss])])).await;
    for _ in 0..90 {
        world.later(minutes(1)).await;
    }
    assert_eq!(world.told_after(one, from).await, told(&expected));
    assert_eq!(
        world.told_after(boss, from).await,
        told(&[("escalated", 40)])
    );
}

async fn a_rule_that_is_gone_tells_nothing_more(store: Store) {
    let world = World::new(&store).await;
    let org = world.owner.org;
    let one = world.told("one").await;
    let (boss, all) = (world.channel("boss").await, world.channel("all").await);
    // It keeps the incident open.
    let quiet = rule_with(&store, &world.owner, world.script, content("quiet")).await;
    world.tells(quiet.id, &[one]).await;
    let asks = FollowUp {
        remind_after_minutes: Some(30),
        escalation: vec![step(10, &[boss])],
    };
    let third = RuleContent {
        follow_up: escalating(vec![step(20, &[all])]),
        ..content("third")
    };
    let third = rule_with(&store, &world.owner, world.script, third).await;
    world.follows_up(asks).await;
    world.run(failure()).await;
    world.deliver().await;
    world.later(minutes(5)).await;
    let disabled = RuleContent {
        is_enabled: false,
        ..store
            .get_alert_rule(org, world.rule)
            .await
            .unwrap()
            .unwrap()
            .content
    };
    world.edits(disabled).await;
    let now = world.clock.now();
    assert!(store.delete_alert_rule(org, third.id, now).await.unwrap());
    for _ in 0..60 {
        world.later(minutes(1)).await;
    }
    assert_eq!(world.events(one).await, ["down"]);
    for channel in [boss, all] {
        assert_eq!(world.events(channel).await, [""; 0]);
    }
}

async fn many_ticks_at_once_tell_once(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    let boss = world.channel("boss").await;
    world
        .follows_up(FollowUp {
            remind_after_minutes: Some(5),
            escalation: vec![step(5, &[boss])],
        })
        .await;
    world.run(failure()).await;
    world.deliver().await;
    let now = world.clock.now() + minutes(5);
    let ticks = (0..4).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let clock = vedette_core::ManualClock::at(now);
            store.tick_alerts(&clock).await.unwrap()
        })
    });
    for tick in ticks.collect::<Vec<_>>() {
        tick.await.unwrap();
    }
    assert_eq!(world.events(one).await, ["down", "reminder"]);
    assert_eq!(world.events(boss).await, ["escalated"]);
}

async fn a_window_keeps_it_back_until_it_is_over(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    let boss = world.channel("boss").await;
    world
        .follows_up(FollowUp {
            remind_after_minutes: Some(10),
            escalation: vec![step(15, &[boss])],
        })
        .await;
    // It ends 24 minutes and 45 seconds after the failure.
    window(&store, &world.owner, Scope::Organization, once(300, 1_500)).await;
    world.run(failure()).await;
    let from = world.clock.now();
    world.deliver().await;
    for _ in 0..35 {
        world.later(minutes(1)).await;
    }
    let expected = [("down", 0), ("reminder", 25), ("reminder", 30)];
    assert_eq!(world.told_after(one, from).await, told(&expected));
    assert_eq!(
        world.told_after(boss, from).await,
        told(&[("escalated", 25)])
    );
}
