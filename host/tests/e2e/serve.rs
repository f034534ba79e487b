//! First start, files, signals, and what is refused.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::json;

use crate::{
    target::Target,
    vedette::{Server, binary, wait_for},
};

#[test]
fn the_first_start_makes_private_keys_and_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mode = |name: &str| fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777;
    let mut server = Server::start(&data);
    server.sign_in();
    assert_eq!((mode(""), mode("keys")), (0o700, 0o700));
    assert_eq!(
        (mode("keys/jwt-1.key"), mode("keys/cache.key")),
        (0o600, 0o600)
    );
    let key = fs::read(data.join("keys/jwt-1.key")).unwrap();
    let token = server.token.clone();
    server.signal("-TERM");
    assert!(server.ended().success());
    let mut server = Server::start(&data);
    assert_eq!(fs::read(data.join("keys/jwt-1.key")).unwrap(), key);
    server.token = token;
    assert_eq!(
        server.call("GET", "/api/v1/users/me", None).0,
        200,
        "sessions outlive a restart"
    );
}

#[test]
fn later_users_need_an_invitation() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    server.sign_in();
    let user =
        json!({ "username": "bert", "email": "bert@example.com", "password": "long enough" });
    let (status, problem) = server.call("POST", "/api/v1/auth/register", Some(&user));
    assert_eq!(
        (status, &problem["status"]),
        (403, &json!(403)),
        "{problem}"
    );
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Server::start(folder.path());
    let second = binary()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let text = String::from_utf8(second.stderr).unwrap();
    assert!(
        text.contains("another server uses the data directory"),
        "{text}"
    );
}

#[test]
fn a_stop_waits_for_runs_and_hands_back_the_rest() {
    let target = Target::start();
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    server.sign_in();
    let script = server.make_script(&target.url("/wait/1500"));
    wait_for("a first run", || {
        server.executions(&script).first().cloned()
    });
    let token = server.token.clone();
    server.signal("-TERM");
    assert!(server.ended().success());
    let mut server = Server::start(folder.path());
    server.token = token;
    let runs = server.executions(&script);
    let interrupted = runs
        .iter()
        .filter(|run| run["status"] == "error" || run["status"] == "running");
    assert_eq!(interrupted.count(), 0, "{runs:?}");
}

#[test]
fn settings_that_are_wrong_are_named() {
    for (name, value) in [
        ("VEDETTE_SERVER__LISTEN", "nowhere"),
        ("VEDETTE_EGRESS__ALLOW", "10.0.0.0/8"),
        ("VEDETTE_RUNNER__ISOLATION", "process"),
        ("VEDETTE_SERVER__PORT", "80"),
    ] {
        let output = binary().args(["serve"]).env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{name}: {output:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn the_demo_shows_success_failure_and_recovery() {
    let output = binary().args(["demo", "--for", "24"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    for slug in [
        "http-status",
        "json-api",
        "keyword",
        "latency-budget",
        "login-flow",
        "tls-expiry",
    ] {
        assert!(text.contains(&format!("  {slug}")), "no {slug}: {text}");
    }
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("  http-status"))
        .collect();
    let first_failure = lines
        .iter()
        .position(|line| line.contains("failure"))
        .expect("it goes down");
    assert!(
        lines[..first_failure]
            .iter()
            .any(|line| line.contains("success")),
        "{text}"
    );
    assert!(
        lines[first_failure..]
            .iter()
            .any(|line| line.contains("success")),
        "{text}"
    );
    assert!(!text.contains("error "), "{text}");
}
