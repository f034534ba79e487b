//! Secrets on a running server: given to runs, found nowhere else, and their keys changed meanwhile.

use std::{fs, path::Path, process::Output};

use serde_json::{Value, json};

use crate::{
    target::Target,
    vedette::{Server, binary, wait_for},
};

const CANARY: &str = "canary/5b+71e0";

/// Says the secret in every way that a careless script may.
const CARELESS: &str = "export default async ({ params, env }) => {
    console.log('token', env.TOKEN, btoa(env.TOKEN));
    await fetch(`${params.url}?token=${encodeURIComponent(env.TOKEN)}`, {
        headers: { authorization: env.TOKEN } });
    return { success: env.TOKEN.length === 14, message: env.TOKEN, data: { token: env.TOKEN } };
};";

fn admin(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = binary();
    command.arg("admin").args(arguments);
    command.arg("--data-dir").arg(folder).output().unwrap()
}

/// All bytes of the files of a data directory, but for keys and compiled code.
fn files(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            bytes.extend(fs::read(path).unwrap());
        }
    }
    bytes
}

#[test]
fn a_secret_is_in_runs_only_and_its_keys_can_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::start();
    let mut server = Server::start(folder.path());
    server.sign_in();
    let variable = json!({ "name": "TOKEN", "kind": "secret", "value": CANARY });
    let (status, made) = server.call("POST", "/api/v1/variables", Some(&variable));
    assert_eq!((status, &made["is_set"]), (201, &json!(true)), "{made}");
    let script = json!({
        "name": "careless", "script_body": CARELESS, "cron_expression": "* * * * * *",
        "parameters": { "url": target.url("/ok") },
    });
    let (status, script) = server.call("POST", "/api/v1/scripts", Some(&script));
    assert_eq!(status, 201, "{script}");
    let id = script["id"].as_str().unwrap().to_owned();
    let (status, _) = server.call("POST", &format!("/api/v1/scripts/{id}/run"), None);
    assert_eq!(status, 200);
    let succeeded = |least: usize| {
        wait_for("runs by schedule", || {
            let runs = server.executions(&id);
            let failed: Vec<&Value> = runs
                .iter()
                .filter(|run| run["status"] != "success")
                .collect();
            assert!(failed.is_empty(), "{failed:?}");
            (runs.len() > least).then_some(runs.len())
        })
    };
    let before = succeeded(2);

    let rotated = admin(folder.path(), &["rotate-master-key", "--new-key"]);
    let said = String::from_utf8(rotated.stdout).unwrap();
    assert!(
        rotated.status.success() && said.contains("\n1 keys"),
        "{said}"
    );
    // The old one is not needed any more, and the server finds the new one by itself.
    fs::remove_file(folder.path().join("keys/master-1.key")).unwrap();
    let before = succeeded(before + 2);
    let (_, me) = server.call("GET", "/api/v1/users/me", None);
    let org = me["organization_id"].as_str().unwrap();
    let rotated = admin(folder.path(), &["rotate-data-key", "--organization", org]);
    let said = String::from_utf8(rotated.stdout).unwrap();
    assert!(rotated.status.success(), "{said}");
    assert!(said.contains("key 2, and 1 secrets"), "{said}");
    succeeded(before + 2);
    let nobody = "018f3b3e-0000-7000-8000-000000000000";
    let refused = admin(
        folder.path(),
        &["rotate-data-key", "--organization", nobody],
    );
    assert_eq!(refused.status.code(), Some(1));

    let runs = server.executions(&id);
    for path in [
        format!("/api/v1/executions/{}", runs[0]["id"].as_str().unwrap()),
        format!(
            "/api/v1/executions/{}",
            runs[runs.len() - 1]["id"].as_str().unwrap()
        ),
    ] {
        let (_, execution) = server.call("GET", &path, None);
        let text = execution.to_string();
        assert!(
            !text.contains("5b+71e0") && !text.contains("5b%2B71e0"),
            "{text}"
        );
        assert_eq!(execution["flags"], json!(["redacted"]), "{text}");
        assert_eq!(execution["message"], "[env:TOKEN]");
        assert_eq!(
            execution["logs"][0]["message"],
            "token [env:TOKEN] [env:TOKEN]"
        );
    }
    // The database, with its log and its recordings.
    let bytes = files(folder.path());
    let has = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(has("[env:TOKEN]"), "the search finds what is there");
    for form in [
        CANARY,
        "canary%2F5b%2B71e0",
        "Y2FuYXJ5LzViKzcxZT",
        "63616e6172792f35622b373165",
    ] {
        assert!(!has(form), "{form}");
    }
}
