//! How long a server takes from its start until it is ready, when it has started before.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use crate::config;

const PATIENCE: Duration = Duration::from_mins(1);

/// Milliseconds, median of five, of this very binary.
pub(crate) fn warm_ms() -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    start_and_stop(folder.path())?;
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(start_and_stop(folder.path())?);
    }
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f64() * 1_000.0)
}

/// Ends the process whatever happens.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_and_stop(folder: &Path) -> anyhow::Result<Duration> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let began = Instant::now();
    let mut command = Command::new(std::env::current_exe()?);
    config::remove_settings(&mut command);
    let child = command
        .args(["serve", "--listen", &address.to_string(), "--data-dir"])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("the server starts")?;
    let _server = Server(child);
    while began.elapsed() < PATIENCE {
        if is_ready(address) {
            return Ok(began.elapsed());
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    bail!("the server was not ready within {} s", PATIENCE.as_secs())
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream
            .write_all(b"GET /health/ready HTTP/1.1\r\nhost: local\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
