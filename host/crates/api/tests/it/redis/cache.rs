//! What members may do lies in Redis too: nodes take it from there, and believe no other hand.

use vedette_api::{ApiConfig, RedisLink, testing::TestRedis};
use vedette_store::testing::TestDatabase;

use super::{Cast, Nodes, SCRIPTS, patient};

const MEMBERS: &str = "/api/v1/members";
const ENTRIES: &str = "vedette:cache:access:";

impl Nodes {
    /// A node that has just begun takes the place of the second.
    async fn replace(&mut self, redis: &TestRedis) {
        let link = RedisLink::patient(&redis.url());
        link.connect().await;
        self.routers[1] = self.world.node(ApiConfig::default(), &link).await;
        self.links[1] = link;
    }

    async fn newest(&mut self, path: &str, token: &str) -> u16 {
        self.call(1, "GET", path, token, None).await.status
    }
}

/// Without the triggers a change does not count: that shows where a new node has it from.
#[tokio::test]
async fn a_new_node_takes_it_from_redis() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let mut nodes = Nodes::new(TestDatabase::sqlite().await, patient(&redis)).await;
    let cast = Cast::new(nodes.on(0)).await;
    let token = &cast.guests[0].token;
    assert_eq!(nodes.seen(token, SCRIPTS).await, [200, 200]);
    for sql in ["DROP TRIGGER user_roles_deleted", "DELETE FROM user_roles"] {
        nodes.world.database.execute(sql).await;
    }
    nodes.replace(&redis).await;
    assert_eq!(nodes.newest(SCRIPTS, token).await, 200);
    redis.flush();
    nodes.replace(&redis).await;
    assert_eq!(nodes.newest(SCRIPTS, token).await, 403);
}

#[tokio::test]
async fn what_others_put_there_is_not_believed() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let mut nodes = Nodes::new(TestDatabase::sqlite().await, patient(&redis)).await;
    let cast = Cast::new(nodes.on(0)).await;
    let (admin, guest) = (&cast.admin, &cast.guests[0]);
    assert_eq!(nodes.seen(&admin.token, MEMBERS).await, [200, 200]);
    assert_eq!(nodes.seen(&guest.token, MEMBERS).await, [403, 403]);
    let entries = redis.entries(ENTRIES);
    let of = |id: &str| {
        let mut found = entries.iter().filter(|(name, _)| name.contains(id));
        // Each change of the cast gave a new version; the last is among them.
        let of: Vec<_> = found.by_ref().collect();
        assert!(!of.is_empty(), "{id} has none");
        of
    };
    let admins = of(&admin.id);
    assert!(
        !admins[0].1.windows(6).any(|part| part == b"script"),
        "it is sealed"
    );
    let forged = br#"[{"role_id":"00000000-0000-7000-8000-000000000001"}]"#;
    let owners: Vec<&[u8]> = admins.iter().map(|(_, value)| value.as_slice()).collect();
    for value in owners.into_iter().chain([forged.as_slice(), b"", b"x"]) {
        for (name, _) in of(&guest.id) {
            redis.plant(name, value);
        }
        nodes.replace(&redis).await;
        assert_eq!(nodes.newest(MEMBERS, &guest.token).await, 403);
        assert_eq!(nodes.newest(SCRIPTS, &guest.token).await, 200);
    }
}
