//! The contract of the store: every test runs on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that fails here says where")]

mod access;
mod access_cache;
mod accounts;
mod alerts;
mod api_keys;
mod audit;
mod audit_tampering;
mod catch_up;
mod channels;
mod component_bytes;
mod component_keys;
mod component_queue;
mod components;
mod connect;
mod default_rules;
mod deliveries;
mod dependents;
mod digests;
mod executions;
mod fair_claims;
mod foreign_hands;
mod identities;
mod incidents;
mod leaving;
mod maintenance;
mod mutes;
mod oidc_logins;
mod older_schema;
mod outbox;
mod parents;
mod passwords;
mod past;
mod profiles;
mod quotas;
mod races;
mod rechecks;
mod recordings;
mod reminders;
mod retention;
mod schema;
mod scripts;
mod sealed;
mod second_factors;
mod slot_lives;
mod slots;
mod user_administration;
mod variables;
mod vault;
mod versions;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use vedette_core::{
    ExecutionId, ManualClock, MissedReason, OrgId, Outcome, Program, ProjectId, ScriptId,
    ScriptVersionId, SessionId, SourceLanguage, UserId,
};
use vedette_store::{
    ClaimRequest, ClaimedSlot, FinishedSlot, NewScript, NewSession, NewUser, PageRequest, Script,
    ScriptChange, Store, testing::TestDatabase,
};

const PAGE: PageRequest = PageRequest {
    limit: 100,
    cursor: None,
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("RFC 3339")
}

fn start() -> DateTime<Utc> {
    at("2026-11-24T12:00:00.250Z")
}

fn clock() -> ManualClock {
    ManualClock::at(start())
}

fn new_user(name: &str) -> NewUser {
    let clock = clock();
    NewUser {
        id: UserId::generate(&clock),
        org_id: OrgId::generate(&clock),
        project_id: ProjectId::generate(&clock),
        invitation: None,
        username: name.to_owned(),
        email: format!("{name}@example.com"),
        password_hash: "$argon2id$…".to_owned(),
        created_at: start(),
        allow_later: true,
    }
}

struct Owner {
    user: UserId,
    org: OrgId,
    project: ProjectId,
}

async fn owner(store: &Store, name: &str) -> Owner {
    let new = new_user(name);
    let owner = Owner {
        user: new.id,
        org: new.org_id,
        project: new.project_id,
    };
    store.register_user(new).await.unwrap();
    owner
}

/// Every ten seconds on the tens.
fn change(owner: &Owner, now: DateTime<Utc>) -> ScriptChange {
    ScriptChange {
        project_id: owner.project,
        name: "check".to_owned(),
        template_id: None,
        parent_id: None,
        tags: Vec::new(),
        is_enabled: true,
        cron_expression: Some("*/10 * * * * *".to_owned()),
        interval_seconds: None,
        timezone: "UTC".to_owned(),
        program: javascript("export default () => ({ success: true });"),
        parameters: serde_json::from_value(json!({ "url": "https://example.com/" })).unwrap(),
        env_vars: [("KEY".to_owned(), "välue".to_owned())].into(),
        timeout_seconds: 30,
        version_id: ScriptVersionId::generate(&clock()),
        changed_by: owner.user,
        changed_at: now,
    }
}

fn javascript(text: &str) -> Program {
    Program::Source {
        text: text.to_owned(),
        language: SourceLanguage::JavaScript,
    }
}

fn new_script(owner: &Owner, content: ScriptChange) -> NewScript {
    NewScript {
        id: ScriptId::generate(&clock()),
        org_id: owner.org,
        has_default_rules: true,
        content,
    }
}

async fn script(store: &Store, owner: &Owner) -> Script {
    let new = new_script(owner, change(owner, start()));
    store.create_script(new).await.unwrap()
}

/// A session of a day, by the refresh token whose hash is ones.
async fn session(store: &Store, owner: &Owner) -> SessionId {
    let id = SessionId::generate(&clock());
    let session = NewSession {
        id,
        user_id: owner.user,
        org_id: Some(owner.org),
        refresh_token_hash: [1; 32],
        created_at: start(),
        expires_at: start() + TimeDelta::days(1),
    };
    store.create_session(session).await.unwrap();
    id
}

fn claim_at(now: DateTime<Utc>) -> ClaimRequest {
    ClaimRequest {
        now,
        look_ahead: TimeDelta::milliseconds(1_500),
        lease: TimeDelta::seconds(60),
        owner: "node".to_owned(),
        limit: 1_000,
        most_of_one: None,
        skip: Vec::new(),
        absent_until: DateTime::UNIX_EPOCH,
    }
}

fn finished(slot: &ClaimedSlot, outcome: Outcome) -> FinishedSlot {
    FinishedSlot {
        execution_id: ExecutionId::generate(&clock()),
        script_id: slot.script_id,
        org_id: slot.org_id,
        version_id: slot.version_id,
        scheduled_at: slot.scheduled_at,
        is_recheck: slot.is_recheck,
        lease_token: slot.lease_token,
        executed_at: slot.scheduled_at,
        outcome,
        missed_reason: None,
        skipped_reason: MissedReason::Overlap,
    }
}

fn success() -> Outcome {
    let mut outcome = Outcome::missed("fine");
    outcome.status = vedette_core::Status::Success;
    outcome
}

/// Runs a test that needs the database beside the store, on both.
async fn on_each(test: impl AsyncFn(&TestDatabase)) {
    test(&TestDatabase::sqlite().await).await;
    if let Some(postgres) = TestDatabase::postgres().await {
        test(&postgres).await;
    }
}

/// Changes the database behind the store's back. Answers how many rows.
async fn by_hand(database: &TestDatabase, sql: &str) -> u64 {
    let sql = AssertSqlSafe(sql.to_owned());
    if database.store.is_embedded() {
        let mut connection = SqliteConnection::connect(&database.url).await.unwrap();
        sqlx::query(sql)
            .execute(&mut connection)
            .await
            .unwrap()
            .rows_affected()
    } else {
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        sqlx::query(sql)
            .execute(&mut connection)
            .await
            .unwrap()
            .rows_affected()
    }
}

/// How many rows a table has.
async fn count(database: &TestDatabase, table: &str) -> i64 {
    let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    if database.store.is_embedded() {
        let mut connection = SqliteConnection::connect(&database.url).await.unwrap();
        sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    } else {
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }
}
