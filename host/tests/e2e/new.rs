//! `vedette new`: what it makes runs as it is, and the monitors of the Rust SDK do.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use crate::{
    target::Target,
    vedette::{binary, run},
};

const LIVE: &str = r#"{"status":"live"}"#;
const RUST_SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk/rust");
/// Rust monitors are built here, so that their libraries are compiled once.
const RUST_TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/rust-monitors");

fn new(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = binary();
    command.arg("new").args(arguments).current_dir(folder);
    command.output().unwrap()
}

fn make(folder: &Path, language: &str, name: &str) -> PathBuf {
    let output = new(folder, &[language, name]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains(&format!("cd {name}\n")), "{told}");
    assert!(told.contains("vedette check "), "{told}");
    folder.join(name)
}

/// The exit code, and the outcome.
fn check(file: &Path, arguments: &[&str]) -> (i32, Value) {
    let file = file.to_str().unwrap();
    let output = run(&[&["check", "--json", file], arguments].concat());
    let outcome = serde_json::from_slice(&output.stdout);
    let outcome = outcome.unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code().unwrap(), outcome)
}

/// With loopback allowed.
fn check_with(file: &Path, params: &Value, env: &[&str]) -> (i32, Value) {
    let params = params.to_string();
    let mut arguments = vec!["--params", &params, "--allow", "127.0.0.0/8"];
    for pair in env {
        arguments.extend(["--env", pair]);
    }
    check(file, &arguments)
}

fn class(outcome: &Value) -> Option<&str> {
    outcome["error_class"].as_str()
}

/// A new check tells a target that is well from one that is not, and both from a mistake of its own
/// and from a rule.
fn tells_targets_apart(monitor: &Path) {
    let target = Target::start();
    let url = target.url("/health");
    let params = serde_json::json!({ "url": url });
    target.set("/health", 200, LIVE);
    let (code, outcome) = check_with(monitor, &params, &[]);
    assert_eq!(code, 0, "{outcome}");
    assert!(outcome["latency_ms"].is_number(), "{outcome}");

    for (status, body) in [(500, LIVE), (200, r#"{"status":"starting"}"#), (200, "no")] {
        target.set("/health", status, body);
        let (code, outcome) = check_with(monitor, &params, &[]);
        assert_eq!(code, 1, "{status} {body}: {outcome}");
        assert_eq!(outcome["status"], "failure", "{outcome}");
    }

    let (code, outcome) = check_with(monitor, &serde_json::json!({ "url": 3 }), &[]);
    assert_eq!((code, class(&outcome)), (2, Some("script_error")));
    let message = outcome["message"].as_str().unwrap();
    assert!(message.contains("`url`"), "{message}");

    let (code, outcome) = check(monitor, &["--param", &format!("url={url}")]);
    assert_eq!((code, class(&outcome)), (2, Some("fetch_denied")));
    assert_eq!(outcome["status"], "error", "{outcome}");
}

#[test]
fn javascript_and_typescript_run_as_they_are_made() {
    let folder = tempfile::tempdir().unwrap();
    for language in ["js", "ts"] {
        let project = make(folder.path(), language, &format!("shop-{language}"));
        for file in ["vedette.d.ts", "vedette-assert.d.ts", "README.md"] {
            assert!(project.join(file).is_file(), "{file}");
        }
        let told = fs::read_to_string(project.join("README.md")).unwrap();
        assert!(
            told.starts_with(&format!("# shop-{language}\n")) && !told.contains("{{"),
            "{told}"
        );
        tells_targets_apart(&project.join(format!("monitor.{language}")));
    }
}

#[test]
fn what_cannot_be_made_is_told_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("full")).unwrap();
    fs::write(path.join("full/notes"), "mine").unwrap();
    fs::write(path.join("file"), "mine").unwrap();
    for (arguments, why) in [
        (&["js", "full"][..], "is not empty"),
        (&["rust", "file"], "is no folder"),
        (&["ts", "../shop"], "begins with a letter"),
        (&["js", ""], "begins with a letter"),
        (&["rust", "vedette-sdk"], "the library has that name"),
        (&["go", "shop"], "possible values: js, ts, rust"),
        (&["rust"], "NAME"),
    ] {
        let output = new(path, arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(why), "{arguments:?}: {told}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
    let mut there: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    there.sort();
    assert_eq!(there, ["file", "full"]);
    assert_eq!(fs::read_to_string(path.join("full/notes")).unwrap(), "mine");

    // An empty folder is as good as none, and nothing is left beside it.
    fs::create_dir(path.join("empty")).unwrap();
    make(path, "js", "empty");
    assert_eq!(fs::read_dir(path).unwrap().count(), 3);
}

/// Cargo, which builds into [`RUST_TARGET`].
fn cargo(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(folder);
    command.env("CARGO_TARGET_DIR", RUST_TARGET);
    command.output().unwrap()
}

fn assert_built(output: &Output) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

/// Whether monitors can be built in Rust. `false`, with a line on standard error, where something
/// is missing and is not required.
fn has_rust_toolchain() -> bool {
    let libraries = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", "wasm32-wasip2"])
        .output();
    let has_target = libraries.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success() && Path::new(&folder).is_dir()
    });
    let missing = if has_target {
        // The crates of the lock file. Building itself takes no network afterwards.
        let fetched = cargo(&["fetch", "--locked", "--quiet"], Path::new(RUST_SDK));
        if fetched.status.success() {
            return true;
        }
        let told = String::from_utf8_lossy(&fetched.stderr).into_owned();
        format!("the crates of the Rust SDK cannot be fetched: {told}")
    } else {
        "rustc has no target wasm32-wasip2: rustup target add wasm32-wasip2".to_owned()
    };
    let is_required = std::env::var_os("VEDETTE_REQUIRE_TOOLCHAINS").is_some();
    assert!(!is_required, "{missing}");
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    {
        eprintln!("SKIPPED, no monitor in Rust is built: {missing}");
    }
    false
}

fn assert_accepted(component: &Path) {
    let output = run(&["inspect", "--json", component.to_str().unwrap()]);
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(facts["accepted"], true, "{facts}");
    let capabilities = facts["capabilities"].as_array().unwrap();
    for one in ["http", "params"] {
        assert!(capabilities.contains(&one.into()), "no {one}: {facts}");
    }
}

#[test]
fn a_project_in_rust_builds_and_runs_as_it_is_made() {
    if !has_rust_toolchain() {
        return;
    }
    // Always in the same folder: its path is a part of what Cargo knows of a build.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-rust");
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    let project = make(&folder, "rust", "shop-stock");
    let ignored = fs::read_to_string(project.join(".gitignore")).unwrap();
    assert_eq!(ignored, "/target\n");
    assert!(!project.join("gitignore").exists());

    // Without it, Cargo would ask for the newest of each crate.
    fs::copy(
        Path::new(RUST_SDK).join("Cargo.lock"),
        project.join("Cargo.lock"),
    )
    .unwrap();
    assert_built(&cargo(&["test", "--offline"], &project));
    let arguments = [
        "build",
        "--offline",
        "--release",
        "--target",
        "wasm32-wasip2",
    ];
    assert_built(&cargo(&arguments, &project));
    let built = Path::new(RUST_TARGET).join("wasm32-wasip2/release/monitor.wasm");
    assert_accepted(&built);
    tells_targets_apart(&built);
}

#[test]
fn the_examples_of_the_rust_sdk_run() {
    if !has_rust_toolchain() {
        return;
    }
    let arguments = [
        "build",
        "--offline",
        "--locked",
        "--release",
        "--examples",
        "--target",
        "wasm32-wasip2",
    ];
    assert_built(&cargo(&arguments, Path::new(RUST_SDK)));
    let built = |name: &str| {
        let folder = Path::new(RUST_TARGET).join("wasm32-wasip2/release/examples");
        let component = folder.join(name).with_extension("wasm");
        assert_accepted(&component);
        component
    };
    status_tells_what_came(&built("status"));
    an_order_is_made_and_deleted(&built("order"));
    certificates_are_of_sites_with_tls(&built("certificates"));
}

fn status_tells_what_came(status: &Path) {
    let target = Target::start();
    let url = target.url("/");
    let expects = |status: Value| serde_json::json!({ "url": url, "status": status });
    let (code, outcome) = check_with(status, &expects(200.into()), &[]);
    assert_eq!(code, 0, "{outcome}");
    let (code, outcome) = check_with(status, &expects(204.into()), &[]);
    assert_eq!(code, 1, "{outcome}");
    let told = format!("GET {url} answered 200, expected 204");
    assert_eq!(outcome["message"], told);
    let (code, outcome) = check_with(status, &expects("x".into()), &[]);
    assert_eq!((code, class(&outcome)), (2, Some("script_error")));
    let (code, outcome) = check(status, &["--param", &format!("url={url}")]);
    assert_eq!((code, class(&outcome)), (2, Some("fetch_denied")));
    let message = outcome["message"].as_str().unwrap();
    assert!(message.starts_with("GET http"), "{message}");
}

fn an_order_is_made_and_deleted(order: &Path) {
    const PASSWORD: &[&str] = &["SHOP_USERNAME=anna", "SHOP_PASSWORD=s3cret"];
    let target = Target::start();
    let made = r#"{"id":7,"item":"tea","amount":2}"#;
    target.set("/login", 200, r#"{"access_token":"t0ken"}"#);
    target.set("/orders", 201, made);
    target.set("/orders/7", 200, made);
    target.set("DELETE /orders/7", 204, "");
    let params = serde_json::json!({ "url": target.url("") });
    let (code, outcome) = check_with(order, &params, PASSWORD);
    assert_eq!(code, 0, "{outcome}");
    assert_eq!(outcome["logs"][0]["message"], "order 7", "{outcome}");

    target.set("/orders/7", 200, r#"{"id":7,"item":"tea","amount":1}"#);
    let (code, outcome) = check_with(order, &params, PASSWORD);
    assert_eq!(code, 1, "{outcome}");
    let message = outcome["message"].as_str().unwrap();
    assert!(message.starts_with("read it back: "), "{message}");
    assert_eq!(target.requests("/orders/7"), 4, "deleted all the same");

    let (code, outcome) = check_with(order, &params, &[]);
    assert_eq!((code, class(&outcome)), (2, Some("script_error")));
}

/// One with a certificate that is good cannot be had on loopback.
fn certificates_are_of_sites_with_tls(certificates: &Path) {
    let target = Target::start();
    let of = |url: &str| serde_json::json!({ "urls": [url], "least_days": 14 });
    let (code, outcome) = check_with(certificates, &of(&target.url("/")), &[]);
    assert_eq!((code, class(&outcome)), (2, Some("script_error")));
    let without_tls = target.url("/").replace("http:", "https:");
    let (code, outcome) = check_with(certificates, &of(&without_tls), &[]);
    assert_eq!(code, 1, "{outcome}");
    assert_eq!(outcome["status"], "failure", "{outcome}");
}
