//! Starting the binary, and talking to its API.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(1);
pub(crate) const PASSWORD: &str = "a long password";

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    binary().args(arguments).output().unwrap()
}

/// The binary with an environment of its own.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VEDETTE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Waits until `f` gives something, and fails loudly when it does not.
pub(crate) fn wait_for<T>(what: &str, mut f: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = f() {
            return value;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Sends a signal by the shell's own `kill`, which is there without any package.
pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {process}")])
        .status();
    assert!(sent.unwrap().success());
}

/// `vedette serve` on a data directory of its own.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Server {
    /// Checks may reach loopback and run every second.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same with more settings.
    pub(crate) fn start_with(folder: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_logging(folder, settings, Stdio::inherit())
    }

    /// The same with its log somewhere else.
    pub(crate) fn start_logging(folder: &Path, settings: &[(&str, &str)], log: Stdio) -> Self {
        let mut child = binary()
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .env("VEDETTE_EGRESS__ALLOW", r#"["127.0.0.0/8"]"#)
            .env("VEDETTE_SCHEDULER__LEAST_INTERVAL_SECONDS", "1")
            .env("VEDETTE_LOG__LEVEL", "warn")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines
            .next()
            .expect("the server says where it listens")
            .unwrap();
        // The rest is read away, so that the server never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let address = first
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next());
        let address = address.and_then(|text| text.parse().ok()).expect(&first);
        Self {
            child,
            address,
            token: String::new(),
        }
    }

    /// Registers and signs in, as the README says.
    pub(crate) fn sign_in(&mut self) {
        let user = json!({ "username": "anna", "email": "anna@example.com", "password": PASSWORD });
        let (status, _) = self.call("POST", "/api/v1/auth/register", Some(&user));
        assert_eq!(status, 201);
        self.log_in();
    }

    pub(crate) fn log_in(&mut self) {
        let login = json!({ "username": "anna", "password": PASSWORD });
        let (status, tokens) = self.call("POST", "/api/v1/auth/login", Some(&login));
        assert_eq!(status, 200, "{tokens}");
        tokens["access_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.token);
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map_or_else(String::new, Value::to_string);
        let answer = String::from_utf8(self.raw(method, path, &self.token, &body)).unwrap();
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect(&answer);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// All bytes of an answer.
    pub(crate) fn raw(&self, method: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: local\r\nconnection: close\r\n\
             content-type: application/json\r\nauthorization: Bearer {token}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// Makes a script that requests `url` every second; its id.
    pub(crate) fn make_script(&self, url: &str) -> String {
        let script = json!({
            "name": "target",
            "script_body": "export default async ({ params }) => { const r = await fetch(params.url); \
                return { success: r.ok, message: `status ${r.status}` }; };",
            "cron_expression": "* * * * * *",
            "parameters": { "url": url },
        });
        let (status, made) = self.call("POST", "/api/v1/scripts", Some(&script));
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    /// All executions of a script, newest first.
    pub(crate) fn executions(&self, script: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/scripts/{script}/executions?limit=100{cursor}");
            let (status, page) = self.call("GET", &path, None);
            assert_eq!(status, 200, "{page}");
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for the end.
    pub(crate) fn ended(mut self) -> ExitStatus {
        wait_for("the server's end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
