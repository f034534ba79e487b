//! Tasks of the developers: `cargo xtask engine`, `cargo xtask tidy`.

mod engine;
mod guest;
mod rehearsal;
mod snapshot;
mod standalone;
mod tidy;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Tasks of Vedette's developers")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the guests that the host carries, and write their prebuilt/.
    Engine {
        /// Compare with the committed files, write nothing.
        #[arg(long)]
        check: bool,
        /// One of them: `ts-strip`, `js-engine` or `js-standalone`.
        #[arg(long)]
        only: Option<String>,
    },
    /// Check the rules that the compiler does not know: imports, bans, files that belong together.
    Tidy,
}

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(3)
        .context("xtask lies in host/crates/xtask")?;
    match Arguments::parse().task {
        Task::Engine { check, only } => engine::engine(root, check, only.as_deref()),
        Task::Tidy => {
            let found = tidy::tidy(root)?;
            if found.is_empty() {
                Ok(())
            } else {
                bail!("not tidy:\n{}", found.join("\n"))
            }
        }
    }
}
