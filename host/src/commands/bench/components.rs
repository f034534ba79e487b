//! Uploaded components: a whole run against a target without a network, and the time from the bytes
//! to a component that can run.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, ensure};
use serde_json::{Map, Value, json};
use vedette_core::SystemClock;
use vedette_sandbox::component::{LoadedComponent, inspect};

use super::{ensure_success, inputs, percentile, rounded};
use crate::components::compile;

/// One request, a line of log, a verdict: in Rust, and in JavaScript by componentize-qjs.
const RUST: &[u8] = include_bytes!("../../../crates/sandbox/tests/golden/v0.1.0/rust.wasm");
const QJS: &[u8] = include_bytes!("../../../crates/sandbox/tests/golden/v0.1.0/qjs.wasm");

const RUNS: usize = 4_000;
/// For those that bring a large runtime.
const MOST_TIME: Duration = Duration::from_secs(5);

/// Those two, and whatever files are given.
pub(super) async fn measure(
    files: &[PathBuf],
    figures: &mut Map<String, Value>,
) -> anyhow::Result<()> {
    measure_one("rust_component", RUST, figures).await?;
    measure_one("qjs_component", QJS, figures).await?;
    for file in files {
        let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        measure_one(&name, &bytes, figures)
            .await
            .with_context(|| file.display().to_string())?;
    }
    Ok(())
}

async fn measure_one(
    name: &str,
    bytes: &[u8],
    figures: &mut Map<String, Value>,
) -> anyhow::Result<()> {
    let began = Instant::now();
    inspect(bytes).map_err(|refusal| anyhow!(refusal.message))?;
    let inspected = began.elapsed();
    let artifact = compile(bytes)
        .await
        .map_err(|refusal| anyhow!(refusal.message))?;
    let component = LoadedComponent::load(&artifact).map_err(|refusal| anyhow!(refusal.message))?;
    let ready = began.elapsed();
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let began_run = Instant::now();
        let outcome = component.run_on_stub(Arc::new(SystemClock), inputs()).await;
        times.push(began_run.elapsed());
        ensure_success(&outcome)?;
        if began.elapsed() > ready + MOST_TIME {
            break;
        }
    }
    ensure!(!times.is_empty(), "no run");
    let ms = |time: Duration| rounded(time.as_secs_f64() * 1_000.0, 1);
    let mut tell = |what: &str, value: Value| figures.insert(format!("{name}_{what}"), value);
    tell("bytes", json!(bytes.len()));
    tell("native_bytes", json!(artifact.bytes().len()));
    tell("inspect_ms", ms(inspected));
    tell("ready_ms", ms(ready));
    tell("run_p50_us", rounded(percentile(&mut times, 50), 1));
    tell("run_p99_us", rounded(percentile(&mut times, 99), 1));
    Ok(())
}
