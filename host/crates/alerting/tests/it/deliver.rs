//! Delivering, with real stores and receivers: what hangs, what fails, what is gone, and processes that end.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use vedette_alerting::{MailFailure, MailTransport, OutgoingMail};
use vedette_core::Clock as _;
use vedette_store::{
    AttemptOutcome, IncidentAction, NotificationStatus, Resent, StoredNotification,
};

use crate::{
    server::{Received, Reply, Server, reply},
    world::{Worker, World, clock, on_each, until},
};

const TARPITS: usize = 100;

fn body(received: &Received) -> Value {
    serde_json::from_str(&received.body).unwrap()
}

fn ids(server: &Server) -> Vec<String> {
    let received = server.received();
    let ids = received
        .iter()
        .map(|request| request.header("webhook-id").unwrap().to_owned());
    ids.collect()
}

fn is_delivered(item: &StoredNotification) -> bool {
    item.status == NotificationStatus::Delivered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_tarpits_delay_nobody() {
    on_each(async |database| {
        let clock = clock();
        let tarred = World::new(&database.store, &clock, "tarred").await;
        let mut tarpits = Vec::new();
        for _ in 0..TARPITS {
            let tarpit = Server::start(|_| Reply::Hang).await;
            tarred.webhook(&tarpit.url("/hook")).await;
            tarpits.push(tarpit);
        }
        let well = World::new(&database.store, &clock, "well").await;
        let healthy = Server::start(|_| reply("204 No Content", "", "")).await;
        let channel = well.webhook(&healthy.url("/hook")).await;
        let worker = Worker::start(&database.store, &clock);
        // The tarpits' notifications are due before the healthy receiver's, all of them.
        tarred.goes_down().await;
        for round in 0..5 {
            let began = Instant::now();
            if round % 2 == 0 {
                well.goes_down().await;
            } else {
                well.goes_up().await;
            }
            worker.wake.notify_one();
            let expected = round + 1;
            until("the healthy receiver is told", async || {
                (healthy.received().len() == expected).then_some(())
            })
            .await;
            let took = began.elapsed();
            println!("from the transition to the delivery: {took:?}, with {TARPITS} tarpits");
            assert!(took < Duration::from_secs(5), "{took:?}");
        }
        until("all tarpits hold on to theirs", async || {
            let held = tarpits.iter().filter(|tarpit| tarpit.received().len() == 1);
            (held.count() == TARPITS).then_some(())
        })
        .await;
        until("it is kept", async || {
            well.outbox(channel)
                .await
                .iter()
                .all(is_delivered)
                .then_some(())
        })
        .await;
        let told = healthy.received();
        let events: Vec<_> = told
            .iter()
            .map(|request| body(request)["data"]["event"].clone())
            .collect();
        assert_eq!(events, ["down", "up", "down", "up", "down"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_fails_twice_gets_one_id_three_times() {
    on_each(async |database| {
        let clock = clock();
        let world = World::new(&database.store, &clock, "anna").await;
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let server = Server::start(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => reply("500 Internal Server Error", "", "not now"),
            _ => reply("200 OK", "", "thank you"),
        })
        .await;
        let channel = world.webhook(&server.url("/hook")).await;
        let worker = Worker::start(&database.store, &clock);
        world.goes_down().await;
        let mut id = None;
        for (number, delay) in [(1, 10), (2, 20)] {
            worker.wake.notify_one();
            let item = until("the failure is kept", async || {
                let [item] = world.outbox(channel).await.try_into().unwrap();
                (item.attempts == number && item.next_attempt_at > Some(clock.now()))
                    .then_some(item)
            })
            .await;
            assert_eq!(item.last_error.as_deref(), Some("answered 500"));
            assert_eq!(
                item.next_attempt_at,
                Some(clock.now() + TimeDelta::seconds(delay))
            );
            clock.advance(TimeDelta::seconds(delay));
            id = Some(item.id);
        }
        worker.wake.notify_one();
        let item = until("it is delivered", async || {
            let [item] = world.outbox(channel).await.try_into().unwrap();
            is_delivered(&item).then_some(item)
        })
        .await;
        assert_eq!(ids(&server), vec![item.id.to_string(); 3]);
        assert_eq!(id, Some(item.id));
        let bodies: Vec<_> = server
            .received()
            .into_iter()
            .map(|request| request.body)
            .collect();
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
        let detail = world
            .store
            .get_notification(world.org, item.id)
            .await
            .unwrap()
            .unwrap();
        let attempts: Vec<_> = detail
            .attempts
            .iter()
            .map(|attempt| (attempt.outcome, attempt.status, attempt.excerpt.as_deref()))
            .collect();
        assert_eq!(
            attempts,
            [
                (AttemptOutcome::Retry, Some(500), Some("not now")),
                (AttemptOutcome::Retry, Some(500), Some("not now")),
                (AttemptOutcome::Delivered, Some(200), Some("thank you")),
            ]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_is_gone_is_disabled_and_its_letters_are_kept() {
    on_each(async |database| {
        let clock = clock();
        let world = World::new(&database.store, &clock, "anna").await;
        let is_back = Arc::new(AtomicUsize::new(0));
        let state = is_back.clone();
        let server = Server::start(move |_| match state.load(Ordering::SeqCst) {
            0 => reply("410 Gone", "", ""),
            _ => reply("200 OK", "", ""),
        })
        .await;
        let channel = world.webhook(&server.url("/hook")).await;
        let post = Arc::new(Postman::default());
        let worker = Worker::with_mail(&database.store, &clock, Some(post.clone()));
        world.goes_down().await;
        worker.wake.notify_one();
        let off = until("the channel is disabled", async || {
            let channel = world
                .store
                .get_channel(world.org, channel)
                .await
                .unwrap()
                .unwrap();
            (!channel.is_enabled).then_some(channel)
        })
        .await;
        assert!(
            off.disabled_reason.as_ref().unwrap().contains("410"),
            "{off:?}"
        );
        until("its owner is told", async || {
            let untold = world.store.list_untold_owners(9).await.unwrap();
            untold.is_empty().then_some(())
        })
        .await;
        let mails = std::mem::take(&mut *post.0.lock().unwrap());
        let [mail] = mails.try_into().unwrap();
        assert!(mail.subject().ends_with("is disabled"), "{mail:?}");
        assert!(mail.text().contains("410"), "{mail:?}");
        world.goes_up().await;
        worker.wake.notify_one();
        let [down, up] = until("both are dead letters", async || {
            let items: [_; 2] = world.outbox(channel).await.try_into().unwrap();
            let is_dead = |item: &StoredNotification| item.status == NotificationStatus::Dead;
            items.iter().all(is_dead).then_some(items)
        })
        .await;
        assert!(down.last_error.unwrap().contains("410"));
        assert_eq!(up.last_error.as_deref(), Some("the channel is disabled"));
        assert_eq!(server.received().len(), 1);
        // Somebody sees to it.
        is_back.store(1, Ordering::SeqCst);
        let change = vedette_store::ChannelChange {
            name: off.name.clone(),
            config: off.config.clone(),
            secret: None,
            is_enabled: true,
            changed_at: clock.now(),
        };
        world
            .store
            .update_channel(world.org, channel, change, None)
            .await
            .unwrap();
        let resent = world
            .store
            .resend_notification(world.org, down.id, clock.now())
            .await;
        assert_eq!(resent.unwrap(), Resent::Done(2));
        worker.wake.notify_one();
        until("both are delivered", async || {
            world
                .outbox(channel)
                .await
                .iter()
                .all(is_delivered)
                .then_some(())
        })
        .await;
        assert_eq!(
            ids(&server),
            [down.id, down.id, up.id].map(|id| id.to_string())
        );
    })
    .await;
}

/// Holds a write lock, so that nothing that came of an attempt can be kept.
enum Lock {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Lock {
    async fn take(database: &vedette_store::testing::TestDatabase) -> Self {
        if database.store.is_embedded() {
            let mut connection = SqliteConnection::connect(&database.url).await.unwrap();
            sqlx::query("BEGIN IMMEDIATE")
                .execute(&mut connection)
                .await
                .unwrap();
            Self::Sqlite(connection)
        } else {
            let mut connection = PgConnection::connect(&database.url).await.unwrap();
            for sql in ["BEGIN", "LOCK TABLE notifications IN EXCLUSIVE MODE"] {
                sqlx::query(sql).execute(&mut connection).await.unwrap();
            }
            Self::Postgres(connection)
        }
    }

    async fn give_back(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_sent_and_not_kept_is_sent_again() {
    on_each(async |database| {
        let clock = clock();
        let world = World::new(&database.store, &clock, "anna").await;
        let (arrived, arrivals) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let gate = Mutex::new(Some((arrived, gone)));
        let server = Server::start(move |_| {
            // Only the first one waits.
            if let Some((arrived, gone)) = gate.lock().unwrap().take() {
                arrived.send(()).unwrap();
                tokio::task::block_in_place(|| gone.recv()).unwrap();
            }
            reply("200 OK", "", "")
        })
        .await;
        let channel = world.webhook(&server.url("/hook")).await;
        let worker = Worker::start(&database.store, &clock);
        world.goes_down().await;
        worker.wake.notify_one();
        until("the request arrives", async || arrivals.try_recv().ok()).await;
        let lock = Lock::take(database).await;
        go.send(()).unwrap();
        // The answer is there, and its mark waits for the lock.
        until("the answer is read", async || {
            (server.finished() == 1).then_some(())
        })
        .await;
        worker.kill().await;
        lock.give_back().await;
        let [item] = world.outbox(channel).await.try_into().unwrap();
        assert_eq!(
            (item.status, item.attempts),
            (NotificationStatus::Pending, 1)
        );
        // The next process waits for the lease, and sends it with the same id.
        let worker = Worker::start(&database.store, &clock);
        clock.advance(TimeDelta::seconds(89));
        worker.wake.notify_one();
        let claims =
            database
                .store
                .claim_notifications(clock.now(), TimeDelta::seconds(90), 9, "other");
        assert_eq!(claims.await.unwrap(), [], "it may still be under way");
        clock.advance(TimeDelta::seconds(2));
        worker.wake.notify_one();
        let item = until("it is delivered", async || {
            let [item] = world.outbox(channel).await.try_into().unwrap();
            is_delivered(&item).then_some(item)
        })
        .await;
        assert_eq!(ids(&server), vec![item.id.to_string(); 2]);
        worker.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_at_the_end_is_given_back() {
    on_each(async |database| {
        let clock = clock();
        let world = World::new(&database.store, &clock, "anna").await;
        let server = Server::start(|_| Reply::Hang).await;
        let channel = world.webhook(&server.url("/hook")).await;
        let worker = Worker::start(&database.store, &clock);
        world.goes_down().await;
        worker.wake.notify_one();
        until("it is under way", async || {
            (server.received().len() == 1).then_some(())
        })
        .await;
        worker.stop().await;
        let lease = TimeDelta::seconds(90);
        let claims = database
            .store
            .claim_notifications(clock.now(), lease, 9, "other")
            .await;
        let [claimed] = claims.unwrap().try_into().unwrap();
        assert_eq!((claimed.channel_id, claimed.attempts), (channel, 1));
    })
    .await;
}

/// Takes mails of one address, and panics at those of others.
#[derive(Default)]
struct Postman(Mutex<Vec<OutgoingMail>>);

#[async_trait]
impl MailTransport for Postman {
    async fn send(&self, mail: &OutgoingMail) -> Result<Option<String>, MailFailure> {
        assert_eq!(
            mail.to(),
            ["anna@example.com"],
            "this one is not meant to be"
        );
        self.0.lock().unwrap().push(mail.clone());
        Ok(None)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_ends_one_delivery_only() {
    on_each(async |database| {
        let clock = clock();
        let world = World::new(&database.store, &clock, "anna").await;
        let to = |address: &str| json!({ "recipients": [address] });
        let bad = world
            .told("email", to("boris@example.com"), &json!({}))
            .await;
        let postman = Arc::new(Postman::default());
        let worker = Worker::with_mail(&database.store, &clock, Some(postman.clone()));
        world.goes_down().await;
        worker.wake.notify_one();
        let item = until("the panic is kept", async || {
            let [item] = world.outbox(bad).await.try_into().unwrap();
            item.last_error.is_some().then_some(item)
        })
        .await;
        assert_eq!(
            item.last_error.as_deref(),
            Some("a fault of this installation")
        );
        assert_eq!(
            item.next_attempt_at,
            Some(clock.now() + TimeDelta::seconds(10))
        );
        world.goes_up().await;
        let good = world
            .told("email", to("anna@example.com"), &json!({}))
            .await;
        world.goes_down().await;
        worker.wake.notify_one();
        until("the worker goes on", async || {
            world
                .outbox(good)
                .await
                .iter()
                .all(is_delivered)
                .then_some(())
        })
        .await;
        let mails = postman.0.lock().unwrap().clone();
        let [mail] = &mails[..] else {
            panic!("one mail: {mails:?}")
        };
        assert_eq!(mail.notification(), world.outbox(good).await[0].id);
        assert!(
            mail.subject().contains("checkout is down"),
            "{}",
            mail.subject()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sent_says_why() {
    on_each(async |database| {
        let clock = clock();
        let world = World::new(&database.store, &clock, "anna").await;
        let letter = json!({ "recipients": ["anna@example.com"] });
        let no_mail = world.told("email", letter, &json!({})).await;
        let private = world.webhook("http://10.0.0.1/hook").await;
        let unknown = world.told("pigeon", json!({}), &json!({})).await;
        let broken = world.webhook("http://127.0.0.1:9/hook").await;
        let sql = "UPDATE notification_channels SET ciphertext = wrapped_key FROM organization_keys \
            WHERE config IS NOT NULL AND name = ";
        database.execute(&format!("{sql}'{broken}'")).await;
        let worker = Worker::start(&database.store, &clock);
        world.goes_down().await;
        worker.wake.notify_one();
        for (channel, status, why) in [
            (no_mail, NotificationStatus::Pending, "no mail server"),
            (private, NotificationStatus::Dead, "not allowed"),
            (unknown, NotificationStatus::Dead, "no such kind"),
            (broken, NotificationStatus::Pending, "cannot be read"),
        ] {
            let item = until(why, async || {
                let [item] = world.outbox(channel).await.try_into().unwrap();
                item.last_error.is_some().then_some(item)
            })
            .await;
            assert_eq!(item.status, status, "{why}");
            assert!(item.last_error.as_ref().unwrap().contains(why), "{item:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_arrives_is_what_happened() {
    on_each(async |database| {
        let clock = clock();
        let world = World::new(&database.store, &clock, "anna").await;
        let server = Server::start(|_| reply("200 OK", "", "")).await;
        let channel = world.webhook(&server.url("/hook")).await;
        let worker = Worker::start(&database.store, &clock);
        world.goes_up().await;
        world.goes_down().await;
        let incident = world.outbox(channel).await[0].incident_id.unwrap();
        for action in [IncidentAction::Acknowledge, IncidentAction::Resolve] {
            clock.advance(TimeDelta::seconds(1));
            let changed = world
                .store
                .change_incident(world.org, incident, &action, world.user, &*clock);
            changed.await.unwrap();
        }
        world.goes_up().await;
        world.goes_down().await;
        world.goes_up().await;
        worker.wake.notify_one();
        until("all is delivered", async || {
            let items = world.outbox(channel).await;
            (items.len() == 5 && items.iter().all(is_delivered)).then_some(())
        })
        .await;
        let told: Vec<Value> = server
            .received()
            .iter()
            .map(|request| body(request)["data"].clone())
            .collect();
        // Those of one incident come in their order.
        let of_it = told
            .iter()
            .filter(|data| data["incident"] == json!(incident));
        let of_it: Vec<_> = of_it
            .map(|data| {
                (
                    data["headline"].as_str().unwrap(),
                    data["message"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            of_it,
            [
                ("checkout is down", "answered 503"),
                ("checkout: somebody looks after it", "anna sees to it."),
                (
                    "checkout: the incident is over, somebody said so",
                    "anna said that it is over."
                ),
            ]
        );
        let of_next = told
            .iter()
            .filter(|data| data["incident"] != json!(incident));
        let of_next: Vec<_> = of_next
            .map(|data| data["headline"].as_str().unwrap())
            .collect();
        assert_eq!(of_next, ["checkout is down", "checkout is up again"]);
        assert_eq!(
            told[0]["link"],
            format!(
                "https://vedette.example.com/incidents/{}",
                told[0]["incident"].as_str().unwrap()
            )
        );
        assert_eq!(
            (&told[0]["rule"], &told[0]["severity"]),
            (&json!("at once"), &json!("critical"))
        );
        assert!(told[0]["last_good_id"].is_string() && told[0]["first_bad_id"].is_string());
    })
    .await;
}
