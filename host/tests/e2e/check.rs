//! `vedette check`: verdicts, exit codes, and usage.

use std::{fs, process::Output};

use serde_json::Value;

use crate::{target::Target, vedette::run};

fn template(slug: &str) -> String {
    format!(
        "{}/../templates/{slug}/monitor.js",
        env!("CARGO_MANIFEST_DIR")
    )
}

fn check(arguments: &[&str]) -> (i32, Value) {
    let output = run(&[&["check", "--json"], arguments].concat());
    (
        code(&output),
        serde_json::from_slice(&output.stdout).unwrap_or_default(),
    )
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ended by itself")
}

#[test]
fn the_http_status_template_tells_up_from_down_from_broken() {
    let target = Target::start();
    let file = template("http-status");
    let url = format!("url={}", target.url("/"));
    let allowed = [file.as_str(), "--param", &url, "--allow", "127.0.0.0/8"];
    let (code, outcome) = check(&allowed);
    assert_eq!(
        (code, outcome["status"].as_str()),
        (0, Some("success")),
        "{outcome}"
    );
    for field in [
        "error_class",
        "message",
        "result",
        "duration_ms",
        "fuel_used",
        "peak_memory_bytes",
        "requests",
        "logs",
        "flags",
    ] {
        assert!(outcome.get(field).is_some(), "no {field}: {outcome}");
    }
    assert_eq!(outcome["requests"][0]["status"], 200);

    target.set("/", 500, "no");
    let (code, outcome) = check(&allowed);
    assert_eq!(
        (code, outcome["status"].as_str()),
        (1, Some("failure")),
        "{outcome}"
    );

    let (code, outcome) = check(&[&file, "--param", &url]);
    assert_eq!(
        (code, outcome["error_class"].as_str()),
        (2, Some("fetch_denied")),
        "{outcome}"
    );

    drop(target);
    let (code, outcome) = check(&allowed);
    assert_eq!(
        (code, outcome["status"].as_str()),
        (1, Some("failure")),
        "a closed port: {outcome}"
    );
}

#[test]
fn the_other_templates_see_both_sides() {
    let target = Target::start();
    let run = |slug: &str, params: Value, env: &[&str]| {
        let (file, params) = (template(slug), params.to_string());
        let mut arguments = vec![file.as_str(), "--params", &params, "--allow", "127.0.0.0/8"];
        for pair in env {
            arguments.extend(["--env", pair]);
        }
        check(&arguments)
    };
    let expect = |found: (i32, Value), code: i32| assert_eq!(found.0, code, "{}", found.1);

    target.set("/page", 200, "<p>hello</p>");
    let page = target.url("/page");
    expect(
        run(
            "keyword",
            serde_json::json!({ "url": page, "keyword": "hello" }),
            &[],
        ),
        0,
    );
    expect(
        run(
            "keyword",
            serde_json::json!({ "url": page, "keyword": "bye" }),
            &[],
        ),
        1,
    );
    let absent = serde_json::json!({ "url": page, "keyword": "bye", "should_be": "absent" });
    expect(run("keyword", absent, &[]), 0);

    target.set("/api", 200, r#"{"a":[{"b":1}]}"#);
    let api = target.url("/api");
    expect(
        run(
            "json-api",
            serde_json::json!({ "url": api, "path": "a.0.b", "equals": 1 }),
            &[],
        ),
        0,
    );
    expect(
        run(
            "json-api",
            serde_json::json!({ "url": api, "path": "a.0.b", "equals": 2 }),
            &[],
        ),
        1,
    );
    expect(
        run(
            "json-api",
            serde_json::json!({ "url": page, "path": "a", "equals": 2 }),
            &[],
        ),
        1,
    );
    expect(
        run(
            "json-api",
            serde_json::json!({ "url": api, "path": "a" }),
            &[],
        ),
        2,
    );

    let fast = serde_json::json!({ "url": page, "budget_ms": 5000 });
    expect(run("latency-budget", fast, &[]), 0);
    let slow = serde_json::json!({ "url": target.url("/wait/300"), "budget_ms": 50 });
    expect(run("latency-budget", slow, &[]), 1);

    // No TLS there: the target is not well, the check is.
    let tls = serde_json::json!({ "url": page.replace("http://", "https://") });
    expect(run("tls-expiry", tls, &[]), 1);
    expect(
        run("tls-expiry", serde_json::json!({ "url": page }), &[]),
        2,
    );

    target.set(
        "/login",
        200,
        r#"<input type="hidden" value="t0ken" name="csrf">"#,
    );
    target.set("/account", 200, "Your account");
    let login = serde_json::json!({
        "url": target.url("/login"), "protected_url": target.url("/account"),
        "expected_text": "Your account", "token_field": "csrf",
    });
    let env = ["LOGIN_USERNAME=a", "LOGIN_PASSWORD=b"];
    expect(run("login-flow", login.clone(), &env), 0);
    expect(run("login-flow", login.clone(), &[]), 2);
    target.set("/account", 401, "no");
    expect(run("login-flow", login, &env), 1);
}

#[test]
fn what_a_script_does_wrong_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let write = |source: &str| {
        let file = folder.path().join("monitor.js");
        fs::write(&file, source).unwrap();
        file.to_str().unwrap().to_owned()
    };
    for (source, class) in [
        ("export default () => {\n  const a = ;\n}", "compile_error"),
        ("export default () => true;", "result_invalid"),
        (
            "export default () => { throw new Error('x'); };",
            "script_error",
        ),
        (
            "export default () => { while (true) {} };",
            "fuel_exhausted",
        ),
        ("export default () => new Promise(() => {});", "deadlock"),
        ("export const x = 1;", "missing_export"),
    ] {
        let (code, outcome) = check(&[&write(source)]);
        assert_eq!(
            (code, outcome["error_class"].as_str()),
            (2, Some(class)),
            "{outcome}"
        );
    }
    let (_, outcome) = check(&[&write("export default () => {\n  const a = ;\n}")]);
    assert!(
        outcome["message"].as_str().unwrap().contains("line 2"),
        "{outcome}"
    );
    let waits = "export default () => new Promise((done) => setTimeout(done, 60000));";
    let (code, outcome) = check(&[&write(waits), "--timeout", "1s"]);
    assert_eq!(
        (code, outcome["status"].as_str()),
        (2, Some("timeout")),
        "{outcome}"
    );
}

#[test]
fn wrong_usage_is_64_and_says_why() {
    let file = template("http-status");
    for arguments in [
        &["check"][..],
        &["check", "/nowhere/monitor.js"],
        &["check", &file, "--param", "url"],
        &["check", &file, "--params", "[]"],
        &["check", &file, "--env", "a-b=1"],
        &["check", &file, "--timeout", "forever"],
        &["check", &file, "--timeout", "61"],
        &["check", &file, "--allow", "300.0.0.0/8"],
        &["check", "monitor.wasm"],
        &["nonsense"],
        &["serve", "--config", "/nowhere.toml"],
    ] {
        let output = run(arguments);
        assert_eq!(code(&output), 64, "{arguments:?}: {output:?}");
        assert!(
            !output.stderr.is_empty() && output.stdout.is_empty(),
            "{output:?}"
        );
    }
    assert_eq!(code(&run(&["--help"])), 0);
}
