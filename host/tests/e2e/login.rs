//! `vedette login`, `api` and `logout` against a server.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Output, Stdio},
};

use serde_json::Value;

use crate::vedette::{PASSWORD, Server, binary};

/// A command of a user whose settings are in this folder.
fn command(home: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = binary()
        .args(arguments)
        .env("XDG_CONFIG_HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_login_is_a_key_that_a_logout_ends() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let mut server = Server::start(&folder.path().join("data"));
    server.sign_in();
    let url = format!("http://{}", server.address);
    let login = ["login", &url, "--username", "anna", "--password-stdin"];

    let (code, _, error) = command(&home, &["api", "GET", "scripts"], "");
    assert_eq!(code, Some(1));
    assert!(error.contains("vedette login"), "{error}");
    let (code, _, error) = command(&home, &login, "not the password\n");
    assert_eq!(code, Some(1), "{error}");
    assert!(!home.join("vedette").exists(), "nothing is half done");

    let (code, out, error) = command(&home, &login, &format!("{PASSWORD}\n"));
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("anna"), "{out}");
    let file = home.join("vedette").join("login.toml");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let kept = fs::read_to_string(&file).unwrap();
    assert!(!kept.contains(PASSWORD), "{kept}");

    let (code, out, error) = command(&home, &["api", "GET", "scripts"], "");
    assert_eq!(code, Some(0), "{error}");
    let scripts: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(scripts["items"].as_array().unwrap().len(), 0);
    let creation = [
        "api",
        "POST",
        "/api/v1/projects",
        "--data",
        r#"{"name":"shop"}"#,
    ];
    assert_eq!(command(&home, &creation, "").0, Some(0));
    let (code, out, _) = command(&home, &creation, "");
    assert_eq!(code, Some(1), "a problem is no success");
    assert!(out.contains("urn:vedette:problem:"), "{out}");

    let (code, _, error) = command(&home, &["logout"], "");
    assert_eq!(code, Some(0), "{error}");
    assert!(!file.exists());
    let (_, keys) = server.call("GET", "/api/v1/api-keys", None);
    assert_eq!(keys["items"].as_array().unwrap().len(), 0, "{keys}");
    // A copy of the file is worth nothing any more.
    fs::write(&file, kept).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let (code, out, _) = command(&home, &["api", "GET", "scripts"], "");
    assert_eq!(code, Some(1));
    assert!(out.contains("401"), "{out}");
}

#[test]
fn no_password_goes_where_it_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    for server in [
        "http://vedette.example.com",
        "ftp://127.0.0.1",
        "https://anna:x@vedette.example.com",
        "https://vedette.example.com/api/v1",
    ] {
        let login = ["login", server, "--username", "anna", "--password-stdin"];
        let (code, _, error) = command(folder.path(), &login, "secret\n");
        assert_eq!(code, Some(1), "{server}");
        let is_named = error.contains("is not HTTPS") || error.contains("give the server as");
        assert!(is_named, "{server}: {error}");
    }
}
