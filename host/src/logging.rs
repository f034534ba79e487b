//! The log, on standard error.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::{Log, LogFormat};

/// Starts logging. Once a process.
pub(crate) fn start(config: &Log) -> anyhow::Result<()> {
    // A line of its own at each start and each tick tells nobody anything.
    let directives = format!("tokio_cron_scheduler=warn,{}", config.level);
    let filter = EnvFilter::try_new(directives)
        .with_context(|| format!("log.level `{}` is not a filter", config.level))?;
    let is_terminal = std::io::stderr().is_terminal();
    let is_json = match config.format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Pretty => false,
        LogFormat::Json => true,
    };
    let layer = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal);
    let registry = tracing_subscriber::registry().with(filter);
    if is_json {
        registry.with(layer.json()).try_init()
    } else {
        registry.with(layer).try_init()
    }
    .context("the log cannot be started")
}
