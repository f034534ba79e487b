//! Private memory of runs that wait for their target.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, json};
use tokio::{net::TcpSocket, time::Instant};
use vedette_core::{SourceLanguage, SystemClock};
use vedette_egress::{Guard, Policy};
use vedette_sandbox::{RunInputs, Sandbox, SandboxOptions};

const SCRIPT: &str = "export default async ({ params }) => {\n  const r = await fetch(params.url);\n  \
    return { success: r.ok };\n};";

/// Connections that one listener is asked to keep waiting: what Linux grants at most by default.
const BACKLOG: usize = 4096;

const PATIENCE: Duration = Duration::from_mins(2);

/// Bytes of private memory that so many runs add while all of them wait, sockets and tasks of this
/// process included. A sandbox of their own: what an earlier run left in its place is not theirs.
pub(crate) async fn private_bytes_of(count: usize) -> anyhow::Result<u64> {
    let policy = Policy {
        allow: vec!["127.0.0.0/8".parse()?],
        ..Policy::default()
    };
    let sandbox = Sandbox::new(SandboxOptions {
        max_concurrent_runs: count,
        cache: None,
        guard: Guard::new(policy)?,
        clock: Arc::new(SystemClock),
    })?;
    let bytecode = sandbox.compile(SCRIPT, SourceLanguage::JavaScript).await?;
    // Servers that never accept: the kernel takes the connections for them, so that this process
    // holds one side only.
    let mut listeners = Vec::new();
    for _ in 0..count.div_ceil(BACKLOG / 2) {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        listeners.push(socket.listen(u32::try_from(BACKLOG)?)?);
    }
    let addresses = listeners
        .iter()
        .map(tokio::net::TcpListener::local_addr)
        .collect::<Result<Vec<_>, _>>()?;
    let before = private_bytes()?;
    let runs: Vec<_> = (0..count)
        .map(|number| {
            let (sandbox, bytecode) = (sandbox.clone(), bytecode.clone());
            let address = addresses[number % addresses.len()];
            let mut params = Map::new();
            params.insert("url".to_owned(), json!(format!("http://{address}/")));
            tokio::spawn(async move {
                let inputs = RunInputs {
                    params,
                    ..RunInputs::default()
                };
                sandbox.run(&bytecode, inputs).await
            })
        })
        .collect();
    let deadline = Instant::now() + PATIENCE;
    while established(&addresses)? < count {
        ensure!(
            Instant::now() < deadline,
            "{} of {count} runs reached their fetch",
            established(&addresses)?
        );
        if let Some(ended) = runs.iter().position(tokio::task::JoinHandle::is_finished) {
            bail!("run {ended} ended instead of waiting");
        }
        tokio::time::sleep_until(Instant::now() + Duration::from_millis(20)).await;
    }
    let after = private_bytes()?;
    for run in &runs {
        run.abort();
    }
    for run in runs {
        // Cancelled, as told.
        drop(run.await);
    }
    Ok(after.saturating_sub(before))
}

/// Connections to these addresses that stand, by the kernel's table.
fn established(addresses: &[SocketAddr]) -> anyhow::Result<usize> {
    const ESTABLISHED: &str = "01";
    let ports: Vec<_> = addresses
        .iter()
        .map(|address| format!(":{:04X}", address.port()))
        .collect();
    let table = std::fs::read_to_string("/proc/self/net/tcp").context("this needs Linux")?;
    // Number, local address, remote address, state.
    let to_us = table.lines().filter(|line| {
        let mut words = line.split_whitespace().skip(2);
        let remote = words.next().unwrap_or_default();
        words.next() == Some(ESTABLISHED) && ports.iter().any(|port| remote.ends_with(port))
    });
    Ok(to_us.count())
}

/// `Private_Dirty` and `Private_Clean` of this process.
pub(super) fn private_bytes() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").context("this needs Linux")?;
    let mut kib = 0;
    for line in text.lines().filter(|line| line.starts_with("Private_")) {
        let Some(number) = line.split_whitespace().nth(1) else {
            bail!("{line}")
        };
        kib += number.parse::<u64>()?;
    }
    Ok(kib * 1024)
}
