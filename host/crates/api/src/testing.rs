//! A throw-away Redis for tests, which ends with them.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use tempfile::TempDir;

/// Where a running Redis is, for the tests that do nothing to it but ask.
const URL_VARIABLE: &str = "VEDETTE_TEST_REDIS_URL";
/// Set where a missing Redis must fail the tests.
const REQUIRE_VARIABLE: &str = "VEDETTE_REQUIRE_SERVICES";
const BINARY: &str = "redis-server";

/// Runs the server, sends it the signals whose names come in, and kills it when standard input
/// closes, hence when the process of the tests ends, however.
const GUARDIAN: &str = r#"
trap '' PIPE
"$@" </dev/null 2>&1 &
server=$!
while read -r signal; do kill -"$signal" "$server"; echo "sent $signal"; done
exec >/dev/null 2>&1
kill -KILL "$server"
wait "$server"
"#;

/// A server of a test's own, on loopback, without anything on disk.
pub struct TestRedis {
    port: u16,
    password: String,
    folder: TempDir,
    running: Option<Running>,
}

struct Running {
    guardian: Child,
    signals: ChildStdin,
    /// What the server logs, and what the guardian has done.
    log: BufReader<ChildStdout>,
}

/// The address of some server; `None`, with a line on standard error, where there is none and none
/// is required. The server ends with the second value.
pub fn any_redis() -> Option<(String, Option<TestRedis>)> {
    if let Some(url) = variable(URL_VARIABLE) {
        return Some((url, None));
    }
    let own = TestRedis::start()?;
    Some((own.url(), Some(own)))
}

impl TestRedis {
    /// Starts one; `None`, with a line on standard error, where there is none and none is required.
    pub fn start() -> Option<Self> {
        let mut redis = Self {
            port: 0,
            password: "correct-horse".to_owned(),
            folder: tempfile::tempdir().expect("a temporary folder"),
            running: None,
        };
        // Between two programs, a free port may be taken.
        for _ in 0..3 {
            redis.port = free_port();
            redis.start_again();
            if redis.running.is_some() {
                return Some(redis);
            }
        }
        let hint = format!("no Redis for the tests: install the package `{BINARY}`");
        assert!(variable(REQUIRE_VARIABLE).is_none(), "{hint}");
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("SKIPPED on Redis: {hint}");
        }
        None
    }

    /// Its address, with the password.
    pub fn url(&self) -> String {
        self.url_with(&self.password)
    }

    /// Its address with another password.
    pub fn url_with(&self, password: &str) -> String {
        format!("redis://:{password}@127.0.0.1:{}", self.port)
    }

    /// Its address behind something that listens on another port.
    pub fn url_at(&self, port: u16) -> String {
        format!("redis://:{}@127.0.0.1:{port}", self.password)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it anew on the same port, with nothing in it.
    pub fn start_again(&mut self) {
        self.stop();
        let (port, folder) = (self.port.to_string(), self.folder.path());
        let started = Command::new("sh")
            .args(["-c", GUARDIAN, "guardian", BINARY, "--port", &port])
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--requirepass", &self.password, "--dir"])
            .arg(folder)
            // A signal to the group of the tests must not end the one that tidies up after them.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut guardian) = started else { return };
        let signals = guardian.stdin.take().expect("it is piped");
        let mut log = BufReader::new(guardian.stdout.take().expect("it is piped"));
        let mut line = String::new();
        while !line.contains("Ready to accept connections") {
            line.clear();
            // The end of the log before it is ready: it did not start.
            if log.read_line(&mut line).is_ok_and(|bytes| bytes == 0) || line.contains("Failed") {
                drop(signals);
                let _ = guardian.wait();
                return;
            }
        }
        self.running = Some(Running {
            guardian,
            signals,
            log,
        });
    }

    /// Kills it, and returns when it is gone.
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.signals);
            let _ = running.guardian.wait();
        }
    }

    /// Stops it in the middle of whatever it does: connections stay, and nothing answers.
    pub fn freeze(&mut self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.signal("CONT");
    }

    /// Forgets everything.
    pub fn flush(&self) {
        self.ask::<()>(&redis::cmd("FLUSHALL"));
    }

    /// What it knows under names that begin like this, with the names.
    pub fn entries(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let keys: Vec<String> = self.ask(redis::cmd("KEYS").arg(format!("{prefix}*")));
        let entries = keys.into_iter().map(|key| {
            let value = self.ask(redis::cmd("GET").arg(&key));
            (key, value)
        });
        entries.collect()
    }

    /// Puts something there, as an intruder would.
    pub fn plant(&self, name: &str, value: &[u8]) {
        self.ask::<()>(redis::cmd("SET").arg(name).arg(value));
    }

    fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        let client = redis::Client::open(self.url()).expect("an address");
        let mut connection = client.get_connection().expect("Redis answers");
        command.query(&mut connection).expect("Redis answers")
    }

    fn signal(&mut self, name: &str) {
        let running = self.running.as_mut().expect("it runs");
        writeln!(running.signals, "{name}").expect("the guardian reads");
        let mut line = String::new();
        while !line.starts_with("sent ") {
            line.clear();
            let read = running.log.read_line(&mut line);
            assert!(read.is_ok_and(|bytes| bytes > 0), "the guardian answers");
        }
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("it is bound").port()
}

fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    std::env::var(name).ok()
}
