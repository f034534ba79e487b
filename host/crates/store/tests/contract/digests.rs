//! Digests: what is due for a channel at the same time is told together, and what follows waits for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::TimeDelta;
use serde_json::{Value, json};
use vedette_core::{
    ChannelId, Clock as _, ExecutionId, IncidentId, ManualClock, NotificationId, Outcome, Projects,
};
use vedette_store::{
    AfterAttempt, AttemptOutcome, ChannelChange, ClaimedNotification, DeliveryAttempt,
    LEAST_OF_DIGEST, MOST_OF_DIGEST, NotificationFilter, NotificationStatus, PageRequest, Resent,
    RuleContent, ScriptChange, Store, StoredNotification, both_databases,
};

use crate::{
    Owner, change,
    channels::{as_it_is, channel, update},
    claim_at, clock, finished, new_script,
    outbox::{content, failure, rule_with},
    owner, start, success,
};

both_databases!(
    many_at_once_are_told_together,
    a_few_are_told_one_by_one,
    a_digest_has_so_many,
    who_keeps_incidents_gets_each,
    what_was_tried_stays_as_it_is,
    a_channel_that_is_off_gets_no_digest,
    a_digest_that_is_dead_is_sent_again,
    what_was_told_since_is_not_overtaken,
    digests_of_the_same_incidents_come_in_order,
    reminders_wait_for_a_digest,
    many_hands_gather_once,
);

const LEASE: TimeDelta = TimeDelta::seconds(60);
const NONE: &[&str] = &[];

/// Scripts that go down and up together, and a channel of theirs.
struct Crowd<'a> {
    store: &'a Store,
    owner: Owner,
    channel: ChannelId,
    clock: ManualClock,
}

impl<'a> Crowd<'a> {
    async fn new(store: &'a Store, scripts: u32) -> Self {
        let owner = owner(store, "anna").await;
        let channel = channel(store, &owner, "one").await.id;
        for number in 0..scripts {
            let script = ScriptChange {
                name: format!("check {number}"),
                ..change(&owner, start())
            };
            let script = store
                .create_script(new_script(&owner, script))
                .await
                .unwrap();
            let severity = if number == 7 {
                vedette_core::alert::Severity::Critical
            } else {
                vedette_core::alert::Severity::Info
            };
            let content = RuleContent {
                severity,
                ..content("down")
            };
            let rule = rule_with(store, &owner, script.id, content).await;
            let channels = [channel];
            let set = store.set_rule_channels(owner.org, rule.id, &channels);
            set.await.unwrap();
        }
        let clock = clock();
        clock.advance(TimeDelta::seconds(5));
        Self {
            store,
            owner,
            channel,
            clock,
        }
    }

    /// The next slot of some of the scripts, or of all, ends so.
    async fn run(&self, outcome: &Outcome, most: usize) {
        self.clock.advance(TimeDelta::seconds(10));
        let claim = claim_at(self.clock.now());
        let slots = self.store.claim_due(&claim).await.unwrap();
        let done: Vec<_> = slots
            .iter()
            .take(most)
            .map(|slot| vedette_store::FinishedSlot {
                execution_id: ExecutionId::generate(&self.clock),
                ..finished(slot, outcome.clone())
            })
            .collect();
        let recorded = self.store.record_executions(&done, &self.clock);
        recorded.await.unwrap();
    }

    async fn go_down(&self) {
        self.run(&failure(), usize::MAX).await;
    }

    async fn go_up(&self) {
        self.run(&success(), usize::MAX).await;
    }

    async fn gather(&self) -> u64 {
        self.store
            .gather_digests(self.clock.now(), NONE)
            .await
            .unwrap()
    }

    async fn claim(&self) -> Vec<ClaimedNotification> {
        let claims = self
            .store
            .claim_notifications(self.clock.now(), LEASE, 100, "node");
        claims.await.unwrap()
    }

    async fn record(&self, claim: &ClaimedNotification, next: AfterAttempt) {
        let is_delivered = next == AfterAttempt::Delivered;
        let attempt = DeliveryAttempt {
            attempted_at: self.clock.now(),
            outcome: if is_delivered {
                AttemptOutcome::Delivered
            } else {
                AttemptOutcome::Refused
            },
            status: None,
            duration: Duration::from_millis(1),
            error: (!is_delivered).then(|| "no".to_owned()),
            excerpt: None,
        };
        let recorded = self
            .store
            .record_attempt(claim.id, claim.lease_token, &attempt, &next);
        assert!(recorded.await.unwrap());
    }

    /// Delivers all that is due; what it was, in its order.
    async fn deliver(&self) -> Vec<ClaimedNotification> {
        let mut all = Vec::new();
        loop {
            let claims = self.claim().await;
            if claims.is_empty() {
                return all;
            }
            for claim in claims {
                self.record(&claim, AfterAttempt::Delivered).await;
                all.push(claim);
            }
        }
    }

    async fn outbox(&self) -> Vec<StoredNotification> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page = PageRequest { limit: 100, cursor };
            let filter = NotificationFilter::default();
            let listed =
                self.store
                    .list_notifications(self.owner.org, &Projects::All, filter, page);
            let page = listed.await.unwrap();
            all.extend(page.items);
            if page.next_cursor.is_none() {
                return all;
            }
            cursor = page.next_cursor;
        }
    }

    /// What there is of an event.
    async fn of(&self, event: &str) -> Vec<StoredNotification> {
        let all = self.outbox().await.into_iter();
        all.filter(|item| item.event == event).collect()
    }

    async fn one(&self, id: NotificationId) -> StoredNotification {
        let found = self.store.get_notification(self.owner.org, id).await;
        found.unwrap().unwrap().notification
    }

    async fn enable(&self, is_enabled: bool) {
        let org = self.owner.org;
        let known = self.store.get_channel(org, self.channel).await;
        let change = ChannelChange {
            is_enabled,
            ..as_it_is(&known.unwrap().unwrap())
        };
        update(self.store, org, self.channel, change).await;
    }

    async fn resend(&self, id: NotificationId) -> Resent {
        let resent = self
            .store
            .resend_notification(self.owner.org, id, self.clock.now());
        resent.await.unwrap()
    }
}

/// How often each incident is told of by an event, in messages that went out.
fn told(claims: &[ClaimedNotification], event: &str) -> BTreeMap<IncidentId, u32> {
    let mut told = BTreeMap::new();
    let mut add = |of: &Value| {
        if of["event"] == event {
            let incident = of["incident"].as_str().unwrap().parse().unwrap();
            *told.entry(incident).or_default() += 1;
        }
    };
    for claim in claims {
        add(&claim.payload);
        claim.payload["items"]
            .as_array()
            .into_iter()
            .flatten()
            .for_each(&mut add);
    }
    told
}

async fn many_at_once_are_told_together(store: Store) {
    let crowd = Crowd::new(&store, 12).await;
    crowd.go_down().await;
    assert_eq!(crowd.gather().await, 1);
    assert_eq!(crowd.gather().await, 0);
    let [digest] = crowd.of("digest").await.try_into().unwrap();
    assert_eq!((digest.incident_id, digest.script_id), (None, None));
    assert_eq!(
        (digest.status, digest.digest_id),
        (NotificationStatus::Pending, None)
    );
    let downs = crowd.of("down").await;
    assert_eq!(downs.len(), 12);
    for down in &downs {
        assert_eq!(down.status, NotificationStatus::Digested);
        assert_eq!(
            (down.digest_id, down.next_attempt_at),
            (Some(digest.id), None)
        );
    }
    let payload = &digest.payload;
    assert_eq!(payload["id"], json!(digest.id));
    assert_eq!(
        (&payload["event"], &payload["severity"]),
        (&json!("digest"), &json!("critical"))
    );
    assert_eq!(payload["organization"], downs[0].payload["organization"]);
    let items = payload["items"].as_array().unwrap();
    let worst = json!({
        "incident": items[0]["incident"], "event": "down", "severity": "critical",
        "project": downs[0].payload["project"], "script": "check 7", "message": "expected 200, got 503",
    });
    assert_eq!(items[0], worst, "the worst comes first");
    // The recovery waits for it, also when it was tried in vain.
    let [claim] = crowd.claim().await.try_into().unwrap();
    assert_eq!((claim.id, claim.incident_id), (digest.id, None));
    crowd.go_up().await;
    assert_eq!((crowd.gather().await, crowd.claim().await.len()), (0, 0));
    let again = crowd.clock.now() + TimeDelta::seconds(9);
    crowd.record(&claim, AfterAttempt::Again(again)).await;
    assert_eq!((crowd.gather().await, crowd.claim().await.len()), (0, 0));
    crowd.clock.advance(TimeDelta::seconds(9));
    assert_eq!(crowd.gather().await, 0);
    let mut all = crowd.claim().await;
    let ids: Vec<_> = all.iter().map(|claim| claim.id).collect();
    assert_eq!(ids, [digest.id]);
    crowd.record(&all[0], AfterAttempt::Delivered).await;
    assert_eq!(crowd.gather().await, 1);
    all.extend(crowd.deliver().await);
    assert_eq!(all.len(), 2);
    let incidents: BTreeSet<_> = downs.iter().map(|down| down.incident_id.unwrap()).collect();
    for event in ["down", "up"] {
        let once: BTreeMap<_, u32> = incidents.iter().map(|incident| (*incident, 1)).collect();
        assert_eq!(told(&all, event), once, "{event}");
    }
    let ups = crowd.of("up").await;
    assert!(ups.iter().all(|up| up.digest_id == Some(all[1].id)));
}

async fn a_few_are_told_one_by_one(store: Store) {
    let crowd = Crowd::new(&store, LEAST_OF_DIGEST).await;
    crowd.run(&failure(), LEAST_OF_DIGEST as usize - 1).await;
    assert_eq!(crowd.gather().await, 0);
    let all = crowd.deliver().await;
    assert_eq!(all.len(), LEAST_OF_DIGEST as usize - 1);
    assert!(all.iter().all(|claim| claim.payload["event"] == "down"));
}

async fn a_digest_has_so_many(store: Store) {
    let scripts = MOST_OF_DIGEST + LEAST_OF_DIGEST + 1;
    let crowd = Crowd::new(&store, scripts).await;
    crowd.go_down().await;
    assert_eq!(crowd.gather().await, 2);
    let all = crowd.deliver().await;
    let items = all.iter().map(|claim| claim.payload["items"].as_array());
    let sizes: BTreeSet<_> = items.map(|items| items.unwrap().len()).collect();
    let rest = LEAST_OF_DIGEST as usize + 1;
    assert_eq!(sizes, [MOST_OF_DIGEST as usize, rest].into());
    assert_eq!(told(&all, "down").len(), scripts as usize);
}

async fn who_keeps_incidents_gets_each(store: Store) {
    let crowd = Crowd::new(&store, 12).await;
    crowd.go_down().await;
    let gather = async |one_by_one: &[&str]| {
        let gathered = store.gather_digests(crowd.clock.now(), one_by_one).await;
        gathered.unwrap()
    };
    assert_eq!(gather(&["pagerduty", "webhook"]).await, 0);
    assert_eq!(gather(&["pagerduty", "opsgenie"]).await, 1);
}

async fn what_was_tried_stays_as_it_is(store: Store) {
    let crowd = Crowd::new(&store, 14).await;
    crowd.go_down().await;
    let claims = crowd.claim().await;
    assert_eq!(claims.len(), 4);
    assert_eq!(crowd.gather().await, 0, "there is no place for it");
    let again = crowd.clock.now() + TimeDelta::seconds(1);
    for claim in &claims {
        crowd.record(claim, AfterAttempt::Again(again)).await;
    }
    assert_eq!(crowd.gather().await, 1);
    crowd.clock.advance(TimeDelta::seconds(1));
    let all = crowd.deliver().await;
    let ids: BTreeSet<_> = all.iter().map(|claim| claim.id).collect();
    assert!(claims.iter().all(|claim| ids.contains(&claim.id)));
    assert_eq!(all.len(), 5);
    let counts: BTreeSet<u32> = told(&all, "down").into_values().collect();
    assert_eq!((told(&all, "down").len(), counts), (14, [1].into()));
}

async fn a_channel_that_is_off_gets_no_digest(store: Store) {
    let crowd = Crowd::new(&store, 12).await;
    crowd.go_down().await;
    crowd.enable(false).await;
    assert_eq!(crowd.gather().await, 0);
    assert_eq!(crowd.claim().await, []);
    let downs = crowd.of("down").await;
    assert!(
        downs
            .iter()
            .all(|down| down.status == NotificationStatus::Dead)
    );
    // They were never taken up: nobody knows their ids yet.
    crowd.enable(true).await;
    for down in &downs {
        assert_eq!(crowd.resend(down.id).await, Resent::Done(1));
    }
    assert_eq!(crowd.gather().await, 1);
    crowd.enable(false).await;
    assert_eq!(crowd.claim().await, []);
    let [digest] = crowd.of("digest").await.try_into().unwrap();
    assert_eq!(digest.status, NotificationStatus::Dead);
    assert_eq!(
        digest.last_error.as_deref(),
        Some("the channel is disabled")
    );
}

async fn a_digest_that_is_dead_is_sent_again(store: Store) {
    let crowd = Crowd::new(&store, 12).await;
    crowd.go_down().await;
    crowd.gather().await;
    let [claim] = crowd.claim().await.try_into().unwrap();
    let [down, ..] = &crowd.of("down").await[..] else {
        panic!("they are there")
    };
    assert_eq!(crowd.resend(claim.id).await, Resent::NotDead);
    assert_eq!(crowd.resend(down.id).await, Resent::NotDead);
    crowd.record(&claim, AfterAttempt::Dead).await;
    // By one that it tells, or by itself.
    assert_eq!(crowd.resend(down.id).await, Resent::Done(1));
    let digest = crowd.one(claim.id).await;
    assert_eq!(
        (digest.status, digest.attempts),
        (NotificationStatus::Pending, 0)
    );
    assert_eq!(
        crowd.one(down.id).await.status,
        NotificationStatus::Digested
    );
    let [claim] = crowd.claim().await.try_into().unwrap();
    assert_eq!(claim.id, digest.id, "it has its id");
    crowd.record(&claim, AfterAttempt::Dead).await;
    assert_eq!(crowd.resend(claim.id).await, Resent::Done(1));
    assert_eq!(crowd.deliver().await.len(), 1);
    assert_eq!(crowd.resend(claim.id).await, Resent::NotDead);
}

async fn what_was_told_since_is_not_overtaken(store: Store) {
    let crowd = Crowd::new(&store, 12).await;
    crowd.go_down().await;
    crowd.gather().await;
    let [claim] = crowd.claim().await.try_into().unwrap();
    crowd.record(&claim, AfterAttempt::Dead).await;
    // One of them is up, and that was told.
    crowd.run(&success(), 1).await;
    assert_eq!(crowd.deliver().await.len(), 1);
    assert_eq!(crowd.resend(claim.id).await, Resent::Overtaken);
    for down in crowd.of("down").await {
        assert_eq!(crowd.resend(down.id).await, Resent::Overtaken);
    }
}

async fn digests_of_the_same_incidents_come_in_order(store: Store) {
    let crowd = Crowd::new(&store, 12).await;
    crowd.go_down().await;
    crowd.gather().await;
    let [first] = crowd.claim().await.try_into().unwrap();
    crowd.record(&first, AfterAttempt::Dead).await;
    crowd.go_up().await;
    crowd.gather().await;
    let [second] = crowd.claim().await.try_into().unwrap();
    crowd.record(&second, AfterAttempt::Dead).await;
    assert_eq!(crowd.resend(first.id).await, Resent::Done(2));
    let [claim] = crowd.claim().await.try_into().unwrap();
    assert_eq!(claim.id, first.id);
    assert_eq!(crowd.claim().await, [], "the second waits");
    crowd.record(&claim, AfterAttempt::Delivered).await;
    let [claim] = crowd.claim().await.try_into().unwrap();
    assert_eq!(claim.id, second.id);
    crowd.record(&claim, AfterAttempt::Dead).await;
    assert_eq!(crowd.resend(first.id).await, Resent::NotDead);
    assert_eq!(crowd.resend(second.id).await, Resent::Done(1));
}

async fn reminders_wait_for_a_digest(store: Store) {
    let crowd = Crowd::new(&store, 12).await;
    let page = PageRequest {
        limit: 100,
        cursor: None,
    };
    let scripts = store
        .list_scripts(crowd.owner.org, &Projects::All, None, page)
        .await;
    let script = scripts.unwrap().items[0].id;
    let rules = store
        .list_alert_rules(crowd.owner.org, script, crate::PAGE)
        .await;
    let rule = rules.unwrap().items.remove(0);
    let content = RuleContent {
        follow_up: vedette_core::alert::follow_up::FollowUp {
            remind_after_minutes: Some(5),
            escalation: Vec::new(),
        },
        ..rule.content
    };
    let now = crowd.clock.now();
    let edited = store.update_alert_rule(crowd.owner.org, rule.id, content, now, None);
    edited.await.unwrap();
    crowd.go_down().await;
    crowd.gather().await;
    let later = async || {
        crowd.clock.advance(TimeDelta::minutes(5));
        while store.tick_alerts(&crowd.clock).await.unwrap() > 0 {}
        crowd.of("reminder").await.len()
    };
    assert_eq!(later().await, 0);
    assert_eq!(crowd.deliver().await.len(), 1);
    assert_eq!(later().await, 1);
}

async fn many_hands_gather_once(store: Store) {
    let crowd = Crowd::new(&store, 25).await;
    crowd.go_down().await;
    let now = crowd.clock.now();
    let hands = (0..4).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            store.gather_digests(now, NONE).await.unwrap();
            store
                .claim_notifications(now, LEASE, 100, "node")
                .await
                .unwrap()
        })
    });
    let mut claims = Vec::new();
    for hand in hands.collect::<Vec<_>>() {
        claims.extend(hand.await.unwrap());
    }
    for claim in &claims {
        crowd.record(claim, AfterAttempt::Delivered).await;
    }
    crowd.gather().await;
    claims.extend(crowd.deliver().await);
    let told = told(&claims, "down");
    assert_eq!(told.len(), 25);
    assert!(told.values().all(|times| *times == 1), "{told:?}");
}
