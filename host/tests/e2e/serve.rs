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

#[cfg(target_os = "linux")]
#[test]
fn runner_processes_end_with_the_server() {
    for (name, is_orderly) in [("TERM", true), ("KILL", false)] {
        let folder = tempfile::tempdir().unwrap();
        // They are the default.
        let mut server = Server::start(folder.path());
        server.sign_in();
        let runners = wait_for("runner processes", || {
            let runners = children_of(server.id());
            (!runners.is_empty()).then_some(runners)
        });
        server.signal(name);
        assert_eq!(server.ended().success(), is_orderly);
        for runner in runners {
            wait_for("the end of a runner process", || {
                (!is_running(runner)).then_some(())
            });
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_may_run_scripts_in_its_own_process() {
    let target = Target::start();
    let folder = tempfile::tempdir().unwrap();
    let setting = [("VEDETTE_RUNNER__ISOLATION", "in-process")];
    let mut server = Server::start_with(folder.path(), &setting);
    server.sign_in();
    let script = server.make_script(&target.url("/wait/10"));
    wait_for("a success", || {
        let runs = server.executions(&script);
        let has_success = runs.iter().any(|run| run["status"] == "success");
        has_success.then_some(())
    });
    assert_eq!(children_of(server.id()), [0_u32; 0]);
}

/// Process ids, by the fourth field of `/proc/PID/stat`.
#[cfg(target_os = "linux")]
fn children_of(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap();
    let ids = all.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    ids.filter(|id| stat(*id).is_some_and(|(_, of)| of == parent))
        .collect()
}

#[cfg(target_os = "linux")]
fn is_running(process: u32) -> bool {
    // One that nobody has asked about yet has ended all the same.
    stat(process).is_some_and(|(state, _)| state != "Z")
}

/// State and parent.
#[cfg(target_os = "linux")]
fn stat(process: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before may hold anything.
    let mut fields = text.rsplit(") ").next()?.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
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
        ("VEDETTE_RUNNER__ISOLATION", "none"),
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
