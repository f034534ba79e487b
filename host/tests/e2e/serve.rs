//! First start, files, signals, and what is refused.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    process::Stdio,
};

use serde_json::json;

use crate::{
    target::Target,
    vedette::{Server, binary, signal, wait_for},
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
    server.signal("TERM");
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
fn a_stop_waits_for_the_run_in_flight() {
    const SLOW: &str = "/wait/3000";
    let target = Target::start();
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    server.sign_in();
    let script = server.make_script(&target.url(SLOW));
    wait_for("a request", || (target.requests(SLOW) > 0).then_some(()));
    let token = server.token.clone();
    server.signal("TERM");
    assert!(server.ended().success());
    assert_eq!(target.requests(SLOW), 1, "nothing begins during the end");
    let mut server = Server::start(folder.path());
    server.token = token;
    // A run of this server would need three seconds: a success that is there now is of the last one.
    let runs = server.executions(&script);
    assert!(
        runs.iter()
            .any(|run| run["status"] == "success" && run["scheduled_at"].is_string()),
        "{runs:?}"
    );
    assert!(runs.iter().all(|run| run["status"] != "error"), "{runs:?}");
}

#[test]
fn the_demo_leaves_an_installation_and_the_temporary_folder_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("production.db");
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut child = binary()
        .arg("demo")
        .env("TMPDIR", &temporary)
        .env(
            "VEDETTE_DATABASE__URL",
            format!("sqlite://{}", database.display()),
        )
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines
        .next()
        .expect("the demo says where it runs")
        .expect("as text");
    std::thread::spawn(move || lines.for_each(drop));
    signal(child.id(), "TERM");
    let ended = wait_for("the demo's end", || child.try_wait().unwrap());
    assert!(ended.success(), "{ended}");
    assert!(
        !database.exists(),
        "the demo took the installation's database"
    );
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn settings_that_are_wrong_are_named() {
    for (name, value) in [
        ("VEDETTE_SERVER__LISTEN", "nowhere"),
        ("VEDETTE_EGRESS__ALLOW", "10.0.0.0/8"),
        ("VEDETTE_RUNNER__ISOLATION", "process"),
        ("VEDETTE_SERVER__PORT", "80"),
        ("VEDETTE_DATABASE__URL", "mysql://a@b/c"),
        ("VEDETTE_DATABASE__URL", "postgres://a@b:99999/c"),
    ] {
        let output = binary().args(["serve"]).env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{name}: {output:?}");
        assert!(!output.stderr.is_empty());
    }
    let output = binary()
        .args(["serve", "--data-dir"])
        .arg(OsStr::from_bytes(b"/tmp/\xff"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64), "{output:?}");
}

#[test]
fn the_demo_shows_success_failure_and_recovery() {
    let output = binary().args(["demo", "--for", "24"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let has = |slug: &str, status: &str| {
        text.lines()
            .any(|line| line.contains(&format!("  {slug} ")) && line.contains(status))
    };
    // The target has a certificate all the time; everything else goes down.
    for (slug, goes_down) in [
        ("http-status", true),
        ("json-api", true),
        ("keyword", true),
        ("latency-budget", true),
        ("login-flow", true),
        ("tls-expiry", false),
    ] {
        assert!(has(slug, " success  "), "{slug}: {text}");
        assert_eq!(has(slug, " failure  "), goes_down, "{slug}: {text}");
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
