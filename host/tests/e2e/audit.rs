//! The audit log of a running server: its checkpoints, and what `vedette audit verify` says.

use std::{fs, path::Path, process::Output};

use serde_json::{Value, json};

use crate::vedette::{Server, binary};

fn verify(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = binary();
    command.args(["audit", "verify", "--data-dir"]).arg(folder);
    let Output {
        status,
        stdout,
        stderr,
    } = command.args(arguments).output().unwrap();
    let text = [stdout, stderr].concat();
    (status.code(), String::from_utf8(text).unwrap())
}

fn project(server: &Server, name: &str) {
    let (status, made) = server.call("POST", "/api/v1/projects", Some(&json!({ "name": name })));
    assert_eq!(status, 201, "{made}");
}

fn stop(server: Server) {
    server.signal("TERM");
    assert!(server.ended().success());
}

#[test]
fn a_database_that_was_put_back_is_found_by_its_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::start(&data);
    server.sign_in();
    project(&server, "shop");
    let (code, text) = verify(&data, &[]);
    assert_eq!(code, Some(0), "while the server runs: {text}");
    stop(server);
    let (code, text) = verify(&data, &["--json"]);
    assert_eq!(code, Some(0), "{text}");
    let chains: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(chains.len(), 2, "{text}");
    assert_eq!(chains[0]["chain"], "installation");
    for chain in &chains {
        assert!(chain["records"].as_u64().unwrap() > 0, "{chain}");
        assert!(chain["checkpoints"].as_u64().unwrap() > 0, "{chain}");
    }

    // What happened since is undone by a copy of the database, without anything to be seen in it.
    let database = data.join("vedette.db");
    let copy = folder.path().join("copy.db");
    fs::copy(&database, &copy).unwrap();
    let mut server = Server::start(&data);
    server.log_in();
    project(&server, "secretly removed");
    stop(server);
    assert_eq!(verify(&data, &[]).0, Some(0));
    fs::copy(&copy, &database).unwrap();
    let (code, text) = verify(&data, &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("TAMPERED WITH"), "{text}");
    assert!(text.contains("cut off, or written anew"), "{text}");

    // Whoever takes the file, too, is found out by one who kept a copy of it.
    let file = data.join("audit").join("checkpoints.jsonl");
    let kept = folder.path().join("kept.jsonl");
    fs::rename(&file, &kept).unwrap();
    let (code, text) = verify(&data, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("there is no file of checkpoints"), "{text}");
    let (code, _) = verify(&data, &["--checkpoints", kept.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    let (code, text) = verify(&data, &["--checkpoints", "/nowhere/at/all"]);
    assert_eq!(code, Some(2), "{text}");
}
