//! Private memory of a run that waits for its target.

use std::{net::TcpListener, sync::Arc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, json};
use tokio::time::Instant;
use vedette_sandbox::{RunInputs, Sandbox};

use super::PARKED;

const SCRIPT: &str = "export default async ({ params }) => {\n  const r = await fetch(params.url);\n  \
    return { success: r.ok };\n};";

/// KiB of private memory that each of a thousand runs adds while it waits, sockets and tasks of
/// this process included.
pub(crate) async fn private_kib(sandbox: &Sandbox) -> anyhow::Result<f64> {
    let bytecode = sandbox.compile(SCRIPT).await?;
    // A server that takes connections and says nothing. It is told apart by its thread: what it
    // holds is in the kernel.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    let taken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = taken.clone();
    let server = std::thread::spawn(move || {
        let mut held = Vec::with_capacity(2 * PARKED);
        for stream in listener.incoming().take(2 * PARKED) {
            held.extend(stream.ok());
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let park = |count: usize| {
        let (sandbox, bytecode, url) = (sandbox.clone(), bytecode.clone(), url.clone());
        (0..count)
            .map(|_| {
                let (sandbox, bytecode) = (sandbox.clone(), bytecode.clone());
                let mut params = Map::new();
                params.insert("url".to_owned(), json!(url));
                tokio::spawn(async move {
                    sandbox
                        .run(
                            &bytecode,
                            RunInputs {
                                params,
                                ..RunInputs::default()
                            },
                        )
                        .await
                })
            })
            .collect::<Vec<_>>()
    };
    let before = private_bytes()?;
    let runs = park(PARKED);
    let deadline = Instant::now() + Duration::from_secs(20);
    while taken.load(std::sync::atomic::Ordering::Relaxed) < PARKED {
        ensure!(
            Instant::now() < deadline,
            "not all runs reached their fetch"
        );
        tokio::time::sleep_until(Instant::now() + Duration::from_millis(5)).await;
    }
    let after = private_bytes()?;
    for run in &runs {
        run.abort();
    }
    for run in runs {
        // Cancelled, as told.
        drop(run.await);
    }
    // The thread ends with the process; it holds nothing but sockets.
    drop(server);
    #[expect(clippy::cast_precision_loss, reason = "bytes of one process")]
    let kib = after.saturating_sub(before) as f64 / 1024.0;
    #[expect(clippy::cast_precision_loss, reason = "a thousand")]
    Ok(kib / PARKED as f64)
}

/// `Private_Dirty` and `Private_Clean` of this process.
fn private_bytes() -> anyhow::Result<u64> {
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
