//! The two schemas are one, and every statement fits both.

use std::{collections::BTreeSet, fs};

use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqlSafeStr as _,
    SqliteConnection,
};
use vedette_store::testing::TestDatabase;

fn migrations(engine: &str) -> BTreeSet<String> {
    let folder = format!(
        "{}/../../../migrations/{engine}",
        env!("CARGO_MANIFEST_DIR")
    );
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn both_folders_have_the_same_migrations() {
    assert_eq!(migrations("sqlite"), migrations("postgres"));
    assert!(!migrations("sqlite").is_empty());
}

#[tokio::test]
async fn both_databases_have_the_same_columns() {
    let sqlite = TestDatabase::sqlite().await;
    let Some(postgres) = TestDatabase::postgres().await else {
        return;
    };
    let mut connection = SqliteConnection::connect(&sqlite.url).await.unwrap();
    let query = "SELECT m.name, p.name, p.\"notnull\" = 1 OR p.pk > 0 FROM sqlite_master m, pragma_table_info(m.name) p \
        WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '_sqlx%'";
    let of_sqlite: BTreeSet<(String, String, bool)> = sqlx::query(query)
        .fetch_all(&mut connection)
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let mut connection = PgConnection::connect(&postgres.url).await.unwrap();
    let query = "SELECT table_name::text, column_name::text, is_nullable = 'NO' FROM information_schema.columns \
        WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'";
    let of_postgres: BTreeSet<(String, String, bool)> = sqlx::query(query)
        .fetch_all(&mut connection)
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    assert!(of_sqlite.len() > 80);
    assert_eq!(of_sqlite, of_postgres);
}

#[tokio::test]
async fn every_statement_prepares_on_both() {
    let statements = vedette_store::all_sql();
    assert!(statements.len() > 30);
    let sqlite = TestDatabase::sqlite().await;
    let mut connection = SqliteConnection::connect(&sqlite.url).await.unwrap();
    for sql in &statements {
        let prepared = (&mut connection)
            .prepare(AssertSqlSafe(*sql).into_sql_str())
            .await;
        assert!(prepared.is_ok(), "SQLite refuses {sql}: {prepared:?}");
    }
    let Some(postgres) = TestDatabase::postgres().await else {
        return;
    };
    let mut connection = PgConnection::connect(&postgres.url).await.unwrap();
    for sql in &statements {
        let prepared = (&mut connection)
            .prepare(AssertSqlSafe(*sql).into_sql_str())
            .await;
        assert!(prepared.is_ok(), "PostgreSQL refuses {sql}: {prepared:?}");
    }
}

/// People query these by hand: the names and types are promised.
#[tokio::test]
async fn promised_columns_have_their_types() {
    let promised = [
        ("users", "username", "character varying"),
        ("users", "email", "character varying"),
        ("users", "password_hash", "character varying"),
        ("scripts", "name", "character varying"),
        ("scripts", "owner_id", "uuid"),
        ("scripts", "is_enabled", "boolean"),
        ("scripts", "cron_expression", "character varying"),
        ("scripts", "script_body", "text"),
        ("scripts", "language", "character varying"),
        ("scripts", "parameters", "jsonb"),
        ("scripts", "env_vars", "jsonb"),
        ("script_executions", "script_id", "uuid"),
        (
            "script_executions",
            "executed_at",
            "timestamp with time zone",
        ),
        ("script_executions", "status", "character varying"),
        ("script_executions", "result", "jsonb"),
        ("script_execution_logs", "execution_id", "uuid"),
        ("script_execution_logs", "log_level", "character varying"),
        ("script_execution_logs", "message", "text"),
        (
            "script_execution_logs",
            "timestamp",
            "timestamp with time zone",
        ),
    ];
    let Some(postgres) = TestDatabase::postgres().await else {
        return;
    };
    let mut connection = PgConnection::connect(&postgres.url).await.unwrap();
    let query = "SELECT data_type::text FROM information_schema.columns \
        WHERE table_name = $1 AND column_name = $2";
    for (table, column, expected) in promised {
        let found: Option<String> = sqlx::query_scalar(query)
            .bind(table)
            .bind(column)
            .fetch_optional(&mut connection)
            .await
            .unwrap();
        assert_eq!(found.as_deref(), Some(expected), "{table}.{column}");
    }
}

/// The queries that must stay fast however many rows there are.
#[tokio::test]
async fn claims_and_pages_use_their_indexes() {
    let sqlite = TestDatabase::sqlite().await;
    let mut connection = SqliteConnection::connect(&sqlite.url).await.unwrap();
    for (start, index) in [
        ("SELECT slots.script_id", "slots_due"),
        (
            "SELECT id, script_id, script_version_id",
            "script_executions_script",
        ),
        (
            "DELETE FROM script_executions WHERE id IN (SELECT id FROM script_executions \
             WHERE executed_at",
            "script_executions_time",
        ),
        (
            "DELETE FROM script_executions WHERE id IN (SELECT id FROM script_executions \
             WHERE script_id",
            "script_executions_script",
        ),
        ("SELECT org_id, id FROM scripts", "scripts_deleted"),
        ("SELECT slots.script_id", "script_executions_script"),
        (
            "SELECT status FROM script_executions",
            "script_executions_script",
        ),
        ("DELETE FROM script_recordings", "script_recordings_script"),
        (
            "SELECT components.id, components.digest, components.name, components.uploaded_by, \
             components.created_at, components.visible_at, blobs.state, blobs.error_class, \
             blobs.reason, blobs.facts, blocked.reason AS blocked_reason FROM components \
             JOIN component_blobs AS blobs ON blobs.digest = components.digest LEFT JOIN \
             blocked_components AS blocked ON blocked.digest = components.digest \
             WHERE components.org_id = $1 AND components.id <",
            "components_list",
        ),
        (
            "SELECT id, number, language, component_digest",
            "(script_id=? AND number<?)",
        ),
    ] {
        let statements = vedette_store::all_sql();
        let sql = statements
            .iter()
            .find(|sql| sql.starts_with(start))
            .expect(start);
        let plan: Vec<String> = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
            .fetch_all(&mut connection)
            .await
            .unwrap()
            .iter()
            .map(|row| row.get("detail"))
            .collect();
        let plan = plan.join("; ");
        assert!(plan.contains(index), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "it sorts: {plan}");
    }
}
