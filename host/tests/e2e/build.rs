//! `vedette build`: a standalone build of a script comes to what the script comes to.

use std::{fs, process::Output};

use serde_json::{Value, json};

use crate::{target::Target, vedette::run};

/// Each way to end, by the parameter `case`: one component is enough for all of them.
const SCRIPT: &str = r#"
import { check, expect } from "vedette:assert";

const cases = {
  success: async ({ url }) => {
    const response = await fetch(url);
    console.log("status", response.status, new URL("http://größe.example/ä").href);
    check("is ok", response.ok);
    return { success: response.ok, latency: 2.5, message: await response.text(), data: { list: [1, "ä"] } };
  },
  failure: async ({ url }) => ({ success: (await fetch(url)).status === 418, message: "no teapot" }),
  expectation: async ({ url }) => { expect((await fetch(url)).status).toBe(418); return { success: true }; },
  thrown: () => { throw new TypeError("broken on purpose"); },
  refused: async ({ closed }) => ({ success: (await fetch(closed)).ok }),
  denied: async () => ({ success: (await fetch("http://10.0.0.1/")).ok }),
  deadlock: () => new Promise(() => {}),
  loop: () => { for (;;) {} },
  memory: () => { const all = []; for (;;) all.push(new Uint8Array(1024 * 1024).fill(1)); },
  recursion: () => { const f = () => f() + 1; return f(); },
  invalid: () => ({ success: "yes" }),
  large: () => ({ success: true, message: "x".repeat(300 * 1024) }),
  variables: (_, env) => ({ success: true, message: Object.entries(env).flat().join("=") }),
  timers: async () => { await new Promise((done) => setTimeout(done, 20)); return { success: true }; },
};
export default async ({ params, env }) => cases[params.case](params, env);
"#;

fn outcome(file: &str, params: &Value) -> Value {
    let params = params.to_string();
    let output = run(&[
        "check",
        file,
        "--params",
        &params,
        "--env",
        "SHIP=sloop",
        "--allow",
        "127.0.0.0/8",
        "--timeout",
        "60",
        "--json",
    ]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// What has to be the same: all but what is measured, and steps, which no component can tell.
fn comparable(mut outcome: Value) -> Value {
    let object = outcome.as_object_mut().unwrap();
    for measured in ["duration_ms", "fuel_used", "peak_memory_bytes", "steps"] {
        object.remove(measured);
    }
    if object["result"]["latency"].is_null() {
        object.remove("latency_ms");
    }
    for log in object["logs"].as_array_mut().unwrap() {
        log["timestamp"].take();
    }
    let requests = object["requests"].as_array_mut().unwrap();
    for request in requests {
        *request = json!([
            request["method"],
            request["url"],
            request["status"],
            request["error"]
        ]);
    }
    outcome
}

#[test]
fn a_standalone_build_comes_to_the_same_outcomes_as_the_script() {
    let target = Target::start();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (script, component) = (path("monitor.js"), path("monitor.wasm"));
    fs::write(&script, SCRIPT).unwrap();
    let built = run(&["build", &script, "-o", &component]);
    assert!(built.status.success(), "{built:?}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed_url = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let mut classes = Vec::new();
    for (case, status, class) in [
        ("success", "success", None),
        ("failure", "failure", None),
        ("expectation", "failure", None),
        ("thrown", "error", Some("script_error")),
        ("refused", "failure", None),
        ("denied", "error", Some("fetch_denied")),
        ("deadlock", "error", Some("deadlock")),
        ("loop", "error", Some("fuel_exhausted")),
        ("memory", "error", Some("memory_limit")),
        ("recursion", "error", Some("stack_overflow")),
        ("invalid", "error", Some("result_invalid")),
        ("large", "error", Some("result_too_large")),
        ("variables", "success", None),
        ("timers", "success", None),
    ] {
        let params = json!({ "case": case, "url": target.url("/"), "closed": closed_url });
        let (of_script, of_build) = (outcome(&script, &params), outcome(&component, &params));
        assert_eq!(of_script["status"], status, "{case}: {of_script}");
        assert_eq!(
            of_script["error_class"],
            json!(class),
            "{case}: {of_script}"
        );
        assert_eq!(comparable(of_build), comparable(of_script), "{case}");
        classes.push(class);
    }
    assert_eq!(classes.len(), 14);
}

#[test]
fn the_same_script_gives_the_same_component_and_a_broken_one_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let build = |script: &str, component: &str| run(&["build", script, "-o", component]);
    let (script, one, two) = (path("m.ts"), path("one.wasm"), path("two.wasm"));
    fs::write(
        &script,
        "export default (): { success: boolean } => ({ success: true });",
    )
    .unwrap();
    assert!(build(&script, &one).status.success());
    assert!(build(&script, &two).status.success());
    assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
    fs::write(&script, "export default () => {").unwrap();
    let broken = build(&script, &path("three.wasm"));
    assert_eq!(broken.status.code(), Some(1), "{broken:?}");
    assert!(said(&broken).contains("line 1"), "{broken:?}");
    assert!(
        fs::metadata(path("three.wasm")).is_err(),
        "nothing is half-done"
    );
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
