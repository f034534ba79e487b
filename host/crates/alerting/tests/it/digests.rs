//! An outage that takes many scripts down at once, as receivers see it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use vedette_core::Status;
use vedette_store::{NotificationStatus, SetChannels};

use crate::{
    server::{Server, reply},
    world::{Worker, World, clock, on_each, until},
};

const SCRIPTS: usize = 200;
const MOST_MESSAGES: usize = 10;

/// How often each incident is told of by an event, alone or in a digest.
fn told(server: &Server, event: &str) -> BTreeMap<String, u32> {
    let mut told = BTreeMap::new();
    for received in server.received() {
        let body: Value = serde_json::from_str(&received.body).unwrap();
        let data = &body["data"];
        assert_eq!(data["items_omitted"], 0);
        for of in data["items"].as_array().unwrap().iter().chain([data]) {
            if of["event"] == event {
                let incident = of["incident"].as_str().unwrap().to_owned();
                *told.entry(incident).or_default() += 1;
            }
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_many_scripts_is_few_messages() {
    on_each(async |database| {
        let clock = clock();
        let world = World::new(&database.store, &clock, "anna").await;
        let server = Server::start(|_| reply("200 OK", "", "")).await;
        let hook = world.webhook(&server.url("/hook")).await;
        // Its settings do not read: nothing is sent, and each is kept with the reason.
        let pager = world.told("pagerduty", json!({}), &json!({})).await;
        for number in 1..SCRIPTS {
            let (_, rule) = world.script(&format!("script {number}")).await;
            let channels = [hook, pager];
            let set = world.store.set_rule_channels(world.org, rule, &channels);
            assert_eq!(set.await.unwrap(), SetChannels::Done);
        }
        let worker = Worker::start(&database.store, &clock);
        let mut incidents = BTreeSet::new();
        for (status, event) in [(Status::Failure, "down"), (Status::Success, "up")] {
            let before = server.received().len();
            world.run_all(status, "so it is").await;
            worker.wake.notify_one();
            let told = until(event, async || {
                let told = told(&server, event);
                (told.len() == SCRIPTS).then_some(told)
            })
            .await;
            assert!(told.values().all(|times| *times == 1), "{told:?}");
            // Two digests, and what was taken up before there were many.
            let messages = server.received().len() - before;
            assert!(messages <= MOST_MESSAGES, "{event}: {messages}");
            until("it is kept", async || {
                let outbox = world.outbox(hook).await;
                let waits = |status| matches!(status, NotificationStatus::Pending);
                (!outbox.iter().any(|item| waits(item.status))).then_some(())
            })
            .await;
            let now: BTreeSet<_> = told.into_keys().collect();
            assert!(incidents.is_empty() || incidents == now);
            incidents = now;
        }
        let digests = world.outbox(hook).await.into_iter();
        let digests = digests.filter(|item| item.event == "digest");
        assert_eq!(digests.count(), 4);
        // Who keeps incidents gets each by itself.
        let outbox = until("all are given up", async || {
            let outbox = world.outbox(pager).await;
            let is_dead = |status| matches!(status, NotificationStatus::Dead);
            outbox
                .iter()
                .all(|item| is_dead(item.status))
                .then_some(outbox)
        })
        .await;
        assert_eq!(outbox.len(), 2 * SCRIPTS);
        assert!(outbox.iter().all(|item| item.event != "digest"));
    })
    .await;
}
