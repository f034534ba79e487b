//! The same script in V8, a fresh isolate for each run, by the package `isolated-vm` of npm.

use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::{SCRIPT, rounded};
use crate::cli::complain;

const PROGRAM: &str = include_str!("isolated_vm.js");

/// Puts the median and its ratio among the figures; where Node or the package is missing, says what
/// to install.
pub(super) fn measure(
    sandboxed_p50_us: f64,
    figures: &mut Map<String, Value>,
) -> anyhow::Result<()> {
    let mut node = Command::new("node");
    node.args(["--no-node-snapshot", "-e", PROGRAM, SCRIPT])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let p50 = match node.output() {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8(output.stdout)?;
            Some(text.trim().parse::<f64>().context("what Node answered")?)
        }
        _ => {
            complain(
                "isolated-vm is left out: it needs Node and its package, where Node finds it \
                 (`npm install isolated-vm@5` in this folder)",
            );
            None
        }
    };
    figures.insert(
        "isolated_vm_run_p50_us".to_owned(),
        p50.map_or(Value::Null, |p50| rounded(p50, 1)),
    );
    figures.insert(
        "ratio_isolated_vm_over_sandboxed".to_owned(),
        p50.map_or(json!(null), |p50| rounded(p50 / sandboxed_p50_us, 2)),
    );
    Ok(())
}
