//! Monitors built with the toolchains that their authors use, in JavaScript and Python: they are
//! accepted, tell a target that is well from one that is not, and stay within limits and rules.
//!
//! Building them takes npm, Python and the network; Rust is in `tests/e2e/new.rs`. They have up to
//! 18 MB and compile slowly in a build for development, so that they run one after the other.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

#[path = "../e2e/target.rs"]
mod target;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::SystemTime,
};

use serde_json::{Value, json};

use crate::target::Target;

/// What build.sh makes, in a folder of this build.
const OUT: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/toolchains");
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/toolchains");
const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/v0.1.0");

/// One that asks `url` for its status.
struct Monitor {
    file: &'static str,
    /// Besides `http`, `env`, `params`, `log`, `clocks` and `random`.
    capabilities: &'static [&'static str],
    /// It uses our own `fetch`, and so knows why a request got no response.
    knows_why: bool,
}

const FILES: &[&str] = &["empty_filesystem"];

const MONITORS: &[Monitor] = &[
    Monitor {
        file: "qjs.wasm",
        capabilities: FILES,
        knows_why: true,
    },
    Monitor {
        file: "js-import.wasm",
        capabilities: FILES,
        knows_why: true,
    },
    Monitor {
        file: "js-fetch.wasm",
        capabilities: FILES,
        knows_why: false,
    },
    Monitor {
        file: "py.wasm",
        capabilities: &["empty_filesystem", "no_sockets"],
        knows_why: true,
    },
];

/// Those that end otherwise.
const OTHERS: &[&str] = &[
    "qjs-async.wasm",
    "qjs-loop.wasm",
    "qjs-small.wasm",
    "qjs-throws.wasm",
];

#[test]
fn monitors_of_real_toolchains_keep_the_contract() {
    if !are_built() {
        return;
    }
    for monitor in MONITORS {
        is_accepted(monitor);
        tells_targets_apart(monitor);
    }
    what_needs_more_is_refused_with_a_reason();
    what_throws_is_an_error();
    what_never_ends_is_ended();
}

fn is_accepted(monitor: &Monitor) {
    let (code, facts) = vedette("inspect", monitor.file, &[]);
    assert_eq!((code, &facts["accepted"]), (0, &json!(true)), "{facts}");
    let told = facts["capabilities"].as_array().unwrap();
    let mut found: Vec<_> = told.iter().map(|one| one.as_str().unwrap()).collect();
    let always = ["http", "env", "params", "log", "clocks", "random"];
    let mut expected: Vec<_> = always.iter().chain(monitor.capabilities).copied().collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{}", monitor.file);
}

fn tells_targets_apart(monitor: &Monitor) {
    let target = Target::start();
    let url = target.url("/");
    let check = |more: &[&str]| {
        let params = json!({ "url": url, "env": "REGION" }).to_string();
        let arguments = ["--params", &params, "--env", "REGION=eu"];
        check(monitor.file, &[&arguments, more].concat())
    };
    let allowed = ["--allow", "127.0.0.0/8"];

    let (code, outcome) = check(&allowed);
    assert_eq!((code, &outcome["status"]), (0, &json!("success")));
    assert_eq!(outcome["message"], "status 200 eu", "{outcome}");
    assert_eq!(outcome["result"]["data"], json!({ "status": 200 }));
    let logs = outcome["logs"].as_array().unwrap();
    let asked = format!("GET {url}");
    assert!(logs.iter().any(|l| l["message"] == asked), "{outcome}");

    target.set("/", 503, "away");
    let (code, outcome) = check(&allowed);
    assert_eq!((code, &outcome["status"]), (1, &json!("failure")));
    assert_eq!(outcome["message"], "status 503 eu", "{outcome}");

    // The target is well: what is refused says nothing about it.
    target.set("/", 200, "well");
    let (code, outcome) = check(&[]);
    let class = if monitor.knows_why {
        "fetch_denied"
    } else {
        "script_error"
    };
    assert_eq!((code, &outcome["status"]), (2, &json!("error")));
    assert_eq!(outcome["error_class"], class, "{outcome}");
    let message = outcome["message"].as_str().unwrap();
    assert!(message.starts_with("no answer: "), "{message}");
    assert_eq!(target.requests("/"), 2);

    drop(target);
    let (code, outcome) = check(&allowed);
    let expected = if monitor.knows_why {
        (1, json!("failure"))
    } else {
        (2, json!("error"))
    };
    assert_eq!((code, outcome["status"].clone()), expected, "{outcome}");
}

fn what_needs_more_is_refused_with_a_reason() {
    for (file, needs) in [
        ("qjs-async.wasm", "cm-async"),
        ("qjs-small.wasm", "tail-call"),
    ] {
        let (code, facts) = vedette("inspect", file, &[]);
        assert_eq!((code, &facts["accepted"]), (1, &json!(false)), "{facts}");
        assert_eq!(facts["error_class"], "invalid_component", "{facts}");
        let reason = facts["reason"].as_str().unwrap();
        assert!(reason.contains(needs), "{file}: {reason}");
    }
}

fn what_throws_is_an_error() {
    let (code, outcome) = check("qjs-throws.wasm", &[]);
    assert_eq!((code, &outcome["status"]), (2, &json!("error")));
    assert_eq!(outcome["error_class"], "script_error", "{outcome}");
    let message = outcome["message"].as_str().unwrap();
    assert!(message.contains("thrown on purpose"), "{message}");
}

fn what_never_ends_is_ended() {
    let (code, outcome) = check("qjs-loop.wasm", &[]);
    let ended = (outcome["status"].as_str(), outcome["error_class"].as_str());
    let by_fuel = (Some("error"), Some("fuel_exhausted"));
    // On a machine that has much else to do, the time may be over first.
    let by_time = (Some("timeout"), None);
    assert!(
        code == 2 && (ended == by_fuel || ended == by_time),
        "{outcome}"
    );
}

fn check(file: &str, arguments: &[&str]) -> (i32, Value) {
    vedette("check", file, &[&["--timeout", "60s"], arguments].concat())
}

/// The exit code, and what is told as JSON.
fn vedette(command: &str, file: &str, arguments: &[&str]) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_vedette"))
        .args([command, "--json"])
        .arg(Path::new(OUT).join(file))
        .args(arguments)
        // Native code lies with the components, and goes with them.
        .env("XDG_CACHE_HOME", OUT)
        .output()
        .unwrap();
    let told = serde_json::from_slice(&output.stdout);
    let told = told.unwrap_or_else(|_| panic!("{file}: {output:?}"));
    (output.status.code().unwrap(), told)
}

/// Builds the monitors unless they are there. `false`, with a line on standard error, where that
/// cannot be done and is not required.
fn are_built() -> bool {
    if is_up_to_date() {
        return true;
    }
    let missing = build().err();
    let Some(missing) = missing else {
        assert!(is_up_to_date(), "build.sh does not make all of them");
        return true;
    };
    let is_required = std::env::var_os("VEDETTE_REQUIRE_TOOLCHAINS").is_some();
    assert!(!is_required, "{missing}");
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    {
        eprintln!("SKIPPED, no monitor in JavaScript or Python is built: {missing}");
    }
    false
}

fn is_up_to_date() -> bool {
    let names = MONITORS
        .iter()
        .map(|monitor| monitor.file)
        .chain(OTHERS.iter().copied());
    let oldest = names.map(|name| modified(&Path::new(OUT).join(name))).min();
    let newest = sources().iter().map(|source| modified(source)).max();
    matches!((oldest, newest), (Some(Some(built)), Some(Some(changed))) if built > changed)
}

/// `None`: it is not there.
fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|found| found.modified()).ok()
}

fn sources() -> Vec<PathBuf> {
    let files = [
        "build.sh",
        "package.json",
        "package-lock.json",
        "requirements.txt",
    ];
    let mut sources: Vec<_> = files
        .iter()
        .map(|file| Path::new(HERE).join(file))
        .collect();
    let monitors = Path::new(HERE).join("monitors");
    let contract = Path::new(CONTRACT);
    for folder in [monitors, contract.join("deps"), contract.to_owned()] {
        let entries = fs::read_dir(folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        sources.extend(paths.filter(|path| path.is_file()));
    }
    sources
}

/// The whole folder or nothing: what an interrupted build leaves is never taken for a result.
fn build() -> Result<(), String> {
    for (tool, arguments) in [
        ("npm", &["--version"][..]),
        ("python3", &["-c", "import ensurepip, venv"]),
    ] {
        let found = Command::new(tool).args(arguments).output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Err(format!(
                "{tool} is missing, or cannot do `{}`",
                arguments.join(" ")
            ));
        }
    }
    let unfinished = format!("{OUT}-unfinished");
    for folder in [OUT, &unfinished] {
        if Path::new(folder).exists() {
            fs::remove_dir_all(folder).unwrap();
        }
    }
    let built = Command::new("bash")
        .args([&format!("{HERE}/build.sh"), &unfinished, CONTRACT])
        .output();
    match built {
        Ok(output) if output.status.success() => {
            fs::rename(unfinished, OUT).unwrap();
            Ok(())
        }
        Ok(output) => Err(format!("build.sh failed: {}", told(&output))),
        Err(error) => Err(format!("bash does not start: {error}")),
    }
}

fn told(output: &Output) -> String {
    let text = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}
