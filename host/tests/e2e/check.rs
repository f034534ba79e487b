//! `vedette check`: verdicts, exit codes, and usage.

use std::{
    fs,
    process::{Command, Output},
};

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

/// Runs a template's script, which may reach loopback.
fn run_template(slug: &str, params: &Value, env: &[&str]) -> (i32, Value) {
    let (file, params) = (template(slug), params.to_string());
    let mut arguments = vec![file.as_str(), "--params", &params, "--allow", "127.0.0.0/8"];
    for pair in env {
        arguments.extend(["--env", pair]);
    }
    check(&arguments)
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
        "steps",
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
    let run = |slug: &str, params: Value, env: &[&str]| run_template(slug, &params, env);
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

    expect(
        run(
            "json-api",
            serde_json::json!({ "url": api, "path": "a", "equals": 9_007_199_254_740_993_u64 }),
            &[],
        ),
        2,
    );
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(5_000));
    target.set("/long", 200, &long);
    let long = serde_json::json!({ "url": target.url("/long"), "path": "a", "equals": "x" });
    let (code, outcome) = run("json-api", long, &[]);
    assert_eq!(code, 1, "{outcome}");
    let data = outcome["result"]["data"].to_string();
    assert!(data.len() < 1_200, "{data}");
}

#[test]
fn a_page_without_a_text_is_not_one_that_lacks_the_keyword() {
    let target = Target::start();
    target.set("/empty", 200, " ");
    let absent = serde_json::json!({
        "url": target.url("/empty"), "keyword": "error", "should_be": "absent",
    });
    let (code, outcome) = run_template("keyword", &absent, &[]);
    assert_eq!(code, 1, "{outcome}");
    let blank = serde_json::json!({ "url": target.url("/"), "keyword": "  " });
    let (code, outcome) = run_template("keyword", &blank, &[]);
    assert_eq!(code, 2, "{outcome}");
}

#[test]
fn a_redirect_to_elsewhere_is_a_failure() {
    let target = Target::start();
    target.set("/shop", 302, "/login");
    target.set("/slash", 301, "/slash/");
    let (shop, login) = (target.url("/shop"), target.url("/login"));
    for (slug, name, value) in [
        ("http-status", "expected_status", Value::from(200)),
        ("latency-budget", "budget_ms", Value::from(5_000)),
        ("keyword", "keyword", Value::from("ok")),
    ] {
        let ended = |url: &str, final_url: Option<&str>| {
            let mut params = serde_json::json!({ "url": url });
            params[name] = value.clone();
            if let Some(final_url) = final_url {
                params["final_url"] = final_url.into();
            }
            run_template(slug, &params, &[])
        };
        let (code, outcome) = ended(&shop, None);
        assert_eq!(code, 1, "{slug}: {outcome}");
        let message = outcome["message"].as_str().unwrap();
        assert!(message.contains(&login), "{slug}: {message}");
        assert_eq!(ended(&shop, Some(&login)).0, 0, "{slug}");
        assert_eq!(ended(&shop, Some(&shop)).0, 1, "{slug}");
        assert_eq!(ended(&target.url("/slash"), None).0, 0, "{slug}");
    }
    let itself = serde_json::json!({ "url": shop, "expected_status": 302 });
    let (code, outcome) = run_template("http-status", &itself, &[]);
    assert_eq!(code, 0, "{outcome}");
}

#[test]
fn signing_in_is_proved() {
    let target = Target::start();
    let params = serde_json::json!({
        "url": target.url("/session/login"), "protected_url": target.url("/session/account"),
        "expected_text": "Your account", "token_field": "csrf",
    });
    let log_in = |params: &Value, password: &str| {
        let password = format!("LOGIN_PASSWORD={password}");
        run_template("login-flow", params, &["LOGIN_USERNAME=anna", &password])
    };
    let (code, outcome) = log_in(&params, "s3cret");
    assert_eq!(code, 0, "{outcome}");
    let (code, outcome) = log_in(&params, "wrong");
    assert_eq!(code, 1, "{outcome}");
    let (code, outcome) = log_in(&params, "");
    assert_eq!(code, 2, "{outcome}");
    let (code, outcome) = run_template("login-flow", &params, &[]);
    assert_eq!(code, 2, "{outcome}");

    let mut tokenless = params.clone();
    tokenless["token_field"] = "other_token".into();
    let (code, outcome) = log_in(&tokenless, "s3cret");
    assert_eq!(code, 1, "{outcome}");

    // A page that everybody sees says nothing about the login.
    target.set("/open", 200, "Your account");
    let mut open = params;
    open["protected_url"] = target.url("/open").into();
    let (code, outcome) = log_in(&open, "s3cret");
    assert_eq!(code, 1, "{outcome}");
    let message = outcome["message"].as_str().unwrap();
    assert!(message.contains("without signing in"), "{message}");
    assert_eq!(target.requests("/session/login"), 5, "not asked any more");
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
fn typescript_is_told_by_its_extension() {
    let folder = tempfile::tempdir().unwrap();
    let source = "type Verdict = { success: boolean };\n\
        export default ({ params }: { params: { well: boolean } }): Verdict => {\n\
          if (!params.well) throw new Error('unwell');\n\
          return { success: true };\n\
        };";
    let write = |name: &str, source: &str| {
        let file = folder.path().join(name);
        fs::write(&file, source).unwrap();
        file.to_str().unwrap().to_owned()
    };
    for name in ["monitor.ts", "monitor.mts"] {
        let (code, outcome) = check(&[&write(name, source), "--param", "well=true"]);
        assert_eq!(code, 0, "{outcome}");
    }
    let (code, outcome) = check(&[&write("monitor.ts", source), "--param", "well=false"]);
    assert_eq!(code, 2, "{outcome}");
    let message = outcome["message"].as_str().unwrap();
    assert!(message.contains("unwell (monitor.ts:3:"), "{message}");
    for (name, source) in [
        ("monitor.js", source),
        ("monitor.ts", "export default () => ({});\n\nenum A { a }"),
    ] {
        let (code, outcome) = check(&[&write(name, source)]);
        assert_eq!(
            (code, outcome["error_class"].as_str()),
            (2, Some("compile_error")),
            "{outcome}"
        );
    }
    let (_, outcome) = check(&[&write("monitor.ts", "let a: string;\n\n enum A { a }")]);
    let message = outcome["message"].as_str().unwrap();
    assert!(message.ends_with(", line 3, column 2"), "{message}");
}

#[test]
fn a_platform_that_does_not_start_is_an_error_and_no_failure() {
    // The sandbox reserves address space, which the shell takes away here.
    let output = Command::new("sh")
        .args(["-c", r#"ulimit -v 4000000 && exec "$0" "$@""#])
        .arg(env!("CARGO_BIN_EXE_vedette"))
        .args(["check", "--json", &template("http-status")])
        .args(["--param", "url=http://127.0.0.1/"])
        .output()
        .unwrap();
    let outcome: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(code(&output), 2, "{output:?}");
    assert_eq!(outcome["status"], "error", "{output:?}");
    assert_eq!(outcome["error_class"], "platform_error", "{output:?}");
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
        &["check", "monitor.tsx"],
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
