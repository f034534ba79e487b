//! The API against its own description: schemathesis makes requests from it, good ones and bad ones, for
//! somebody who may do everything, who may only look, and who is nobody. None may end in a 5xx or in an
//! answer that the description does not have.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::vedette::{PASSWORD, Server};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/schemathesis");
/// Seconds of each run; generation is ended then, whatever is left.
const SECONDS: &str = "60";
/// The same requests at each run of the test, as far as the time goes.
const SEED: &str = "20261129";

/// The program, installed once into a folder of this build. `None`, with a line on standard error,
/// where it cannot be and need not be.
fn schemathesis() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis");
    let requirements = Path::new(HERE).join("requirements.txt");
    let installed = folder.join("installed");
    let wanted = fs::read_to_string(&requirements).unwrap();
    let is_there = fs::read_to_string(&installed).is_ok_and(|text| text == wanted);
    if !is_there && let Err(missing) = install(&folder, &requirements) {
        let is_required = std::env::var_os("VEDETTE_REQUIRE_TOOLCHAINS").is_some();
        assert!(!is_required, "{missing}");
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("SKIPPED, there is no schemathesis: {missing}");
        }
        return None;
    }
    fs::write(installed, wanted).unwrap();
    Some(folder.join("bin").join("schemathesis"))
}

fn install(folder: &Path, requirements: &Path) -> Result<(), String> {
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    run(Command::new(folder.join("bin").join("pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(requirements))
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

/// Lets it loose on a server, with a token or without.
fn is_kept(schemathesis: &Path, server: &Server, token: Option<&str>, name: &str) {
    let mut command = Command::new(schemathesis);
    command
        .args(["--config-file", &format!("{HERE}/schemathesis.toml"), "run"])
        .arg(format!("http://{}/openapi.json", server.address))
        .args([
            "--seed",
            SEED,
            "--max-time",
            SECONDS,
            "--max-examples",
            "20",
        ])
        .args(["--phases", "examples,coverage,fuzzing,stateful"])
        .args(["--continue-on-failure", "--no-color", "--warnings", "off"])
        .args(["--generation-database", "none"])
        // What it writes besides goes with the folder.
        .current_dir(env!("CARGO_TARGET_TMPDIR"));
    if let Some(token) = token {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    assert!(status.success(), "as {name}:\n{out}\n{err}");
    let generated = out.lines().find(|line| line.contains("generated"));
    let generated = generated.and_then(|line| line.split_whitespace().next()?.parse().ok());
    let generated: u32 = generated.expect(&out);
    assert!(generated > 1_000, "as {name}:\n{out}");
}

/// A member who may only look.
fn viewer(server: &Server) -> String {
    let (_, roles) = server.call("GET", "/api/v1/roles", None);
    let mut roles = roles["items"].as_array().unwrap().iter();
    let role = roles.find(|role| role["name"] == "viewer").unwrap();
    let invitation = json!({ "role_id": role["id"] });
    let (status, invited) = server.call("POST", "/api/v1/invitations", Some(&invitation));
    assert_eq!(status, 201, "{invited}");
    let user = json!({
        "username": "viewer", "email": "viewer@example.com", "password": PASSWORD,
        "invitation": invited["token"],
    });
    let (status, made) = server.call("POST", "/api/v1/auth/register", Some(&user));
    assert_eq!(status, 201, "{made}");
    let login = json!({ "username": "viewer", "password": PASSWORD });
    let (status, tokens): (u16, Value) = server.call("POST", "/api/v1/auth/login", Some(&login));
    assert_eq!(status, 200, "{tokens}");
    tokens["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn the_api_is_what_its_description_says() {
    let Some(schemathesis) = schemathesis() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let unlimited = [("VEDETTE_SERVER__REQUESTS_PER_MINUTE", "0")];
    let mut server = Server::start_with(folder.path(), &unlimited);
    server.sign_in();
    let viewer = viewer(&server);
    is_kept(&schemathesis, &server, None, "nobody");
    is_kept(&schemathesis, &server, Some(&viewer), "a viewer");
    is_kept(
        &schemathesis,
        &server,
        Some(&server.token),
        "the administrator",
    );
    server.signal("TERM");
    assert!(server.ended().success());
}
