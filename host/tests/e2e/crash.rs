//! `kill -9` in the middle, and what is there afterwards.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    target::Target,
    vedette::{Server, wait_for},
};

#[test]
fn after_a_kill_no_slot_is_there_twice_and_none_is_missing() {
    let target = Target::start();
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    server.sign_in();
    // One run is always in flight when the server dies; the other scripts are quick.
    let slow = server.make_script(&target.url("/wait/700"));
    let scripts: Vec<_> = (0..8)
        .map(|_| server.make_script(&target.url("/")))
        .collect();
    for _ in 0..3 {
        let before = server.executions(&scripts[0]).len();
        wait_for("more runs", || {
            (server.executions(&scripts[0]).len() >= before + 2).then_some(())
        });
        let acknowledged = server.make_script(&target.url("/"));
        let manual = json!({});
        let (status, started) = server.call(
            "POST",
            &format!("/api/v1/scripts/{slow}/run"),
            Some(&manual),
        );
        assert_eq!(status, 200, "{started}");
        let token = server.token.clone();
        server.signal("KILL");
        server.ended();
        let wait = Instant::now() + Duration::from_millis(2_500);
        while Instant::now() < wait {
            std::thread::park_timeout(wait - Instant::now());
        }
        server = Server::start(folder.path());
        server.token = token;
        let (status, _) = server.call("GET", &format!("/api/v1/scripts/{acknowledged}"), None);
        assert_eq!(status, 200, "what was acknowledged is there");
        let (status, kept) = server.call(
            "GET",
            &format!("/api/v1/executions/{}", started["id"].as_str().unwrap()),
            None,
        );
        assert_eq!((status, &kept["status"]), (200, &started["status"]));
    }
    let before = server.executions(&scripts[0]).len();
    wait_for("runs after the last start", || {
        (server.executions(&scripts[0]).len() >= before + 2).then_some(())
    });
    for script in scripts.iter().chain([&slow]) {
        check_slots(&server.executions(script));
    }
}

/// Every second has exactly one row, and no row is running for ever.
fn check_slots(executions: &[Value]) {
    let mut rows: BTreeMap<i64, u32> = BTreeMap::new();
    for run in executions {
        let status = run["status"].as_str().unwrap();
        assert!(matches!(status, "success" | "missed"), "{run}");
        if let Some(slot) = run["scheduled_at"].as_str() {
            *rows.entry(seconds(slot)).or_default() += 1;
        }
    }
    assert!(
        rows.values().all(|count| *count == 1),
        "a slot is there twice: {rows:?}"
    );
    let (first, last) = (rows.keys().next().unwrap(), rows.keys().last().unwrap());
    let missing: Vec<_> = (*first..=*last)
        .filter(|second| !rows.contains_key(second))
        .collect();
    // A row that is being recorded just now may come after its successor's.
    assert!(
        missing.iter().all(|second| *second >= last - 3),
        "slots without a row: {missing:?}"
    );
}

/// Since 1970: a day may end in the middle of the test.
fn seconds(time: &str) -> i64 {
    time.parse::<DateTime<Utc>>().unwrap().timestamp()
}
