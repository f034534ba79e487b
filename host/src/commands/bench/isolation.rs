//! What a run costs more when it runs in a process of its own.

use std::{sync::Arc, time::Instant};

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use vedette_core::SystemClock;
use vedette_egress::{Guard, Policy};
use vedette_sandbox::{
    Bytecode, Sandbox, SandboxOptions,
    process::{ProcessOptions, ProcessSandbox},
};

use super::{
    CONCURRENT, ROUNDS, RUNS, ensure_success, inputs, percentile, rounded, run_once, throughput,
};
use crate::wire::RUNNER_PROCESS;

/// Runs one after the other, here and there in turns, then as many as the machine can do.
pub(super) fn measure(
    single: &Runtime,
    several: &Runtime,
    sandbox: &Sandbox,
    bytecode: &Bytecode,
    figures: &mut Map<String, Value>,
) -> anyhow::Result<()> {
    let (here, there) = single.block_on(side_by_side(sandbox, bytecode))?;
    figures.insert("process_run_p50_us".to_owned(), rounded(there, 1));
    figures.insert(
        "process_isolation_extra_us".to_owned(),
        rounded(there - here, 1),
    );
    let threads = std::thread::available_parallelism()?.get();
    let isolated = several.block_on(start())?;
    let bytecode = bytecode.clone();
    let all = several.block_on(throughput(8 * threads, move || {
        let (isolated, bytecode) = (isolated.clone(), bytecode.clone());
        async move { run_isolated(&isolated, &bytecode).await }
    }))?;
    figures.insert("process_runs_per_second".to_owned(), json!(all.round()));
    Ok(())
}

async fn start() -> anyhow::Result<ProcessSandbox> {
    let options = SandboxOptions {
        max_concurrent_runs: CONCURRENT,
        cache: None,
        guard: Guard::new(Policy::default())?,
        clock: Arc::new(SystemClock),
    };
    ProcessSandbox::start(options, ProcessOptions::this_binary(RUNNER_PROCESS))
        .await
        .context("runner processes start")
}

/// Medians in microseconds.
async fn side_by_side(sandbox: &Sandbox, bytecode: &Bytecode) -> anyhow::Result<(f64, f64)> {
    let isolated = start().await?;
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        for _ in 0..RUNS {
            let began = Instant::now();
            run_once(sandbox, bytecode).await?;
            here.push(began.elapsed());
        }
        for _ in 0..RUNS {
            let began = Instant::now();
            run_isolated(&isolated, bytecode).await?;
            there.push(began.elapsed());
        }
        if round == 0 {
            // To warm up.
            here.clear();
            there.clear();
        }
    }
    Ok((percentile(&mut here, 50), percentile(&mut there, 50)))
}

async fn run_isolated(sandbox: &ProcessSandbox, bytecode: &Bytecode) -> anyhow::Result<()> {
    ensure_success(&sandbox.run(bytecode, inputs()).await)
}
