//! A component from its upload to its runs, in the server as it is started.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Output,
};

use serde_json::{Value, json};

use crate::{
    target::Target,
    vedette::{Server, run, wait_for},
};

/// A monitor in Rust: one request, one line of log.
const RUST: &[u8] = include_bytes!("../../crates/sandbox/tests/golden/v0.1.0/rust.wasm");

/// Uploads bytes, signed or not.
fn upload(server: &Server, bytes: &[u8], signature: Option<&str>) -> (u16, Value) {
    let signature = signature.map_or(String::new(), |text| {
        format!("vedette-signature: {text}\r\n")
    });
    let head = format!(
        "POST /api/v1/components HTTP/1.1\r\nhost: local\r\nconnection: close\r\n\
         content-type: application/wasm\r\nauthorization: Bearer {}\r\n{signature}\
         content-length: {}\r\n\r\n",
        server.token,
        bytes.len()
    );
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    // A server that refuses early closes while this writes; what it said can be read all the same.
    let _ = stream.write_all(bytes);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// Uploads, and waits until it is compiled; its digest.
fn upload_and_wait(server: &Server, bytes: &[u8]) -> String {
    let (status, made) = upload(server, bytes, None);
    assert_eq!(status, 201, "{made}");
    let digest = made["digest"].as_str().unwrap().to_owned();
    wait_for("a compiled component", || {
        let (status, component) = server.call("GET", &format!("/api/v1/components/{digest}"), None);
        assert_eq!(status, 200, "{component}");
        match component["state"].as_str().unwrap() {
            "pending" | "compiling" => None,
            "ready" => Some(()),
            state => panic!("it is {state}: {component}"),
        }
    });
    digest
}

/// A script that runs a component against `url`, by hand only.
fn make_script(server: &Server, digest: &str, url: &str) -> String {
    let script = json!({
        "name": "component",
        "kind": "component",
        "component": digest,
        "interval_seconds": 3_600,
        "parameters": { "url": url, "env": "SHIP" },
        "env_vars": { "SHIP": "sloop" },
    });
    let (status, made) = server.call("POST", "/api/v1/scripts", Some(&script));
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

fn run_now(server: &Server, script: &str) -> Value {
    let (status, execution) = server.call("POST", &format!("/api/v1/scripts/{script}/run"), None);
    assert_eq!(status, 200, "{execution}");
    execution
}

#[test]
fn a_component_runs_as_a_script_does_in_either_kind_of_process() {
    for isolation in ["auto", "in-process"] {
        let target = Target::start();
        let folder = tempfile::tempdir().unwrap();
        let mut server =
            Server::start_with(folder.path(), &[("VEDETTE_RUNNER__ISOLATION", isolation)]);
        server.sign_in();
        let digest = upload_and_wait(&server, RUST);
        let script = make_script(&server, &digest, &target.url("/"));
        let execution = run_now(&server, &script);
        assert_eq!(execution["status"], "success", "{execution}");
        let message = execution["message"].as_str().unwrap();
        assert!(message.contains("sloop"), "the variable is in {message}");
        assert_eq!(execution["requests"].as_array().unwrap().len(), 1);
        assert!(!execution["logs"].as_array().unwrap().is_empty());
        assert!(execution["fuel_used"].as_u64().unwrap() > 1_000);
        // Its compiled form is changed on disk, and the server started anew: it is not run, but
        // compiled again.
        let file = compiled_form(folder.path(), &digest);
        let token = server.token.clone();
        server.signal("TERM");
        assert!(server.ended().success());
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::remove_file(&file).unwrap();
        fs::write(&file, &bytes).unwrap();
        let mut server =
            Server::start_with(folder.path(), &[("VEDETTE_RUNNER__ISOLATION", isolation)]);
        server.token = token;
        let execution = run_now(&server, &script);
        assert_eq!(execution["status"], "success", "{execution}");
        assert_ne!(fs::read(&file).unwrap(), bytes, "it was written anew");
    }
}

/// The file of a component's native code.
fn compiled_form(folder: &std::path::Path, digest: &str) -> std::path::PathBuf {
    let files = fs::read_dir(folder.join("cache")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let is_it = |path: &std::path::PathBuf| path.to_string_lossy().contains(digest);
    files.find(is_it).expect("it is kept")
}

#[test]
fn what_an_administrator_forbids_ends_within_seconds() {
    const SLOW: &str = "/wait/20000";
    let target = Target::start();
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    server.sign_in();
    let digest = upload_and_wait(&server, RUST);
    let script = make_script(&server, &digest, &target.url(SLOW));
    let path = format!("/api/v1/scripts/{script}/run");
    let begun = std::time::Instant::now();
    let running = std::thread::scope(|scope| {
        let running = scope.spawn(|| server.call("POST", &path, None));
        wait_for("the request", || (target.requests(SLOW) > 0).then_some(()));
        let blocked = format!("/api/v1/admin/blocked-components/{digest}");
        let reason = json!({ "reason": "it is bad" });
        assert_eq!(server.call("PUT", &blocked, Some(&reason)).0, 204);
        running.join().unwrap()
    });
    let (_, execution) = running;
    assert_eq!(execution["error_class"], "invalid_component", "{execution}");
    // Its request would have taken 20.
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
    let execution = run_now(&server, &script);
    assert_eq!(execution["error_class"], "invalid_component", "{execution}");
    let blocked = format!("/api/v1/admin/blocked-components/{digest}");
    assert_eq!(server.call("DELETE", &blocked, None).0, 204);
    let fast = make_script(&server, &digest, &target.url("/"));
    wait_for("a run of what is allowed again", || {
        (run_now(&server, &fast)["status"] == "success").then_some(())
    });
}

#[test]
fn an_organization_that_asks_for_signatures_gets_them_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (key, wasm) = (path("release.pem"), path("monitor.wasm"));
    fs::write(&wasm, RUST).unwrap();
    let public_key = text(&run(&["sign", "--new-key", &key]));
    let again = run(&["sign", "--new-key", &key]);
    assert_eq!(again.status.code(), Some(64), "a key is never written over");
    let signature = text(&run(&["sign", &wasm, "--key", &key]));
    let mut server = Server::start(&folder.path().join("data"));
    server.sign_in();
    let body = json!({ "name": "release", "public_key": public_key });
    let (status, made) = server.call("POST", "/api/v1/component-keys", Some(&body));
    assert_eq!(status, 201, "{made}");
    let policy = json!({ "requires_signature": true });
    let (status, _) = server.call("PUT", "/api/v1/component-policy", Some(&policy));
    assert_eq!(status, 200);
    let (status, problem) = upload(&server, RUST, None);
    assert_eq!(status, 422, "{problem}");
    let (status, made) = upload(&server, RUST, Some(&signature));
    assert_eq!(status, 201, "{made}");
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .trim()
        .to_owned()
}

#[test]
fn a_bomb_for_the_compiler_is_refused_while_the_server_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    server.sign_in();
    let bomb = many_functions(900_000);
    assert!(bomb.len() > 7_000_000);
    let (status, problem) = upload(&server, &bomb, None);
    assert_eq!(status, 422, "{problem}");
    assert_eq!(problem["error_class"], "invalid_component", "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("900000 functions"), "{detail}");
    assert_eq!(server.call("GET", "/api/v1/users/me", None).0, 200);
}

/// A component with a module of so many functions that each add one to nothing.
fn many_functions(count: u32) -> Vec<u8> {
    let section = |id: u8, content: &[u8]| {
        let length = leb(u32::try_from(content.len()).unwrap());
        [&[id][..], &length, content].concat()
    };
    let mut functions = leb(count);
    functions.extend((0..count).map(|_| 0));
    let mut code = leb(count);
    // A body of six bytes: no locals, `i32.const 1`, `drop`, `nop`, `end`.
    (0..count).for_each(|_| code.extend([6, 0, 0x41, 1, 0x1a, 0x01, 0x0b]));
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &functions),
        section(10, &code),
    ]
    .concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module)].concat()
}

/// LEB128, unsigned (WebAssembly specification, section 5.2.2).
fn leb(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
