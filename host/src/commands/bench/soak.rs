//! Whether memory grows with the number of runs.

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use vedette_sandbox::{Bytecode, Sandbox};

use super::{parked::private_bytes, rounded, run_once};

const RUNS: usize = 1_000_000;
const STEP: usize = 100_000;

/// A million runs, and the slope of the process's private memory over them.
pub(super) fn measure(
    runtime: &Runtime,
    sandbox: &Sandbox,
    bytecode: &Bytecode,
    figures: &mut Map<String, Value>,
) -> anyhow::Result<()> {
    let mut points = Vec::new();
    // Warms up.
    runtime.block_on(some_runs(sandbox, bytecode))?;
    for _ in 0..RUNS / STEP {
        runtime.block_on(some_runs(sandbox, bytecode))?;
        #[expect(clippy::cast_precision_loss, reason = "bytes of one process")]
        points.push(private_bytes()? as f64 / (1024.0 * 1024.0));
    }
    figures.insert("soak_runs".to_owned(), json!(RUNS));
    let slope = slope(&points).context("enough points")?;
    figures.insert("soak_mib_per_100000_runs".to_owned(), rounded(slope, 3));
    Ok(())
}

async fn some_runs(sandbox: &Sandbox, bytecode: &Bytecode) -> anyhow::Result<()> {
    for _ in 0..STEP {
        run_once(sandbox, bytecode).await?;
    }
    Ok(())
}

/// Least squares over points at 0, 1, 2, …
fn slope(points: &[f64]) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a few points")]
    let count = points.len() as f64;
    let mean_x = (count - 1.0) / 2.0;
    let mean_y = points.iter().sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for (at, y) in (0u32..).zip(points) {
        let x = f64::from(at) - mean_x;
        above += x * (y - mean_y);
        below += x * x;
    }
    (below > 0.0).then_some(above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_found() {
        assert_eq!(slope(&[1.0, 3.0, 5.0]), Some(2.0));
        assert_eq!(slope(&[4.0, 4.0]), Some(0.0));
        assert_eq!(slope(&[4.0]), None);
    }
}
