//! What it costs to know who is calling, on each database: the part of every request that no handler
//! can do without. Ask with `cargo bench -p vedette-store`.

use std::hint::black_box;

use chrono::{DateTime, TimeDelta, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use vedette_core::{ManualClock, OrgId, ProjectId, SessionId, UserId};
use vedette_store::{NewSession, NewUser, testing::TestDatabase};

fn callers(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let databases = [
        ("sqlite", Some(runtime.block_on(TestDatabase::sqlite()))),
        ("postgres", runtime.block_on(TestDatabase::postgres())),
    ];
    for (name, database) in databases {
        let Some(TestDatabase { store, .. }) = &database else {
            continue;
        };
        let now: DateTime<Utc> = "2026-11-24T12:00:00Z".parse().expect("a time");
        let clock = ManualClock::at(now);
        let (user, org) = (UserId::generate(&clock), OrgId::generate(&clock));
        let session = SessionId::generate(&clock);
        runtime.block_on(async {
            let registered = store.register_user(NewUser {
                id: user,
                org_id: org,
                project_id: ProjectId::generate(&clock),
                invitation: None,
                username: "anna".to_owned(),
                email: "anna@example.com".to_owned(),
                password_hash: String::new(),
                created_at: now,
                allow_later: true,
            });
            registered.await.expect("the first user");
            let signed_in = store.create_session(NewSession {
                id: session,
                user_id: user,
                org_id: Some(org),
                refresh_token_hash: [1; 32],
                created_at: now,
                expires_at: now + TimeDelta::days(1),
            });
            signed_in.await.expect("a session");
        });
        let mut group = c.benchmark_group(name);
        group.bench_function("find_caller", |bench| {
            let ask = async || black_box(store.find_caller(session, now).await).is_ok();
            bench.to_async(&runtime).iter(ask);
        });
        // What the cache saves a request.
        group.bench_function("get_access", |bench| {
            let ask = async || black_box(store.get_access(org, user).await).is_ok();
            bench.to_async(&runtime).iter(ask);
        });
        group.finish();
    }
}

criterion_group!(benches, callers);
criterion_main!(benches);
