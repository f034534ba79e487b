//! Databases that an older version left: what is in them is there and reads after migrating.

use std::path::PathBuf;

use sqlx::{PgPool, SqlitePool, migrate::Migrator};
use uuid::Uuid;
use vedette_core::{NotificationId, OrgId, ProjectId, UserId};
use vedette_store::{NotificationStatus, Store, VariableLevel, testing, testing::TestDatabase};

use crate::{Owner, PAGE, by_hand, on_each, script, sealed::sealed, variables::keep};

/// The newest schema without sealed variables.
const BEFORE_SEALED: i64 = 13;
/// The newest schema without digests.
const BEFORE_DIGESTS: i64 = 20;
const ORG: Uuid = Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_000a);
const PROJECT: Uuid = Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_000b);
const USER: Uuid = Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_000c);

/// Made by another program as the version before encrypted: the key is 32 times 9, under the
/// master key `1` of the tests.
const WRAPPED_KEY: &str = "000102030405060708090a0bc564ce1f9f61a1a7590ef9b88e1ecec5e7bf23f9705aa7bb\
    8f5f42e6b5b1b419d8fc3e9a45bd0daee8e7a826593cd3bd";
const TOKEN: &str =
    "1415161718191a1b1c1d1e1f79e4c2e539231ae26a5b064b820048735e413e1d423b81a3e640f2";
const TOKEN_2: &str = "1415161718191a1b1c1d1e1f79e4c2e539231ae26a5b061507efe650b035bce10deccf8c19f125\
    65cd3258";

async fn migrator(engine: &str, newest: i64) -> Migrator {
    let folder = format!(
        "{}/../../../migrations/{engine}",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut migrator = Migrator::new(PathBuf::from(folder)).await.unwrap();
    let older = migrator.migrations.iter();
    let older = older.filter(|migration| migration.version <= newest);
    migrator.migrations = older.cloned().collect();
    migrator
}

/// An empty database of an older version, in the place of a test's own.
async fn older(database: &TestDatabase, newest: i64) -> TestDatabase {
    let url = if database.store.is_embedded() {
        let url = format!("{}-older", database.url);
        let pool = SqlitePool::connect(&format!("{url}?mode=rwc"))
            .await
            .unwrap();
        migrator("sqlite", newest).await.run(&pool).await.unwrap();
        pool.close().await;
        url
    } else {
        by_hand(database, "DROP SCHEMA public CASCADE").await;
        by_hand(database, "CREATE SCHEMA public").await;
        let pool = PgPool::connect(&database.url).await.unwrap();
        migrator("postgres", newest).await.run(&pool).await.unwrap();
        pool.close().await;
        database.url.clone()
    };
    let store = Store::connect(&url).await.unwrap();
    TestDatabase::of(store.with_vault(testing::vault(&["1"])), url)
}

/// A literal of bytes.
fn bytes(older: &TestDatabase, hex: &str) -> String {
    if older.store.is_embedded() {
        format!("X'{hex}'")
    } else {
        format!("'\\x{hex}'")
    }
}

fn id(older: &TestDatabase, id: Uuid) -> String {
    if older.store.is_embedded() {
        format!("X'{}'", id.simple())
    } else {
        format!("'{id}'")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_from_before_sealed_ones_open() {
    on_each(async |database: &TestDatabase| {
        let older = older(database, BEFORE_SEALED).await;
        let (org, project, user) = (id(&older, ORG), id(&older, PROJECT), id(&older, USER));
        let (one, two, three) = (
            id(&older, Uuid::from_u128(1)),
            id(&older, Uuid::from_u128(2)),
            id(&older, Uuid::from_u128(3)),
        );
        let (wrapped, token, token_2) = (
            bytes(&older, WRAPPED_KEY),
            bytes(&older, TOKEN),
            bytes(&older, TOKEN_2),
        );
        let no = if older.store.is_embedded() {
            "0"
        } else {
            "FALSE"
        };
        let now = "'2026-11-28T12:00:00+00:00'";
        for sql in [
            format!("INSERT INTO organizations (id, name, created_at) VALUES ({org}, 'o', {now})"),
            format!(
                "INSERT INTO users (id, username, email, password_hash, is_admin, is_disabled, \
                 created_at) VALUES ({user}, 'anna', 'anna@example.com', '-', {no}, {no}, {now})"
            ),
            format!(
                "INSERT INTO projects (id, org_id, name, created_at) \
                 VALUES ({project}, {org}, 'p', {now})"
            ),
            format!(
                "INSERT INTO organization_keys (org_id, version, master_key_id, wrapped_key, \
                 created_at) VALUES ({org}, 1, '1', {wrapped}, {now})"
            ),
            format!(
                "INSERT INTO variables (id, org_id, project_id, name, kind, value, ciphertext, \
                 key_version, description, created_by, created_at, updated_at, revision) VALUES \
                 ({one}, {org}, NULL, 'TOKEN', 'secret', NULL, {token}, 1, 'old', {user}, {now}, \
                  {now}, 5), \
                 ({two}, {org}, {project}, 'TOKEN_2', 'secret', NULL, {token_2}, 1, NULL, {user}, \
                  {now}, {now}, 1), \
                 ({three}, {org}, NULL, 'REGION', 'plain', 'eu', NULL, NULL, NULL, {user}, {now}, \
                  {now}, 1)"
            ),
        ] {
            by_hand(&older, &sql).await;
        }
        let store = &older.store;
        store.migrate().await.unwrap();
        let anna = Owner {
            user: UserId::from_uuid(USER),
            org: OrgId::from_uuid(ORG),
            project: ProjectId::from_uuid(PROJECT),
        };
        let wide = VariableLevel::Organization;
        let listed = store.list_variables(anna.org, wide, PAGE).await.unwrap();
        let [region, token] = &listed.unwrap().items[..] else {
            panic!("two are of the organization");
        };
        assert_eq!(region.value.as_deref(), Some("eu"));
        assert_eq!((token.revision, &token.allowed_hosts), (5, &None));
        assert_eq!(token.description.as_deref(), Some("old"));
        let script = script(store, &anna).await;
        let expected = [
            ("KEY", "välue"),
            ("REGION", "eu"),
            ("TOKEN", "kept before"),
            ("TOKEN_2", "kept before too"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = store.get_environment(&script).await.unwrap();
        assert_eq!(environment.values, expected.clone().into());
        // Beside them there is room for sealed ones, and all get a new key.
        let new = sealed("sealed under a new key", &["api.example.com"]);
        keep(store, &anna, wide, "SEALED", new).await;
        let rotated = store.rotate_data_key(anna.org, crate::start()).await;
        assert_eq!(rotated.unwrap().unwrap().reencrypted, 3);
        let environment = store.get_environment(&script).await.unwrap();
        assert_eq!(environment.values, expected.into());
        assert_eq!(environment.sealed["SEALED"].value, "sealed under a new key");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_from_before_digests_are_kept() {
    on_each(async |database: &TestDatabase| {
        let older = older(database, BEFORE_DIGESTS).await;
        let (waits, dead) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (org, one, two) = (id(&older, ORG), id(&older, waits), id(&older, dead));
        let now = "'2026-11-28T12:00:00+00:00'";
        for sql in [
            format!("INSERT INTO organizations (id, name, created_at) VALUES ({org}, 'o', {now})"),
            format!(
                "INSERT INTO notifications (id, org_id, channel_id, event, position, payload, created_at, \
                 status, attempts, first_attempt_at, next_attempt_at, lease_token, last_error) VALUES \
                 ({one}, {org}, {one}, 'test', 1, '{{\"a\":1}}', {now}, 'pending', 1, {now}, {now}, 1, 'no'), \
                 ({two}, {org}, {one}, 'test', 1, '{{}}', {now}, 'dead', 1, {now}, NULL, 1, 'gone')"
            ),
            format!(
                "INSERT INTO delivery_attempts (notification_id, lease_token, attempted_at, outcome, \
                 duration_ms, error) VALUES ({one}, 1, {now}, 'retry', 5, 'no'), \
                 ({two}, 1, {now}, 'gone', 6, 'gone')"
            ),
        ] {
            by_hand(&older, &sql).await;
        }
        older.store.migrate().await.unwrap();
        for (notification, status, error) in [
            (waits, NotificationStatus::Pending, "no"),
            (dead, NotificationStatus::Dead, "gone"),
        ] {
            let found = older
                .store
                .get_notification(OrgId::from_uuid(ORG), NotificationId::from_uuid(notification));
            let found = found.await.unwrap().unwrap();
            assert_eq!((found.notification.status, found.notification.digest_id), (status, None));
            let [attempt] = &found.attempts[..] else {
                panic!("{found:?}")
            };
            assert_eq!(attempt.error.as_deref(), Some(error));
        }
        // An attempt still goes with its notification.
        let later = crate::start() + chrono::TimeDelta::days(90);
        let deleted = older.store.delete_notifications_before(later, 9).await;
        assert_eq!(deleted.unwrap(), 1);
        assert_eq!(crate::count(&older, "delivery_attempts").await, 1);
    })
    .await;
}
