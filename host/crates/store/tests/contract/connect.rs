//! Opening a database: addresses, files, migrations, and a database that is away.

use std::os::unix::fs::PermissionsExt as _;

use vedette_store::{Store, StoreError, testing::TestDatabase};

use crate::{by_hand, count, on_each, owner};

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_its_password() {
    for url in [
        "",
        "mysql://root:hunter2@db/x",
        "/data/x.db",
        "sqlite::memory:",
    ] {
        let error = Store::connect(url).await.expect_err(url);
        assert!(
            matches!(error, StoreError::InvalidUrl(_)),
            "{url}: {error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_worth_another_try() {
    // Port 1 on loopback: nothing listens there.
    let error = Store::connect("postgres://nobody@127.0.0.1:1/x")
        .await
        .unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn the_file_is_for_its_owner_only() {
    let database = TestDatabase::sqlite().await;
    owner(&database.store, "anna").await;
    let file = database.url.strip_prefix("sqlite://").unwrap();
    for name in [
        file.to_owned(),
        format!("{file}-wal"),
        format!("{file}-shm"),
    ] {
        let mode = std::fs::metadata(&name).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let elsewhere = format!("sqlite://{file}-folder/that/is/not/there.db");
    assert!(Store::connect(&elsewhere).await.is_err());
}

#[tokio::test]
async fn what_is_stored_outlives_the_connection() {
    on_each(async |database| {
        let owner = owner(&database.store, "anna").await;
        database.store.ping().await.unwrap();
        database.store.close().await;
        assert!(database.store.ping().await.is_err());
        let again = Store::connect(&database.url).await.unwrap();
        again.migrate().await.unwrap();
        assert_eq!(
            again.find_login("anna").await.unwrap().unwrap().user.id,
            owner.user
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_nodes_may_migrate_at_once() {
    on_each(async |database| {
        // As new as a database can be.
        let tables = [
            "silences",
            "maintenance_windows",
            "delivery_attempts",
            "notifications",
            "alert_rule_escalations",
            "alert_rule_channels",
            "notification_channels",
            "audit_log",
            "audit_heads",
            "audit_checkpoints",
            "api_keys",
            "user_roles",
            "role_permissions",
            "permissions",
            "invitations",
            "roles",
            "variables",
            "organization_keys",
            "organization_quotas",
            "organization_usage",
            "component_signatures",
            "component_keys",
            "components",
            "component_compiles",
            "component_chunks",
            "blocked_components",
            "alert_history",
            "incident_events",
            "incident_states",
            "incidents",
            "alert_rule_states",
            "alert_rules",
            "script_recordings",
            "script_execution_logs",
            "script_executions",
            "slots",
            "script_versions",
            "scripts",
            "component_blobs",
            "script_templates",
            "identities",
            "oidc_logins",
            "password_resets",
            "recovery_codes",
            "totp_keys",
            "projects",
            "sessions",
            "memberships",
            "users",
            "organizations",
            "_sqlx_migrations",
        ];
        for table in tables {
            by_hand(database, &format!("DROP TABLE {table}")).await;
        }
        let nodes = (0..if database.store.is_embedded() { 1 } else { 4 }).map(|_| {
            let url = database.url.clone();
            tokio::spawn(async move { Store::connect(&url).await?.migrate().await })
        });
        for node in nodes.collect::<Vec<_>>() {
            node.await.unwrap().unwrap();
        }
        assert_eq!(count(database, "users").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_refused() {
    on_each(async |database| {
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
            execution_time) SELECT 9999, 'newer', success, checksum, 0 FROM _sqlx_migrations \
            WHERE version = 1";
        assert_eq!(by_hand(database, newer).await, 1);
        let refused = database.store.migrate().await;
        assert!(
            matches!(refused, Err(StoreError::Migrate(_))),
            "{refused:?}"
        );
    })
    .await;
}
