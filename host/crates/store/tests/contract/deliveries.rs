//! Claims of notifications: leases, order, and that no channel holds up others; what comes of attempts.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use vedette_core::{ChannelId, Clock as _, ManualClock, NotificationId};
use vedette_store::{
    AfterAttempt, AttemptOutcome, ChannelChange, ClaimedNotification, DeliveryAttempt,
    MAX_CLAIMS_OF_CHANNEL, NewNotification, NotificationStatus, Resent, Store, StoredNotification,
    both_databases,
};

use crate::{
    Owner,
    channels::{as_it_is, channel, update},
    outbox::{World, failure, last_record},
    owner, start, success,
};

both_databases!(
    a_lease_is_one_claim_and_fences_the_late,
    attempts_are_kept_and_counted,
    a_channel_holds_up_no_other,
    claims_come_in_the_order_of_their_time,
    up_waits_for_its_down,
    channels_that_are_off_or_gone_make_dead_letters,
    nobody_listens_any_more,
    dead_letters_are_sent_again,
    concurrent_claims_keep_the_bound,
);

const LEASE: TimeDelta = TimeDelta::seconds(60);

async fn claim(store: &Store, now: DateTime<Utc>, limit: u32) -> Vec<ClaimedNotification> {
    store
        .claim_notifications(now, LEASE, limit, "node")
        .await
        .unwrap()
}

fn attempt(now: DateTime<Utc>, outcome: AttemptOutcome) -> DeliveryAttempt {
    let is_delivered = outcome == AttemptOutcome::Delivered;
    DeliveryAttempt {
        attempted_at: now,
        outcome,
        status: Some(if is_delivered { 204 } else { 500 }),
        duration: Duration::from_millis(125),
        error: (!is_delivered).then(|| "answered 500".to_owned()),
        excerpt: Some("thank you".to_owned()),
    }
}

async fn record(
    store: &Store,
    claimed: &ClaimedNotification,
    now: DateTime<Utc>,
    next: AfterAttempt,
) -> bool {
    let outcome = match next {
        AfterAttempt::Delivered => AttemptOutcome::Delivered,
        AfterAttempt::Again(_) => AttemptOutcome::Retry,
        AfterAttempt::Dead => AttemptOutcome::Refused,
        AfterAttempt::DisableChannel(_) => AttemptOutcome::Gone,
    };
    let attempt = attempt(now, outcome);
    let recorded = store.record_attempt(claimed.id, claimed.lease_token, &attempt, &next);
    recorded.await.unwrap()
}

async fn one(store: &Store, owner: &Owner, id: NotificationId) -> StoredNotification {
    let detail = store
        .get_notification(owner.org, id)
        .await
        .unwrap()
        .unwrap();
    detail.notification
}

/// Puts some into the outbox that are about nothing.
async fn put(
    store: &Store,
    owner: &Owner,
    channel: ChannelId,
    at: DateTime<Utc>,
    count: usize,
) -> Vec<NotificationId> {
    let clock = ManualClock::at(at);
    let mut ids = Vec::new();
    for _ in 0..count {
        let id = NotificationId::generate(&clock);
        let new = NewNotification {
            id,
            org_id: owner.org,
            channel_id: channel,
            event: "test".to_owned(),
            payload: json!({ "id": id }),
            created_at: at,
        };
        assert!(store.create_notification(&new).await.unwrap());
        ids.push(id);
    }
    ids
}

async fn a_lease_is_one_claim_and_fences_the_late(store: Store) {
    let anna = owner(&store, "anna").await;
    let channel = channel(&store, &anna, "one").await.id;
    let now = start();
    let [id] = put(&store, &anna, channel, now, 1)
        .await
        .try_into()
        .unwrap();
    assert_eq!(
        claim(&store, now - TimeDelta::seconds(1), 9).await,
        [],
        "it is not due"
    );
    assert_eq!(claim(&store, now, 0).await, []);
    let [first] = claim(&store, now, 9).await.try_into().unwrap();
    assert_eq!(
        (first.id, first.org_id, first.channel_id),
        (id, anna.org, channel)
    );
    assert_eq!((first.attempts, first.first_attempt_at), (1, now));
    assert_eq!(first.payload, json!({ "id": id }));
    assert_eq!(
        claim(&store, now + LEASE - TimeDelta::seconds(1), 9).await,
        [],
        "it is leased"
    );
    // Whoever had it is gone, or late.
    let later = now + LEASE;
    let [second] = claim(&store, later, 9).await.try_into().unwrap();
    assert_eq!(
        (second.id, second.attempts, second.first_attempt_at),
        (id, 2, now)
    );
    assert!(second.lease_token > first.lease_token);
    assert!(!record(&store, &first, later, AfterAttempt::Dead).await);
    store
        .release_notification(id, first.lease_token)
        .await
        .unwrap();
    assert_eq!(claim(&store, later, 9).await, [], "it is still leased");
    assert!(record(&store, &second, later, AfterAttempt::Delivered).await);
    assert!(
        !record(&store, &second, later, AfterAttempt::Delivered).await,
        "once"
    );
    let detail = store.get_notification(anna.org, id).await.unwrap().unwrap();
    assert_eq!(detail.attempts, [attempt(later, AttemptOutcome::Delivered)]);
    let item = detail.notification;
    assert_eq!(
        (item.status, item.next_attempt_at),
        (NotificationStatus::Delivered, None)
    );
    assert_eq!(
        item.delivered_at,
        Some(later + TimeDelta::milliseconds(125))
    );
    assert_eq!(claim(&store, later + LEASE * 2, 9).await, []);
}

async fn attempts_are_kept_and_counted(store: Store) {
    let anna = owner(&store, "anna").await;
    let channel = channel(&store, &anna, "one").await.id;
    let mut now = start();
    let [id] = put(&store, &anna, channel, now, 1)
        .await
        .try_into()
        .unwrap();
    for number in 1..=3 {
        let [claimed] = claim(&store, now, 9).await.try_into().unwrap();
        assert_eq!(
            (claimed.attempts, claimed.first_attempt_at),
            (number, start())
        );
        let again = now + TimeDelta::seconds(10);
        assert!(record(&store, &claimed, now, AfterAttempt::Again(again)).await);
        let item = one(&store, &anna, id).await;
        assert_eq!((item.next_attempt_at, item.attempts), (Some(again), number));
        assert_eq!(item.last_error.as_deref(), Some("answered 500"));
        assert_eq!(claim(&store, again - TimeDelta::seconds(1), 9).await, []);
        now = again;
    }
    // What was given back was no attempt.
    let [claimed] = claim(&store, now, 9).await.try_into().unwrap();
    store
        .release_notification(id, claimed.lease_token)
        .await
        .unwrap();
    assert_eq!(one(&store, &anna, id).await.attempts, 3);
    let [claimed] = claim(&store, now, 9).await.try_into().unwrap();
    assert_eq!(claimed.attempts, 4);
    // All at once, of a process that is alone.
    assert_eq!(store.release_all_notifications().await.unwrap(), 1);
    assert!(!record(&store, &claimed, now, AfterAttempt::Delivered).await);
    let [claimed] = claim(&store, now, 9).await.try_into().unwrap();
    assert!(record(&store, &claimed, now, AfterAttempt::Dead).await);
    let detail = store.get_notification(anna.org, id).await.unwrap().unwrap();
    assert_eq!(detail.notification.status, NotificationStatus::Dead);
    let outcomes: Vec<_> = detail
        .attempts
        .iter()
        .map(|attempt| attempt.outcome)
        .collect();
    assert_eq!(
        outcomes,
        [
            AttemptOutcome::Retry,
            AttemptOutcome::Retry,
            AttemptOutcome::Retry,
            AttemptOutcome::Refused,
        ]
    );
}

async fn a_channel_holds_up_no_other(store: Store) {
    let anna = owner(&store, "anna").await;
    let slow = channel(&store, &anna, "slow").await.id;
    let quick = channel(&store, &anna, "quick").await.id;
    let now = start() + TimeDelta::seconds(60);
    // More than one claim looks at, and all before the other's.
    put(&store, &anna, slow, start(), 700).await;
    put(&store, &anna, quick, start() + TimeDelta::seconds(1), 2).await;
    let first = claim(&store, now, 64).await;
    let mut held: Vec<_> = first
        .iter()
        .filter(|claimed| claimed.channel_id == slow)
        .collect();
    assert_eq!(held.len(), MAX_CLAIMS_OF_CHANNEL as usize);
    let mut seen: Vec<_> = first
        .iter()
        .filter(|claimed| claimed.channel_id == quick)
        .cloned()
        .collect();
    // What a claim did not look at is seen by the next one: the slow channel has all it may.
    let second = claim(&store, now, 64).await;
    assert!(second.iter().all(|claimed| claimed.channel_id == quick));
    seen.extend(second);
    assert_eq!(seen.len(), 2);
    assert_eq!(claim(&store, now, 64).await, []);
    // One place is free again.
    let done = held.pop().unwrap();
    assert!(record(&store, done, now, AfterAttempt::Delivered).await);
    let [next] = claim(&store, now, 64).await.try_into().unwrap();
    assert_eq!(next.channel_id, slow);
    assert_ne!(next.id, done.id);
}

async fn claims_come_in_the_order_of_their_time(store: Store) {
    let anna = owner(&store, "anna").await;
    let now = start() + TimeDelta::seconds(60);
    let mut expected = Vec::new();
    for number in 0..9 {
        let channel = channel(&store, &anna, &number.to_string()).await.id;
        let at = now - TimeDelta::seconds((number * 5) % 9);
        let ids = put(&store, &anna, channel, at, 1).await;
        expected.push((at, ids[0]));
    }
    expected.sort_unstable();
    let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
    let mut found: Vec<_> = claim(&store, now, 4)
        .await
        .iter()
        .map(|claimed| claimed.id)
        .collect();
    assert_eq!(found, expected[..4]);
    found.extend(claim(&store, now, 9).await.iter().map(|claimed| claimed.id));
    assert_eq!(found, expected);
}

async fn up_waits_for_its_down(store: Store) {
    let world = World::new(&store).await;
    let (one, two) = (world.told("one").await, world.told("two").await);
    world.run(failure()).await;
    let mut downs = claim(&store, world.clock.now(), 9).await;
    assert_eq!(downs.len(), 2);
    world.run(success()).await;
    world.run(failure()).await;
    // The next incident waits for nobody.
    let of_next = claim(&store, world.clock.now(), 9).await;
    assert_eq!(of_next.len(), 2, "{of_next:?}");
    let down = downs.pop().unwrap();
    let again = world.clock.now() + TimeDelta::seconds(30);
    assert!(record(&store, &down, world.clock.now(), AfterAttempt::Again(again)).await);
    assert_eq!(claim(&store, world.clock.now(), 9).await, []);
    assert!(
        record(
            &store,
            &downs[0],
            world.clock.now(),
            AfterAttempt::Delivered
        )
        .await
    );
    let [up] = claim(&store, world.clock.now(), 9)
        .await
        .try_into()
        .unwrap();
    assert_eq!(
        (up.channel_id, up.payload["event"].as_str()),
        (downs[0].channel_id, Some("up"))
    );
    // The other's `Down` goes first, and when it is dead, the way is free.
    let [retried] = claim(&store, again, 9).await.try_into().unwrap();
    assert_eq!(retried.id, down.id);
    assert!(record(&store, &retried, again, AfterAttempt::Dead).await);
    let [up] = claim(&store, again, 9).await.try_into().unwrap();
    assert_eq!(
        (up.channel_id, up.payload["event"].as_str()),
        (down.channel_id, Some("up"))
    );
    assert_ne!(one, two);
}

async fn channels_that_are_off_or_gone_make_dead_letters(store: Store) {
    let world = World::new(&store).await;
    let org = world.owner.org;
    let (off, gone) = (world.told("off").await, world.told("gone").await);
    world.run(failure()).await;
    for down in claim(&store, world.clock.now(), 9).await {
        assert!(record(&store, &down, world.clock.now(), AfterAttempt::Delivered).await);
    }
    let disabled = store.get_channel(org, off).await.unwrap().unwrap();
    let disabled = ChannelChange {
        is_enabled: false,
        ..as_it_is(&disabled)
    };
    update(&store, org, off, disabled).await;
    assert!(store.delete_channel(org, gone).await.unwrap());
    let well = channel(&store, &world.owner, "well").await.id;
    world.run(success()).await;
    put(&store, &world.owner, off, world.clock.now(), 30).await;
    // Behind all of them.
    world.clock.advance(TimeDelta::milliseconds(1));
    put(&store, &world.owner, well, world.clock.now(), 1).await;
    let [claimed] = claim(&store, world.clock.now(), 2)
        .await
        .try_into()
        .unwrap();
    assert_eq!(claimed.channel_id, well, "dead letters are in nobody's way");
    for (channel, why, count) in [
        (off, "the channel is disabled", 31),
        (gone, "the channel was deleted", 1),
    ] {
        let all = world.outbox().await.into_iter();
        let its = all.filter(|item| item.channel_id == channel && item.event != "down");
        let its: Vec<_> = its.collect();
        assert_eq!(its.len(), count);
        for item in its {
            assert_eq!(item.status, NotificationStatus::Dead);
            assert_eq!(item.last_error.as_deref(), Some(why));
        }
    }
}

async fn nobody_listens_any_more(store: Store) {
    let anna = owner(&store, "anna").await;
    let made = channel(&store, &anna, "one").await;
    let now = start();
    put(&store, &anna, made.id, now, 6).await;
    let mut claims = claim(&store, now, 9).await;
    assert_eq!(claims.len(), 4);
    let reason = "it answered 410".to_owned();
    let next = AfterAttempt::DisableChannel(reason.clone());
    assert!(record(&store, &claims[0], now, next.clone()).await);
    let off = store.get_channel(anna.org, made.id).await.unwrap().unwrap();
    assert_eq!(
        (off.is_enabled, off.disabled_reason.as_ref()),
        (false, Some(&reason))
    );
    assert_eq!(off.revision, made.revision + 1);
    let untold = async || store.list_untold_owners(9).await.unwrap();
    let [owner] = untold().await.try_into().unwrap();
    assert_eq!(
        (owner.channel_id, owner.org_id, &owner.channel),
        (made.id, anna.org, &made.name)
    );
    assert_eq!(
        (&*owner.email, &owner.reason),
        ("anna@example.com", &reason)
    );
    store.note_owner_told(anna.org, made.id).await.unwrap();
    assert_eq!(untold().await, []);
    let item = one(&store, &anna, claims[0].id).await;
    assert_eq!(item.status, NotificationStatus::Dead);
    // Those that are under way end as they end, and the rest goes nowhere.
    assert!(record(&store, &claims[1], now, next).await);
    assert!(record(&store, &claims[2], now, AfterAttempt::Delivered).await);
    assert!(record(&store, &claims[3], now, AfterAttempt::Again(now)).await);
    assert_eq!(claim(&store, now, 9).await, []);
    let item = one(&store, &anna, claims.pop().unwrap().id).await;
    assert_eq!(item.last_error.as_deref(), Some("the channel is disabled"));
    assert_eq!(
        store.get_channel(anna.org, made.id).await.unwrap(),
        Some(off.clone())
    );
    assert_eq!(untold().await, [], "nobody is told twice");
    // Whoever enables it takes the reason away.
    let on = ChannelChange {
        is_enabled: true,
        ..as_it_is(&off)
    };
    let on = update(&store, anna.org, made.id, on).await;
    assert_eq!((on.is_enabled, on.disabled_reason), (true, None));
}

async fn dead_letters_are_sent_again(store: Store) {
    let world = World::new(&store).await;
    let org = world.owner.org;
    let bert = owner(&store, "bert").await;
    world.told("one").await;
    let fail = async |event: &str| {
        let [claimed] = claim(&store, world.clock.now(), 9)
            .await
            .try_into()
            .unwrap();
        assert_eq!(claimed.payload["event"], event);
        assert!(record(&store, &claimed, world.clock.now(), AfterAttempt::Dead).await);
        claimed
    };
    let resend = async |org, id| {
        store
            .resend_notification(org, id, world.clock.now())
            .await
            .unwrap()
    };
    world.run(failure()).await;
    let waiting = world.outbox().await.pop().unwrap();
    assert_eq!(resend(org, waiting.id).await, Resent::NotDead);
    let down = fail("down").await;
    world.run(success()).await;
    let up = fail("up").await;
    assert_eq!(resend(bert.org, down.id).await, Resent::NotFound);
    // With what came after it.
    world.clock.advance(TimeDelta::hours(30));
    assert_eq!(resend(org, down.id).await, Resent::Done(2));
    let sent_again = ("notification.resend".to_owned(), Some(down.id.to_string()));
    assert_eq!(last_record(&store, org).await, sent_again);
    let [again] = claim(&store, world.clock.now(), 9)
        .await
        .try_into()
        .unwrap();
    assert_eq!(
        (again.id, again.attempts, again.first_attempt_at),
        (down.id, 1, world.clock.now())
    );
    assert!(again.lease_token > down.lease_token);
    assert!(record(&store, &again, world.clock.now(), AfterAttempt::Dead).await);
    let [again] = claim(&store, world.clock.now(), 9)
        .await
        .try_into()
        .unwrap();
    assert_eq!(again.id, up.id);
    assert!(record(&store, &again, world.clock.now(), AfterAttempt::Delivered).await);
    // `Down` would be heard last, and it is up.
    assert_eq!(resend(org, down.id).await, Resent::Overtaken);
    assert_eq!(resend(org, up.id).await, Resent::NotDead);
    let detail = store.get_notification(org, down.id).await.unwrap().unwrap();
    assert_eq!(detail.attempts.len(), 2, "those of both rounds");
}

async fn concurrent_claims_keep_the_bound(store: Store) {
    let anna = owner(&store, "anna").await;
    let (one, two) = (
        channel(&store, &anna, "1").await.id,
        channel(&store, &anna, "2").await.id,
    );
    put(&store, &anna, one, start(), 40).await;
    put(&store, &anna, two, start(), 40).await;
    let nodes = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { claim(&store, start(), 3).await })
    });
    let mut claims = Vec::new();
    for node in nodes.collect::<Vec<_>>() {
        claims.extend(node.await.unwrap());
    }
    let ids: HashSet<_> = claims.iter().map(|claimed| claimed.id).collect();
    assert_eq!(ids.len(), claims.len(), "each is one node's");
    for channel in [one, two] {
        let its = claims
            .iter()
            .filter(|claimed| claimed.channel_id == channel);
        assert_eq!(its.count(), MAX_CLAIMS_OF_CHANNEL as usize);
    }
}
