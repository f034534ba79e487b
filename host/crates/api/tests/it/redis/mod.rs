//! Redis fails in every way, under two nodes on one database: what has ended is refused by both at
//! once, what goes on goes on, nothing is answered by 5xx, and guessing stays limited.

use std::time::Duration;

use axum::Router;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use vedette_api::{ApiConfig, RedisLink, Registration, testing::TestRedis};
use vedette_store::testing::TestDatabase;

mod cache;
mod faults;
mod proxy;
mod tokens;

use crate::world::{Account, Answer, World};

const ME: &str = "/api/v1/users/me";
const SCRIPTS: &str = "/api/v1/scripts";

/// Two nodes, each with a link of its own.
struct Nodes {
    world: World,
    routers: [Router; 2],
    links: [RedisLink; 2],
}

impl Nodes {
    async fn new(database: TestDatabase, links: [RedisLink; 2]) -> Self {
        let config = ApiConfig {
            registration: Registration::Open,
            ..ApiConfig::default()
        };
        let world = World::configured(database, config.clone());
        let mut routers = Vec::new();
        for link in &links {
            link.connect().await;
            routers.push(world.node(config.clone(), link).await);
        }
        let routers: [Router; 2] = routers.try_into().unwrap();
        Self {
            world,
            routers,
            links,
        }
    }

    /// The world, seen through one node.
    fn on(&mut self, node: usize) -> &World {
        self.world.router = self.routers[node].clone();
        &self.world
    }

    /// An answer of one node, which is no 5xx.
    async fn call(
        &mut self,
        node: usize,
        method: &str,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Answer {
        let answer = self.on(node).call(method, path, Some(token), body).await;
        assert!(answer.status < 500, "{method} {path}: {}", answer.text);
        answer
    }

    /// What both nodes say to a token.
    async fn seen(&mut self, token: &str, path: &str) -> [u16; 2] {
        let one = self.call(0, "GET", path, token, None).await.status;
        [one, self.call(1, "GET", path, token, None).await.status]
    }

    /// How many wrong passwords of somebody a node judges before it refuses to.
    async fn guesses(&mut self, node: usize, name: &str) -> u32 {
        let mut judged = 0;
        loop {
            let answer = self.on(node).login(name, "a wrong password").await;
            match answer.status {
                401 => judged += 1,
                429 => return judged,
                other => panic!("{other}: {}", answer.text),
            }
            assert!(judged <= 60, "it has no end");
        }
    }
}

/// Waits until a link is up, or is not.
async fn until(link: &RedisLink, is_up: bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while link.is_up() != is_up {
        assert!(Instant::now() < deadline, "the link is still {}", !is_up);
        sleep_until(Instant::now() + Duration::from_millis(5)).await;
    }
}

fn patient(redis: &TestRedis) -> [RedisLink; 2] {
    [(); 2].map(|()| RedisLink::patient(&redis.url()))
}

#[tokio::test]
async fn two_nodes_count_together() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let mut nodes = Nodes::new(TestDatabase::sqlite().await, patient(&redis)).await;
    nodes.on(0).account("anna").await;
    for _ in 0..3 {
        let wrong = nodes.on(1).login("anna", "a wrong password").await;
        assert_eq!(wrong.status, 401);
    }
    assert_eq!(nodes.guesses(0, "anna").await, 7, "ten, on both together");
    assert_eq!(nodes.guesses(1, "anna").await, 0);
    nodes.world.clock.advance(chrono::TimeDelta::minutes(5));
    assert_eq!(nodes.guesses(1, "anna").await, 1);
    assert_eq!(nodes.guesses(0, "anna").await, 0);
}

#[tokio::test]
async fn requests_are_counted_together_too() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let mut nodes = Nodes::new(TestDatabase::sqlite().await, patient(&redis)).await;
    let anna = nodes.on(0).account("anna").await;
    let config = ApiConfig {
        requests_per_minute: 8,
        ..ApiConfig::default()
    };
    for node in 0..2 {
        let router = nodes.world.node(config.clone(), &nodes.links[node]).await;
        nodes.routers[node] = router;
    }
    let mut statuses = Vec::new();
    for number in 0..12 {
        let answer = nodes.call(number % 2, "GET", ME, &anna.token, None).await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 8);
    assert_eq!(statuses[8..], [429; 4]);
}

/// Whose rights and sessions end in the tests of faults, each in another way.
struct Cast {
    admin: Account,
    guests: Vec<Account>,
    /// A role that the organization made, which the last guest has.
    role: String,
    /// A key of the admin: its id, and itself.
    key: (String, String),
}

const GUESTS: usize = 7;

impl Cast {
    async fn new(world: &World) -> Self {
        let admin = world.account("admin").await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let body = json!({ "name": "on call", "permissions": ["script:read"] });
        let role = text(&world.post(&admin, "/api/v1/roles", body).await.json()["id"]);
        let mut guests = Vec::new();
        for number in 0..GUESTS {
            let invitation = json!({ "role_id": role });
            let name = format!("guest{number}");
            guests.push(world.invited(&admin, &name, invitation).await);
        }
        let body = json!({ "name": "reader", "permissions": ["script:read"] });
        let made = world.post(&admin, "/api/v1/api-keys", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let made = made.json();
        Self {
            admin,
            guests,
            role,
            key: (text(&made["id"]), text(&made["key"])),
        }
    }

    fn tokens(&self) -> Vec<&str> {
        let guests = self.guests.iter().map(|guest| guest.token.as_str());
        guests
            .chain([self.admin.token.as_str(), self.key.1.as_str()])
            .collect()
    }
}

#[tokio::test]
async fn what_speaks_no_tls_is_not_trusted() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let url = redis.url().replace("redis://", "rediss://");
    let link = RedisLink::new(&url).unwrap();
    link.connect().await;
    assert!(!link.is_up());
}
