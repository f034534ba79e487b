//! Alerts of scripts that depend on another: what is held, and what is told of it afterwards.

use std::cell::RefCell;

use chrono::TimeDelta;
use serde_json::json;
use vedette_core::{
    AlertRuleId, ChannelId, Clock as _, ExecutionId, ManualClock, Projects, ScriptId,
};
use vedette_store::{
    AlertRule, CreatedRule, FinishedSlot, NewAlertRule, NotificationFilter, RuleContent,
    ScriptChange, SetChannels, Store, Updated, both_databases,
};

use crate::{
    Owner, PAGE,
    alerts::{content, definition, failure},
    change,
    channels::channel,
    claim_at, clock, finished, new_script, owner, start, success,
};

both_databases!(
    who_is_down_when_the_parent_is_up_again_is_told_then,
    who_recovers_with_the_parent_is_not_told_of,
    what_was_told_before_goes_on,
    who_is_held_holds_others,
    a_parent_that_nobody_looks_at_holds_nothing,
    time_shows_that_a_rule_still_has_reason_to_fire,
);

/// A script with a rule and a channel of its own.
#[derive(Debug, Clone)]
struct Member {
    script: ScriptId,
    rule: AlertRule,
    channel: ChannelId,
}

/// Scripts of ten seconds that depend on each other.
struct Family<'a> {
    store: &'a Store,
    owner: Owner,
    clock: ManualClock,
    /// Parents before those that depend on them: so their executions are recorded.
    members: RefCell<Vec<ScriptId>>,
}

impl<'a> Family<'a> {
    async fn new(store: &'a Store) -> Self {
        let clock = clock();
        clock.advance(TimeDelta::seconds(5));
        Self {
            store,
            owner: owner(store, "anna").await,
            clock,
            members: RefCell::default(),
        }
    }

    fn change(&self, parent: Option<&Member>) -> ScriptChange {
        ScriptChange {
            parent_id: parent.map(|parent| parent.script),
            ..change(&self.owner, self.clock.now())
        }
    }

    async fn member(&self, parent: Option<&Member>, content: RuleContent) -> Member {
        let new = ScriptChange {
            changed_at: start(),
            ..self.change(parent)
        };
        let new = new_script(&self.owner, new);
        let script = self.store.create_script(new).await.unwrap().id;
        self.members.borrow_mut().push(script);
        let new = NewAlertRule {
            id: AlertRuleId::generate(&self.clock),
            org_id: self.owner.org,
            script_id: script,
            content,
            created_by: self.owner.user,
            created_at: start(),
        };
        let CreatedRule::Done(rule) = self.store.create_alert_rule(new).await.unwrap() else {
            panic!("it is made")
        };
        let channel = channel(self.store, &self.owner, &script.to_string()).await;
        let channels = [channel.id];
        let set = self
            .store
            .set_rule_channels(self.owner.org, rule.id, &channels);
        assert_eq!(set.await.unwrap(), SetChannels::Done);
        Member {
            script,
            rule,
            channel: channel.id,
        }
    }

    async fn down(&self, parent: Option<&Member>) -> Member {
        self.member(parent, content("down", at_once())).await
    }

    /// The next slot of all but the silent fails for these and is well for the others.
    async fn round_without(&self, silent: &[&Member], failing: &[&Member]) {
        self.clock.advance(TimeDelta::seconds(10));
        let claim = claim_at(self.clock.now());
        let slots = self.store.claim_due(&claim).await.unwrap();
        let members = self.members.borrow().clone();
        for member in members {
            let is = |one: &&Member| one.script == member;
            let slot = slots.iter().find(|slot| slot.script_id == member);
            let Some(slot) = slot.filter(|_| !silent.iter().any(is)) else {
                continue;
            };
            let outcome = if failing.iter().any(is) {
                failure()
            } else {
                success()
            };
            let done = FinishedSlot {
                execution_id: ExecutionId::generate(&self.clock),
                ..finished(slot, outcome)
            };
            self.store
                .record_executions(&[done], &self.clock)
                .await
                .unwrap();
        }
    }

    async fn round(&self, failing: &[&Member]) {
        self.round_without(&[], failing).await;
    }

    async fn update(&self, member: &Member, change: ScriptChange) {
        let updated = self
            .store
            .update_script(self.owner.org, member.script, change, None);
        let updated = updated.await.unwrap();
        assert!(matches!(updated, Updated::Done(_)), "{updated:?}");
    }

    async fn pause(&self, member: &Member) {
        let paused = ScriptChange {
            is_enabled: false,
            ..self.change(None)
        };
        self.update(member, paused).await;
    }

    /// What the channel of a member was told, in order.
    async fn told(&self, member: &Member) -> Vec<String> {
        let filter = NotificationFilter {
            channel: Some(member.channel),
            ..NotificationFilter::default()
        };
        let org = self.owner.org;
        let listed = self
            .store
            .list_notifications(org, &Projects::All, filter, PAGE);
        let mut items = listed.await.unwrap().items;
        items.sort_by_key(|item| item.created_at);
        items.into_iter().map(|item| item.event).collect()
    }
}

fn at_once() -> vedette_core::alert::rule::RuleDefinition {
    definition(
        &json!({ "type": "status_change", "consecutive_failures": 1, "consecutive_successes": 1 }),
    )
}

const NOTHING: &[&str] = &[];

async fn who_is_down_when_the_parent_is_up_again_is_told_then(store: Store) {
    let family = Family::new(&store).await;
    let parent = family.down(None).await;
    let child = family.down(Some(&parent)).await;
    family.round(&[&parent]).await;
    assert_eq!(family.told(&parent).await, ["down"]);
    family.round(&[&parent, &child]).await;
    family.round(&[&parent, &child]).await;
    assert_eq!(family.told(&child).await, NOTHING);
    // The slot of the child is of before it was known that the parent is up.
    family.round(&[&child]).await;
    assert_eq!(family.told(&parent).await, ["down", "up"]);
    assert_eq!(family.told(&child).await, NOTHING);
    family.round(&[&child]).await;
    assert_eq!(family.told(&child).await, ["down"]);
    family.round(&[&child]).await;
    assert_eq!(family.told(&child).await, ["down"]);
    family.round(&[]).await;
    assert_eq!(family.told(&child).await, ["down", "up"]);
    // Then it is told at once.
    family.round(&[&child]).await;
    assert_eq!(family.told(&child).await, ["down", "up", "down"]);
    assert_eq!(family.told(&parent).await, ["down", "up"]);
}

async fn who_recovers_with_the_parent_is_not_told_of(store: Store) {
    let family = Family::new(&store).await;
    let parent = family.down(None).await;
    let child = family.down(Some(&parent)).await;
    let other = family.down(None).await;
    family.round(&[&parent]).await;
    family.round(&[&parent, &child, &other]).await;
    family.round(&[&child]).await;
    family.round(&[]).await;
    family.round(&[]).await;
    assert_eq!(family.told(&child).await, NOTHING);
    // Who depends on nothing is told, and so is everybody of what is not the parent's fault.
    assert_eq!(family.told(&other).await, ["down", "up"]);
    family.round(&[&child]).await;
    assert_eq!(family.told(&child).await, ["down"]);
}

async fn what_was_told_before_goes_on(store: Store) {
    let family = Family::new(&store).await;
    let parent = family.down(None).await;
    let child = family.down(Some(&parent)).await;
    family.round(&[&child]).await;
    family.round(&[&parent, &child]).await;
    assert_eq!(family.told(&child).await, ["down"]);
    family.round(&[&parent]).await;
    assert_eq!(family.told(&child).await, ["down", "up"]);
    family.round(&[&parent, &child]).await;
    assert_eq!(family.told(&child).await, ["down", "up"]);
}

async fn who_is_held_holds_others(store: Store) {
    let family = Family::new(&store).await;
    let router = family.down(None).await;
    let shop = family.down(Some(&router)).await;
    let basket = family.down(Some(&shop)).await;
    family.round(&[&router]).await;
    family.round(&[&router, &shop]).await;
    family.round(&[&router, &shop, &basket]).await;
    family.round(&[&shop, &basket]).await;
    assert_eq!(family.told(&router).await, ["down", "up"]);
    assert_eq!(family.told(&shop).await, NOTHING);
    assert_eq!(family.told(&basket).await, NOTHING);
    family.round(&[&shop, &basket]).await;
    assert_eq!(family.told(&shop).await, ["down"]);
    family.round(&[&basket]).await;
    assert_eq!(family.told(&basket).await, NOTHING);
    family.round(&[&basket]).await;
    assert_eq!(family.told(&shop).await, ["down", "up"]);
    assert_eq!(family.told(&basket).await, ["down"]);
}

async fn a_parent_that_nobody_looks_at_holds_nothing(store: Store) {
    let family = Family::new(&store).await;
    for case in 0..6 {
        let top = family.down(None).await;
        let parent = family.down(Some(&top)).await;
        let child = family.down(Some(&parent)).await;
        if case == 5 {
            // The parent is held itself.
            family.round(&[&top]).await;
        }
        family.round(&[&top, &parent]).await;
        family.round(&[&top, &parent, &child]).await;
        assert_eq!(family.told(&child).await, NOTHING);
        let (org, now) = (family.owner.org, family.clock.now());
        match case {
            0 => assert!(store.delete_script(org, parent.script).await.unwrap()),
            1 | 5 => family.pause(&parent).await,
            2 => {
                let deleted = store.delete_alert_rule(org, parent.rule.id, now).await;
                assert!(deleted.unwrap());
            }
            3 => family.update(&child, family.change(None)).await,
            _ => {
                let disabled = RuleContent {
                    is_enabled: false,
                    ..parent.rule.content.clone()
                };
                let updated = store.update_alert_rule(org, parent.rule.id, disabled, now, None);
                updated.await.unwrap();
            }
        }
        family.round(&[&top, &parent, &child]).await;
        family.round(&[&top, &parent, &child]).await;
        assert_eq!(family.told(&child).await, ["down"], "case {case}");
        // The others of the next case begin when all is well.
        family.members.borrow_mut().clear();
    }
}

async fn time_shows_that_a_rule_still_has_reason_to_fire(store: Store) {
    let family = Family::new(&store).await;
    let parent = family.down(None).await;
    let silent = definition(&json!({ "type": "no_data", "intervals": 3 }));
    let child = family
        .member(Some(&parent), content("silent", silent))
        .await;
    let tick = async || store.tick_alerts(&family.clock).await.unwrap();
    // Three slots, and the time that a run may take.
    for _ in 0..12 {
        family.round_without(&[&child], &[&parent]).await;
    }
    assert_eq!(
        tick().await,
        2,
        "the incident of the parent is looked at too"
    );
    assert_eq!(family.told(&child).await, NOTHING);
    for _ in 0..5 {
        family.round_without(&[&child], &[&parent]).await;
        assert_eq!(tick().await, 0);
    }
    family.round_without(&[&child], &[&parent]).await;
    assert_eq!(tick().await, 1, "after a minute");
    assert_eq!(family.told(&child).await, NOTHING);
    // An edit does not make it wait for longer.
    let renamed = RuleContent {
        name: "quiet".to_owned(),
        ..child.rule.content.clone()
    };
    let (org, now) = (family.owner.org, family.clock.now());
    let renamed = store.update_alert_rule(org, child.rule.id, renamed, now, None);
    renamed.await.unwrap();
    for _ in 0..6 {
        family.round_without(&[&child], &[]).await;
    }
    assert_eq!(family.told(&parent).await, ["down", "up"]);
    assert_eq!(tick().await, 1);
    assert_eq!(family.told(&child).await, ["down"]);
    family.clock.advance(TimeDelta::hours(1));
    assert_eq!(tick().await, 0, "who was told has no more to wait for");
    family.round(&[]).await;
    assert_eq!(family.told(&child).await, ["down", "up"]);
}
