//! Each fault, and after it each way in which a token ends or a right changes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vedette_api::{RedisLink, testing::TestRedis};
use vedette_store::testing::TestDatabase;

use super::{
    Cast, ME, Nodes, SCRIPTS,
    proxy::{Line, Proxy},
    until,
};
use crate::world::PASSWORD;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    DownAtStart,
    Stopped,
    /// Stopped, and started anew while everything goes on.
    Restarted,
    Frozen,
    Flushed,
    Slow,
    WrongPassword,
    /// One node reaches it, the other does not.
    Split,
}

impl Fault {
    /// Whether the nodes have Redis at the end.
    fn leaves(self) -> [bool; 2] {
        match self {
            Self::Nothing | Self::Flushed | Self::Restarted => [true, true],
            Self::Split => [true, false],
            _ => [false, false],
        }
    }
}

/// Redis, the nodes, and what lies between them.
struct Scene {
    redis: TestRedis,
    proxies: [Proxy; 2],
    nodes: Nodes,
    cast: Cast,
}

impl Scene {
    async fn new(fault: Fault, database: TestDatabase, mut redis: TestRedis) -> Self {
        let proxies = [Proxy::before(&redis).await, Proxy::before(&redis).await];
        if fault == Fault::DownAtStart {
            redis.stop();
        }
        let links = [0, 1].map(|node| match fault {
            Fault::WrongPassword => RedisLink::new(&redis.url_with("wrong")).unwrap(),
            _ => RedisLink::new(&proxies[node].url).unwrap(),
        });
        let mut nodes = Nodes::new(database, links).await;
        let cast = Cast::new(nodes.on(0)).await;
        // Both nodes know all of them.
        for token in cast.tokens() {
            assert_eq!(nodes.seen(token, SCRIPTS).await, [200, 200]);
        }
        Self {
            redis,
            proxies,
            nodes,
            cast,
        }
    }

    async fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::Nothing | Fault::DownAtStart | Fault::WrongPassword => {}
            Fault::Stopped => self.redis.stop(),
            Fault::Restarted => {
                self.redis.stop();
                self.nodes.seen(&self.cast.admin.token, ME).await;
                self.redis.start_again();
            }
            Fault::Frozen => self.redis.freeze(),
            Fault::Flushed => self.redis.flush(),
            Fault::Slow => {
                for proxy in &self.proxies {
                    proxy.set(Line::Slow(Duration::from_secs(5)));
                }
            }
            Fault::Split => self.proxies[1].set(Line::Cut),
        }
    }

    /// Mends what can be mended; nothing then keeps the nodes from Redis.
    fn mend(&mut self, fault: Fault) {
        match fault {
            Fault::Nothing | Fault::Flushed | Fault::Restarted | Fault::WrongPassword => {}
            Fault::DownAtStart | Fault::Stopped => self.redis.start_again(),
            Fault::Frozen => self.redis.thaw(),
            Fault::Slow | Fault::Split => {
                for proxy in &self.proxies {
                    proxy.set(Line::Good);
                }
            }
        }
    }

    /// The middle one of some requests on each node.
    async fn median(&mut self) -> Duration {
        let mut times = Vec::new();
        for number in 0..60 {
            let began = Instant::now();
            let token = &self.cast.admin.token;
            self.nodes.call(number % 2, "GET", ME, token, None).await;
            times.push(began.elapsed());
        }
        times.sort();
        times[30]
    }
}

/// By one node, something ends; both say so, and it changes nothing for the others.
async fn ends(scene: &mut Scene) {
    let Scene { nodes, cast, .. } = scene;
    let admin = &cast.admin;
    let [logged_out, removed, changed, disabled, thief, left, demoted] = &cast.guests[..] else {
        panic!("there are seven");
    };

    let path = format!("/api/v1/api-keys/{}", cast.key.0);
    let ended = nodes.call(0, "DELETE", &path, &admin.token, None);
    assert_eq!(ended.await.status, 204);
    assert_eq!(nodes.seen(&cast.key.1, SCRIPTS).await, [401, 401], "a key");

    let logout = nodes.call(1, "POST", "/api/v1/auth/logout", &logged_out.token, None);
    assert_eq!(logout.await.status, 204);
    assert_eq!(
        nodes.seen(&logged_out.token, ME).await,
        [401, 401],
        "logout"
    );
    let refreshed = nodes.on(0).refresh(&logged_out.refresh).await;
    assert_eq!(refreshed.status, 401, "its refresh token");

    let other = nodes.on(0).again("guest1").await;
    let listed = nodes.call(0, "GET", "/api/v1/users/me/sessions", &other.token, None);
    let listed = listed.await.json();
    let mut sessions = listed["items"].as_array().unwrap().iter();
    let session = sessions
        .find(|session| session["is_current"] == false)
        .unwrap();
    let path = format!(
        "/api/v1/users/me/sessions/{}",
        session["id"].as_str().unwrap()
    );
    assert_eq!(
        nodes
            .call(0, "DELETE", &path, &other.token, None)
            .await
            .status,
        204
    );
    assert_eq!(
        nodes.seen(&removed.token, ME).await,
        [401, 401],
        "a session"
    );
    assert_eq!(nodes.seen(&other.token, ME).await, [200, 200]);

    let other = nodes.on(1).again("guest2").await;
    let body = json!({ "current_password": PASSWORD, "new_password": "another long sentence" });
    let path = "/api/v1/users/me/password";
    assert_eq!(
        nodes
            .call(1, "PUT", path, &other.token, Some(body))
            .await
            .status,
        204
    );
    assert_eq!(nodes.seen(&changed.token, ME).await, [401, 401], "password");

    let body = json!({ "is_disabled": true, "is_admin": false });
    let path = format!("/api/v1/admin/users/{}", disabled.id);
    assert_eq!(
        nodes
            .call(0, "PUT", &path, &admin.token, Some(body))
            .await
            .status,
        200
    );
    assert_eq!(
        nodes.seen(&disabled.token, ME).await,
        [401, 401],
        "disabled"
    );

    assert_eq!(nodes.on(1).refresh(&thief.refresh).await.status, 200);
    assert_eq!(nodes.on(0).refresh(&thief.refresh).await.status, 401);
    assert_eq!(nodes.seen(&thief.token, ME).await, [401, 401], "used twice");

    let path = format!("/api/v1/members/{}", left.id);
    assert_eq!(
        nodes
            .call(1, "DELETE", &path, &admin.token, None)
            .await
            .status,
        204
    );
    assert_eq!(
        nodes.seen(&left.token, SCRIPTS).await,
        [403, 403],
        "no member"
    );

    rights(nodes, cast, &demoted.token, &demoted.id).await;
    assert_eq!(nodes.seen(&admin.token, SCRIPTS).await, [200, 200]);
}

/// What somebody may do changes, by the content of the role and by another role.
async fn rights(nodes: &mut Nodes, cast: &Cast, token: &str, id: &str) {
    let admin = &cast.admin.token;
    let members = "/api/v1/members";
    assert_eq!(nodes.seen(token, members).await, [403, 403]);
    for (node, permissions, expected) in [
        (0, json!(["script:read", "user:read"]), 200),
        (1, json!(["script:read"]), 403),
    ] {
        let path = format!("/api/v1/roles/{}", cast.role);
        let body = json!({ "name": "on call", "permissions": permissions });
        let made = nodes.call(node, "PUT", &path, admin, Some(body)).await;
        assert_eq!(made.status, 200, "{}", made.text);
        assert_eq!(nodes.seen(token, members).await, [expected; 2], "content");
    }
    let roles = nodes
        .call(0, "GET", "/api/v1/roles", admin, None)
        .await
        .json();
    let roles = roles["items"].as_array().unwrap();
    let named = |name: &str| -> Value {
        let mut found = roles.iter().filter(|role| role["name"] == name);
        found.next().unwrap()["id"].clone()
    };
    for (node, role, expected) in [(1, "admin", 200), (0, "on call", 403)] {
        let path = format!("{members}/{id}");
        let body = json!({ "roles": [{ "role_id": named(role) }] });
        let made = nodes.call(node, "PUT", &path, admin, Some(body)).await;
        assert_eq!(made.status, 200, "{}", made.text);
        assert_eq!(nodes.seen(token, members).await, [expected; 2], "role");
    }
}

async fn check(fault: Fault, database: TestDatabase) {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let mut scene = Scene::new(fault, database, redis).await;
    let before = scene.median().await;
    // Some guesses before it happens: they stay counted on the node that judged them.
    for _ in 0..4 {
        let wrong = scene.nodes.on(0).login("guest0", "a wrong password").await;
        assert_eq!(wrong.status, 401);
    }
    scene.strike(fault).await;
    // Each breaker opens within a second, and here one after the other.
    let began = Instant::now();
    for (node, is_up) in fault.leaves().into_iter().enumerate() {
        loop {
            let token = &scene.cast.admin.token;
            scene.nodes.call(node, "GET", ME, token, None).await;
            if is_up || !scene.nodes.links[node].is_up() {
                break;
            }
            let passed = began.elapsed();
            assert!(passed < Duration::from_secs(2), "{fault:?}: {passed:?}");
        }
    }
    let opened = began.elapsed();
    let after = scene.median().await;
    assert!(
        after <= before * 2 + Duration::from_millis(10),
        "{fault:?}: {before:?}, then {after:?}"
    );

    ends(&mut scene).await;
    let nodes = &mut scene.nodes;
    let guesses = [
        nodes.guesses(0, "guest0").await,
        nodes.guesses(1, "guest0").await,
    ];
    assert_eq!(guesses[0], 6, "{fault:?}: four were before");
    assert!(guesses[1] <= 10, "{fault:?}: {guesses:?}");
    #[expect(clippy::print_stdout, reason = "what was measured, for who asks")]
    {
        println!("{fault:?}: {before:?}, then {after:?}; open in {opened:?}; {guesses:?}");
    }

    // When Redis is back, with whatever it remembers, what has ended stays so.
    scene.mend(fault);
    if fault != Fault::WrongPassword {
        for link in &scene.nodes.links {
            until(link, true).await;
        }
    }
    for guest in &scene.cast.guests[..5] {
        assert_eq!(scene.nodes.seen(&guest.token, ME).await, [401, 401]);
    }
    let key = &scene.cast.key.1;
    assert_eq!(scene.nodes.seen(key, SCRIPTS).await, [401, 401]);
}

macro_rules! faults {
    ($($name:ident: $fault:ident),+ $(,)?) => {$(
        mod $name {
            use super::{Fault, TestDatabase, check};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                check(Fault::$fault, TestDatabase::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let Some(database) = TestDatabase::postgres().await else { return };
                check(Fault::$fault, database).await;
            }
        }
    )+};
}

faults! {
    with_redis: Nothing,
    down_at_the_start: DownAtStart,
    stopped: Stopped,
    restarted: Restarted,
    frozen: Frozen,
    flushed: Flushed,
    slow: Slow,
    with_a_wrong_password: WrongPassword,
    reached_by_one_node: Split,
}
